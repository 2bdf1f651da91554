// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_IOMMU_UNMAP_DMA: what it takes away, what it says about it, and the
 * difference between the two versions of type1.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)
#define ALL		VFIO_DMA_UNMAP_FLAG_ALL

static void map_pages(struct st_trial *t, unsigned int first, unsigned int pages)
{
	int rc = st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(pages)), PAGES(pages),
			    ST_IOVA + PAGES(first));

	if (rc)
		st_give_up(t, "cannot map", rc);
}

static void say_left(struct st_trial *t)
{
	st_say_size(t, "left", st_dma_mapped(t->c.fd));
}

/* The call, what it wrote to size, and what is mapped after it. */
static void say_unmap(struct st_trial *t, __u32 flags, __u64 iova, __u64 size)
{
	st_say_rc(t, st_dma_unmap(t->c.fd, flags, iova, &size));
	st_say_size(t, "size", size);
	say_left(t);
}

static void unmap_pages(struct st_trial *t, unsigned int first, unsigned int pages)
{
	say_unmap(t, 0, ST_IOVA + PAGES(first), PAGES(pages));
}

static void argsz(struct st_trial *t)
{
	struct {
		struct vfio_iommu_type1_dma_unmap unmap;
		__u64 tail[2];
	} longer = { .tail = { 1, 2 } };

	map_pages(t, 0, 4);
	longer.unmap.argsz = t->arg;
	longer.unmap.iova = ST_IOVA;
	longer.unmap.size = PAGES(4);
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_UNMAP_DMA, &longer));
	st_say_size(t, "size", longer.unmap.size);
	say_left(t);
}

static void unknown_flags(struct st_trial *t)
{
	__u64 size = PAGES(4);
	unsigned int bit;
	int rc = 0;

	map_pages(t, 0, 4);
	for (bit = 3; bit < 32; bit++) {
		rc = st_dma_unmap(t->c.fd, 1u << bit, ST_IOVA, &size);
		if (rc != -EINVAL)
			break;
	}
	st_say_rc(t, rc);
	st_say_size(t, "size", size);
	say_left(t);
}

static void exact(struct st_trial *t)
{
	map_pages(t, 0, 4);
	unmap_pages(t, 0, 4);
}

static void empty(struct st_trial *t)
{
	unmap_pages(t, 0, 4);
}

static void twice(struct st_trial *t)
{
	__u64 size = PAGES(4);

	map_pages(t, 0, 4);
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	unmap_pages(t, 0, 4);
}

/* Something else is mapped elsewhere. */
static void beside(struct st_trial *t)
{
	map_pages(t, 8, 1);
	unmap_pages(t, 0, 4);
}

static void size_is(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, 0, ST_IOVA, t->arg);
}

static void iova_unaligned(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, 0, ST_IOVA + t->arg, PAGES(4));
}

static void wraps(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, 0, -PAGES(1), PAGES(2));
}

static void last_page(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, 0, -PAGES(1), PAGES(1));
}

/* All of 64 bits, in the two ways that there are without the flag ALL. */
static void all_but_a_page(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, 0, 0, -PAGES(1));
}

static void all_but_a_byte(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, 0, 0, ~0ull);
}

static void all_from_a_page(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, 0, PAGES(1), -PAGES(1));
}

/* Pages 0-1 and 4-7 are mapped, in two. */
static void several(struct st_trial *t)
{
	map_pages(t, 0, 2);
	map_pages(t, 4, 4);
	unmap_pages(t, 0, 8);
}

static void wider(struct st_trial *t)
{
	map_pages(t, 4, 4);
	unmap_pages(t, 0, 16);
}

static void adjacent(struct st_trial *t)
{
	map_pages(t, 0, 4);
	map_pages(t, 4, 4);
	unmap_pages(t, 0, 8);
}

static void one_of_adjacent(struct st_trial *t)
{
	map_pages(t, 0, 4);
	map_pages(t, 4, 4);
	unmap_pages(t, 4, 4);
}

/* Pages 4 to 7 are mapped in one; first page and number of pages to unmap. */
#define CUT(first, pages) ((first) << 8 | (pages))

static void cut(struct st_trial *t)
{
	map_pages(t, 4, 4);
	unmap_pages(t, t->arg >> 8, t->arg & 0xff);
}

/* The same with mappings 0-3, 4-7 and 8-11. */
static void cut_of_three(struct st_trial *t)
{
	unsigned int first;

	for (first = 0; first < 12; first += 4)
		map_pages(t, first, 4);
	unmap_pages(t, t->arg >> 8, t->arg & 0xff);
}

