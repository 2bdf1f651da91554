// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Each allocation and each hook of the calls on address spaces fails once, with mappings
 * that a device sees and with some that nothing has pinned; those of a container, and
 * what drivers in the kernel do with an address space, too.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_container.h"
#include "st_world.h"

#define SECOND	(2 * ST_IOVA)
#define PAGES	(ST_MAPPED / st_page)

/* A second table shows the IOAS of the device. */
static int have_two_tables(struct st_world *w)
{
	return st_mock_hwpt(w->fd, &w->dev, w->env.ioas, 0, &w->table);
}

static int have_file(struct st_world *w)
{
	w->file = st_memfd(ST_HUGE, 0);
	return w->file < 0 ? w->file : 0;
}

static int have_huge_file(struct st_world *w)
{
	w->file = st_memfd(ST_HUGE, MFD_HUGETLB);
	return w->file < 0 ? w->file : 0;
}

static int have_dmabuf(struct st_world *w)
{
	w->file = st_mock_dmabuf(w->fd, ST_MAPPED);
	return w->file < 0 ? w->file : 0;
}

static int ioas_alloc_one(struct st_world *w)
{
	return ioas_alloc(w->fd, &w->id);
}

static int map_scattered(struct st_world *w, __u32 ioas)
{
	return st_map_at(w->fd, ioas, w->scattered, ST_MAPPED, SECOND);
}

static int map(struct st_world *w)
{
	return map_scattered(w, w->env.ioas);
}

static int map_unpinned(struct st_world *w)
{
	return map_scattered(w, w->other_ioas);
}

static int map_somewhere(struct st_world *w)
{
	__u64 iova;

	return st_map(w->fd, w->env.ioas, ST_RW, w->memory, ST_MAPPED, &iova);
}

static int map_file(struct st_world *w)
{
	__u64 iova = SECOND;

	return st_map_file(w->fd, w->env.ioas, ST_RW | ST_FIXED, w->file, 0, ST_MAPPED, &iova);
}

static int shows_memory(struct st_world *w)
{
	return st_mock_shows(w->fd, w->dev.hwpt, ST_IOVA, w->memory, ST_MAPPED);
}

/* As many pages from the middle of one to the middle of another. */
static int copy(struct st_world *w)
{
	struct iommu_ioas_copy cmd = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = w->env.ioas,
		.src_ioas_id = w->other_ioas,
		.length = ST_MAPPED,
		.dst_iova = SECOND,
		.src_iova = ST_IOVA + ST_MAPPED / 2,
	};

	return st_copy(w->fd, &cmd);
}

static int have_neighbour(struct st_world *w)
{
	return st_map_at(w->fd, w->other_ioas, w->memory + ST_MAPPED, ST_MAPPED,
			 ST_IOVA + ST_MAPPED);
}

static int shows_copy(struct st_world *w)
{
	return shows_memory(w) ?: st_mock_shows(w->fd, w->dev.hwpt, SECOND,
						w->memory + ST_MAPPED / 2, ST_MAPPED);
}

static int unmap(struct st_world *w)
{
	return st_unmap(w->fd, w->env.ioas, ST_IOVA, ST_MAPPED);
}

static int have_second(struct st_world *w)
{
	return map_scattered(w, w->env.ioas);
}

static int unmap_all(struct st_world *w)
{
	__u64 bytes;
	int rc = st_unmap_all(w->fd, w->env.ioas, &bytes);

	return rc ?: bytes != 2 * ST_MAPPED;
}

static int iova_ranges(struct st_world *w)
{
	struct iova_ranges ranges;
	int rc = ioas_iova_ranges(w->fd, w->env.ioas, &ranges);

	return rc ?: ranges.count != 1;
}

static int allow(struct st_world *w)
{
	struct iommu_iova_range ranges[] = {
		{ .start = ST_IOVA, .last = ST_IOVA + ST_MIB - 1 },
		{ .start = SECOND, .last = SECOND + ST_MIB - 1 },
	};

	return st_allow(w->fd, w->env.ioas, ranges, ARRAY_SIZE(ranges));
}

static int have_allowed(struct st_world *w)
{
	struct iommu_iova_range range = { .start = 3 * ST_IOVA, .last = 4 * ST_IOVA - 1 };

	return st_allow(w->fd, w->env.ioas, &range, 1);
}

/* What is allowed now decides where a mapping comes to lie. */
static int is_allowed(struct st_world *w)
{
	__u64 iova = 0;
	int rc = st_map(w->fd, w->env.ioas, ST_RW, w->memory, st_page, &iova);

	return rc ?: iova < ST_IOVA || iova >= 3 * ST_IOVA;
}

static int option_get(struct st_world *w)
{
	__u64 value;

	return st_option_get(w->fd, IOMMU_OPTION_HUGE_PAGES, w->env.ioas, &value) ?: value != 1;
}

static int option_set(struct st_world *w)
{
	return st_option_set(w->fd, IOMMU_OPTION_HUGE_PAGES, w->other_ioas, 0);
}

