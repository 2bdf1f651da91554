// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The calls under test, with nothing checked on the way.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "iommu_selftest.h"

/* ioctl() with the error in the result instead of errno. */
int st_call(int fd, unsigned long request, void *argument)
{
	int rc = ioctl(fd, request, argument);

	return rc < 0 ? -errno : rc;
}

/* @iova: in with ST_FIXED, out always; may be NULL when neither is wanted. */
int st_map(int fd, __u32 ioas, __u32 flags, const void *va, __u64 length, __u64 *iova)
{
	struct iommu_ioas_map map = { .size = sizeof(map), .flags = flags, .ioas_id = ioas };
	int rc;

	map.user_va = (uintptr_t)va;
	map.length = length;
	map.iova = iova ? *iova : 0;
	rc = st_call(fd, IOMMU_IOAS_MAP, &map);
	if (iova)
		*iova = map.iova;
	return rc;
}

/* Readable and writable, at a place of the caller's choice. */
int st_map_at(int fd, __u32 ioas, const void *va, __u64 length, __u64 iova)
{
	return st_map(fd, ioas, ST_RW | ST_FIXED, va, length, &iova);
}

int st_map_file(int fd, __u32 ioas, __u32 flags, int file, __u64 start, __u64 length,
		__u64 *iova)
{
	struct iommu_ioas_map_file map = { .size = sizeof(map), .flags = flags, .ioas_id = ioas };
	int rc;

	map.fd = file;
	map.start = start;
	map.length = length;
	map.iova = iova ? *iova : 0;
	rc = st_call(fd, IOMMU_IOAS_MAP_FILE, &map);
	if (iova)
		*iova = map.iova;
	return rc;
}

int st_copy(int fd, struct iommu_ioas_copy *copy)
{
	copy->size = sizeof(*copy);
	return st_call(fd, IOMMU_IOAS_COPY, copy);
}

int st_unmap(int fd, __u32 ioas, __u64 iova, __u64 length)
{
	return ioas_unmap(fd, ioas, iova, length);
}

/* @length: bytes that had been mapped; may be NULL. */
int st_unmap_all(int fd, __u32 ioas, __u64 *length)
{
	struct iommu_ioas_unmap unmap = {
		.length = ST_MAX,
		.ioas_id = ioas,
		.size = sizeof(unmap),
	};
	int rc = st_call(fd, IOMMU_IOAS_UNMAP, &unmap);

	if (length)
		*length = unmap.length;
	return rc;
}

int st_option_set(int fd, __u32 option, __u32 object, __u64 value)
{
	struct iommu_option cmd = { .op = IOMMU_OPTION_OP_SET, .size = sizeof(cmd) };

	cmd.object_id = object;
	cmd.option_id = option;
	cmd.val64 = value;
	return st_call(fd, IOMMU_OPTION, &cmd);
}

int st_option_get(int fd, __u32 option, __u32 object, __u64 *value)
{
	struct iommu_option cmd = { .op = IOMMU_OPTION_OP_GET, .size = sizeof(cmd) };
	int rc;

	cmd.object_id = object;
	cmd.option_id = option;
	rc = st_call(fd, IOMMU_OPTION, &cmd);
	*value = cmd.val64;
	return rc;
}

int st_allow(int fd, __u32 ioas, struct iommu_iova_range *ranges, __u32 count)
{
	struct iommu_ioas_allow_iovas allow = { .num_iovas = count, .size = sizeof(allow) };

	allow.ioas_id = ioas;
	allow.allowed_iovas = (uintptr_t)ranges;
	return st_call(fd, IOMMU_IOAS_ALLOW_IOVAS, &allow);
}

int st_change_process(int fd)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd) };

	return st_call(fd, IOMMU_IOAS_CHANGE_PROCESS, &cmd);
}

int st_attach(int device_fd, __u32 pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = { .pt_id = pt_id, .argsz = sizeof(cmd) };

	return st_call(device_fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

int st_detach(int device_fd)
{
	struct vfio_device_detach_iommufd_pt cmd = { .argsz = sizeof(cmd) };

	return st_call(device_fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

/* Tell the first interrupt of an index which eventfd belongs to @action; -1: none. */
int st_set_irq(int device_fd, __u32 index, __u32 action, int event)
{
	struct {
		struct vfio_irq_set set;
		__s32 event;
	} cmd = {
		.set = {
			.argsz = sizeof(cmd),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD | action,
			.index = index,
			.count = 1,
		},
		.event = event,
	};

	return st_call(device_fd, VFIO_DEVICE_SET_IRQS, &cmd);
}