static void cut_huge(struct st_trial *t)
{
	void *memory = st_huge_memory(ST_HUGE);
	int rc;

	if (!memory)
		st_give_up(t, "no huge page", -ENOMEM);
	rc = st_dma_map(t->c.fd, ST_DMA_RW, memory, ST_HUGE, 2 * ST_HUGE);
	if (rc)
		st_give_up(t, "cannot map", rc);
	say_unmap(t, 0, 2 * ST_HUGE, t->arg);
}

static void all(struct st_trial *t)
{
	map_pages(t, 0, 2);
	map_pages(t, 4, 4);
	say_unmap(t, ALL, 0, 0);
}

static void all_empty(struct st_trial *t)
{
	say_unmap(t, ALL, 0, 0);
}

static void all_with_iova(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, ALL, ST_IOVA, 0);
}

static void all_with_size(struct st_trial *t)
{
	map_pages(t, 0, 4);
	say_unmap(t, ALL, 0, PAGES(4));
}

static void all_with_flag(struct st_trial *t)
{
	struct st_unmap_dirty cmd = {
		.unmap.argsz = sizeof(cmd),
		.unmap.flags = ALL | t->arg,
		.bitmap.pgsize = st_page,
		.bitmap.size = 8,
	};

	cmd.bitmap.data = (uintptr_t)st_memory(st_page);
	map_pages(t, 0, 4);
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_UNMAP_DMA, &cmd));
	st_say_size(t, "size", cmd.unmap.size);
	say_left(t);
}

/* The structure can be read and not be written. */
static void result_read_only(struct st_trial *t)
{
	struct vfio_iommu_type1_dma_unmap *unmap = st_memory(st_page);

	map_pages(t, 0, 4);
	unmap->argsz = sizeof(*unmap);
	unmap->iova = ST_IOVA;
	unmap->size = PAGES(4);
	mprotect(unmap, st_page, PROT_READ);
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_UNMAP_DMA, unmap));
	say_left(t);
}

/* What was unmapped can be mapped again, and the device sees the new memory. */
static void again(struct st_trial *t)
{
	__u64 size = PAGES(4);

	map_pages(t, 0, 4);
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	map_pages(t, 0, 2);
	map_pages(t, 2, 2);
	say_left(t);
}

static const struct st_row call_rows[] = {
	{ "argsz 23", argsz, .arg = 23,
	  .type1 = "EINVAL, size 4p, left 4p" },
	{ "argsz 24", argsz, .arg = 24,
	  .type1 = "0, size 4p, left 0" },
	{ "argsz 40, something behind the structure", argsz, .arg = 40,
	  .type1 = "0, size 4p, left 0" },
	{ "any unknown flag", unknown_flags,
	  .type1 = "EINVAL, size 4p, left 4p" },
	{ "a whole mapping", exact,
	  .type1 = "0, size 4p, left 0" },
	{ "nothing mapped at all", empty,
	  .type1 = "0, size 0, left 0" },
	{ "nothing mapped there", beside,
	  .type1 = "0, size 0, left 1p" },
	{ "a second time", twice,
	  .type1 = "0, 0, size 0, left 0" },
	{ "size 0", size_is,
	  .type1 = "EINVAL, size 0, left 4p" },
	{ "size 1", size_is, .arg = 1,
	  .type1 = "EINVAL, size 1, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "size of a page and a half", size_is, .arg = 6144, .types = ST_V1,
	  .type1 = "EINVAL, size 6144, left 4p" },
	{ "size of a page and a half", size_is, .arg = 6144, .types = ST_V2,
	  .type1 = "EINVAL, size 6144, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "iova in the middle of a page", iova_unaligned, .arg = 2048, .types = ST_V1,
	  .type1 = "EINVAL, size 4p, left 4p" },
	{ "iova in the middle of a page", iova_unaligned, .arg = 2048, .types = ST_V2,
	  .type1 = "EINVAL, size 4p, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "iova + size wraps", wraps,
	  .type1 = "EOVERFLOW, size 2p, left 4p", .shim = "EOVERFLOW, size 0, left 4p" },
	{ "last page of 64 bits", last_page,
	  .type1 = "0, size 0, left 4p" },
	{ "size 2^64 - 4096 at 0", all_but_a_page,
	  .type1 = "0, size 4p, left 0" },
	{ "size 2^64 - 1 at 0", all_but_a_byte,
	  .type1 = "EINVAL, size -1, left 4p", .shim = "0, size 4p, left 0" },
	{ "size 2^64 - 4096 at 4096", all_from_a_page,
	  .type1 = "0, size 4p, left 0" },
	{ "result cannot be written", result_read_only,
	  .type1 = "EFAULT, left 0" },
	{ "unmapped and mapped in two", again,
	  .type1 = "0, left 4p" },
};

