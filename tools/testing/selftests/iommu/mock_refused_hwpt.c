// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the calls on page tables refuse, on the mock IOMMU, and that it changes nothing.
 */
#include <errno.h>
#include <stdint.h>

#include "st_refused.h"

#define ALLOC(_member, _value)	ST_SET(hwpt_alloc._member, _value)
#define ALLOC_ID(_member, _scene)	ST_FROM(hwpt_alloc._member, _scene)

static void good_paging(const struct st_scene *s, union st_command *cmd)
{
	cmd->hwpt_alloc = (struct iommu_hwpt_alloc) {
		.size = sizeof(cmd->hwpt_alloc),
		.flags = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = s->w.dev.id,
		.pt_id = s->w.other_ioas,
		.data_type = IOMMU_HWPT_DATA_SELFTEST,
		.data_len = sizeof(struct iommu_hwpt_selftest),
		.data_uptr = s->data,
		.fault_id = s->w.fault,
	};
}

static const struct st_refused_row paging_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { ALLOC(__reserved, 1) } },
	{ EOPNOTSUPP, "bad-flags", { ALLOC(__reserved2, 1) } },
	{ EINVAL, "bad-argument", { ALLOC(data_type, IOMMU_HWPT_DATA_NONE) } },
	{ EINVAL, "bad-argument", { ALLOC(data_len, 0) } },
	/* These come before the device, the device before what is below. */
	{ EINVAL, "bad-argument", { ALLOC(data_len, 0), ALLOC_ID(dev_id, no_id) } },
	{ ENOENT, "no-object", { ALLOC_ID(dev_id, no_id), ALLOC_ID(pt_id, no_id) } },
	{ ENOENT, "no-object", { ALLOC(dev_id, 0) } },
	{ ENOENT, "no-object", { ALLOC_ID(dev_id, w.env.ioas) } },
	{ ENOENT, "no-object", { ALLOC_ID(dev_id, w.dev.driver) } },
	{ EINVAL, "no-object", { ALLOC_ID(pt_id, no_id) } },
	{ EINVAL, "no-object", { ALLOC(pt_id, 0) } },
	/* That is not there is no reason to look at flags. */
	{ EINVAL, "no-object", { ALLOC_ID(pt_id, no_id), ALLOC(flags, 1u << 31) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, w.dev.id) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, w.dev.driver) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, w.fault) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, w.nested) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, w.vdevice) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, w.id) } },
	{ EOPNOTSUPP, "bad-flags", { ALLOC(flags, 1u << 4) } },
	{ EOPNOTSUPP, "bad-flags", { ALLOC(flags, 1u << 31) } },
	{ EOPNOTSUPP, "bad-flags",
	  { ALLOC(flags, IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_NEST_PARENT) } },
	{ EOPNOTSUPP, "not-supported", { ALLOC_ID(dev_id, plain.id) } },
	{ ENOENT, "no-object", { ALLOC_ID(fault_id, no_id) } },
	{ ENOENT, "no-object", { ALLOC(fault_id, 0) } },
	{ ENOENT, "no-object", { ALLOC_ID(fault_id, w.id) } },
	/* The driver's own. */
	{ EOPNOTSUPP, "driver", { ALLOC(data_type, IOMMU_HWPT_DATA_VTD_S1) } },
	{ EOPNOTSUPP, "driver", { ALLOC_ID(data_uptr, odd_data) } },
	{ EINVAL, "driver", { ALLOC(data_len, 1) } },
	{ EINVAL, "driver", { ALLOC(data_len, sizeof(struct iommu_hwpt_selftest) + 4) } },
	{ EFAULT, "driver", { ALLOC(data_uptr, 0) } },
};

static void good_nested(const struct st_scene *s, union st_command *cmd)
{
	good_paging(s, cmd);
	cmd->hwpt_alloc.flags = IOMMU_HWPT_FAULT_ID_VALID | IOMMU_HWPT_ALLOC_PASID;
	cmd->hwpt_alloc.pt_id = s->w.parent;
}

static void good_viommu_nested(const struct st_scene *s, union st_command *cmd)
{
	good_nested(s, cmd);
	cmd->hwpt_alloc.pt_id = s->w.viommu;
}

/* Of parents and of vIOMMUs. */
static const struct st_refused_row nested_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { ALLOC(flags, IOMMU_HWPT_ALLOC_NEST_PARENT) } },
	{ EOPNOTSUPP, "bad-flags", { ALLOC(flags, IOMMU_HWPT_ALLOC_DIRTY_TRACKING) } },
	{ EOPNOTSUPP, "bad-flags", { ALLOC(flags, 1u << 31) } },
	{ EOPNOTSUPP, "bad-argument",
	  { ALLOC(data_type, IOMMU_HWPT_DATA_NONE), ALLOC(data_len, 0) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, w.table) } },
	{ EINVAL, "bad-argument", { ALLOC_ID(pt_id, plain.hwpt) } },
	{ EOPNOTSUPP, "bad-argument",
	  { ALLOC_ID(pt_id, w.table), ALLOC(data_type, 0), ALLOC(data_len, 0) } },
	{ ENOENT, "no-object", { ALLOC_ID(fault_id, no_id) } },
	{ ENOENT, "no-object", { ALLOC_ID(fault_id, w.nested) } },
	{ EOPNOTSUPP, "driver", { ALLOC(data_type, IOMMU_HWPT_DATA_VTD_S1) } },
	{ EINVAL, "driver", { ALLOC(data_len, 1) } },
	{ EINVAL, "driver", { ALLOC(data_len, sizeof(struct iommu_hwpt_selftest) + 4) } },
	{ EFAULT, "driver", { ALLOC(data_uptr, 0) } },
};

