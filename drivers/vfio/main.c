// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio.ko: the start and the end.
 *
 * Keeps no lock.  May call every room.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/init.h>
#include <linux/iommufd_device_memory.h>
#include <linux/module.h>

#include "debugfs.h"
#include "device_file.h"
#include "device_node.h"
#include "group.h"
#include "noiommu.h"
#include "virqfd.h"

/* The nodes of groups and of devices: both or none. */
static int __init vfio_init_nodes(void)
{
	int rc;

	rc = vfio_group_init();
	if (rc)
		return rc;

	rc = vfio_nodes_init(&vfio_device_fops);
	if (rc)
		vfio_group_exit();
	return rc;
}

/* What has to be there before the first device. */
static int __init vfio_init_rooms(void)
{
	int rc;

	rc = vfio_virqfd_init();
	if (rc)
		return rc;

	rc = vfio_init_nodes();
	if (rc)
		vfio_virqfd_exit();
	return rc;
}

static int __init vfio_init(void)
{
	int rc;

	rc = vfio_init_rooms();
	if (rc) {
		vfio_noiommu_exit();
		return rc;
	}
	iommufd_device_memory_set_fops(&vfio_device_fops);
	vfio_debugfs_create_root();
	return 0;
}

static void __exit vfio_exit(void)
{
	vfio_debugfs_remove_root();
	iommufd_device_memory_set_fops(NULL);
	vfio_nodes_exit();
	vfio_group_exit();
	vfio_virqfd_exit();
	vfio_noiommu_exit();
}

module_init(vfio_init);
module_exit(vfio_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The iommufd overlay authors");
MODULE_DESCRIPTION("VFIO: device drivers in user space");
