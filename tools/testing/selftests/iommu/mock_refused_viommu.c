// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the calls on vIOMMUs, vDEVICEs and queues refuse, on the mock IOMMU, and that it
 * changes nothing.
 */
#include <errno.h>
#include <stdint.h>

#include "st_refused.h"

#define VIOMMU(_member, _value)		ST_SET(viommu_alloc._member, _value)
#define VIOMMU_ID(_member, _scene)	ST_FROM(viommu_alloc._member, _scene)

static void good_viommu(const struct st_scene *s, union st_command *cmd)
{
	static struct iommu_viommu_selftest data;

	cmd->viommu_alloc = (struct iommu_viommu_alloc) {
		.size = sizeof(cmd->viommu_alloc),
		.type = IOMMU_VIOMMU_TYPE_SELFTEST,
		.dev_id = s->w.dev.id,
		.hwpt_id = s->w.parent,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
}

static const struct st_refused_row viommu_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { VIOMMU(flags, 1) } },
	{ EOPNOTSUPP, "bad-flags", { VIOMMU(flags, 1u << 31) } },
	{ EOPNOTSUPP, "bad-flags", { VIOMMU(type, IOMMU_VIOMMU_TYPE_DEFAULT) } },
	{ EOPNOTSUPP, "bad-flags", { VIOMMU(__reserved, 1) } },
	{ EOPNOTSUPP, "bad-flags", { VIOMMU(flags, 1), VIOMMU_ID(dev_id, no_id) } },
	{ ENOENT, "no-object", { VIOMMU_ID(dev_id, no_id) } },
	{ ENOENT, "no-object", { VIOMMU_ID(dev_id, w.env.ioas) } },
	{ ENOENT, "no-object", { VIOMMU_ID(dev_id, no_id), VIOMMU(type, 0x7fffffff) } },
	{ EOPNOTSUPP, "not-supported", { VIOMMU(type, 0x7fffffff) } },
	{ EOPNOTSUPP, "not-supported", { VIOMMU(type, IOMMU_VIOMMU_TYPE_ARM_SMMUV3) } },
	{ EOPNOTSUPP, "not-supported",
	  { VIOMMU(type, 0x7fffffff), VIOMMU_ID(hwpt_id, no_id) } },
	{ ENOENT, "no-object", { VIOMMU_ID(hwpt_id, no_id) } },
	{ ENOENT, "no-object", { VIOMMU_ID(hwpt_id, w.env.ioas) } },
	{ ENOENT, "no-object", { VIOMMU_ID(hwpt_id, w.nested) } },
	{ EINVAL, "bad-argument", { VIOMMU_ID(hwpt_id, w.table) } },
	{ EINVAL, "bad-argument", { VIOMMU_ID(hwpt_id, plain.hwpt) } },
	/* The driver's own. */
	{ EINVAL, "driver", { VIOMMU(data_len, 1) } },
	{ EFAULT, "driver", { VIOMMU(data_uptr, 0) } },
	{ EFAULT, "driver", { VIOMMU_ID(data_uptr, read_only) } },
	{ EINVAL, "driver", { VIOMMU_ID(data_uptr, data), VIOMMU(data_len, 64) } },
};

#define VDEVICE(_member, _value)	ST_SET(vdevice_alloc._member, _value)
#define VDEVICE_ID(_member, _scene)	ST_FROM(vdevice_alloc._member, _scene)

static void good_vdevice(const struct st_scene *s, union st_command *cmd)
{
	cmd->vdevice_alloc = (struct iommu_vdevice_alloc) {
		.size = sizeof(cmd->vdevice_alloc),
		.viommu_id = s->w.viommu,
		.dev_id = s->plain.id,
		.virt_id = ST_NUMBER + 1,
	};
}

static const struct st_refused_row vdevice_rows[] = {
	{ ENOENT, "no-object", { VDEVICE_ID(viommu_id, no_id) } },
	{ ENOENT, "no-object", { VDEVICE(viommu_id, 0) } },
	{ ENOENT, "no-object", { VDEVICE_ID(viommu_id, w.parent) } },
	{ ENOENT, "no-object", { VDEVICE_ID(dev_id, no_id) } },
	{ ENOENT, "no-object", { VDEVICE(dev_id, 0) } },
	{ ENOENT, "no-object", { VDEVICE_ID(dev_id, w.env.ioas) } },
	{ ENOENT, "no-object", { VDEVICE_ID(dev_id, plain.driver) } },
	{ EEXIST, "busy", { VDEVICE_ID(dev_id, w.dev.id) } },
	/* In any vIOMMU, and that comes before the number. */
	{ EEXIST, "busy",
	  { VDEVICE_ID(dev_id, w.dev.id), VDEVICE_ID(viommu_id, second_viommu) } },
	{ EEXIST, "busy", { VDEVICE_ID(dev_id, w.dev.id), VDEVICE(virt_id, ST_NUMBER) } },
	{ EEXIST, "overlap", { VDEVICE(virt_id, ST_NUMBER) } },
};

