// SPDX-License-Identifier: GPL-2.0-only
/*
 * One address space for all mappings of a device.
 *
 * A driver must be able to take a BAR away from everybody who has it mapped,
 * for instance before a reset, with one unmap_mapping_range().  The device's
 * node in /dev can have many inodes, and a file that comes out of a group has
 * none of its own, so each device gets an inode on a file system that is
 * mounted nowhere, and every file of the device points its f_mapping there.
 *
 * Keeps no lock: the VFS counts the users of the mount, and the mount keeps
 * vfio.ko loaded.  Calls only the VFS.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#include "device_inode.h"

/* "VFIO" */
#define VFIO_FS_MAGIC	0x4f494656

static struct vfsmount *vfio_fs_mount;
static int vfio_fs_users;

static int vfio_fs_prepare(struct fs_context *fc)
{
	if (!init_pseudo(fc, VFIO_FS_MAGIC))
		return -ENOMEM;
	return 0;
}

static struct file_system_type vfio_fs = {
	.owner = THIS_MODULE,
	.name = "vfio",
	.kill_sb = kill_anon_super,
	.init_fs_context = vfio_fs_prepare,
};

/**
 * vfio_inode_new - Make the inode of a new device
 *
 * Context: May sleep.
 * Return: the inode, to be given back with vfio_inode_put(), or an ERR_PTR:
 * -ENOMEM, or whatever the VFS refuses the mount with.
 */
struct inode *vfio_inode_new(void)
{
	struct inode *inode;
	int rc;

	rc = simple_pin_fs(&vfio_fs, &vfio_fs_mount, &vfio_fs_users);
	if (rc)
		return ERR_PTR(rc);

	inode = alloc_anon_inode(vfio_fs_mount->mnt_sb);
	if (IS_ERR(inode))
		simple_release_fs(&vfio_fs_mount, &vfio_fs_users);
	return inode;
}

/**
 * vfio_inode_put - Give a device's inode back
 * @inode: what vfio_inode_new() returned; no file refers to it any more
 *
 * Context: May sleep.
 */
void vfio_inode_put(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&vfio_fs_mount, &vfio_fs_users);
}
