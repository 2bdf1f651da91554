// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_UPDATE_VADDR: a mapping keeps working while the addresses that it was
 * made from go away and come back elsewhere, as when QEMU replaces itself by a
 * new version.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)
#define ALL		VFIO_DMA_UNMAP_FLAG_ALL
#define UNMAP_VADDR	VFIO_DMA_UNMAP_FLAG_VADDR
#define MAP_VADDR	VFIO_DMA_MAP_FLAG_VADDR

static void *show(int memfd)
{
	return mmap(NULL, PAGES(4), PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
}

/* Map 4 pages of a file, and return its fd. */
static int prepare(struct st_trial *t)
{
	int memfd = st_memfd(PAGES(4), 0);
	int rc = st_dma_map(t->c.fd, ST_DMA_RW, show(memfd), PAGES(4), ST_IOVA);

	if (rc)
		st_give_up(t, "cannot map", rc);
	return memfd;
}

/* The addresses become invalid. */
static int invalidate(struct st_trial *t)
{
	__u64 size = PAGES(4);

	return st_dma_unmap(t->c.fd, UNMAP_VADDR, ST_IOVA, &size);
}

static int update(struct st_trial *t, const void *va)
{
	return st_dma_map(t->c.fd, MAP_VADDR, va, PAGES(4), ST_IOVA);
}

static void say_invalidate(struct st_trial *t, __u32 flags, __u64 iova, __u64 size)
{
	st_say_rc(t, st_dma_unmap(t->c.fd, flags | UNMAP_VADDR, iova, &size));
	st_say_size(t, "size", size);
}

static void same_object(struct st_trial *t)
{
	int memfd = prepare(t);

	say_invalidate(t, 0, ST_IOVA, PAGES(4));
	st_say_rc(t, update(t, show(memfd)));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void same_address(struct st_trial *t)
{
	void *memory = show(st_memfd(PAGES(4), 0));

	st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, update(t, memory));
}

/* Private memory cannot be proved to be the same one. */
static void private_memory(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));

	st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, update(t, memory));
}

static void other_object(struct st_trial *t)
{
	prepare(t);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, update(t, show(st_memfd(PAGES(4), 0))));
}

static void not_invalidated(struct st_trial *t)
{
	int memfd = prepare(t);

	st_say_rc(t, update(t, show(memfd)));
}

static void with_protection(struct st_trial *t)
{
	int memfd = prepare(t);

	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_dma_map(t->c.fd, MAP_VADDR | t->arg, show(memfd), PAGES(4), ST_IOVA));
}

static void other_size(struct st_trial *t)
{
	int memfd = prepare(t);

	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_dma_map(t->c.fd, MAP_VADDR, show(memfd), PAGES(2), ST_IOVA));
	st_say_rc(t, st_dma_map(t->c.fd, MAP_VADDR, show(memfd), PAGES(3),
				ST_IOVA + PAGES(1)));
	st_say_rc(t, st_dma_map(t->c.fd, MAP_VADDR, show(memfd), PAGES(4), 2 * ST_IOVA));
}

static void twice(struct st_trial *t)
{
	int memfd = prepare(t);

	st_say_rc(t, invalidate(t));
	st_say_rc(t, invalidate(t));
	st_say_rc(t, update(t, show(memfd)));
}

static void nothing_there(struct st_trial *t)
{
	say_invalidate(t, 0, ST_IOVA, PAGES(4));
}

static void part(struct st_trial *t)
{
	prepare(t);
	say_invalidate(t, 0, ST_IOVA, PAGES(2));
}

/* Two mappings, the second one is invalid already: the first one stays valid. */
static void undone(struct st_trial *t)
{
	int memfd = prepare(t);
	__u64 size = PAGES(4);

	st_dma_map(t->c.fd, ST_DMA_RW, show(memfd), PAGES(4), ST_IOVA + PAGES(4));
	st_say_rc(t, st_dma_unmap(t->c.fd, UNMAP_VADDR, ST_IOVA + PAGES(4), &size));
	say_invalidate(t, 0, ST_IOVA, PAGES(8));
	st_say_rc(t, update(t, show(memfd)));
}

static void all(struct st_trial *t)
{
	int memfd = prepare(t);

	st_dma_map(t->c.fd, ST_DMA_RW, show(memfd), PAGES(4), ST_IOVA + PAGES(4));
	say_invalidate(t, ALL, 0, 0);
	st_say_rc(t, update(t, show(memfd)));
}

static void with_dirty(struct st_trial *t)
{
	struct st_unmap_dirty unmap = {
		.unmap.argsz = sizeof(unmap),
		.unmap.flags = UNMAP_VADDR | VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		.unmap.iova = ST_IOVA,
		.unmap.size = PAGES(4),
		.bitmap.pgsize = st_page,
		.bitmap.size = 8,
	};

	unmap.bitmap.data = (uintptr_t)st_memory(st_page);
	prepare(t);
	st_dma_dirty(t->c.fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_UNMAP_DMA, &unmap));
}

/* What else may be done while addresses are invalid. */
static void map_meanwhile(struct st_trial *t)
{
	prepare(t);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page,
				2 * ST_IOVA));
}

static void unmap_meanwhile(struct st_trial *t)
{
	__u64 size = PAGES(4);

	prepare(t);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	st_say_size(t, "size", size);
	st_say_size(t, "left", st_dma_mapped(t->c.fd));
}

static void device_meanwhile(struct st_trial *t)
{
	prepare(t);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_container_device(&t->c));
}

static void group_meanwhile(struct st_trial *t)
{
	struct st_group second;
	int memfd = prepare(t);

	st_open_second(t, &second);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_group_join(&second, t->c.fd));
	st_say_rc(t, update(t, show(memfd)));
	st_say_rc(t, st_group_join(&second, t->c.fd));
}

