// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups and containers: the calls that programs for type1 make.
 *
 * As everywhere here the functions return 0, or what they say, or a negative errno.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
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

/* Another edu device of the same group, which lies behind the same bridge. */
static int find_neighbour(const char *bdf, char second[PCI_BDF_SIZE])
{
	char path[96];
	struct dirent *entry;
	int rc = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group/devices", bdf);
	dir = opendir(path);
	while (dir && rc && (entry = readdir(dir))) {
		/* The bridge itself is in the group too. */
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, bdf) ||
		    strncmp(entry->d_name, bdf, sizeof("0000:00") - 1))
			continue;
		snprintf(second, PCI_BDF_SIZE, "%.15s", entry->d_name);
		rc = 0;
	}
	if (dir)
		closedir(dir);
	return rc;
}

/* A group of two devices that the IOMMU cannot tell apart; both are given to VFIO. */
int st_group_find_pair(struct st_group *group, char second[PCI_BDF_SIZE])
{
	struct dirent *entry;
	DIR *dir = opendir("/sys/bus/pci/devices");
	int rc = -ENODEV;

	*group = (struct st_group) { .fd = -1 };
	while (dir && rc && (entry = readdir(dir))) {
		/* Buses but the first are behind a bridge, and only edu's is conventional. */
		if (entry->d_name[0] == '.' || !strncmp(entry->d_name, "0000:00", 7))
			continue;
		snprintf(group->bdf, PCI_BDF_SIZE, "%.15s", entry->d_name);
		rc = find_neighbour(group->bdf, second);
	}
	if (dir)
		closedir(dir);
	if (rc)
		return rc;
	group->number = pci_iommu_group(group->bdf);
	return pci_give_to_vfio(group->bdf) ?: pci_give_to_vfio(second);
}

/* The group of a mediated device; its name for GET_DEVICE_FD is the UUID. */
int st_group_of_mdev(struct st_group *group, const struct st_mdev *mdev)
{
	char path[128], link[128] = {};
	const char *slash;

	*group = (struct st_group) { .fd = -1 };
	snprintf(path, sizeof(path), "/sys/bus/mdev/devices/%s/iommu_group", mdev->uuid);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		return -errno;
	slash = strrchr(link, '/');
	return slash && sscanf(slash, "/%d", &group->number) == 1 ? 0 : -ENODEV;
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
	return st_call(group->fd, VFIO_GROUP_SET_CONTAINER, &container);
}

int st_group_leave(const struct st_group *group)
{
	return st_call(group->fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
}

/* Return: a file descriptor of the device. */
int st_group_device(const struct st_group *group, const char *name)
{
	return st_call(group->fd, VFIO_GROUP_GET_DEVICE_FD, (void *)name);
}

/* Return: VFIO_GROUP_FLAGS_*. */
int st_group_status(const struct st_group *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	return st_call(group->fd, VFIO_GROUP_GET_STATUS, &status) ?: (int)status.flags;
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
	return st_call(c->fd, VFIO_SET_IOMMU, (void *)type);
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

int st_dma_map(int fd, __u32 flags, const void *va, __u64 size, __u64 iova)
{
	struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map), .flags = flags };

	map.vaddr = (uintptr_t)va;
	map.iova = iova;
	map.size = size;
	return st_call(fd, VFIO_IOMMU_MAP_DMA, &map);
}

/* @size: in and out, as the call has it. */
int st_dma_unmap(int fd, __u32 flags, __u64 iova, __u64 *size)
{
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .flags = flags };
	int rc;

	unmap.iova = iova;
	unmap.size = *size;
	rc = st_call(fd, VFIO_IOMMU_UNMAP_DMA, &unmap);
	*size = unmap.size;
	return rc;
}

/* Start or stop the log of dirty pages. */
int st_dma_dirty(int fd, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = flags,
	};

	return st_call(fd, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

int st_dma_dirty_get(int fd, __u64 iova, __u64 size, __u64 *bitmap, size_t bytes)
{
	struct st_dirty get = {
		.head.argsz = sizeof(get),
		.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.iova = iova,
		.size = size,
		.bitmap.pgsize = st_page,
		.bitmap.size = bytes,
		.bitmap.data = (uintptr_t)bitmap,
	};

	return st_call(fd, VFIO_IOMMU_DIRTY_PAGES, &get);
}

/*
 * One capability. Structures of the user API that have a hole before a 64-bit
 * member are laid out differently by a 32-bit compiler, so offsets are the
 * kernel's.
 */
static void read_capability(struct st_info *info, const unsigned char *cap)
{
	__u32 word;

	memcpy(&word, cap + 8, sizeof(word));
	switch (info->id[info->caps]) {
	case VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE:
		info->ranges = word < IOVA_RANGES_MAX ? word : IOVA_RANGES_MAX;
		memcpy(info->range, cap + 16, info->ranges * sizeof(*info->range));
		break;
	case VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION:
		memcpy(&info->dirty_pgsizes, cap + 16, 8);
		memcpy(&info->dirty_max, cap + 24, 8);
		break;
	case VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL:
		info->avail = word;
		break;
	}
}

/* Return: 0; -EPROTO when the chain of capabilities leads out of the buffer. */
int st_dma_info(int fd, struct st_info *info)
{
	[[gnu::aligned(8)]] unsigned char room[ST_INFO_ROOM] = {};
	struct vfio_iommu_type1_info *head = (void *)room;
	struct vfio_info_cap_header cap;
	__u32 at;
	int rc;

	memset(info, 0, sizeof(*info));
	head->argsz = sizeof(room);
	rc = st_call(fd, VFIO_IOMMU_GET_INFO, room);
	if (rc)
		return rc;
	info->argsz = head->argsz;
	info->flags = head->flags;
	info->pgsizes = head->iova_pgsizes;
	info->cap_offset = head->cap_offset;
	if (!(info->flags & VFIO_IOMMU_INFO_CAPS))
		return 0;
	for (at = info->cap_offset; at; at = cap.next) {
		if (at + 32 > sizeof(room) || info->caps == ARRAY_SIZE(info->id))
			return -EPROTO;
		memcpy(&cap, room + at, sizeof(cap));
		info->id[info->caps] = cap.id;
		read_capability(info, room + at);
		info->caps++;
	}
	return 0;
}

/* How many bytes are mapped; they are unmapped by asking. */
long long st_dma_mapped(int fd)
{
	__u64 size = 0;
	int rc = st_dma_unmap(fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size);

	return rc ?: (long long)size;
}
