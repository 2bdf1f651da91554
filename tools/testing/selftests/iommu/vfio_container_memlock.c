// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Locked memory: what a mapping counts, against which limit, and when it stops.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)
#define LIMIT		PAGES(16)	/* of RLIMIT_MEMLOCK */

static int map(struct st_trial *t, unsigned int pages, __u64 iova)
{
	return st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(pages)), PAGES(pages), iova);
}

static int unmap_all(struct st_trial *t)
{
	return st_dma_mapped(t->c.fd) < 0;
}

/* More than any row needs, but a limit. */
static void be_limited(struct st_trial *t)
{
	st_be_limited(t, 64 * ST_MIB);
}

static void say_locked(struct st_trial *t)
{
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
}

static void one(struct st_trial *t)
{
	st_say_rc(t, map(t, 4, ST_IOVA));
	say_locked(t);
	unmap_all(t);
	say_locked(t);
}

static void one_limited(struct st_trial *t)
{
	be_limited(t);
	one(t);
}

static void one_pinned(struct st_trial *t)
{
	st_say_rc(t, map(t, 4, ST_IOVA));
	st_say_size(t, "VmPin", st_vm_pin() * 1024);
	unmap_all(t);
	st_say_size(t, "VmPin", st_vm_pin() * 1024);
}

static void same_memory_twice(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));

	be_limited(t);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), 2 * ST_IOVA));
	say_locked(t);
}

static void read_only(struct st_trial *t)
{
	be_limited(t);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_R, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	say_locked(t);
}

static void of_memfd(struct st_trial *t)
{
	void *memory = mmap(NULL, PAGES(4), PROT_READ | PROT_WRITE, MAP_SHARED,
			    st_memfd(PAGES(4), 0), 0);

	be_limited(t);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
	say_locked(t);
}

static void of_hugetlbfs(struct st_trial *t)
{
	void *memory = st_huge_memory(ST_HUGE);

	be_limited(t);
	if (!memory)
		st_give_up(t, "no huge page", -ENOMEM);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, ST_HUGE, ST_IOVA));
	say_locked(t);
}

static void of_bar(struct st_trial *t)
{
	struct vfio_bar *bar = &t->c.env.edu.bar;

	st_be_limited(t, LIMIT);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, bar->base, bar->size, ST_IOVA));
	say_locked(t);
}

static void at_the_limit(struct st_trial *t)
{
	st_be_limited(t, LIMIT);
	st_say_rc(t, map(t, 16, ST_IOVA));
	st_say_rc(t, map(t, 1, 2 * ST_IOVA));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
	st_say_rc(t, map(t, 16, ST_IOVA));
}

static void over_the_limit(struct st_trial *t)
{
	st_be_limited(t, LIMIT);
	st_say_rc(t, map(t, 17, ST_IOVA));
	say_locked(t);
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

/* mlock() counts as well. */
static void with_mlock(struct st_trial *t)
{
	st_be_limited(t, LIMIT);
	st_say_rc(t, mlock(st_memory(PAGES(8)), PAGES(8)) ? -errno : 0);
	st_say_rc(t, map(t, 8, ST_IOVA));
	st_say_rc(t, map(t, 1, 2 * ST_IOVA));
	st_say_rc(t, mlock(st_memory(PAGES(1)), PAGES(1)) ? -errno : 0);
	say_locked(t);
}

static void of_mlocked(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));

	be_limited(t);
	st_say_rc(t, mlock(memory, PAGES(4)) ? -errno : 0);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
	say_locked(t);
}

/* A file mapped after the capability was given up, and the other way round. */
static void capability_dropped_later(struct st_trial *t)
{
	st_say_rc(t, map(t, 32, ST_IOVA));
	st_be_limited(t, LIMIT);
	st_say_rc(t, map(t, 1, 2 * ST_IOVA));
	say_locked(t);
	unmap_all(t);
	st_say_rc(t, map(t, 16, ST_IOVA));
}

static void group_leaves(struct st_trial *t)
{
	be_limited(t);
	st_say_rc(t, map(t, 4, ST_IOVA));
	st_say_rc(t, st_group_leave(&t->c.group));
	say_locked(t);
}

static void group_closed(struct st_trial *t)
{
	be_limited(t);
	st_say_rc(t, map(t, 4, ST_IOVA));
	st_group_close(&t->c.group);
	say_locked(t);
}

static void container_closed(struct st_trial *t)
{
	be_limited(t);
	st_say_rc(t, map(t, 4, ST_IOVA));
	close(t->c.fd);
	say_locked(t);
	st_group_close(&t->c.group);
	say_locked(t);
}

static int child_maps(void *argument)
{
	struct st_trial *t = argument;

	return map(t, 4, 2 * ST_IOVA) || st_vm_lck() != 16;
}

static int child_maps_for_good(void *argument)
{
	struct st_trial *t = argument;

	return map(t, 4, 2 * ST_IOVA) ? 1 : 0;
}

static int child_unmaps(void *argument)
{
	return unmap_all(argument);
}

/* Who calls is charged; when it ends, nothing of it is left. */
static void by_child(struct st_trial *t)
{
	be_limited(t);
	st_say_rc(t, map(t, 4, ST_IOVA));
	st_say(t, "child %s", st_in_child(child_maps, t) ? "not charged" : "charged");
	say_locked(t);
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
	say_locked(t);
}

