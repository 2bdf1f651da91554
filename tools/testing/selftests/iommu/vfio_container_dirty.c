// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_IOMMU_DIRTY_PAGES.  VFIO_IOMMU_UNMAP_DMA with a bitmap has a table of its own.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)
#define START		VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP		VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET		VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

/* A request for the pages 4 to 11, before a row spoils it. */
static struct st_dirty request(void)
{
	struct st_dirty get = {
		.head.argsz = sizeof(get),
		.head.flags = GET,
		.iova = ST_IOVA + PAGES(4),
		.size = PAGES(8),
		.bitmap.pgsize = st_page,
		.bitmap.size = 8,
	};

	get.bitmap.data = (uintptr_t)st_memory(st_page);
	return get;
}

static void say_get(struct st_trial *t, struct st_dirty *get)
{
	__u64 *bitmap = (void *)(uintptr_t)get->bitmap.data;
	int rc = st_call(t->c.fd, VFIO_IOMMU_DIRTY_PAGES, get);

	st_say_rc(t, rc);
	if (!rc)
		st_say(t, "0x%llx", (unsigned long long)*bitmap);
}

static void flags(struct st_trial *t)
{
	st_say_rc(t, st_dma_dirty(t->c.fd, t->arg));
}

static void argsz(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.head.argsz = t->arg;
	say_get(t, &get);
}

static void start_argsz(struct st_trial *t)
{
	struct vfio_iommu_type1_dirty_bitmap start = { .argsz = t->arg, .flags = START };

	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_DIRTY_PAGES, &start));
}

static void twice(struct st_trial *t)
{
	st_say_rc(t, st_dma_dirty(t->c.fd, t->arg));
	st_say_rc(t, st_dma_dirty(t->c.fd, t->arg));
}

static void start_stop_start(struct st_trial *t)
{
	st_say_rc(t, st_dma_dirty(t->c.fd, START));
	st_say_rc(t, st_dma_dirty(t->c.fd, STOP));
	st_say_rc(t, st_dma_dirty(t->c.fd, START));
}

static void get_not_started(struct st_trial *t)
{
	struct st_dirty get = request();

	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(8)), PAGES(8), ST_IOVA + PAGES(4));
	say_get(t, &get);
}

static void get_stopped(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	st_say_rc(t, st_dma_dirty(t->c.fd, STOP));
	say_get(t, &get);
}

static void get(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	say_get(t, &get);
}

/* Does a second call report the same again? */
static void get_twice(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	say_get(t, &get);
	*(__u64 *)(uintptr_t)get.bitmap.data = 0;
	say_get(t, &get);
}

/* Bits of other pages that the caller left in the bitmap. */
static void get_into_garbage(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	*(__u64 *)(uintptr_t)get.bitmap.data = 0xff00000000000000ull;
	say_get(t, &get);
}

static void get_pgsize(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.bitmap.pgsize = t->arg;
	say_get(t, &get);
}

static void get_bitmap_size(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.bitmap.size = t->arg;
	say_get(t, &get);
}

static void get_bitmap_too_big(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.bitmap.size = (256ull << 20) + 8;
	say_get(t, &get);
}

static void get_bitmap_address(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.bitmap.data = t->arg;
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_DIRTY_PAGES, &get));
}

/* First page and number of pages. */
#define RANGE(first, pages) ((first) << 8 | (pages))

static void get_range(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.iova = ST_IOVA + PAGES(t->arg >> 8);
	get.size = PAGES(t->arg & 0xff);
	say_get(t, &get);
}

static void get_unaligned(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.iova += t->arg;
	say_get(t, &get);
}

static void get_size_unaligned(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.size += t->arg;
	say_get(t, &get);
}

static void get_wraps(struct st_trial *t)
{
	struct st_dirty get = request();

	st_map_and_log(t);
	get.iova = -PAGES(1);
	get.size = PAGES(2);
	say_get(t, &get);
}

/* Pages 4 to 7 and 10 to 13, and what lies between. */
static void get_two_mappings(struct st_trial *t)
{
	struct st_dirty get = request();

	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA + PAGES(4));
	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA + PAGES(10));
	st_say_rc(t, st_dma_dirty(t->c.fd, START));
	get.size = PAGES(10);
	say_get(t, &get);
}

static void get_read_only(struct st_trial *t)
{
	struct st_dirty get = request();

	st_dma_map(t->c.fd, ST_DMA_R, st_memory(PAGES(8)), PAGES(8), ST_IOVA + PAGES(4));
	st_say_rc(t, st_dma_dirty(t->c.fd, START));
	say_get(t, &get);
}