#define INVALIDATE(_member, _value)	ST_SET(invalidate._member, _value)
#define INVALIDATE_ID(_member, _scene)	ST_FROM(invalidate._member, _scene)

static void good_invalidate(const struct st_scene *s, union st_command *cmd)
{
	cmd->invalidate = (struct iommu_hwpt_invalidate) {
		.size = sizeof(cmd->invalidate),
		.hwpt_id = s->w.nested,
		.data_uptr = s->data,
		.data_type = IOMMU_HWPT_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(struct iommu_hwpt_invalidate_selftest),
		.entry_num = 1,
	};
}

static void good_viommu_invalidate(const struct st_scene *s, union st_command *cmd)
{
	static const struct iommu_viommu_invalidate_selftest entry = { .vdev_id = ST_NUMBER };

	good_invalidate(s, cmd);
	cmd->invalidate.hwpt_id = s->w.viommu;
	cmd->invalidate.data_uptr = (uintptr_t)&entry;
	cmd->invalidate.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST;
	cmd->invalidate.entry_len = sizeof(entry);
}

static const struct st_refused_row invalidate_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { INVALIDATE(__reserved, 1) } },
	{ EINVAL, "bad-argument", { INVALIDATE(data_uptr, 0) } },
	{ EINVAL, "bad-argument", { INVALIDATE(entry_len, 0) } },
	{ EINVAL, "bad-argument", { INVALIDATE(entry_len, 4097) } },
	{ EINVAL, "bad-argument", { INVALIDATE(entry_num, (1u << 19) + 1) } },
	{ EINVAL, "bad-argument", { INVALIDATE(entry_len, 0), INVALIDATE_ID(hwpt_id, no_id) } },
	{ ENOENT, "no-object", { INVALIDATE_ID(hwpt_id, no_id) } },
	{ ENOENT, "no-object", { INVALIDATE(hwpt_id, 0) } },
	{ EINVAL, "bad-argument", { INVALIDATE_ID(hwpt_id, w.parent) } },
	{ EINVAL, "bad-argument", { INVALIDATE_ID(hwpt_id, w.env.ioas) } },
	{ EINVAL, "bad-argument", { INVALIDATE_ID(hwpt_id, w.dev.id) } },
	/* The driver's own; without entries it only says whether it knows the type. */
	{ EINVAL, "driver", { INVALIDATE(data_type, 77) } },
	{ EINVAL, "driver", { INVALIDATE(data_type, 77), INVALIDATE(entry_num, 0) } },
	{ EINVAL, "driver", { INVALIDATE(entry_len, 2) } },
	{ EFAULT, "driver", { INVALIDATE(data_uptr, 4096) } },
};

/* An entry with more in it than is known: the core's helpers, of which drivers use either. */
static const struct st_refused_row invalidate_long_rows[] = {
	{ EINVAL, "driver", { INVALIDATE_ID(data_uptr, read_only), INVALIDATE(entry_len, 64) } },
};

static const struct st_refused_row viommu_invalidate_long_rows[] = {
	{ E2BIG, "driver", { INVALIDATE_ID(data_uptr, read_only), INVALIDATE(entry_len, 64) } },
};

#define INFO(_member, _value)	ST_SET(hw_info._member, _value)

static void good_hw_info(const struct st_scene *s, union st_command *cmd)
{
	static struct iommu_test_hw_info info;

	cmd->hw_info = (struct iommu_hw_info) {
		.size = sizeof(cmd->hw_info),
		.flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
		.dev_id = s->w.dev.id,
		.data_len = sizeof(info),
		.data_uptr = (uintptr_t)&info,
		.in_data_type = IOMMU_HW_INFO_TYPE_SELFTEST,
	};
}

static const struct st_refused_row hw_info_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { INFO(flags, 2) } },
	{ EOPNOTSUPP, "bad-flags", { INFO(__reserved[0], 1) } },
	{ EOPNOTSUPP, "bad-flags", { INFO(__reserved[1], 1) } },
	{ EOPNOTSUPP, "bad-flags", { INFO(__reserved[2], 1) } },
	{ ENOENT, "no-object", { ST_FROM(hw_info.dev_id, no_id) } },
	{ ENOENT, "no-object", { ST_FROM(hw_info.dev_id, w.env.ioas) } },
	{ EOPNOTSUPP, "driver", { INFO(in_data_type, IOMMU_HW_INFO_TYPE_INTEL_VTD) } },
	{ EFAULT, "fault", { INFO(data_uptr, 0) } },
	{ EFAULT, "fault", { ST_FROM(hw_info.data_uptr, read_only) } },
};

