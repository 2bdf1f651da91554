// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO devices in debugfs.
 *
 *	/sys/kernel/debug/vfio/<device>/		a registered device
 *	/sys/kernel/debug/vfio/<device>/migration/	if it can migrate
 *		state		name of its migration state
 *		features	what its migration can do, one word a line
 *
 * Drivers add directories of their own below @debug_root of their device, and to
 * its migration directory.  Documentation/ABI/testing/debugfs-vfio has it all.
 *
 * No locks: debugfs waits for readers when it removes a file.  Calls nothing of
 * the other rooms.  Nothing here can fail; what debugfs refuses is not there,
 * and without CONFIG_VFIO_DEBUGFS nothing is.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/array_size.h>
#include <linux/debugfs.h>
#include <linux/kconfig.h>
#include <linux/seq_file.h>
#include <linux/vfio.h>

#include "debugfs.h"

static struct dentry *debugfs_vfio_dir;

static const char * const mig_state_names[] = {
	[VFIO_DEVICE_STATE_ERROR] = "ERROR",
	[VFIO_DEVICE_STATE_STOP] = "STOP",
	[VFIO_DEVICE_STATE_RUNNING] = "RUNNING",
	[VFIO_DEVICE_STATE_STOP_COPY] = "STOP_COPY",
	[VFIO_DEVICE_STATE_RESUMING] = "RESUMING",
	[VFIO_DEVICE_STATE_RUNNING_P2P] = "RUNNING_P2P",
	[VFIO_DEVICE_STATE_PRE_COPY] = "PRE_COPY",
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "PRE_COPY_P2P",
};

static_assert(ARRAY_SIZE(mig_state_names) == VFIO_DEVICE_STATE_NR);

static int state_show(struct seq_file *seq, void *unused)
{
	struct vfio_device *device = seq->private;
	enum vfio_device_mig_state state;
	int rc;

	rc = device->mig_ops->migration_get_state(device, &state);
	if (rc)
		return rc;

	if ((unsigned int)state < ARRAY_SIZE(mig_state_names))
		seq_printf(seq, "%s\n", mig_state_names[state]);
	else
		seq_puts(seq, "Invalid\n");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

static int features_show(struct seq_file *seq, void *unused)
{
	static const struct {
		unsigned int flag;
		const char *name;
	} features[] = {
		{ VFIO_MIGRATION_STOP_COPY, "stop-copy" },
		{ VFIO_MIGRATION_P2P, "p2p" },
		{ VFIO_MIGRATION_PRE_COPY, "pre-copy" },
	};
	struct vfio_device *device = seq->private;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(features); i++)
		if (device->migration_flags & features[i].flag)
			seq_printf(seq, "%s\n", features[i].name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(features);

/**
 * vfio_device_debugfs_init - Show a device in debugfs
 * @vdev: A device that is being registered; its @debug_root is set
 *
 * Context: May sleep.  Before the driver can add files of its own.
 */
void vfio_device_debugfs_init(struct vfio_device *vdev)
{
	struct dentry *migration;

	if (!IS_ENABLED(CONFIG_VFIO_DEBUGFS))
		return;

	vdev->debug_root = debugfs_create_dir(dev_name(vdev->dev),
					      debugfs_vfio_dir);
	if (!vdev->mig_ops)
		return;

	migration = debugfs_create_dir("migration", vdev->debug_root);
	debugfs_create_file("state", 0444, migration, vdev, &state_fops);
	debugfs_create_file("features", 0444, migration, vdev, &features_fops);
}

/**
 * vfio_device_debugfs_exit - Take a device out of debugfs
 * @vdev: A device that is being unregistered; it may never have been shown
 *
 * When it returns, no reader is left.
 *
 * Context: May sleep.
 */
void vfio_device_debugfs_exit(struct vfio_device *vdev)
{
	debugfs_remove_recursive(vdev->debug_root);
	vdev->debug_root = NULL;
}

/**
 * vfio_debugfs_create_root - Make the directory that all devices appear in
 *
 * Context: Module initialisation, before any device can be registered.
 */
void __init vfio_debugfs_create_root(void)
{
	if (!IS_ENABLED(CONFIG_VFIO_DEBUGFS))
		return;

	debugfs_vfio_dir = debugfs_create_dir("vfio", NULL);
}

/**
 * vfio_debugfs_remove_root - Remove it again
 *
 * Context: Module exit; no device is registered any more.
 */
void vfio_debugfs_remove_root(void)
{
	debugfs_remove_recursive(debugfs_vfio_dir);
	debugfs_vfio_dir = NULL;
}