static void get_mapped_later(struct st_trial *t)
{
	struct st_dirty get = request();

	st_say_rc(t, st_dma_dirty(t->c.fd, START));
	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(8)), PAGES(8), ST_IOVA + PAGES(4));
	say_get(t, &get);
}

/* After the device wrote to page 6: at least that one is reported. */
static void get_after_write(struct st_trial *t)
{
	struct st_dirty get = request();
	unsigned char *memory = st_memory(PAGES(8));
	__u64 bits;

	st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(8), ST_IOVA + PAGES(4));
	st_say_rc(t, st_dma_dirty(t->c.fd, START));
	st_call(t->c.fd, VFIO_IOMMU_DIRTY_PAGES, &get);
	*(__u64 *)(uintptr_t)get.bitmap.data = 0;
	st_say_rc(t, st_device_fills(&t->c.env, ST_IOVA + PAGES(6), 3, st_page));
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_DIRTY_PAGES, &get));
	bits = *(__u64 *)(uintptr_t)get.bitmap.data;
	st_say(t, bits & 4 ? "page reported" : "page lost");
	st_say(t, st_filled(memory + PAGES(2), 3, st_page) ? "data" : "no data");
}

/* A 32-bit program's structure is shorter where its pointer is. */
static void own_layout(struct st_trial *t)
{
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} get = {
		.head.argsz = sizeof(get),
		.head.flags = GET,
		.get.iova = ST_IOVA + PAGES(4),
		.get.size = PAGES(8),
		.get.bitmap.pgsize = st_page,
		.get.bitmap.size = 8,
		.get.bitmap.data = st_memory(st_page),
	};

	st_map_and_log(t);
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_DIRTY_PAGES, &get));
	st_say(t, "0x%llx", (unsigned long long)*get.get.bitmap.data);
}

static const struct st_row log_rows[] = {
	{ "START", flags, .arg = START, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "START", flags, .arg = START, .types = ST_V2,
	  .type1 = "0", .shim = "ENOTTY" },
	{ "STOP without START", flags, .arg = STOP, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "STOP without START", flags, .arg = STOP, .types = ST_V2,
	  .type1 = "0", .shim = "ENOTTY" },
	{ "START twice", twice, .arg = START, .types = ST_V1,
	  .type1 = "EACCES, EACCES", .shim = "ENOTTY, ENOTTY" },
	{ "START twice", twice, .arg = START, .types = ST_V2,
	  .type1 = "0, 0", .shim = "ENOTTY, ENOTTY" },
	{ "STOP twice", twice, .arg = STOP, .types = ST_V1,
	  .type1 = "EACCES, EACCES", .shim = "ENOTTY, ENOTTY" },
	{ "STOP twice", twice, .arg = STOP, .types = ST_V2,
	  .type1 = "0, 0", .shim = "ENOTTY, ENOTTY" },
	{ "START, STOP, START", start_stop_start, .types = ST_V1,
	  .type1 = "EACCES, EACCES, EACCES", .shim = "ENOTTY, ENOTTY, ENOTTY" },
	{ "START, STOP, START", start_stop_start, .types = ST_V2,
	  .type1 = "0, 0, 0", .shim = "ENOTTY, ENOTTY, ENOTTY" },
	{ "no flag", flags, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "no flag", flags, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "ENOTTY" },
	{ "START and STOP", flags, .arg = START | STOP, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "START and STOP", flags, .arg = START | STOP, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "ENOTTY" },
	{ "START and GET_BITMAP", flags, .arg = START | GET, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "START and GET_BITMAP", flags, .arg = START | GET, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "ENOTTY" },
	{ "unknown flag", flags, .arg = 8, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "unknown flag", flags, .arg = 8, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "ENOTTY" },
	{ "START, argsz 7", start_argsz, .arg = 7, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "START, argsz 7", start_argsz, .arg = 7, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "ENOTTY" },
	{ "START, argsz 8", start_argsz, .arg = 8, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "START, argsz 8", start_argsz, .arg = 8, .types = ST_V2,
	  .type1 = "0", .shim = "ENOTTY" },
	{ "START, argsz 100", start_argsz, .arg = 100, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "START, argsz 100", start_argsz, .arg = 100, .types = ST_V2,
	  .type1 = "0", .shim = "ENOTTY" },
};