#define TRACK(_member, _value)	ST_SET(set_dirty._member, _value)

static void good_set_dirty(const struct st_scene *s, union st_command *cmd)
{
	cmd->set_dirty = (struct iommu_hwpt_set_dirty_tracking) {
		.size = sizeof(cmd->set_dirty),
		.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE,
		.hwpt_id = s->dirty,
	};
}

static const struct st_refused_row set_dirty_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { TRACK(flags, 2) } },
	{ EOPNOTSUPP, "bad-flags", { TRACK(flags, 3) } },
	{ EOPNOTSUPP, "bad-flags", { TRACK(__reserved, 1) } },
	{ EOPNOTSUPP, "bad-flags", { TRACK(flags, 2), ST_FROM(set_dirty.hwpt_id, no_id) } },
	{ ENOENT, "no-object", { ST_FROM(set_dirty.hwpt_id, no_id) } },
	{ ENOENT, "no-object", { ST_FROM(set_dirty.hwpt_id, w.env.ioas) } },
	{ ENOENT, "no-object", { ST_FROM(set_dirty.hwpt_id, w.nested) } },
	{ EOPNOTSUPP, "not-supported", { ST_FROM(set_dirty.hwpt_id, w.table) } },
	{ EOPNOTSUPP, "not-supported", { ST_FROM(set_dirty.hwpt_id, w.table), TRACK(flags, 0) } },
};

#define DIRTY(_member, _value)	ST_SET(get_dirty._member, _value)
#define DIRTY_ID(_member, _scene)	ST_FROM(get_dirty._member, _scene)

static void good_get_dirty(const struct st_scene *s, union st_command *cmd)
{
	static __u64 bitmap;

	cmd->get_dirty = (struct iommu_hwpt_get_dirty_bitmap) {
		.size = sizeof(cmd->get_dirty),
		.hwpt_id = s->dirty,
		.iova = ST_IOVA,
		.length = ST_MAPPED,
		.page_size = MOCK_PAGE_SIZE,
		.data = (uintptr_t)&bitmap,
	};
}

static const struct st_refused_row get_dirty_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { DIRTY(flags, 2) } },
	{ EOPNOTSUPP, "bad-flags", { DIRTY(__reserved, 1) } },
	{ ENOENT, "no-object", { DIRTY_ID(hwpt_id, no_id) } },
	{ ENOENT, "no-object", { DIRTY_ID(hwpt_id, w.nested) } },
	{ ENOENT, "no-object", { DIRTY_ID(hwpt_id, no_id), DIRTY(length, 0) } },
	{ EOPNOTSUPP, "not-supported", { DIRTY_ID(hwpt_id, w.table) } },
	{ EINVAL, "bad-size", { DIRTY(length, 0) } },
	{ EOVERFLOW, "bad-size", { DIRTY(length, ST_MAX) } },
	{ EOVERFLOW, "bad-size", { DIRTY(iova, -4096ull), DIRTY(length, 8192) } },
	{ EINVAL, "bad-argument", { DIRTY(page_size, 0) } },
	{ EINVAL, "bad-argument", { DIRTY(page_size, 3000) } },
	{ EINVAL, "misaligned", { DIRTY(iova, ST_IOVA + 1024) } },
	{ EINVAL, "misaligned", { DIRTY(length, 1024) } },
	/* To what is asked for, but not to the page table. */
	{ EINVAL, "misaligned", { DIRTY(iova, ST_IOVA + 1024), DIRTY(page_size, 1024) } },
	{ EINVAL, "misaligned", { DIRTY(length, 1024), DIRTY(page_size, 1024) } },
	{ EFAULT, "fault", { DIRTY(data, 0) } },
	{ EFAULT, "fault", { DIRTY_ID(data, read_only) } },
};

static const struct st_refused calls[] = {
	ST_REFUSED(HWPT_ALLOC, good_paging, paging_rows),
	ST_REFUSED(HWPT_ALLOC, good_nested, nested_rows),
	ST_REFUSED(HWPT_ALLOC, good_viommu_nested, nested_rows),
	ST_REFUSED(HWPT_INVALIDATE, good_invalidate, invalidate_rows, .no_reply = true),
	ST_REFUSED(HWPT_INVALIDATE, good_invalidate, invalidate_long_rows, .no_reply = true),
	ST_REFUSED(HWPT_INVALIDATE, good_viommu_invalidate, invalidate_rows, .no_reply = true),
	ST_REFUSED(HWPT_INVALIDATE, good_viommu_invalidate, viommu_invalidate_long_rows,
		   .no_reply = true),
	ST_REFUSED(GET_HW_INFO, good_hw_info, hw_info_rows),
	ST_REFUSED(HWPT_SET_DIRTY_TRACKING, good_set_dirty, set_dirty_rows, .no_reply = true),
	ST_REFUSED(HWPT_GET_DIRTY_BITMAP, good_get_dirty, get_dirty_rows, .no_reply = true),
};

#include "st_refused_test.h"
