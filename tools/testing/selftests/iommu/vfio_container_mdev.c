// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups of emulated devices, whose drivers pin what they use: such a device
 * has no page table, and nothing is pinned when it is mapped.
 *
 * Needs the kernel's sample mtty. See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)
#define UUID		"b7c0de1a-0002-4e5f-8a9b-000000000002"

static struct st_mdev mdev;

static void open_group(struct st_trial *t, struct st_group *group)
{
	int rc = st_group_of_mdev(group, &mdev) ?: st_group_open(group);

	if (rc)
		st_give_up(t, "no group of the mdev", rc);
}

/* A container with the mdev's group alone. */
static void prepare(struct st_trial *t)
{
	int rc;

	open_group(t, &t->c.group);
	rc = st_group_join(&t->c.group, t->c.fd) ?: st_container_set(&t->c, t->type);
	if (rc)
		st_give_up(t, "cannot set", rc);
}

static void status(struct st_trial *t)
{
	open_group(t, &t->c.group);
	st_say_rc(t, st_group_status(&t->c.group));
}

static void extensions(struct st_trial *t)
{
	unsigned long i;

	prepare(t);
	for (i = 0; i <= 11; i++)
		if (st_container_extension(&t->c, i) > 0)
			st_say(t, "%lu", i);
}

static void info(struct st_trial *t)
{
	struct st_info info;
	unsigned int i;

	prepare(t);
	st_say_rc(t, st_dma_info(t->c.fd, &info));
	st_say(t, "page sizes 0x%llx", info.pgsizes);
	for (i = 0; i < info.caps; i++)
		st_say(t, "cap %u", info.id[i]);
	for (i = 0; i < info.ranges; i++)
		st_say(t, "0x%llx-0x%llx", (unsigned long long)info.range[i].start,
		       (unsigned long long)info.range[i].last);
}

static void device(struct st_trial *t)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd;

	prepare(t);
	fd = st_group_device(&t->c.group, mdev.uuid);
	st_say_rc(t, fd < 0 ? fd : 0);
	st_say_rc(t, st_call(fd, VFIO_DEVICE_GET_INFO, &info));
	st_say_rc(t, st_group_leave(&t->c.group));
	close(fd);
	st_say_rc(t, st_group_leave(&t->c.group));
}

static void map(struct st_trial *t)
{
	prepare(t);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void map_nothing(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));

	munmap(memory, PAGES(4));
	prepare(t);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void cut(struct st_trial *t)
{
	__u64 size = PAGES(2);

	prepare(t);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	st_say_size(t, "size", size);
	st_say_size(t, "left", st_dma_mapped(t->c.fd));
}

/* Addresses that a driver may be using cannot be taken away. */
static void update_vaddr(struct st_trial *t)
{
	__u64 size = PAGES(4);

	prepare(t);
	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA);
	st_say_rc(t, st_container_extension(&t->c, VFIO_UPDATE_VADDR));
	st_say_rc(t, st_dma_unmap(t->c.fd, VFIO_DMA_UNMAP_FLAG_VADDR, ST_IOVA, &size));
}

static void dirty(struct st_trial *t)
{
	__u64 bits = 0;

	prepare(t);
	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA);
	st_say_rc(t, st_dma_dirty(t->c.fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	st_say_rc(t, st_dma_dirty_get(t->c.fd, ST_IOVA, PAGES(4), &bits, sizeof(bits)));
	st_say(t, "0x%llx", (unsigned long long)bits);
}

/* Everything is pinned when a device that does DMA by itself comes. */
static void joined_by_device(struct st_trial *t)
{
	struct st_group edu;

	prepare(t);
	st_be_limited(t, ST_MIB);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
	st_say_rc(t, st_group_find(&edu, ST_EDU) ?: st_group_open(&edu));
	st_say_rc(t, st_group_join(&edu, t->c.fd));
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
	st_say_rc(t, st_group_leave(&edu));
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void joined_by_device_cannot(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));
	struct st_group edu;

	munmap(memory, PAGES(4));
	prepare(t);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_find(&edu, ST_EDU) ?: st_group_open(&edu));
	st_say_rc(t, st_group_join(&edu, t->c.fd));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

