// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Devices of the machine, and the state that a test starts from and has to come
 * back to.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_container.h"

static int find_device(enum st_device kind, char bdf[PCI_BDF_SIZE])
{
	static const struct pci_match edu = {
		.class = PCI_ANY, .vendor = EDU_VENDOR, .device = EDU_DEVICE
	};
	static const struct pci_match nvme = {
		.class = 0x0108, .vendor = PCI_ANY, .device = PCI_ANY
	};

	if (kind != ST_NVME && !pci_find(&edu, bdf))
		return 0;
	return kind == ST_EDU ? -ENODEV : pci_find(&nvme, bdf);
}

/**
 * st_device_open() - Give a device to vfio-pci and open its node
 * @dev: filled in; fd is -1 on failure
 * @kind: which one
 *
 * Return: 0; -ENODEV when the machine has none; -EBUSY when it is a disk that
 * is in use.
 */
int st_device_open(struct vfio_device *dev, enum st_device kind)
{
	char bdf[PCI_BDF_SIZE], node[PCI_NAME_SIZE];
	int rc = find_device(kind, bdf);

	dev->fd = -1;
	if (rc)
		return rc;
	if (pci_disk_is_in_use(bdf, node))
		return -EBUSY;
	rc = pci_give_to_vfio(bdf);
	if (!rc)
		rc = vfio_open(dev, bdf);
	if (rc)
		dev->fd = -1;
	return rc;
}

/* An iommufd, opened on this node, with one IOAS, no device. */
int st_env_open_node(struct st_env *env, const char *node)
{
	memset(env, 0, sizeof(*env));
	env->dev.fd = -1;
	st_counters(&env->before);
	env->iommufd = open(node, O_RDWR | O_CLOEXEC);
	if (env->iommufd < 0)
		return -errno;
	return ioas_alloc(env->iommufd, &env->ioas);
}

int st_env_open(struct st_env *env)
{
	return st_env_open_node(env, "/dev/iommu");
}

/* Open a device and bind it; it is not attached. */
int st_env_add_device(struct st_env *env, enum st_device kind)
{
	int rc = st_device_open(&env->dev, kind);

	if (rc)
		return rc;
	return vfio_bind(env->dev.fd, env->iommufd, &env->dev.id);
}

int st_env_open_attached(struct st_env *env, enum st_device kind)
{
	int rc = st_env_open(env);

	if (!rc)
		rc = st_env_add_device(env, kind);
	if (!rc)
		rc = vfio_attach(&env->dev, env->ioas);
	return rc;
}

/**
 * st_env_close() - Give everything back and look whether nothing is left
 * @env: the state; what is closed already has fd -1
 *
 * Return: 0; -EUCLEAN when pages stayed pinned or charged.
 */
int st_env_close(struct st_env *env)
{
	if (env->edu.bar.base)
		munmap(env->edu.bar.base, env->edu.bar.size);
	if (env->dev.fd >= 0)
		vfio_close(&env->dev);
	if (env->iommufd >= 0)
		close(env->iommufd);
	env->iommufd = -1;
	return st_counters_are(&env->before) ? 0 : -EUCLEAN;
}

/* Give registers back that were mapped from BAR 0: they keep the device open. */
int st_unmap_bar(struct vfio_device *dev, void *base)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	int rc = st_call(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &info);

	if (rc)
		return rc;
	return munmap(base, info.size) ? -errno : 0;
}

/* The part of the address space that the attached device reserves for MSIs. */
int st_msi_window(struct st_env *env, struct iommu_iova_range *window)
{
	__u64 first, last;
	int rc = pci_msi_window(env->dev.bdf, &first, &last);

	window->start = first;
	window->last = last;
	return rc;
}

/* The edu device of an attached environment, ready for DMA. */
int st_edu_start(struct st_env *env)
{
	int rc = edu_start(&env->edu, &env->dev);

	if (rc)
		return rc;
	env->desk = st_memory(st_page);
	return env->desk ? 0 : -ENOMEM;
}

static int map_desk(struct st_env *env, __u64 iova)
{
	if (env->is_container)
		return st_dma_map(env->iommufd, ST_DMA_RW, env->desk, st_page, iova);
	return st_map_at(env->iommufd, env->ioas, env->desk, st_page, iova);
}

static int unmap_desk(struct st_env *env, __u64 iova)
{
	__u64 size = st_page;

	if (env->is_container)
		return st_dma_unmap(env->iommufd, 0, iova, &size);
	return st_unmap(env->iommufd, env->ioas, iova, size);
}

/* Run one copy between the device's buffer and the desk, mapped meanwhile. */
static int desk_transfer(struct st_env *env,
			 int (*transfer)(struct edu *edu, __u64 iova, size_t length))
{
	const __u64 iova = EDU_IOVA_LIMIT - ST_MIB;
	int rc = map_desk(env, iova);
	int unmapped;

	if (rc)
		return rc;
	rc = transfer(&env->edu, iova, EDU_BUFFER_SIZE);
	unmapped = unmap_desk(env, iova);
	return rc ?: unmapped;
}

/**
 * st_device_sees() - Compare memory as the device sees it
 * @env: with a started edu
 * @iova: what the device reads
 * @expected: what it should find
 * @length: bytes, up to EDU_BUFFER_SIZE
 *
 * The device's buffer is wiped first, so that a read that the IOMMU stops
 * cannot look like one that worked.
 *
 * Return: 0; -EBADMSG when it found something else; the errno of a call that
 * should not have failed.
 */
int st_device_sees(struct st_env *env, __u64 iova, const void *expected, size_t length)
{
	int rc;

	memset(env->desk, ~*(const unsigned char *)expected, st_page);
	rc = desk_transfer(env, edu_read_memory);
	if (!rc)
		rc = edu_read_memory(&env->edu, iova, length);
	if (!rc)
		rc = desk_transfer(env, edu_write_memory);
	if (!rc && memcmp(env->desk, expected, length))
		rc = -EBADMSG;
	return rc;
}

/* Make the device write the pattern of @seed; st_filled() tells if it arrived. */
int st_device_fills(struct st_env *env, __u64 iova, unsigned char seed, size_t length)
{
	int rc;

	st_fill(env->desk, seed, length);
	rc = desk_transfer(env, edu_read_memory);
	if (rc)
		return rc;
	return edu_write_memory(&env->edu, iova, length);
}
