// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_IOMMU_GET_INFO: the structure in buffers of all sizes, and whether what
 * it says is true.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "st_table.h"

#define UNTOUCHED	0xee

/* Ask with a buffer of @argsz bytes, and something in it and behind it. */
static int ask(struct st_trial *t, __u32 argsz, unsigned char room[ST_INFO_ROOM])
{
	__u32 flags = 0;

	memset(room, UNTOUCHED, ST_INFO_ROOM);
	memcpy(room, &argsz, sizeof(argsz));
	memcpy(room + 4, &flags, sizeof(flags));
	return st_call(t->c.fd, VFIO_IOMMU_GET_INFO, room);
}

static bool untouched_from(const unsigned char *room, size_t from)
{
	for (; from < ST_INFO_ROOM; from++)
		if (room[from] != UNTOUCHED)
			return false;
	return true;
}

static __u32 word(const unsigned char *room, size_t at)
{
	__u32 value;

	memcpy(&value, room + at, sizeof(value));
	return value;
}

/* The size with everything, as told to who asks for the header only. */
static __u32 whole(struct st_trial *t)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	int rc = st_call(t->c.fd, VFIO_IOMMU_GET_INFO, &info);

	if (rc)
		st_give_up(t, "no info", rc);
	return info.argsz;
}

static void say_header(struct st_trial *t, const unsigned char *room)
{
	__u32 cap_offset = word(room, 16), flags = word(room, 4), argsz = word(room, 0);

	st_say(t, "flags %u", flags);
	if (argsz == whole(t))
		st_say(t, "argsz the whole");
	else
		st_say(t, "argsz the whole%+d", (int)(argsz - whole(t)));
	if (cap_offset == UNTOUCHED * 0x01010101u)
		st_say(t, "no cap_offset");
	else
		st_say(t, cap_offset ? "caps" : "cap_offset 0");
}

static void buffer_of(struct st_trial *t)
{
	unsigned char room[ST_INFO_ROOM];
	int rc = ask(t, t->arg, room);

	st_say_rc(t, rc);
	if (!rc)
		say_header(t, room);
	if (!untouched_from(room, t->arg < 8 ? 8 : t->arg))
		st_say(t, "wrote behind argsz");
}

/* Relative to what is needed. */
static void argsz_near(struct st_trial *t)
{
	unsigned char room[ST_INFO_ROOM];
	__u32 size = whole(t) + (long)t->arg;

	st_say_rc(t, ask(t, size, room));
	say_header(t, room);
	if (!untouched_from(room, size))
		st_say(t, "wrote behind argsz");
}

static void flags_garbage(struct st_trial *t)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info), .flags = ~0u };

	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_GET_INFO, &info));
	st_say(t, "flags 0x%x", info.flags);
}

static void buffer_ends(struct st_trial *t)
{
	unsigned char *pages = st_memory(2 * st_page);
	__u32 size = ST_INFO_ROOM;

	mprotect(pages + st_page, st_page, PROT_NONE);
	memcpy(pages + st_page - t->arg, &size, sizeof(size));
	st_say_rc(t, st_call(t->c.fd, VFIO_IOMMU_GET_INFO, pages + st_page - t->arg));
}

static void page_sizes(struct st_trial *t)
{
	struct st_info info;

	st_say_rc(t, st_dma_info(t->c.fd, &info));
	st_say(t, "0x%llx", info.pgsizes);
}

static void capabilities(struct st_trial *t)
{
	static const char *const names[] = {
		[VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE] = "IOVA_RANGE",
		[VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION] = "MIGRATION",
		[VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL] = "DMA_AVAIL",
	};
	struct st_info info;
	unsigned int i;

	st_say_rc(t, st_dma_info(t->c.fd, &info));
	for (i = 0; i < info.caps; i++)
		st_say(t, "%s", info.id[i] < ARRAY_SIZE(names) ? names[info.id[i]] : "unknown");
}

/* The MSI window is a hole, and apart from that all that the IOMMU can do. */
static void ranges(struct st_trial *t)
{
	__u64 first = 0, last = 0;
	struct st_info info;
	unsigned int i;

	if (pci_msi_window(t->c.group.bdf, &first, &last))
		st_give_up(t, "no window", -ENOENT);
	st_say_rc(t, st_dma_info(t->c.fd, &info));
	for (i = 0; i < info.ranges; i++)
		st_say(t, "0x%llx-0x%llx", (unsigned long long)info.range[i].start,
		       (unsigned long long)info.range[i].last);
	for (i = 0; i < info.ranges; i++)
		if (info.range[i].start <= last && first <= info.range[i].last)
			st_say(t, "MSI window inside");
}

/* The same before and after a device is open. */
static void ranges_change(struct st_trial *t)
{
	struct st_info before, after;

	st_say_rc(t, st_dma_info(t->c.fd, &before));
	st_say_rc(t, st_container_device(&t->c));
	st_say_rc(t, st_dma_info(t->c.fd, &after));
	st_say(t, "%s", before.ranges == after.ranges &&
	       !memcmp(before.range, after.range, sizeof(before.range)) &&
	       before.pgsizes == after.pgsizes ? "the same" : "changed");
}

static void dma_avail(struct st_trial *t)
{
	struct st_info info;

	st_dma_info(t->c.fd, &info);
	st_say(t, "%u", info.avail);
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	st_dma_info(t->c.fd, &info);
	st_say(t, "%u", info.avail);
	st_dma_mapped(t->c.fd);
	st_dma_info(t->c.fd, &info);
	st_say(t, "%u", info.avail);
}

