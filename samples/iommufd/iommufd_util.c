// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The calls of /dev/iommu that a user-space driver needs, one function each.
 *
 * Every call follows one pattern: a structure whose first member is its own
 * size, everything that is not used left 0, and ioctl() on the file descriptor
 * of /dev/iommu. Objects (address spaces, devices, page tables) are named by
 * IDs which have a meaning only together with that file descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "iommufd_util.h"

#define REFUSED_KEY	"refused:"

/* ioctl() with the error in the return value instead of errno. */
static int call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/**
 * iommufd_open() - Open /dev/iommu
 *
 * Whatever is made through the descriptor lives until it is closed.
 *
 * Return: the file descriptor; -ENOENT without iommufd in the kernel, -EACCES
 * without permission.
 */
int iommufd_open(void)
{
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/**
 * ioas_alloc() - Make an empty I/O address space
 * @iommufd: /dev/iommu
 * @ioas: set to the ID of the new IOAS
 *
 * Return: 0 or -errno.
 */
int ioas_alloc(int iommufd, __u32 *ioas)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc = call(iommufd, IOMMU_IOAS_ALLOC, &cmd);

	if (!rc)
		*ioas = cmd.out_ioas_id;
	return rc;
}

/**
 * ioas_iova_ranges() - Ask which I/O addresses may be mapped
 * @iommufd: /dev/iommu
 * @ioas: address space to ask
 * @out: filled in
 *
 * The answer gets narrower with each device that is attached, because every
 * device brings the limits of its IOMMU and its reserved windows.
 *
 * Return: 0; -EMSGSIZE when there are more than IOVA_RANGES_MAX ranges.
 */
int ioas_iova_ranges(int iommufd, __u32 ioas, struct iova_ranges *out)
{
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = IOVA_RANGES_MAX,
		.allowed_iovas = (uintptr_t)out->range,
	};
	int rc = call(iommufd, IOMMU_IOAS_IOVA_RANGES, &cmd);

	if (rc)
		return rc;
	out->count = cmd.num_iovas;
	out->alignment = cmd.out_iova_alignment;
	return 0;
}

static int map_user_memory(int iommufd, struct iommu_ioas_map *cmd)
{
	cmd->size = sizeof(*cmd);
	cmd->flags |= IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE;
	return call(iommufd, IOMMU_IOAS_MAP, cmd);
}

/**
 * ioas_map() - Let devices reach a piece of memory, at an address of the kernel's choice
 * @iommufd: /dev/iommu
 * @ioas: address space to map into
 * @va: first byte of the memory, aligned to a page
 * @length: bytes, a multiple of the page size
 * @iova: set to the address by which devices reach @va
 *
 * The pages stay pinned until they are unmapped.
 *
 * Return: 0; -ENOMEM over RLIMIT_MEMLOCK; -ENOSPC when there is no room;
 * -EFAULT when @va is no memory.
 */
int ioas_map(int iommufd, __u32 ioas, void *va, size_t length, __u64 *iova)
{
	struct iommu_ioas_map cmd = {
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = length,
	};
	int rc = map_user_memory(iommufd, &cmd);

	if (!rc)
		*iova = cmd.iova;
	return rc;
}

/**
 * ioas_map_at() - Let devices reach a piece of memory, at an address of our choice
 * @iommufd: /dev/iommu
 * @ioas: address space to map into
 * @va: first byte of the memory
 * @length: bytes
 * @iova: address by which devices shall reach @va
 *
 * Return: as ioas_map(); -EEXIST when something is mapped there; -EINVAL when
 * @iova is outside of what ioas_iova_ranges() tells.
 */
int ioas_map_at(int iommufd, __u32 ioas, void *va, size_t length, __u64 iova)
{
	struct iommu_ioas_map cmd = {
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = length,
		.iova = iova,
	};

	return map_user_memory(iommufd, &cmd);
}

/**
 * ioas_unmap() - Take memory away from the devices
 * @iommufd: /dev/iommu
 * @ioas: address space
 * @iova: first I/O address
 * @length: bytes
 *
 * Any number of whole mappings can go in one call. When it returns, no device
 * can reach the memory any more and the pages are not pinned any more.
 *
 * Return: 0; -ENOENT when nothing is mapped there or when a mapping would have
 * to be cut in two.
 */
int ioas_unmap(int iommufd, __u32 ioas, __u64 iova, __u64 length)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = length,
	};

	return call(iommufd, IOMMU_IOAS_UNMAP, &cmd);
}

/**
 * iommufd_hw_info() - Ask about the IOMMU in front of a device
 * @iommufd: /dev/iommu
 * @device_id: what binding the device gave
 * @hw: filled in
 *
 * Return: 0 or -errno.
 */
int iommufd_hw_info(int iommufd, __u32 device_id, struct iommu_hw *hw)
{
	struct iommu_hw_info cmd = {
		.size = sizeof(cmd),
		.dev_id = device_id,
		.data_len = sizeof(hw->data),
		.data_uptr = (uintptr_t)&hw->data,
	};
	int rc = call(iommufd, IOMMU_GET_HW_INFO, &cmd);

	if (rc)
		return rc;
	hw->type = cmd.out_data_type;
	hw->capabilities = cmd.out_capabilities;
	hw->pasid_bits = cmd.out_max_pasid_log2;
	return 0;
}

/**
 * iommufd_destroy() - Destroy an object
 * @iommufd: /dev/iommu
 * @id: its ID
 *
 * Return: 0; -EBUSY while something uses it; -ENOENT for an unknown ID.
 */
int iommufd_destroy(int iommufd, __u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return call(iommufd, IOMMU_DESTROY, &cmd);
}

/* The last line of our fdinfo for @fd that tells a refusal, "" if there is none. */
static void refusal_newest(int fd, char *out, size_t size)
{
	char path[64];
	char *line = NULL;
	size_t room = 0;
	FILE *f;

	*out = 0;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return;
	while (getline(&line, &room, f) > 0)
		if (!strncmp(line, REFUSED_KEY, strlen(REFUSED_KEY)))
			snprintf(out, size, "%s", line);
	free(line);
	fclose(f);
	out[strcspn(out, "\n")] = 0;
}

/**
 * refusal_mark() - Remember the newest refusal before trying something
 * @fd: /dev/iommu or a VFIO device
 * @mark: filled in
 */
void refusal_mark(int fd, struct refusal_mark *mark)
{
	refusal_newest(fd, mark->line, sizeof(mark->line));
}

/**
 * refusal_reason() - Read why the kernel refused
 * @fd: /dev/iommu or a VFIO device
 * @mark: taken with refusal_mark() before the call that failed
 * @out: filled in with the kernel's text
 * @size: bytes in @out
 *
 * An errno has to serve for many causes. The kernel keeps the last refusals of
 * each file with the numbers that decided them, and shows them in
 * /proc/PID/fdinfo/FD as "refused:" lines, the newest last.
 *
 * Return: 0; -ENODATA when the kernel has recorded nothing since @mark.
 */
int refusal_reason(int fd, const struct refusal_mark *mark, char *out, size_t size)
{
	char line[sizeof(mark->line)];
	const char *text = line + strlen(REFUSED_KEY);

	refusal_newest(fd, line, sizeof(line));
	if (!*line || !strcmp(line, mark->line))
		return -ENODATA;
	text += strspn(text, " \t");
	snprintf(out, size, "%s", text);
	return 0;
}
