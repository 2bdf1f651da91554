// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The calls of DPDK and of QEMU, one after the other as these programs make
 * them, with the sizes and orders that are theirs, and data through the devices.
 *
 * Both were traced on a kernel with the type1 driver: DPDK 25.11, QEMU 11.1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "st_table.h"

/* DPDK asks for room for all its vectors and the eventfds behind the header. */
#define DPDK_MAX_INTR	513
#define DPDK_IRQ_ARGSZ	(sizeof(struct vfio_irq_set) + DPDK_MAX_INTR * sizeof(__s32))

#define SEGMENTS	4u
#define CHUNK		EDU_BUFFER_SIZE

FIXTURE(use)
{
	struct st_container c;
	struct st_group disk;
	int disk_fd;
};

FIXTURE_VARIANT(use)
{
	const char *node;
};

FIXTURE_VARIANT_ADD(use, vfio)
{
	.node = ST_CONTAINER_NODE,
};

FIXTURE_VARIANT_ADD(use, iommufd)
{
	.node = ST_IOMMUFD_NODE,
};

FIXTURE_SETUP(use)
{
	self->disk_fd = -1;
	if (st_find_server(variant->node) < 0)
		SKIP(return, "no container");
	if (st_group_find(&self->c.group, ST_EDU) || st_group_find(&self->disk, ST_NVME))
		SKIP(return, "the machine has no edu device or no free NVMe disk");
	ASSERT_EQ(0, st_container_open(&self->c, variant->node));
	ASSERT_EQ(0, st_group_find(&self->c.group, ST_EDU));
}

FIXTURE_TEARDOWN(use)
{
	if (self->disk_fd >= 0)
		close(self->disk_fd);
	if (self->disk.fd >= 0)
		st_group_close(&self->disk);
	if (self->c.group.fd >= 0)
		st_group_close(&self->c.group);
	EXPECT_EQ(0, st_env_close(&self->c.env));
}

/*
 * The heap's huge pages, each of which becomes one mapping. With iova = va they have
 * to be in edu's reach; something of the program may lie there already.
 */