static const struct st_row get_rows[] = {
	{ "8 pages", get, .types = ST_V2,
	  .type1 = "0, 0xff", .shim = "cannot start, ENOTTY" },
	{ "8 pages, again", get_twice, .types = ST_V2,
	  .type1 = "0, 0xff, 0, 0xff", .shim = "cannot start, ENOTTY" },
	{ "into a bitmap with bits", get_into_garbage, .types = ST_V2,
	  .type1 = "0, 0xff", .shim = "cannot start, ENOTTY",
	  .ours = "0, 0xff000000000000ff",
	  .why = "bits are set, none is cleared: the caller has to zero them, says the uAPI" },
	{ "before START", get_not_started, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "ENOTTY" },
	{ "after STOP", get_stopped, .types = ST_V2,
	  .type1 = "0, EINVAL", .shim = "cannot start, ENOTTY" },
	{ "argsz 8", argsz, .arg = 8, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "argsz 47", argsz, .arg = 47, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY",
	  .ours = IF_32("0, 0xff", "EINVAL"),
	  .why = "structures of 32-bit programs are understood" },
	{ "argsz 48", argsz, .arg = 48, .types = ST_V2,
	  .type1 = "0, 0xff", .shim = "cannot start, ENOTTY" },
	{ "pgsize 0", get_pgsize, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "pgsize 2048", get_pgsize, .arg = 2048, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "pgsize 8192", get_pgsize, .arg = 8192, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "pgsize 12288", get_pgsize, .arg = 12288, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "bitmap of 0 bytes", get_bitmap_size, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "bitmap of 1 byte", get_bitmap_size, .arg = 1, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "bitmap of 4096 bytes", get_bitmap_size, .arg = 4096, .types = ST_V2,
	  .type1 = "0, 0xff", .shim = "cannot start, ENOTTY" },
	{ "bitmap of more than 256 MiB", get_bitmap_too_big, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "bitmap at NULL", get_bitmap_address, .types = ST_V2,
	  .type1 = "EFAULT", .shim = "cannot start, ENOTTY" },
	{ "first half of the mapping", get_range, .arg = RANGE(4, 4), .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "second half of the mapping", get_range, .arg = RANGE(8, 4), .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "more than the mapping", get_range, .arg = RANGE(0, 16), .types = ST_V2,
	  .type1 = "0, 0xff0", .shim = "cannot start, ENOTTY" },
	{ "over its end", get_range, .arg = RANGE(10, 4), .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "where nothing is mapped", get_range, .arg = RANGE(32, 4), .types = ST_V2,
	  .type1 = "0, 0x0", .shim = "cannot start, ENOTTY" },
	{ "0 pages", get_range, .arg = RANGE(4, 0), .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "iova in the middle of a page", get_unaligned, .arg = 2048, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "size in the middle of a page", get_size_unaligned, .arg = 2048, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "cannot start, ENOTTY" },
	{ "iova + size wraps", get_wraps, .types = ST_V2,
	  .type1 = "EOVERFLOW", .shim = "cannot start, ENOTTY" },
	{ "pages 4-7 and 10-13 by 4-13", get_two_mappings, .types = ST_V2,
	  .type1 = "0, 0, 0x3cf", .shim = "ENOTTY, ENOTTY" },
	{ "mapped READ only", get_read_only, .types = ST_V2,
	  .type1 = "0, 0, 0xff", .shim = "ENOTTY, ENOTTY",
	  .ours = "0, 0, 0x0",
	  .why = "the device cannot write there" },
	{ "mapped after START", get_mapped_later, .types = ST_V2,
	  .type1 = "0, 0, 0xff", .shim = "ENOTTY, ENOTTY" },
	{ "after the device wrote", get_after_write, .from = ST_FROM_DMA, .types = ST_V2,
	  .type1 = "0, 0, 0, page reported, data", .shim = "ENOTTY, 0, ENOTTY, page lost, data" },
	{ "struct vfio_bitmap as the compiler lays it out", own_layout, .types = ST_V2,
	  .type1 = IF_32("EINVAL, 0x0", "0, 0xff"), .shim = "cannot start, ENOTTY",
	  .ours = "0, 0xff",
	  .why = "structures of 32-bit programs are understood" },
};

static const struct st_section sections[] = {
	ST_SECTION("DIRTY_PAGES: the log", log_rows),
	ST_SECTION("DIRTY_PAGES: GET_BITMAP", get_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