#define VEVENTQ(_member, _value)	ST_SET(veventq_alloc._member, _value)
#define VEVENTQ_ID(_member, _scene)	ST_FROM(veventq_alloc._member, _scene)

/* As deep as can be. */
static void good_veventq(const struct st_scene *s, union st_command *cmd)
{
	cmd->veventq_alloc = (struct iommu_veventq_alloc) {
		.size = sizeof(cmd->veventq_alloc),
		.viommu_id = s->second_viommu,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
		.veventq_depth = 1u << 19,
	};
}

static const struct st_refused_row veventq_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { VEVENTQ(flags, 1) } },
	{ EOPNOTSUPP, "bad-flags", { VEVENTQ(__reserved, 1) } },
	{ EOPNOTSUPP, "bad-flags", { VEVENTQ(type, IOMMU_VEVENTQ_TYPE_DEFAULT) } },
	{ EOPNOTSUPP, "bad-flags", { VEVENTQ(flags, 1), VEVENTQ(veventq_depth, 0) } },
	{ EINVAL, "bad-argument", { VEVENTQ(veventq_depth, 0) } },
	{ EINVAL, "bad-argument", { VEVENTQ(veventq_depth, (1u << 19) + 1) } },
	{ EINVAL, "bad-argument", { VEVENTQ(veventq_depth, ~0u) } },
	{ EINVAL, "bad-argument", { VEVENTQ(veventq_depth, 0), VEVENTQ_ID(viommu_id, no_id) } },
	{ ENOENT, "no-object", { VEVENTQ_ID(viommu_id, no_id) } },
	{ ENOENT, "no-object", { VEVENTQ_ID(viommu_id, w.parent) } },
	{ EEXIST, "busy", { VEVENTQ_ID(viommu_id, w.viommu) } },
};

#define QUEUE(_member, _value)		ST_SET(hw_queue_alloc._member, _value)
#define QUEUE_ID(_member, _scene)	ST_FROM(hw_queue_alloc._member, _scene)

static void good_hw_queue(const struct st_scene *s, union st_command *cmd)
{
	cmd->hw_queue_alloc = (struct iommu_hw_queue_alloc) {
		.size = sizeof(cmd->hw_queue_alloc),
		.viommu_id = s->w.viommu,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.nesting_parent_iova = ST_IOVA,
		.length = 2 * st_page,
	};
}

static const struct st_refused_row hw_queue_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { QUEUE(flags, 1) } },
	{ EOPNOTSUPP, "bad-flags", { QUEUE(type, IOMMU_HW_QUEUE_TYPE_DEFAULT) } },
	{ EINVAL, "bad-size", { QUEUE(length, 0) } },
	{ EINVAL, "bad-size", { QUEUE(length, 0), QUEUE_ID(viommu_id, no_id) } },
	{ EOVERFLOW, "overflow", { QUEUE(length, ST_MAX) } },
	{ EOVERFLOW, "overflow", { QUEUE(nesting_parent_iova, -4096ull) } },
	{ EOVERFLOW, "overflow", { QUEUE(nesting_parent_iova, ST_MAX), QUEUE(length, 1) } },
	{ ENOENT, "no-object", { QUEUE_ID(viommu_id, no_id) } },
	{ ENOENT, "no-object", { QUEUE_ID(viommu_id, w.parent) } },
	{ EOPNOTSUPP, "not-supported", { QUEUE(type, IOMMU_HW_QUEUE_TYPE_TEGRA241_CMDQV) } },
	{ ENOENT, "hole", { QUEUE(nesting_parent_iova, 4 * ST_IOVA) } },
	{ ENOENT, "hole", { QUEUE(length, ST_MAPPED + 1) } },
	{ EFAULT, "bad-argument", { QUEUE_ID(nesting_parent_iova, scattered) } },
	{ EINVAL, "driver", { QUEUE(index, IOMMU_TEST_HW_QUEUE_MAX) } },
	{ EIO, "driver", { QUEUE(index, 1) } },
};

static void good_fault(const struct st_scene *s, union st_command *cmd)
{
	cmd->fault_alloc = (struct iommu_fault_alloc) { .size = sizeof(cmd->fault_alloc) };
}

static const struct st_refused_row fault_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { ST_SET(fault_alloc.flags, 1) } },
	{ EOPNOTSUPP, "bad-flags", { ST_SET(fault_alloc.flags, 1u << 31) } },
};

static const struct st_refused calls[] = {
	ST_REFUSED(VIOMMU_ALLOC, good_viommu, viommu_rows),
	ST_REFUSED(VDEVICE_ALLOC, good_vdevice, vdevice_rows),
	ST_REFUSED(VEVENTQ_ALLOC, good_veventq, veventq_rows),
	ST_REFUSED(HW_QUEUE_ALLOC, good_hw_queue, hw_queue_rows),
	ST_REFUSED(FAULT_QUEUE_ALLOC, good_fault, fault_rows),
};

#include "st_refused_test.h"