static unsigned char *dpdk_heap(void)
{
	uintptr_t at;
	void *heap;

	for (at = 64 * ST_MIB; at < 192 * ST_MIB; at += 16 * ST_MIB) {
		heap = mmap((void *)at, SEGMENTS * ST_HUGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			    MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
		if (heap != MAP_FAILED)
			return heap;
	}
	return NULL;
}

static int map_segment(int fd, unsigned char *heap, unsigned int i)
{
	unsigned char *at = heap + i * ST_HUGE;

	return st_dma_map(fd, ST_DMA_RW, at, ST_HUGE, (uintptr_t)at);
}

static int unmap_segment(int fd, unsigned char *heap, unsigned int i)
{
	__u64 size = ST_HUGE;
	int rc = st_dma_unmap(fd, 0, (uintptr_t)(heap + i * ST_HUGE), &size);

	return rc ?: size != ST_HUGE;
}

/* One eventfd in a structure with room for all that there could be. */
static int set_irq(int fd, unsigned int index, __u32 argsz, int event)
{
	[[gnu::aligned(8)]] unsigned char room[DPDK_IRQ_ARGSZ] = {};
	struct vfio_irq_set *set = (void *)room;

	set->argsz = argsz;
	set->flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	set->index = index;
	set->count = 1;
	memcpy(set->data, &event, sizeof(event));
	return st_call(fd, VFIO_DEVICE_SET_IRQS, set);
}

/* As DPDK finds out which type of container there is. */
static void dpdk_probe(struct __test_metadata *_metadata, struct _test_data_use *self)
{
	struct st_container *c = &self->c;

	ASSERT_EQ(VFIO_API_VERSION, st_call(c->fd, VFIO_GET_API_VERSION, NULL));
	EXPECT_EQ(1, st_container_extension(c, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(0, st_container_extension(c, VFIO_SPAPR_TCE_v2_IOMMU));
	EXPECT_LE(0, st_container_extension(c, VFIO_NOIOMMU_IOMMU));
	ASSERT_EQ(0, st_group_open(&c->group));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_group_status(&c->group));
	ASSERT_EQ(0, st_group_join(&c->group, c->fd));
	ASSERT_EQ(0, st_container_set(c, VFIO_TYPE1_IOMMU));
}

TEST_F_TIMEOUT(use, dpdk, ST_TIMEOUT)
{
	unsigned char *heap = dpdk_heap();
	struct st_container *c = &self->c;
	unsigned int i;

	if (!heap)
		SKIP(return, "no huge pages");
	dpdk_probe(_metadata, self);
	for (i = 0; i < SEGMENTS - 1; i++)
		ASSERT_EQ(0, map_segment(c->fd, heap, i));
	ASSERT_EQ(0, st_container_edu(c));

	/* The second device's group comes into the container as it runs. */
	ASSERT_EQ(0, st_group_open(&self->disk));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_group_status(&self->disk));
	ASSERT_EQ(0, st_group_join(&self->disk, c->fd));
	self->disk_fd = st_group_device(&self->disk, self->disk.bdf);
	ASSERT_LE(0, self->disk_fd);
	EXPECT_EQ(0, set_irq(self->disk_fd, VFIO_PCI_MSIX_IRQ_INDEX, DPDK_IRQ_ARGSZ,
			     eventfd(0, EFD_CLOEXEC)));
	EXPECT_EQ(0, set_irq(self->disk_fd, VFIO_PCI_REQ_IRQ_INDEX,
			     sizeof(struct vfio_irq_set) + sizeof(int),
			     eventfd(0, EFD_CLOEXEC)));

	/* The heap grows, and shrinks in an order of its own. */
	ASSERT_EQ(0, map_segment(c->fd, heap, SEGMENTS - 1));
	st_fill(heap + 3 * ST_HUGE, 5, CHUNK);
	EXPECT_EQ(0, st_device_sees(&c->env, (uintptr_t)heap + 3 * ST_HUGE, heap + 3 * ST_HUGE,
				    CHUNK));
	EXPECT_EQ(0, st_device_fills(&c->env, (uintptr_t)heap + ST_HUGE, 6, CHUNK));
	EXPECT_TRUE(st_filled(heap + ST_HUGE, 6, CHUNK));
	EXPECT_EQ(0, unmap_segment(c->fd, heap, 2));
	EXPECT_EQ(0, unmap_segment(c->fd, heap, 0));
	EXPECT_EQ(0, unmap_segment(c->fd, heap, 3));
	EXPECT_EQ(0, st_device_sees(&c->env, (uintptr_t)heap + ST_HUGE, heap + ST_HUGE, CHUNK));
	/* The last one stays mapped, and the program ends. */
}

static int dpdk_dies(void *argument)
{
	struct st_container c;
	unsigned char *heap = dpdk_heap();
	unsigned int i;

	if (!heap || st_container_open(&c, argument) || st_container_join(&c, ST_EDU) ||
	    st_container_set(&c, VFIO_TYPE1_IOMMU))
		return 1;
	for (i = 0; i < SEGMENTS; i++)
		if (map_segment(c.fd, heap, i))
			return 2;
	return st_container_edu(&c) ? 3 : 0;
}

/* Killed or not, the next one starts at once. */
TEST_F_TIMEOUT(use, dpdk_again_and_again, ST_TIMEOUT)
{
	int i;

	for (i = 0; i < 4; i++)
		EXPECT_EQ(0, st_in_child(dpdk_dies, (void *)variant->node));
}

struct qemu_ram {
	unsigned char *va;
	__u64 size;
	__u64 iova;
	__u32 flags;
};

static int qemu_map(int fd, const struct qemu_ram *ram, unsigned int count)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < count; i++)
		rc = st_dma_map(fd, ram[i].flags, ram[i].va, ram[i].size, ram[i].iova);
	return rc;
}

static int qemu_unmap(int fd, const struct qemu_ram *ram, unsigned int count)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < count; i++) {
		__u64 size = ram[i].size;

		rc = st_dma_unmap(fd, 0, ram[i].iova, &size);
		if (!rc && size != ram[i].size)
			rc = -EBADMSG;
	}
	return rc;
}

