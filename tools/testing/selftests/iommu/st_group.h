/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups and the container, as programs without /dev/iommu use them, call by call; and
 * the drivers of their devices.
 */
#ifndef ST_GROUP_H
#define ST_GROUP_H

#include <linux/types.h>

#include "pci_sysfs.h"

#define ST_CONTAINER_NODE	"/dev/vfio/vfio"
#define ST_NODE_SIZE		64

int st_group_node(const char *device, char node[ST_NODE_SIZE]);
int st_open_group(const char *bdf);
int st_get_group_status(int group);
int st_open_container(void);
int st_set_container(int group, int container);
int st_unset_container(int group);
int st_set_iommu(int container, unsigned long type);
int st_get_group_device(int group, const char *name);
int st_find_pair(char a[PCI_BDF_SIZE], char b[PCI_BDF_SIZE]);
int st_driver_unbind(const char *bdf);
int st_driver_bind(const char *bdf, const char *driver);

#endif
