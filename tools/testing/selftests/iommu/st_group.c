// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups and the container, call by call on file descriptors, and the drivers of a group's
 * devices.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_group.h"

/**
 * st_group_node() - Tell the node of a device's group
 * @device: the device's folder in sysfs
 * @node: filled in
 *
 * Return: 0; -ENODEV when the device is in no group.
 */
int st_group_node(const char *device, char node[ST_NODE_SIZE])
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t length;
	int number;

	snprintf(path, sizeof(path), "%s/iommu_group", device);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return -ENODEV;
	target[length] = 0;
	number = atoi(strrchr(target, '/') + 1);

	snprintf(node, ST_NODE_SIZE, "/dev/vfio/noiommu-%d", number);
	if (access(node, F_OK))
		snprintf(node, ST_NODE_SIZE, "/dev/vfio/%d", number);
	return 0;
}

/* Open the group of a PCI device; returns the descriptor. */
int st_open_group(const char *bdf)
{
	char device[PATH_MAX], node[ST_NODE_SIZE];
	int fd, rc;

	snprintf(device, sizeof(device), "/sys/bus/pci/devices/%s", bdf);
	rc = st_group_node(device, node);
	if (rc)
		return rc;
	fd = open(node, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* VFIO_GROUP_FLAGS_*, or a negative errno. */
int st_get_group_status(int group)
{
	struct vfio_group_status status = { .argsz = sizeof(status), .flags = ~0u };
	int rc = st_call(group, VFIO_GROUP_GET_STATUS, &status);

	return rc ?: (int)status.flags;
}

int st_open_container(void)
{
	int fd = open(ST_CONTAINER_NODE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int st_set_container(int group, int container)
{
	return st_call(group, VFIO_GROUP_SET_CONTAINER, &container);
}

int st_unset_container(int group)
{
	return st_call(group, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

int st_set_iommu(int container, unsigned long type)
{
	return st_call(container, VFIO_SET_IOMMU, (void *)type);
}

/* Returns the descriptor of the device. */
int st_get_group_device(int group, const char *name)
{
	return st_call(group, VFIO_GROUP_GET_DEVICE_FD, (void *)name);
}

static bool is_edu(const char *bdf)
{
	unsigned int vendor = 0, device = 0;
	char line[320];
	FILE *f;

	snprintf(line, sizeof(line), "/sys/bus/pci/devices/%s/uevent", bdf);
	f = fopen(line, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "PCI_ID=%x:%x", &vendor, &device) == 2)
			break;
	if (f)
		fclose(f);
	return vendor == EDU_VENDOR && device == EDU_DEVICE;
}

/**
 * st_find_pair() - Find two edu devices that share an isolation group
 * @a: PCI address of one
 * @b: PCI address of the other
 *
 * Return: 0; -ENODEV when the machine has no such pair.
 */
int st_find_pair(char a[PCI_BDF_SIZE], char b[PCI_BDF_SIZE])
{
	char found[16][PCI_BDF_SIZE];
	unsigned int n = 0, i, j;
	struct dirent *entry;
	DIR *dir = opendir("/sys/bus/pci/devices");

	while (dir && n < 16 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_edu(entry->d_name))
			snprintf(found[n++], PCI_BDF_SIZE, "%.15s", entry->d_name);
	if (dir)
		closedir(dir);
	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			if (pci_iommu_group(found[i]) == pci_iommu_group(found[j])) {
				memcpy(a, found[i], PCI_BDF_SIZE);
				memcpy(b, found[j], PCI_BDF_SIZE);
				return 0;
			}
	return -ENODEV;
}

static int write_sysfs(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return rc;
}

/* Take the driver away from a device; nothing happens when it has none. */
int st_driver_unbind(const char *bdf)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", bdf);
	return access(path, F_OK) ? 0 : write_sysfs(path, bdf);
}

/* Bind a device that has no driver to this one. */
int st_driver_bind(const char *bdf, const char *driver)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", bdf);
	rc = write_sysfs(path, driver);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", driver);
	return write_sysfs(path, bdf);
}