static int vfio_ioas(struct st_world *w, __u16 op)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.op = op,
		.ioas_id = w->env.ioas,
	};

	return st_call(w->fd, IOMMU_VFIO_IOAS, &cmd);
}

static int vfio_ioas_set(struct st_world *w)
{
	return vfio_ioas(w, IOMMU_VFIO_IOAS_SET);
}

static int have_vfio_ioas(struct st_world *w)
{
	return vfio_ioas_set(w);
}

static int vfio_ioas_get(struct st_world *w)
{
	return vfio_ioas(w, IOMMU_VFIO_IOAS_GET);
}

static int destroy_ioas(struct st_world *w)
{
	return iommufd_destroy(w->fd, w->other_ioas);
}

/* All mappings are of files: the program's own memory stays with it. */
static int have_file_only(struct st_world *w)
{
	int rc = have_file(w) ?: st_unmap_all(w->fd, w->env.ioas, NULL);

	return rc ?: st_unmap_all(w->fd, w->other_ioas, NULL) ?: map_file(w);
}

static int change_process(struct st_world *w)
{
	return st_change_process(w->fd);
}

static int have_tracking(struct st_world *w)
{
	static const __u64 all[64] = { [0 ... 63] = ~0ull };
	int rc = st_mock_hwpt(w->fd, &w->dev, w->env.ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			      &w->table);

	rc = rc ?: st_mock_track(w->fd, w->table, IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
	if (rc)
		return rc;
	return st_mock_writes(w->fd, w->table, ST_IOVA, ST_MAPPED, st_page, all);
}

static int set_tracking(struct st_world *w)
{
	return st_mock_track(w->fd, w->table, IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
}

static int have_dirty_table(struct st_world *w)
{
	return st_mock_hwpt(w->fd, &w->dev, w->env.ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			    &w->table);
}

/* A call that fails may have told of pages: together both have told of all of them. */
static int all_told(int rc, __u64 *bitmap)
{
	if (rc)
		return rc;
	rc = *bitmap == (1ull << PAGES) - 1 ? 0 : -EIO;
	*bitmap = 0;
	return rc;
}

static int get_dirty(struct st_world *w)
{
	static __u64 bitmap;

	return all_told(st_mock_dirty(w->fd, w->table, 0, ST_IOVA, ST_MAPPED, st_page, &bitmap),
			&bitmap);
}

static int is_clean(struct st_world *w)
{
	__u64 bitmap = 0;
	int rc = st_mock_dirty(w->fd, w->table, 0, ST_IOVA, ST_MAPPED, st_page, &bitmap);

	return rc ?: bitmap != 0;
}

static int container_map(struct st_world *w)
{
	return st_dma_map(w->fd, ST_DMA_RW, w->memory, ST_MAPPED, SECOND);
}

/* As TYPE1 does it: a part stands for the whole mapping. */
static int container_begun(struct st_world *w)
{
	__u64 size = ST_MAPPED / 2;
	int rc = st_dma_unmap(w->fd, 0, ST_IOVA, &size);

	return rc ?: size != ST_MAPPED;
}

/* The type takes large pages away, which an address space in use cannot do without. */
static int have_type1(struct st_world *w)
{
	int rc = have_vfio_ioas(w) ?: st_unmap_all(w->fd, w->env.ioas, NULL);

	rc = rc ?: st_call(w->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1_IOMMU);
	return rc ?: st_map_at(w->fd, w->env.ioas, w->memory, ST_MAPPED, ST_IOVA);
}

static int container_unmap(struct st_world *w)
{
	__u64 size = ST_MAPPED;
	int rc = st_dma_unmap(w->fd, 0, ST_IOVA, &size);

	return rc ?: size != ST_MAPPED;
}

static int container_info(struct st_world *w)
{
	struct st_info info;

	return st_dma_info(w->fd, &info);
}

static int container_set_iommu(struct st_world *w)
{
	return st_call(w->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU);
}

/* All domains of the container's IOAS have dirty bits. */
static int have_recordable(struct st_world *w)
{
	int rc = have_dirty_table(w) ?: st_mock_replace(w->fd, &w->dev, w->table);

	return rc ?: vfio_ioas_set(w);
}

static int record_start(struct st_world *w)
{
	return st_dma_dirty(w->fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static int record_stop(struct st_world *w)
{
	return st_dma_dirty(w->fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

static int is_recording(struct st_world *w)
{
	return st_fdinfo_ioas(w->fd, w->env.ioas, " recording=") != 1;
}

static int is_not_recording(struct st_world *w)
{
	return !is_recording(w);
}

static int have_record(struct st_world *w)
{
	static const __u64 all = ~0ull;
	int rc = have_recordable(w) ?: record_start(w);

	return rc ?: st_mock_writes(w->fd, w->table, ST_IOVA, ST_MAPPED, st_page, &all);
}

/* As with a domain's own bits: what a call that fails has not told is not lost. */
static int record_get(struct st_world *w)
{
	static __u64 bitmap;

	return all_told(st_dma_dirty_get(w->fd, ST_IOVA, ST_MAPPED, &bitmap, sizeof(bitmap)),
			&bitmap);
}

static int record_is_clean(struct st_world *w)
{
	__u64 bitmap = 0;
	int rc = st_dma_dirty_get(w->fd, ST_IOVA, ST_MAPPED, &bitmap, sizeof(bitmap));

	return rc ?: bitmap != 0;
}

static int access_create(struct st_world *w)
{
	int rc = st_mock_access(w->fd, w->env.ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);

	if (rc >= 0)
		w->file = rc;
	return rc < 0 ? rc : 0;
}

static int access_of_other(struct st_world *w)
{
	int rc = st_mock_access(w->fd, w->other_ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);

	w->file = rc;
	return rc < 0 ? rc : 0;
}

static int access_pin(struct st_world *w)
{
	return st_mock_pin(w->fd, w->file, ST_IOVA, ST_MAPPED, MOCK_FLAGS_ACCESS_WRITE, &w->id);
}

static int access_pinned(struct st_world *w)
{
	return access_of_other(w) ?: access_pin(w);
}

static int access_unpin(struct st_world *w)
{
	return st_mock_unpin(w->fd, w->file, w->id);
}

static int access_read(struct st_world *w)
{
	unsigned char bytes[64];
	int rc = st_mock_rw(w->fd, w->file, ST_IOVA + 100, bytes, sizeof(bytes),
			    MOCK_ACCESS_RW_SLOW_PATH);

	return rc ?: bytes[0] != 1 || bytes[63] != 1;
}

static int access_move(struct st_world *w)
{
	return st_mock_move(w->fd, w->file, w->env.ioas);
}

static int reserve(struct st_world *w)
{
	return st_mock_reserve(w->fd, w->env.ioas, 3 * ST_IOVA, ST_MIB);
}

static const struct st_step steps[] = {
	{ "IOAS_ALLOC", st_have_nothing, ioas_alloc_one },
	{ "IOAS_MAP", st_have_nothing, map, shows_memory },
	{ "IOAS_MAP, two tables", have_two_tables, map, shows_memory },
	{ "IOAS_MAP, no table", st_have_nothing, map_unpinned },
	{ "IOAS_MAP, anywhere", st_have_nothing, map_somewhere, shows_memory },
	{ "IOAS_MAP_FILE", have_file, map_file },
	{ "IOAS_MAP_FILE, huge pages", have_huge_file, map_file },
	{ "IOAS_MAP_FILE, dma-buf", have_dmabuf, map_file },
	{ "IOAS_COPY", have_neighbour, copy, shows_copy },
	{ "IOAS_UNMAP", st_have_nothing, unmap },
	{ "IOAS_UNMAP of all", have_second, unmap_all },
	{ "IOAS_IOVA_RANGES", st_have_nothing, iova_ranges, .keeps_state = true },
	{ "IOAS_ALLOW_IOVAS", have_allowed, allow, is_allowed },
	{ "OPTION, get", st_have_nothing, option_get, .keeps_state = true },
	{ "OPTION, set", st_have_nothing, option_set },
	{ "VFIO_IOAS, set", st_have_nothing, vfio_ioas_set, vfio_ioas_get },
	{ "VFIO_IOAS, get", have_vfio_ioas, vfio_ioas_get, .keeps_state = true,
	  .never_fails = true },
	{ "DESTROY of an IOAS", st_have_nothing, destroy_ioas, .never_fails = true },
	{ "IOAS_CHANGE_PROCESS", have_file_only, change_process, .keeps_state = true },
	{ "HWPT_SET_DIRTY_TRACKING", have_dirty_table, set_tracking, .keeps_state = true },
	{ "HWPT_GET_DIRTY_BITMAP", have_tracking, get_dirty, is_clean, true },
	{ "VFIO_SET_IOMMU", have_vfio_ioas, container_set_iommu, .never_fails = true },
	{ "VFIO_IOMMU_GET_INFO", have_vfio_ioas, container_info, .keeps_state = true },
	{ "VFIO_IOMMU_MAP_DMA", have_vfio_ioas, container_map, shows_memory },
	{ "VFIO_IOMMU_UNMAP_DMA", have_vfio_ioas, container_unmap, .never_fails = true },
	{ "VFIO_IOMMU_UNMAP_DMA, TYPE1", have_type1, container_begun, .never_fails = true },
	{ "VFIO_IOMMU_DIRTY_PAGES, start", have_recordable, record_start, is_recording },
	{ "VFIO_IOMMU_DIRTY_PAGES, get", have_record, record_get, record_is_clean, true },
	{ "VFIO_IOMMU_DIRTY_PAGES, stop", have_record, record_stop, is_not_recording,
	  .never_fails = true },
	{ "access: create", st_have_nothing, access_create },
	{ "access: pin", access_of_other, access_pin, access_unpin },
	{ "access: pin what a table has", access_create, access_pin, access_unpin },
	{ "access: unpin", access_pinned, access_unpin, .never_fails = true },
	{ "access: read", access_of_other, access_read, .keeps_state = true },
	{ "access: another IOAS", access_pinned, access_move },
	{ "reserve", st_have_nothing, reserve },
};

#include "st_step_test.h"