static void leave_meanwhile(struct st_trial *t)
{
	prepare(t);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
}

/* The device goes on all the time, into the same pages. */
static void dma_goes_on(struct st_trial *t)
{
	int memfd = st_memfd(PAGES(4), 0);
	unsigned char *old = show(memfd), *new;

	st_dma_map(t->c.fd, ST_DMA_RW, old, PAGES(4), ST_IOVA);
	st_say_rc(t, invalidate(t));
	st_say_rc(t, st_device_fills(&t->c.env, ST_IOVA, 1, st_page));
	st_say(t, st_filled(old, 1, st_page) ? "data" : "no data");
	munmap(old, PAGES(4));
	new = show(memfd);
	st_say(t, st_filled(new, 1, st_page) ? "data" : "no data");
	st_say_rc(t, st_dma_map(t->c.fd, MAP_VADDR, new, PAGES(4), ST_IOVA));
	st_say_rc(t, st_device_fills(&t->c.env, ST_IOVA + PAGES(1), 2, st_page));
	st_say(t, st_filled(new + st_page, 2, st_page) ? "data" : "no data");
}

struct heir {
	struct st_trial *t;
	int memfd;
};

static int heir_updates(void *argument)
{
	struct heir *heir = argument;

	return update(heir->t, show(heir->memfd)) || st_vm_lck() != 16;
}

/* Another process takes over, and so does its account. */
static void owner_changes(struct st_trial *t)
{
	struct heir heir = { .t = t };

	st_be_limited(t, ST_MIB);
	heir.memfd = prepare(t);
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
	st_say_rc(t, invalidate(t));
	st_say(t, st_in_child(heir_updates, &heir) ? "child not charged" : "child charged");
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static const struct st_row update_rows[] = {
	{ "the same file elsewhere", same_object,
	  .type1 = "0, size 4p, 0, mapped 4p", .shim = "EINVAL, size 4p, EINVAL, mapped 4p" },
	{ "the same address", same_address,
	  .type1 = "0, 0", .shim = "EINVAL, EINVAL" },
	{ "private memory, the same address", private_memory,
	  .type1 = "0, 0", .shim = "EINVAL, EINVAL" },
	{ "another file", other_object,
	  .type1 = "0, 0", .shim = "EINVAL, EINVAL",
	  .ours = "0, EINVAL",
	  .why = "the device would go on to use memory that nobody has any more" },
	{ "addresses are valid", not_invalidated,
	  .type1 = "EINVAL" },
	{ "with READ", with_protection, .arg = ST_DMA_R,
	  .type1 = "0, EINVAL", .shim = "EINVAL, EINVAL" },
	{ "with READ and WRITE", with_protection, .arg = ST_DMA_RW,
	  .type1 = "0, EINVAL", .shim = "EINVAL, EINVAL" },
	{ "half of it, the rest of it, elsewhere", other_size,
	  .type1 = "0, EINVAL, EINVAL, ENOENT", .shim = "EINVAL, EINVAL, EINVAL, EINVAL" },
	{ "by a child that ends", owner_changes,
	  .type1 = "VmLck 4p, 0, child charged, VmLck 0, mapped 4p",
	  .shim = "VmLck 0, EINVAL, child not charged, VmLck 0, mapped 4p" },
	{ "the device writes before and after", dma_goes_on, .from = ST_FROM_DMA,
	  .type1 = "0, 0, data, data, 0, 0, data",
	  .shim = "EINVAL, 0, data, data, EINVAL, 0, data" },
};

static const struct st_row invalidate_rows[] = {
	{ "twice", twice,
	  .type1 = "0, EINVAL, 0", .shim = "EINVAL, EINVAL, EINVAL" },
	{ "nothing mapped", nothing_there,
	  .type1 = "0, size 0", .shim = "EINVAL, size 4p" },
	{ "half of a mapping", part, .types = ST_V1,
	  .type1 = "0, size 4p", .shim = "EINVAL, size 2p" },
	{ "half of a mapping", part, .types = ST_V2,
	  .type1 = "EINVAL, size 2p" },
	{ "two mappings, one invalid already; update of the other one", undone,
	  .type1 = "0, EINVAL, size 8p, EINVAL", .shim = "EINVAL, EINVAL, size 8p, EINVAL" },
	{ "ALL of two mappings", all,
	  .type1 = "0, size 8p, 0", .shim = "EINVAL, size 0, EINVAL" },
	{ "with GET_DIRTY_BITMAP", with_dirty,
	  .type1 = "EINVAL" },
};

static const struct st_row meanwhile_rows[] = {
	{ "MAP of something else", map_meanwhile,
	  .type1 = "0, 0", .shim = "EINVAL, 0" },
	{ "UNMAP", unmap_meanwhile,
	  .type1 = "0, 0, size 4p, left 0", .shim = "EINVAL, 0, size 4p, left 0" },
	{ "GET_DEVICE_FD", device_meanwhile,
	  .type1 = "0, 0", .shim = "EINVAL, 0" },
	{ "SET_CONTAINER of a second group, update, again", group_meanwhile,
	  .type1 = "0, EBUSY, 0, 0", .shim = "EINVAL, 0, EINVAL, EINVAL" },
	{ "last group leaves", leave_meanwhile,
	  .type1 = "0, 0, VmLck 0", .shim = "EINVAL, 0, VmLck 0" },
};

static const struct st_section sections[] = {
	ST_SECTION("UNMAP_DMA with VADDR", invalidate_rows),
	ST_SECTION("MAP_DMA with VADDR", update_rows),
	ST_SECTION("While addresses are invalid", meanwhile_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
