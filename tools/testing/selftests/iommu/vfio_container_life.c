// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups come and go: what of a container stays, and what begins anew.
 *
 * See st_table.h for how the tables are read.
 */
#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)

/* What is mapped goes with the last group, and the container is as new. */
static void last_leaves(struct st_trial *t)
{
	struct st_info info;

	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_dma_info(t->c.fd, &info));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), 0));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void last_closed(struct st_trial *t)
{
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_group_close(&t->c.group);
	st_open_first(t);
	st_say_status(t);
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void other_type_after(struct st_trial *t)
{
	bool is_v1 = t->type == VFIO_TYPE1_IOMMU;

	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, is_v1 ? VFIO_TYPE1v2_IOMMU : VFIO_TYPE1_IOMMU));
	/* The answer to a cut tells which version it is. */
	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA);
	st_say(t, "%s", st_dma_unmap(t->c.fd, 0, ST_IOVA, &(__u64){ PAGES(2) }) ? "v2" : "v1");
}

static void not_the_last_leaves(struct st_trial *t)
{
	struct st_group second;

	st_open_second(t, &second);
	st_say_rc(t, st_group_join(&second, t->c.fd));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_leave(&second));
	st_say_rc(t, st_group_join(&second, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

/* A second group needs no SET_IOMMU of its own, and no second one is possible. */
static void second_joins(struct st_trial *t)
{
	struct st_group second;
	int fd;

	st_open_second(t, &second);
	st_say_rc(t, st_group_join(&second, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	fd = st_group_device(&second, second.bdf);
	st_say_rc(t, fd < 0 ? fd : 0);
}

static void second_with_own_container(struct st_trial *t)
{
	struct st_container other;
	struct st_group second;

	st_open_second(t, &second);
	st_say_rc(t, st_container_open(&other, t->node));
	st_say_rc(t, st_group_join(&second, other.fd));
	st_say_rc(t, st_container_set(&other, t->type));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	st_say_rc(t, st_dma_map(other.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
	st_say_size(t, "mapped", st_dma_mapped(other.fd));
}

/* The log of dirty pages starts anew with the container. */
static void log_starts_anew(struct st_trial *t)
{
	st_say_rc(t, st_dma_dirty(t->c.fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_rc(t, st_dma_dirty_get(t->c.fd, ST_IOVA, st_page, st_memory(st_page), 8));
}

static const struct st_row life_rows[] = {
	{ "4 pages, last group leaves, GET_INFO, MAP, joins, SET_IOMMU", last_leaves,
	  .type1 = "0, 0, EINVAL, EINVAL, 0, 0, mapped 0", .shim = "0, 0, 0, 0, 0, 0, mapped 8p",
	  .native = "0, 0, ENODEV, ENODEV, 0, 0, mapped 0",
	  .why = WHY_NO_IOAS },
	{ "4 pages, last group closed, opened, joins, SET_IOMMU", last_closed,
	  .type1 = "0, viable, 0, 0, mapped 0", .shim = "0, viable, 0, 0, mapped 4p" },
	{ "last group leaves, joins, SET_IOMMU of the other version", other_type_after,
	  .types = ST_V1,
	  .type1 = "0, 0, 0, v2", .shim = "0, 0, 0, v1" },
	{ "last group leaves, joins, SET_IOMMU of the other version", other_type_after,
	  .types = ST_V2,
	  .type1 = "0, 0, 0, v1" },
	{ "two groups, 4 pages, one leaves, MAP, the other one leaves and joins",
	  not_the_last_leaves,
	  .type1 = "0, 0, 0, mapped 4p, 0, 0, 0, 0, mapped 0",
	  .shim = "0, 0, 0, mapped 4p, 0, 0, 0, 0, mapped 4p" },
	{ "a second group: in, SET_IOMMU, GET_DEVICE_FD", second_joins,
	  .type1 = "0, EINVAL, 0", .shim = "0, 0, 0" },
	{ "a second group in a container of its own, MAP in both", second_with_own_container,
	  .type1 = "0, 0, 0, 0, 0, mapped 1p, mapped 1p" },
	{ "DIRTY_PAGES START, last group leaves, joins, SET_IOMMU, GET_BITMAP", log_starts_anew,
	  .types = ST_V1,
	  .type1 = "EACCES, 0, 0, 0, EACCES", .shim = "ENOTTY, 0, 0, 0, ENOTTY" },
	{ "DIRTY_PAGES START, last group leaves, joins, SET_IOMMU, GET_BITMAP", log_starts_anew,
	  .types = ST_V2,
	  .type1 = "0, 0, 0, 0, EINVAL", .shim = "ENOTTY, 0, 0, 0, ENOTTY" },
};

static const struct st_section sections[] = {
	ST_SECTION("Groups come and go", life_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