static const struct st_row range_rows[] = {
	{ "pages 0-1 and 4-7 by 0-7", several,
	  .type1 = "0, size 6p, left 0" },
	{ "pages 4-7 by 0-15", wider,
	  .type1 = "0, size 4p, left 0" },
	{ "pages 0-3 and 4-7 by 0-7", adjacent,
	  .type1 = "0, size 8p, left 0" },
	{ "pages 0-3 and 4-7 by 4-7", one_of_adjacent,
	  .type1 = "0, size 4p, left 4p" },
	{ "pages 4-7 by 4-5", cut, .arg = CUT(4, 2), .types = ST_V1,
	  .type1 = "0, size 4p, left 0", .shim = "0, size 2p, left 2p" },
	{ "pages 4-7 by 4-5", cut, .arg = CUT(4, 2), .types = ST_V2,
	  .type1 = "EINVAL, size 2p, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "pages 4-7 by 6-7", cut, .arg = CUT(6, 2), .types = ST_V1,
	  .type1 = "0, size 0, left 4p", .shim = "0, size 2p, left 2p" },
	{ "pages 4-7 by 6-7", cut, .arg = CUT(6, 2), .types = ST_V2,
	  .type1 = "EINVAL, size 2p, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "pages 4-7 by 5-6", cut, .arg = CUT(5, 2), .types = ST_V1,
	  .type1 = "0, size 0, left 4p", .shim = "0, size 2p, left 2p" },
	{ "pages 4-7 by 5-6", cut, .arg = CUT(5, 2), .types = ST_V2,
	  .type1 = "EINVAL, size 2p, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "pages 4-7 by 2-5", cut, .arg = CUT(2, 4), .types = ST_V1,
	  .type1 = "0, size 4p, left 0", .shim = "0, size 2p, left 2p" },
	{ "pages 4-7 by 2-5", cut, .arg = CUT(2, 4), .types = ST_V2,
	  .type1 = "EINVAL, size 4p, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "pages 4-7 by 6-9", cut, .arg = CUT(6, 4), .types = ST_V1,
	  .type1 = "0, size 0, left 4p", .shim = "0, size 2p, left 2p" },
	{ "pages 4-7 by 6-9", cut, .arg = CUT(6, 4), .types = ST_V2,
	  .type1 = "EINVAL, size 4p, left 4p", .shim = "ENOENT, size 0, left 4p" },
	{ "pages 0-3, 4-7, 8-11 by 0-9", cut_of_three, .arg = CUT(0, 10), .types = ST_V1,
	  .type1 = "0, size 12p, left 0", .shim = "0, size 10p, left 2p" },
	{ "pages 0-3, 4-7, 8-11 by 0-9", cut_of_three, .arg = CUT(0, 10), .types = ST_V2,
	  .type1 = "EINVAL, size 10p, left 12p", .shim = "ENOENT, size 8p, left 4p" },
	{ "pages 0-3, 4-7, 8-11 by 2-11", cut_of_three, .arg = CUT(2, 10), .types = ST_V1,
	  .type1 = "0, size 0, left 12p", .shim = "0, size 10p, left 2p" },
	{ "pages 0-3, 4-7, 8-11 by 2-11", cut_of_three, .arg = CUT(2, 10), .types = ST_V2,
	  .type1 = "EINVAL, size 10p, left 12p", .shim = "ENOENT, size 0, left 12p" },
	{ "2 MiB of hugetlbfs by its first page", cut_huge, .arg = 4096, .types = ST_V1,
	  .type1 = "0, size 512p, left 0", .shim = "0, size 1p, left 511p" },
	{ "2 MiB of hugetlbfs by its first page", cut_huge, .arg = 4096, .types = ST_V2,
	  .type1 = "EINVAL, size 1p, left 512p", .shim = "ENOENT, size 0, left 512p" },
};

static const struct st_row all_rows[] = {
	{ "two mappings", all,
	  .type1 = "0, size 6p, left 0" },
	{ "nothing mapped", all_empty,
	  .type1 = "0, size 0, left 0" },
	{ "with iova", all_with_iova,
	  .type1 = "EINVAL, size 0, left 4p" },
	{ "with size", all_with_size,
	  .type1 = "EINVAL, size 4p, left 4p" },
	{ "with GET_DIRTY_BITMAP", all_with_flag, .arg = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
	  .type1 = "EINVAL, size 0, left 4p" },
};

static const struct st_section sections[] = {
	ST_SECTION("UNMAP_DMA: the call", call_rows),
	ST_SECTION("UNMAP_DMA: ranges", range_rows),
	ST_SECTION("UNMAP_DMA: the flag ALL", all_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
