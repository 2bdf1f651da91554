// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A group and a container with what a test has to know of them, on top of st_group.c.
 *
 * As everywhere here the functions return 0, or what they say, or a negative errno.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "st_container.h"

static int find_edu(char bdf[PCI_BDF_SIZE])
{
	static const struct pci_match match = {
		.class = PCI_ANY, .vendor = EDU_VENDOR, .device = EDU_DEVICE
	};

	return pci_find(&match, bdf);
}

/* Without an IOMMU the group is one of VFIO's own, with a node that says so. */
static int find_noiommu(struct st_group *group)
{
	struct dirent *entry;
	DIR *dir = opendir("/dev/vfio");

	while (dir && !group->is_noiommu && (entry = readdir(dir)))
		group->is_noiommu = sscanf(entry->d_name, "noiommu-%d", &group->number) == 1;
	if (dir)
		closedir(dir);
	return group->is_noiommu ? 0 : -ENODEV;
}

/* Give a device to VFIO and say which group it is in; nothing is opened. */
int st_group_find(struct st_group *group, enum st_device kind)
{
	static const struct pci_match nvme = {
		.class = 0x0108, .vendor = PCI_ANY, .device = PCI_ANY
	};
	char node[PCI_NAME_SIZE];
	int rc;

	*group = (struct st_group) { .fd = -1 };
	rc = kind == ST_NVME ? pci_find(&nvme, group->bdf) : find_edu(group->bdf);
	if (rc)
		return rc;
	if (pci_disk_is_in_use(group->bdf, node))
		return -EBUSY;
	rc = pci_give_to_vfio(group->bdf);
	if (rc || !find_noiommu(group))
		return rc;
	group->number = pci_iommu_group(group->bdf);
	return group->number < 0 ? group->number : 0;
}

/* A group of two devices that the IOMMU cannot tell apart; both are given to VFIO. */
int st_group_find_pair(struct st_group *group, char second[PCI_BDF_SIZE])
{
	int rc;

	*group = (struct st_group) { .fd = -1 };
	rc = st_find_pair(group->bdf, second);
	if (rc)
		return rc;
	group->number = pci_iommu_group(group->bdf);
	return pci_give_to_vfio(group->bdf) ?: pci_give_to_vfio(second);
}

/* The group of a mediated device; its name for GET_DEVICE_FD is the UUID. */
int st_group_of_mdev(struct st_group *group, const struct st_mdev *mdev)
{
	char device[96], node[ST_NODE_SIZE];
	int rc;

	*group = (struct st_group) { .fd = -1 };
	snprintf(device, sizeof(device), "/sys/bus/mdev/devices/%s", mdev->uuid);
	rc = st_group_node(device, node);
	if (rc)
		return rc;
	return sscanf(node, "/dev/vfio/%d", &group->number) == 1 ? 0 : -ENODEV;
}

int st_group_open(struct st_group *group)
{
	char node[32];

	snprintf(node, sizeof(node), "/dev/vfio/%s%d", group->is_noiommu ? "noiommu-" : "",
		 group->number);
	group->fd = open(node, O_RDWR | O_CLOEXEC);
	return group->fd < 0 ? -errno : 0;
}

void st_group_close(struct st_group *group)
{
	close(group->fd);
	group->fd = -1;
}

int st_group_join(const struct st_group *group, int container)
{
	return st_set_container(group->fd, container);
}

int st_group_leave(const struct st_group *group)
{
	return st_unset_container(group->fd);
}

/* Return: a file descriptor of the device. */
int st_group_device(const struct st_group *group, const char *name)
{
	return st_get_group_device(group->fd, name);
}

/* Return: VFIO_GROUP_FLAGS_*. */
int st_group_status(const struct st_group *group)
{
	return st_get_group_status(group->fd);
}

/* A container without groups. */
int st_container_open(struct st_container *c, const char *node)
{
	memset(c, 0, sizeof(*c));
	c->group.fd = -1;
	c->env.dev.fd = -1;
	c->env.is_container = true;
	st_counters(&c->env.before);
	c->fd = open(node, O_RDWR | O_CLOEXEC);
	c->env.iommufd = c->fd;
	return c->fd < 0 ? -errno : 0;
}

/* Put the group of a device in. */
int st_container_join(struct st_container *c, enum st_device kind)
{
	int rc = st_group_find(&c->group, kind);

	if (!rc)
		rc = st_group_open(&c->group);
	return rc ?: st_group_join(&c->group, c->fd);
}

int st_container_set(const struct st_container *c, unsigned long type)
{
	return st_set_iommu(c->fd, type);
}

int st_container_extension(const struct st_container *c, unsigned long extension)
{
	return st_call(c->fd, VFIO_CHECK_EXTENSION, (void *)extension);
}

/* Open the group's first device, as env.dev. */
int st_container_device(struct st_container *c)
{
	int fd = st_group_device(&c->group, c->group.bdf);

	if (fd < 0)
		return fd;
	snprintf(c->env.dev.bdf, PCI_BDF_SIZE, "%s", c->group.bdf);
	c->env.dev.fd = fd;
	return 0;
}

/* The same, and have it ready for DMA. */
int st_container_edu(struct st_container *c)
{
	return st_container_device(c) ?: st_edu_start(&c->env);
}
