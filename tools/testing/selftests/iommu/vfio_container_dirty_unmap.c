// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_IOMMU_UNMAP_DMA with GET_DIRTY_BITMAP.
 *
 * See st_table.h for how the tables are read.
 */
#include <stdint.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)

static struct st_unmap_dirty request(void)
{
	struct st_unmap_dirty unmap = {
		.unmap.argsz = sizeof(unmap),
		.unmap.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
		.unmap.iova = ST_IOVA + PAGES(4),
		.unmap.size = PAGES(8),
		.bitmap.pgsize = st_page,
		.bitmap.size = 8,
	};

	unmap.bitmap.data = (uintptr_t)st_memory(st_page);
	return unmap;
}

static void say(struct st_trial *t, struct st_unmap_dirty *unmap)
{
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_UNMAP_DMA, unmap));
	st_say_size(t, "size", unmap->unmap.size);
	if (unmap->bitmap.data > 4096)
		st_say(t, "0x%llx", (unsigned long long)*(__u64 *)(uintptr_t)unmap->bitmap.data);
	st_say_size(t, "left", st_dma_mapped(t->c.fd));
}

static void get(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_map_and_log(t);
	say(t, &unmap);
}

static void not_started(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(8)), PAGES(8), ST_IOVA + PAGES(4));
	say(t, &unmap);
}

static void argsz(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_map_and_log(t);
	unmap.unmap.argsz = t->arg;
	say(t, &unmap);
}

static void pgsize(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_map_and_log(t);
	unmap.bitmap.pgsize = t->arg;
	say(t, &unmap);
}

static void bitmap_size(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_map_and_log(t);
	unmap.bitmap.size = t->arg;
	say(t, &unmap);
}

static void bitmap_null(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_map_and_log(t);
	unmap.bitmap.data = 0;
	say(t, &unmap);
}

static void more(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_map_and_log(t);
	unmap.unmap.iova = ST_IOVA;
	unmap.unmap.size = PAGES(16);
	say(t, &unmap);
}

static void cut(struct st_trial *t)
{
	struct st_unmap_dirty unmap = request();

	st_map_and_log(t);
	unmap.unmap.size = PAGES(4);
	say(t, &unmap);
}

static void without_flag(struct st_trial *t)
{
	__u64 size = PAGES(8);

	st_map_and_log(t);
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA + PAGES(4), &size));
	st_say_size(t, "size", size);
}

static const struct st_row unmap_rows[] = {
	{ "8 pages", get, .types = ST_V2,
	  .type1 = "0, size 8p, 0xff, left 0", .shim = "cannot start, ENOTTY" },
	{ "log not started", not_started,
	  .type1 = "EINVAL, size 8p, 0x0, left 8p" },
	{ "log started, without the flag", without_flag, .types = ST_V2,
	  .type1 = "0, size 8p", .shim = "cannot start, ENOTTY" },
	{ "argsz 24", argsz, .arg = 24, .types = ST_V2,
	  .type1 = "EINVAL, size 8p, 0x0, left 8p", .shim = "cannot start, ENOTTY" },
	{ "pgsize 0", pgsize, .types = ST_V2,
	  .type1 = "EINVAL, size 8p, 0x0, left 8p", .shim = "cannot start, ENOTTY" },
	{ "pgsize 8192", pgsize, .arg = 8192, .types = ST_V2,
	  .type1 = "EINVAL, size 8p, 0x0, left 8p", .shim = "cannot start, ENOTTY" },
	{ "bitmap of 0 bytes", bitmap_size, .types = ST_V2,
	  .type1 = "EINVAL, size 8p, 0x0, left 8p", .shim = "cannot start, ENOTTY" },
	{ "bitmap of 1 byte", bitmap_size, .arg = 1, .types = ST_V2,
	  .type1 = "EINVAL, size 8p, 0x0, left 8p", .shim = "cannot start, ENOTTY" },
	{ "bitmap at NULL", bitmap_null, .types = ST_V2,
	  .type1 = "EFAULT, size 8p, left 8p", .shim = "cannot start, ENOTTY" },
	{ "more than the mapping", more, .types = ST_V2,
	  .type1 = "0, size 8p, 0xff0, left 0", .shim = "cannot start, ENOTTY" },
	{ "half of the mapping", cut, .types = ST_V2,
	  .type1 = "EINVAL, size 4p, 0x0, left 8p", .shim = "cannot start, ENOTTY" },
};

static const struct st_section sections[] = {
	ST_SECTION("UNMAP_DMA: GET_DIRTY_BITMAP", unmap_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