/* The mdev's group joins a container that edu's is in. */
static void joins(struct st_trial *t)
{
	struct st_group group;
	int fd;

	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	open_group(t, &group);
	st_say_rc(t, st_group_join(&group, t->c.fd));
	fd = st_group_device(&group, mdev.uuid);
	st_say_rc(t, fd < 0 ? fd : 0);
	close(fd);
	st_say_rc(t, st_group_leave(&group));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

/* It need not be open for that. */
static void joins_and_rules_out(struct st_trial *t)
{
	__u64 size = PAGES(4);
	struct st_group group;

	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	open_group(t, &group);
	st_say_rc(t, st_group_join(&group, t->c.fd));
	st_say_rc(t, st_container_extension(&t->c, VFIO_UPDATE_VADDR));
	st_say_rc(t, st_dma_unmap(t->c.fd, VFIO_DMA_UNMAP_FLAG_VADDR, ST_IOVA, &size));
	st_say_rc(t, st_group_leave(&group));
	st_say_rc(t, st_container_extension(&t->c, VFIO_UPDATE_VADDR));
}

static const struct st_row rows[] = {
	{ "GET_STATUS", status, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "1" },
	{ "all extensions", extensions, .from = ST_FROM_OPEN,
	  .type1 = "1, 3, 4, 9", .shim = "1, 3, 4, 8, 9" },
	{ "GET_INFO", info, .from = ST_FROM_OPEN,
	  .type1 = "0, page sizes 0xfffffffffffff000, cap 2, cap 3",
	  .shim = "0, page sizes 0xfffffffffffff000, cap 3, cap 1, 0x0-0xffffffffffffffff",
	  .ours = "0, page sizes 0xfffffffffffff000, cap 2, cap 3, cap 1, 0x0-0xffffffffffffffff",
	  .why = "the ranges are there without a page table, too" },
	{ "GET_DEVICE_FD, GET_INFO, UNSET_CONTAINER, closed, again", device,
	  .from = ST_FROM_OPEN,
	  .type1 = "0, 0, EBUSY, 0", .shim = "0, 0, 0, EINVAL" },
	{ "MAP", map, .from = ST_FROM_OPEN,
	  .type1 = "0, VmLck 0, mapped 4p" },
	{ "MAP of no memory", map_nothing, .from = ST_FROM_OPEN,
	  .type1 = "0, mapped 4p" },
	{ "UNMAP of half a mapping", cut, .from = ST_FROM_OPEN, .types = ST_V1,
	  .type1 = "0, 0, size 4p, left 0", .shim = "0, 0, size 2p, left 2p" },
	{ "UNMAP of half a mapping", cut, .from = ST_FROM_OPEN, .types = ST_V2,
	  .type1 = "0, EINVAL, size 2p, left 4p", .shim = "0, ENOENT, size 0, left 4p" },
	{ "UPDATE_VADDR: extension, UNMAP with VADDR", update_vaddr, .from = ST_FROM_OPEN,
	  .type1 = "0, EBUSY", .shim = "0, EINVAL" },
	{ "DIRTY_PAGES START, GET_BITMAP of 4 pages", dirty, .from = ST_FROM_OPEN,
	  .types = ST_V2,
	  .type1 = "0, 0, 0x0", .shim = "ENOTTY, ENOTTY, 0x0" },
	{ "MAP, edu's group joins, leaves", joined_by_device, .from = ST_FROM_OPEN,
	  .type1 = "0, VmLck 0, 0, 0, VmLck 4p, 0, VmLck 0, mapped 4p",
	  .shim = "0, VmLck 0, 0, 0, VmLck 0, 0, VmLck 0, mapped 4p" },
	{ "MAP of no memory, edu's group joins", joined_by_device_cannot, .from = ST_FROM_OPEN,
	  .type1 = "0, 0, EFAULT, mapped 4p", .shim = "0, 0, 0, mapped 4p" },
	{ "joins edu's container", joins,
	  .type1 = "0, 0, 0, 0, mapped 4p" },
	{ "joins edu's container: extension, UNMAP with VADDR; leaves, extension",
	  joins_and_rules_out,
	  .type1 = "0, 0, 0, EBUSY, 0, 1", .shim = "0, 0, 0, EINVAL, 0, 0" },
};

static const struct st_section sections[] = {
	ST_SECTION("Emulated devices (mdev)", rows),
};

static void remove_mdev(void)
{
	st_mdev_remove(&mdev);
}

int main(int argc, char **argv)
{
	/* Rows are processes that end without this. */
	if (argc < 2 && !st_mdev_create(&mdev, "mtty", UUID))
		atexit(remove_mdev);
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