static void unmapped_by_child(struct st_trial *t)
{
	be_limited(t);
	st_say_rc(t, map(t, 4, ST_IOVA));
	st_say_rc(t, st_in_child(child_unmaps, t));
	say_locked(t);
}

/* The limit of the parent says nothing about what the child maps. */
static void child_and_limit(struct st_trial *t)
{
	st_be_limited(t, LIMIT);
	st_say_rc(t, map(t, 16, ST_IOVA));
	st_say_rc(t, st_in_child(child_maps_for_good, t));
	say_locked(t);
}

/* Two devices of two groups see the same page once pinned, once charged. */
static void two_groups(struct st_trial *t)
{
	struct st_group second;
	int rc;

	be_limited(t);
	st_say_rc(t, map(t, 4, ST_IOVA));
	rc = st_group_find(&second, ST_NVME) ?: st_group_open(&second);
	if (rc)
		st_give_up(t, "no second group", rc);
	st_say_rc(t, st_group_join(&second, t->c.fd));
	say_locked(t);
	st_say_rc(t, st_group_leave(&second));
	say_locked(t);
}

static const struct st_row count_rows[] = {
	{ "4 pages mapped, unmapped", one_limited,
	  .type1 = "0, VmLck 4p, VmLck 0", .shim = "0, VmLck 0, VmLck 0" },
	{ "the same, a device open", one_limited, .from = ST_FROM_DEVICE,
	  .type1 = "0, VmLck 4p, VmLck 0" },
	{ "the same, a device open, VmPin", one_pinned, .from = ST_FROM_DEVICE,
	  .type1 = "0, VmPin 0, VmPin 0", .shim = "0, VmPin 4p, VmPin 0",
	  .ours = "0, VmPin 4p, VmPin 0",
	  .why = "pinned memory is shown there as well" },
	{ "the same, a device open, with CAP_IPC_LOCK", one, .from = ST_FROM_DEVICE,
	  .type1 = "0, VmLck 4p, VmLck 0", .shim = "0, VmLck 0, VmLck 0",
	  .ours = "0, VmLck 0, VmLck 0",
	  .why = WHY_IPC_LOCK },
	{ "READ only", read_only, .from = ST_FROM_DEVICE,
	  .type1 = "0, VmLck 4p" },
	{ "4 pages at two places", same_memory_twice, .from = ST_FROM_DEVICE,
	  .type1 = "0, 0, VmLck 8p" },
	{ "of a memfd", of_memfd, .from = ST_FROM_DEVICE,
	  .type1 = "0, VmLck 4p" },
	{ "of hugetlbfs", of_hugetlbfs, .from = ST_FROM_DEVICE,
	  .type1 = "0, VmLck 512p" },
	{ "of a BAR, 1 MiB, limit 16 pages", of_bar, .from = ST_FROM_DMA,
	  .type1 = "0, VmLck 0", .shim = "EFAULT, VmLck 0", .native = "ENOMEM, VmLck 0",
	  .why = "upstream's selftests of VFIO assert that it fails on a /dev/iommu; "
		 "p2p_user_va allows it" },
	{ "mlock()ed memory", of_mlocked, .from = ST_FROM_DEVICE,
	  .type1 = "0, 0, VmLck 8p" },
	{ "two groups in the container, one leaves", two_groups,
	  .type1 = "0, 0, VmLck 4p, 0, VmLck 4p", .shim = "0, 0, VmLck 0, 0, VmLck 0" },
	{ "last group leaves", group_leaves,
	  .type1 = "0, 0, VmLck 0" },
	{ "group closed", group_closed,
	  .type1 = "0, VmLck 0" },
	{ "container closed, group closed", container_closed,
	  .type1 = "0, VmLck 4p, VmLck 0", .shim = "0, VmLck 0, VmLck 0" },
};

static const struct st_row limit_rows[] = {
	{ "limit 16 pages: 16, one more, UNMAP of ALL, 16", at_the_limit, .from = ST_FROM_DEVICE,
	  .type1 = "0, ENOMEM, mapped 16p, 0" },
	{ "limit 16 pages: 17", over_the_limit, .from = ST_FROM_DEVICE,
	  .type1 = "ENOMEM, VmLck 0, mapped 0" },
	{ "limit 16 pages: mlock() 8, map 8, map 1, mlock() 1", with_mlock,
	  .from = ST_FROM_DEVICE,
	  .type1 = "0, 0, ENOMEM, ENOMEM, VmLck 16p" },
	{ "32 pages with CAP_IPC_LOCK, without it one more, UNMAP of ALL, 16",
	  capability_dropped_later, .from = ST_FROM_DEVICE,
	  .type1 = "0, ENOMEM, VmLck 32p, 0", .shim = "0, 0, VmLck 1p, 0",
	  .ours = "0, 0, VmLck 1p, 0",
	  .why = WHY_IPC_LOCK },
	{ "4 pages mapped, 4 by a child that ends", by_child, .from = ST_FROM_DEVICE,
	  .type1 = "0, child charged, VmLck 4p, mapped 8p, VmLck 0" },
	{ "4 pages mapped, unmapped by a child", unmapped_by_child, .from = ST_FROM_DEVICE,
	  .type1 = "0, 0, VmLck 0" },
	{ "limit 16 pages: 16 by the parent, 4 by a child", child_and_limit,
	  .from = ST_FROM_DEVICE,
	  .type1 = "0, 0, VmLck 16p" },
};

static const struct st_section sections[] = {
	ST_SECTION("Locked memory: what counts", count_rows),
	ST_SECTION("Locked memory: the limit", limit_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