/* Does it hold what it says about the number of mappings? */
static void dma_avail_is_true(struct st_trial *t)
{
	static const char limit_file[] = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
	unsigned char *memory = st_memory(st_page);
	unsigned int i;
	FILE *f = fopen(limit_file, "w");
	int rc = 0;

	if (f) {
		fputs("8", f);
		fclose(f);
		/* It holds for containers that are set from now on. */
		st_group_leave(&t->c.group);
		st_group_join(&t->c.group, t->c.fd);
		st_container_set(&t->c, t->type);
	}
	for (i = 0; !rc && i < 16; i++)
		rc = st_dma_map(t->c.fd, ST_DMA_RW, memory, st_page,
				ST_IOVA + 2 * i * (__u64)st_page);
	st_say_rc(t, rc);
	f = fopen(limit_file, "w");
	if (f) {
		fputs("65535", f);
		fclose(f);
	}
}

static void migration(struct st_trial *t)
{
	struct st_info info;

	st_dma_info(t->c.fd, &info);
	st_say(t, "page sizes 0x%llx", info.dirty_pgsizes);
	st_say(t, "bitmap %llu MiB", info.dirty_max >> 20);
}

/* After the last group left and came again. */
static void after_rejoin(struct st_trial *t)
{
	struct st_info before, after;

	st_dma_info(t->c.fd, &before);
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_dma_info(t->c.fd, &after));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_rc(t, st_dma_info(t->c.fd, &after));
	st_say(t, "%s", memcmp(&before, &after, sizeof(before)) ? "changed" : "the same");
}

static const struct st_row size_rows[] = {
	{ "argsz 0", buffer_of,
	  .type1 = "EINVAL" },
	{ "argsz 15", buffer_of, .arg = 15,
	  .type1 = "EINVAL" },
	{ "argsz 16", buffer_of, .arg = 16,
	  .type1 = "0, flags 3, argsz the whole, no cap_offset" },
	{ "argsz 20", buffer_of, .arg = 20,
	  .type1 = "0, flags 3, argsz the whole, cap_offset 0" },
	{ "argsz 24", buffer_of, .arg = 24,
	  .type1 = "0, flags 3, argsz the whole, cap_offset 0" },
	{ "argsz 64", buffer_of, .arg = 64,
	  .type1 = "0, flags 3, argsz the whole, cap_offset 0" },
	{ "one byte less than the whole", argsz_near, .arg = -1ul,
	  .type1 = "0, flags 3, argsz the whole, cap_offset 0" },
	{ "the whole", argsz_near,
	  .type1 = "0, flags 3, argsz the whole, caps" },
	{ "a byte more", argsz_near, .arg = 1,
	  .type1 = "0, flags 3, argsz the whole+1, caps",
	  .shim = "0, flags 3, argsz the whole, caps" },
	{ "argsz 24, flags ~0", flags_garbage,
	  .type1 = "0, flags 0x3" },
	{ "buffer ends after 8 bytes", buffer_ends, .arg = 8,
	  .type1 = "EFAULT" },
	{ "buffer ends after 16 bytes", buffer_ends, .arg = 16,
	  .type1 = "EFAULT" },
	{ "buffer ends after 40 bytes", buffer_ends, .arg = 40,
	  .type1 = "EFAULT" },
};

static const struct st_row content_rows[] = {
	{ "page sizes", page_sizes,
	  .type1 = "0, 0x40201000", .shim = "0, 0xfffffffffffff000" },
	{ "page sizes, device open", page_sizes, .from = ST_FROM_DEVICE,
	  .type1 = "0, 0x40201000" },
	{ "capabilities in their order", capabilities,
	  .type1 = "0, MIGRATION, DMA_AVAIL, IOVA_RANGE", .shim = "0, DMA_AVAIL, IOVA_RANGE" },
	{ "capabilities, device open", capabilities, .from = ST_FROM_DEVICE,
	  .type1 = "0, MIGRATION, DMA_AVAIL, IOVA_RANGE", .shim = "0, DMA_AVAIL, IOVA_RANGE" },
	{ "IOVA ranges", ranges,
	  .type1 = "0, 0x0-0xfedfffff, 0xfef00000-0xffffffffffff",
	  .shim = "0, 0x0-0xffffffffffffffff, MSI window inside" },
	{ "IOVA ranges, device open", ranges, .from = ST_FROM_DEVICE,
	  .type1 = "0, 0x0-0xfedfffff, 0xfef00000-0xffffffffffff" },
	{ "before and after GET_DEVICE_FD", ranges_change,
	  .type1 = "0, 0, 0, the same", .shim = "0, 0, 0, changed" },
	{ "DMA_AVAIL: at first, after a MAP, after UNMAP", dma_avail,
	  .type1 = "65535, 0, 65534, 65535", .shim = "4294967295, 0, 4294967295, 4294967295",
	  .ours = "4294967295, 0, 4294967295, 4294967295",
	  .why = WHY_NO_LIMIT },
	{ "16 mappings where type1's dma_entry_limit is 8", dma_avail_is_true,
	  .type1 = "ENOSPC", .shim = "0",
	  .ours = "0",
	  .why = WHY_NO_LIMIT },
	{ "MIGRATION", migration,
	  .type1 = "page sizes 0x1000, bitmap 256 MiB", .shim = "page sizes 0x0, bitmap 0 MiB" },
	{ "last group leaves, GET_INFO, it joins, SET_IOMMU, GET_INFO", after_rejoin,
	  .type1 = "0, EINVAL, 0, 0, 0, the same", .shim = "0, 0, 0, 0, 0, the same",
	  .native = "0, ENODEV, 0, 0, 0, the same",
	  .why = WHY_NO_IOAS },
};

static const struct st_section sections[] = {
	ST_SECTION("GET_INFO: the buffer", size_rows),
	ST_SECTION("GET_INFO: the contents", content_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
