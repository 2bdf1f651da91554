// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The container by itself: its node, its extensions, SET_IOMMU, and what it
 * answers before that.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "st_table.h"

#define EXTENSION_END	11

/* Of the node, as devtmpfs makes it. */
static void node(struct st_trial *t)
{
	struct stat st;

	if (stat(t->node, &st)) {
		st_say_rc(t, -errno);
		return;
	}
	st_say(t, "mode 0%o", (unsigned int)st.st_mode & 07777);
	if (S_ISCHR(st.st_mode))
		st_say(t, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
}

static void api_version(struct st_trial *t)
{
	st_say_rc(t, st_call(t->c.fd, VFIO_GET_API_VERSION, NULL));
}

/* All extensions that are there. */
static void extensions(struct st_trial *t)
{
	unsigned long i;
	int rc;

	for (i = 0; i <= EXTENSION_END; i++) {
		rc = st_container_extension(&t->c, i);
		if (rc > 0)
			st_say(t, rc == 1 ? "%lu" : "%lu is %d", i, rc);
	}
}

static void extension(struct st_trial *t)
{
	st_say_rc(t, st_container_extension(&t->c, t->arg));
}

static void set_type(struct st_trial *t)
{
	st_say_rc(t, st_container_set(&t->c, t->arg));
}

/* DPDK finds out what there is by asking for each in turn. */
static void set_then_set_other(struct st_trial *t)
{
	st_say_rc(t, st_container_set(&t->c, t->arg));
	st_say_rc(t, st_container_set(&t->c, t->type));
}

static void set_same(struct st_trial *t)
{
	st_say_rc(t, st_container_set(&t->c, t->type));
}

static void set_other(struct st_trial *t)
{
	bool is_v1 = t->type == VFIO_TYPE1_IOMMU;

	st_say_rc(t, st_container_set(&t->c, is_v1 ? VFIO_TYPE1v2_IOMMU : VFIO_TYPE1_IOMMU));
}

static void get_info(struct st_trial *t)
{
	struct st_info info;

	st_say_rc(t, st_dma_info(t->c.fd, &info));
}

static void map(struct st_trial *t)
{
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
}

static void unmap(struct st_trial *t)
{
	__u64 size = st_page;

	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	st_say_size(t, "size", size);
}

static void unmap_all(struct st_trial *t)
{
	__u64 size = 0;

	st_say_rc(t, st_dma_unmap(t->c.fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size));
	st_say_size(t, "size", size);
}

static void dirty_start(struct st_trial *t)
{
	st_say_rc(t, st_dma_dirty(t->c.fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
}

/* A call with a number of VFIO's that is none of a container's. */
static void other_call(struct st_trial *t)
{
	__u32 argument[16] = { sizeof(argument) };

	st_say_rc(t, st_call(t->c.fd, t->arg, argument));
}

static void null_argument(struct st_trial *t)
{
	st_say_rc(t, st_call(t->c.fd, t->arg, NULL));
}

/* An argsz that does not even hold the flags. */
static void short_argument(struct st_trial *t)
{
	__u32 argument[16] = { 4 };

	st_say_rc(t, st_call(t->c.fd, t->arg, argument));
}

static void read_file(struct st_trial *t)
{
	char byte;

	st_say_rc(t, read(t->c.fd, &byte, 1) < 0 ? -errno : 0);
}

static void write_file(struct st_trial *t)
{
	st_say_rc(t, write(t->c.fd, "0", 1) < 0 ? -errno : 0);
}

static void mmap_file(struct st_trial *t)
{
	void *at = mmap(NULL, st_page, PROT_READ, MAP_SHARED, t->c.fd, 0);

	st_say_rc(t, at == MAP_FAILED ? -errno : 0);
}

/* Two containers are two worlds. */
static void two_containers(struct st_trial *t)
{
	struct st_container other;

	st_say_rc(t, st_container_open(&other, t->node));
	st_say_rc(t, st_container_set(&other, t->type));
	st_say_rc(t, st_group_join(&t->c.group, other.fd));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
}

static const struct st_row node_rows[] = {
	{ "node", node, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "mode 0666, 10:196", .native = "-" },
	{ "GET_API_VERSION, no group", api_version, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "0" },
	{ "GET_API_VERSION", api_version,
	  .type1 = "0" },
	{ "read()", read_file,
	  .type1 = "EINVAL" },
	{ "write()", write_file,
	  .type1 = "EINVAL" },
	{ "mmap()", mmap_file,
	  .type1 = "ENODEV", .shim = "ENXIO",
	  .ours = "ENXIO",
	  .why = "the mmap() of an iommufd is for hardware queues" },
	{ "read() before SET_IOMMU", read_file, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "write() before SET_IOMMU", write_file, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "mmap() before SET_IOMMU", mmap_file, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "ENXIO",
	  .ours = "ENXIO",
	  .why = "the mmap() of an iommufd is for hardware queues" },
	{ "unknown call, no group", other_call, .arg = _IO(VFIO_TYPE, VFIO_BASE + 24),
	  .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "ENOTTY",
	  .ours = "ENOTTY",
	  .why = "ENOTTY in any state" },
	{ "unknown call", other_call, .arg = _IO(VFIO_TYPE, VFIO_BASE + 24),
	  .type1 = "ENOTTY" },
	{ "call of a group", other_call, .arg = VFIO_GROUP_GET_STATUS,
	  .type1 = "ENOTTY" },
	{ "call of a device", other_call, .arg = VFIO_DEVICE_GET_INFO,
	  .type1 = "ENOTTY" },
	{ "IOMMU_ENABLE (SPAPR)", other_call, .arg = VFIO_IOMMU_ENABLE,
	  .type1 = "ENOTTY" },
	{ "call of another type", other_call, .arg = _IO('x', VFIO_BASE + 12),
	  .type1 = "ENOTTY" },
};

static const struct st_row extension_rows[] = {
	{ "all, no group", extensions, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "1, 3, 9", .shim = "1, 3, 8, 9" },
	{ "all, group in", extensions, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "1, 3, 9", .shim = "1, 3, 4, 8, 9" },
	{ "all, after SET_IOMMU", extensions,
	  .type1 = "1, 3, 9, 10", .shim = "1, 3, 4, 8, 9" },
	{ "DMA_CC_IOMMU, no group", extension, .arg = VFIO_DMA_CC_IOMMU, .from = ST_FROM_OPEN,
	  .types = ST_ONCE,
	  .type1 = "0", .shim = "ENODEV" },
	{ "DMA_CC_IOMMU, group in", extension, .arg = VFIO_DMA_CC_IOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "0", .shim = "1" },
	{ "DMA_CC_IOMMU", extension, .arg = VFIO_DMA_CC_IOMMU,
	  .type1 = "0", .shim = "1" },
	{ "NOIOMMU_IOMMU, no group", extension, .arg = VFIO_NOIOMMU_IOMMU, .from = ST_FROM_OPEN,
	  .types = ST_ONCE,
	  .type1 = "0", .shim = "1" },
	{ "NOIOMMU_IOMMU", extension, .arg = VFIO_NOIOMMU_IOMMU,
	  .type1 = "0", .shim = "1" },
	{ "0", extension,
	  .type1 = "0" },
	{ "~0", extension, .arg = ~0ul,
	  .type1 = "0" },
	{ "~0, no group", extension, .arg = ~0ul, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "0" },
};

static const struct st_row set_rows[] = {
	{ "TYPE1, no group", set_type, .arg = VFIO_TYPE1_IOMMU, .from = ST_FROM_OPEN,
	  .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "ENODEV", .native = "ENODEV",
	  .why = WHY_NO_IOAS },
	{ "TYPE1v2, no group", set_type, .arg = VFIO_TYPE1v2_IOMMU, .from = ST_FROM_OPEN,
	  .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "ENODEV", .native = "ENODEV",
	  .why = WHY_NO_IOAS },
	{ "TYPE1", set_type, .arg = VFIO_TYPE1_IOMMU, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "0" },
	{ "TYPE1v2", set_type, .arg = VFIO_TYPE1v2_IOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "0" },
	{ "0", set_type, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "SPAPR", set_type, .arg = VFIO_SPAPR_TCE_IOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "SPAPR v2", set_type, .arg = VFIO_SPAPR_TCE_v2_IOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "nesting", set_type, .arg = 6, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "an extension that is no type", set_type, .arg = VFIO_UNMAP_ALL,
	  .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "EINVAL",
	  .ours = "ENODEV",
	  .why = "ENODEV, as all that is no type" },
	{ "NOIOMMU with a group that has an IOMMU", set_type, .arg = VFIO_NOIOMMU_IOMMU,
	  .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "~0", set_type, .arg = ~0ul, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "SPAPR, then one that there is", set_then_set_other, .arg = VFIO_SPAPR_TCE_IOMMU,
	  .from = ST_FROM_JOINED,
	  .type1 = "ENODEV, 0", .shim = "EINVAL, 0" },
	{ "again", set_same,
	  .type1 = "EINVAL", .shim = "0" },
	{ "again, the other version", set_other,
	  .type1 = "EINVAL", .shim = "0" },
	{ "two containers: open, SET_IOMMU, group of the first, MAP in the first",
	  two_containers,
	  .type1 = "0, EINVAL, EINVAL, 0", .shim = "0, ENODEV, EINVAL, 0",
	  .native = "0, ENODEV, EINVAL, 0",
	  .why = WHY_NO_IOAS },
};

static const struct st_row before_rows[] = {
	{ "GET_INFO, no group", get_info, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "ENODEV", .native = "ENODEV",
	  .why = WHY_NO_IOAS },
	{ "MAP_DMA, no group", map, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "ENODEV", .native = "ENODEV",
	  .why = WHY_NO_IOAS },
	{ "UNMAP_DMA, no group", unmap, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL, size 1p", .shim = "ENODEV, size 1p", .native = "ENODEV, size 1p",
	  .why = WHY_NO_IOAS },
	{ "UNMAP_DMA of ALL, no group", unmap_all, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL, size 0", .shim = "ENODEV, size 0", .native = "ENODEV, size 0",
	  .why = WHY_NO_IOAS },
	{ "DIRTY_PAGES, no group", dirty_start, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "ENOTTY", .native = "ENODEV",
	  .why = WHY_NO_IOAS },
	{ "GET_INFO, group in", get_info, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "0", .native = "0",
	  .why = WHY_NO_SET_IOMMU },
	{ "MAP_DMA, group in", map, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "0", .native = "0",
	  .why = WHY_NO_SET_IOMMU },
	{ "UNMAP_DMA, group in", unmap, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "EINVAL, size 1p", .shim = "0, size 0", .native = "0, size 0",
	  .why = WHY_NO_SET_IOMMU },
	{ "UNMAP_DMA of ALL, group in", unmap_all, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "EINVAL, size 0", .shim = "0, size 0", .native = "0, size 0",
	  .why = WHY_NO_SET_IOMMU },
	{ "DIRTY_PAGES, group in", dirty_start, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "ENOTTY", .native = "0",
	  .why = WHY_NO_SET_IOMMU },
};

static const struct st_row argument_rows[] = {
	{ "GET_INFO of NULL", null_argument, .arg = VFIO_IOMMU_GET_INFO,
	  .type1 = "EFAULT" },
	{ "MAP_DMA of NULL", null_argument, .arg = VFIO_IOMMU_MAP_DMA,
	  .type1 = "EFAULT" },
	{ "UNMAP_DMA of NULL", null_argument, .arg = VFIO_IOMMU_UNMAP_DMA,
	  .type1 = "EFAULT" },
	{ "DIRTY_PAGES of NULL", null_argument, .arg = VFIO_IOMMU_DIRTY_PAGES, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "DIRTY_PAGES of NULL", null_argument, .arg = VFIO_IOMMU_DIRTY_PAGES, .types = ST_V2,
	  .type1 = "EFAULT", .shim = "ENOTTY" },
	{ "GET_INFO, argsz 4", short_argument, .arg = VFIO_IOMMU_GET_INFO,
	  .type1 = "EINVAL" },
	{ "MAP_DMA, argsz 4", short_argument, .arg = VFIO_IOMMU_MAP_DMA,
	  .type1 = "EINVAL" },
	{ "UNMAP_DMA, argsz 4", short_argument, .arg = VFIO_IOMMU_UNMAP_DMA,
	  .type1 = "EINVAL" },
	{ "DIRTY_PAGES, argsz 4", short_argument, .arg = VFIO_IOMMU_DIRTY_PAGES, .types = ST_V1,
	  .type1 = "EACCES", .shim = "ENOTTY" },
	{ "DIRTY_PAGES, argsz 4", short_argument, .arg = VFIO_IOMMU_DIRTY_PAGES, .types = ST_V2,
	  .type1 = "EINVAL", .shim = "ENOTTY" },
	{ "MAP_DMA, argsz 4, no group", short_argument, .arg = VFIO_IOMMU_MAP_DMA,
	  .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "GET_INFO of NULL, no group", null_argument, .arg = VFIO_IOMMU_GET_INFO,
	  .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "EFAULT",
	  .ours = "EFAULT",
	  .why = "arguments are read first" },
};

static const struct st_section sections[] = {
	ST_SECTION("The node", node_rows),
	ST_SECTION("CHECK_EXTENSION", extension_rows),
	ST_SECTION("SET_IOMMU", set_rows),
	ST_SECTION("Before SET_IOMMU", before_rows),
	ST_SECTION("Arguments", argument_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
