// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Each allocation and each hook of the calls around devices, page tables and vIOMMUs
 * fails once. mock_fail_ioas.c has those of address spaces, mock_fail_files.c files.
 */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "st_world.h"

/* The calls. */
static int add_device(struct st_world *w)
{
	struct st_mock dev;

	return st_mock_add(w->fd, w->other_ioas, 0, &dev);
}

static int alloc_paging(struct st_world *w)
{
	return st_mock_hwpt(w->fd, &w->dev, w->other_ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			    &w->id);
}

static int alloc_nested(struct st_world *w)
{
	return st_mock_nested(w->fd, &w->dev, w->parent, IOMMU_HWPT_FAULT_ID_VALID, w->fault,
			      &w->id);
}

static int alloc_viommu(struct st_world *w)
{
	struct iommu_viommu_selftest data = { .in_data = 1 };

	return st_mock_viommu(w->fd, &w->dev, w->parent, &data, &w->id);
}

static int alloc_vdevice(struct st_world *w)
{
	return st_mock_vdevice(w->fd, w->viommu, &w->dev, ST_NUMBER, &w->id);
}

static int alloc_viommu_nested(struct st_world *w)
{
	return st_mock_nested(w->fd, &w->dev, w->viommu, 0, 0, &w->id);
}

static int alloc_hw_queue(struct st_world *w)
{
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = w->viommu,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.nesting_parent_iova = ST_IOVA,
		.length = 16 * ST_KIB,
	};
	int rc = st_call(w->fd, IOMMU_HW_QUEUE_ALLOC, &cmd);

	w->id = cmd.out_hw_queue_id;
	return rc;
}

static int alloc_fault(struct st_world *w)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = st_call(w->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (!rc)
		w->queue = cmd.out_fault_fd;
	return rc;
}

static int alloc_veventq(struct st_world *w)
{
	int fd = st_mock_veventq(w->fd, w->viommu, 4, &w->id);

	if (fd >= 0)
		w->event_queue = fd;
	return fd < 0 ? fd : 0;
}

static int replace_by_ioas(struct st_world *w)
{
	return st_mock_replace(w->fd, &w->dev, w->other_ioas);
}

static int replace_by_table(struct st_world *w)
{
	return st_mock_replace(w->fd, &w->dev, w->other_table);
}

static int replace_by_nested(struct st_world *w)
{
	return st_mock_replace(w->fd, &w->dev, w->nested);
}

static int attach_pasid(struct st_world *w)
{
	return st_mock_pasid_attach(w->fd, &w->dev, ST_PASID, w->table);
}

static int replace_pasid(struct st_world *w)
{
	return st_mock_pasid_replace(w->fd, &w->dev, ST_PASID, w->other_table);
}

/* What fails is the selftest's look for the mock device. */
static int detach_pasid(struct st_world *w)
{
	return st_mock_pasid_detach(w->fd, &w->dev, ST_PASID);
}

static int pasid_is_detached(struct st_world *w)
{
	return st_mock_pasid_is_at(w->fd, &w->dev, ST_PASID, 0);
}

static int invalidate(struct st_world *w)
{
	struct iommu_viommu_invalidate_selftest entry = { .vdev_id = ST_NUMBER };
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = w->viommu,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};

	return st_call(w->fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

/* The entry that was asked for, and no other. */
static int is_invalidated(struct st_world *w)
{
	return st_mock_cache_is(w->fd, &w->dev, 0, 0) ?:
	       st_mock_cache_is(w->fd, &w->dev, 1, IOMMU_TEST_DEV_CACHE_DEFAULT);
}

static int pasid_is_attached(struct st_world *w)
{
	return st_mock_pasid_is_at(w->fd, &w->dev, ST_PASID, w->table);
}

static int pasid_is_replaced(struct st_world *w)
{
	return st_mock_pasid_is_at(w->fd, &w->dev, ST_PASID, w->other_table);
}

static int shows_other_ioas(struct st_world *w)
{
	return st_mock_shows(w->fd, w->id, ST_IOVA, w->memory, ST_MAPPED);
}

static int get_hw_info(struct st_world *w)
{
	struct iommu_hw hw;

	return iommufd_hw_info(w->fd, w->dev.id, &hw);
}

static int destroy_device(struct st_world *w)
{
	return iommufd_destroy(w->fd, w->dev.driver);
}

static int destroy_parent(struct st_world *w)
{
	return iommufd_destroy(w->fd, w->parent);
}

static int destroy_vdevice(struct st_world *w)
{
	return iommufd_destroy(w->fd, w->vdevice);
}

static int destroy_viommu(struct st_world *w)
{
	return iommufd_destroy(w->fd, w->viommu);
}

static int destroy_nested(struct st_world *w)
{
	return iommufd_destroy(w->fd, w->nested);
}

static int have_hw_queue(struct st_world *w)
{
	return st_have_viommu(w) ?: alloc_hw_queue(w);
}

static int destroy_hw_queue(struct st_world *w)
{
	return iommufd_destroy(w->fd, w->id);
}

static const struct st_step steps[] = {
	{ "add a device", st_have_nothing, add_device },
	{ "HWPT_ALLOC", st_have_nothing, alloc_paging, shows_other_ioas },
	{ "HWPT_ALLOC, nested", st_have_fault, alloc_nested },
	{ "HWPT_ALLOC, of a vIOMMU", st_have_viommu, alloc_viommu_nested },
	{ "VIOMMU_ALLOC", st_have_parent, alloc_viommu },
	{ "VDEVICE_ALLOC", st_have_viommu, alloc_vdevice },
	{ "HW_QUEUE_ALLOC", st_have_viommu, alloc_hw_queue },
	{ "FAULT_QUEUE_ALLOC", st_have_nothing, alloc_fault },
	{ "VEVENTQ_ALLOC", st_have_viommu, alloc_veventq },
	{ "GET_HW_INFO", st_have_nothing, get_hw_info, .keeps_state = true },
	{ "replace by an IOAS", st_have_nothing, replace_by_ioas },
	{ "replace by a table", st_have_tables, replace_by_table },
	{ "replace by a nested table", st_have_fault_table, replace_by_nested },
	{ "replace by one of a vIOMMU", st_have_viommu_nested, replace_by_nested },
	{ "attach a PASID", st_have_tables, attach_pasid, pasid_is_attached },
	{ "replace at a PASID", st_have_pasid, replace_pasid, pasid_is_replaced },
	{ "detach a PASID", st_have_pasid, detach_pasid, pasid_is_detached },
	{ "HWPT_INVALIDATE", st_have_vdevice, invalidate, is_invalidated, true },
	{ "DESTROY of a device", st_have_nothing, destroy_device, .never_fails = true },
	{ "DESTROY of a table", st_have_parent, destroy_parent, .never_fails = true },
	{ "DESTROY of a nested table", st_have_fault_table, destroy_nested, .never_fails = true },
	{ "DESTROY of a vIOMMU", st_have_viommu, destroy_viommu, .never_fails = true },
	{ "DESTROY of a vDEVICE", st_have_vdevice, destroy_vdevice, .never_fails = true },
	{ "DESTROY of a hardware queue", have_hw_queue, destroy_hw_queue, .never_fails = true },
};

#include "st_step_test.h"