/* First 24 bytes, then what the answer says; 0 when the ranges are in it. */
static int qemu_info(int fd)
{
	[[gnu::aligned(8)]] unsigned char room[ST_INFO_ROOM] = {};
	struct vfio_iommu_type1_info *info = (void *)room;
	__u32 size;
	int rc;

	info->argsz = sizeof(*info);
	rc = st_call(fd, VFIO_IOMMU_GET_INFO, info);
	size = info->argsz;
	if (rc || size <= sizeof(*info) || size > sizeof(room) || info->cap_offset)
		return rc ?: -EPROTO;
	memset(room, 0, sizeof(room));
	info->argsz = size;
	rc = st_call(fd, VFIO_IOMMU_GET_INFO, info);
	return rc ?: info->argsz == size && info->cap_offset &&
	       info->flags == (VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS) ? 0 : -EPROTO;
}

static void qemu_start(struct __test_metadata *_metadata, struct _test_data_use *self)
{
	struct st_container *c = &self->c;

	ASSERT_EQ(0, st_group_open(&c->group));
	ASSERT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_group_status(&c->group));
	ASSERT_EQ(VFIO_API_VERSION, st_call(c->fd, VFIO_GET_API_VERSION, NULL));
	ASSERT_EQ(1, st_container_extension(c, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ(0, st_group_join(&c->group, c->fd));
	ASSERT_EQ(0, st_container_set(c, VFIO_TYPE1v2_IOMMU));
	EXPECT_LE(0, st_container_extension(c, VFIO_UPDATE_VADDR));
	EXPECT_EQ(1, st_container_extension(c, VFIO_UNMAP_ALL));
	EXPECT_EQ(0, qemu_info(c->fd));
}

/* BARs go through the container by their address, and come out without an error. */
static void qemu_bar(struct __test_metadata *_metadata, struct _test_data_use *self,
		     int server)
{
	struct vfio_bar *bar = &self->c.env.edu.bar;
	__u64 size = bar->size;
	int rc = st_dma_map(self->c.fd, ST_DMA_RW, bar->base, bar->size, 0xfe000000);

	EXPECT_EQ(server == ST_TYPE1 || server == ST_OURS ? 0 : -EFAULT, rc);
	EXPECT_EQ(0, st_dma_unmap(self->c.fd, 0, 0xfe000000, &size));
	EXPECT_EQ(rc ? 0 : bar->size, size);
}

TEST_F_TIMEOUT(use, qemu, ST_TIMEOUT)
{
	unsigned char *memory = st_memory(32 * ST_MIB), *rom = st_memory(ST_MIB);
	const struct qemu_ram ram[] = {
		{ memory, 0xa0000, 0, ST_DMA_RW },
		{ rom, 128 * ST_KIB, 0xc0000, ST_DMA_R },
		{ memory + ST_MIB, 31 * ST_MIB, ST_MIB, ST_DMA_RW },
	};
	struct st_container *c = &self->c;
	int i;

	qemu_start(_metadata, self);
	ASSERT_EQ(0, qemu_map(c->fd, ram, ARRAY_SIZE(ram)));
	ASSERT_EQ(0, st_container_edu(c));
	EXPECT_EQ(0, vfio_reset(&c->env.dev));
	EXPECT_EQ(0, vfio_enable_dma(&c->env.dev));
	qemu_bar(_metadata, self, st_find_server(variant->node));

	/* The firmware changes what is memory and what is not, again and again. */
	for (i = 0; i < 5; i++) {
		EXPECT_EQ(0, qemu_unmap(c->fd, ram, ARRAY_SIZE(ram)));
		ASSERT_EQ(0, qemu_map(c->fd, ram, ARRAY_SIZE(ram)));
	}
	st_fill(memory + 2 * ST_MIB, 7, CHUNK);
	EXPECT_EQ(0, st_device_sees(&c->env, 2 * ST_MIB, memory + 2 * ST_MIB, CHUNK));
	ASSERT_EQ(0, st_device_fills(&c->env, 0xc0000, 8, CHUNK));
	EXPECT_FALSE(st_filled(rom, 8, CHUNK));

	/* Unplug: the device first, then the memory, then the group. */
	EXPECT_EQ(0, munmap(c->env.edu.bar.base, c->env.edu.bar.size));
	c->env.edu.bar.base = NULL;
	vfio_close(&c->env.dev);
	EXPECT_EQ(0, qemu_unmap(c->fd, ram, ARRAY_SIZE(ram)));
	EXPECT_EQ(0, st_dma_mapped(c->fd));
	EXPECT_EQ(0, st_group_leave(&c->group));
}

TEST_HARNESS_MAIN
