// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_HWPT_INVALIDATE: user space changed a table that it keeps itself, and tells the
 * IOMMU's caches.
 *
 * Locks: none; the object is held by a short reference while its driver works.
 */
#include <linux/iommu.h>
#include <linux/sched.h>

#include "hwpt.h"
#include "trace.h"
#include "ucmd.h"

#define INVALIDATE_MAX_ENTRIES BIT(19)

/* Drivers take memory for all entries that they are given at once. */
#define PIECE_MAX_ENTRIES BIT(12)

static int check_cmd(const struct iommufd_ucmd *ucmd,
		     const struct iommu_hwpt_invalidate *cmd)
{
	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	/* Without entries the driver is only asked whether it knows the type. */
	if (!cmd->entry_num)
		return 0;
	if (!cmd->data_uptr || !cmd->entry_len || cmd->entry_len > PAGE_SIZE ||
	    cmd->entry_num > INVALIDATE_MAX_ENTRIES)
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "%u entries of %u bytes at 0x%llx are no array",
				      cmd->entry_num, cmd->entry_len,
				      cmd->data_uptr);
	return 0;
}

static int no_invalidation(const struct iommufd_ucmd *ucmd,
			   const struct iommufd_object *obj,
			   struct iommu_user_data_array *array)
{
	array->entry_num = 0;
	return iommufd_refuse(&ucmd->ictx->log, -EOPNOTSUPP, WHY_NOT_SUPPORTED,
			      "the IOMMU driver has no invalidation for object %u",
			      obj->id);
}

/* The errno is the driver's: told, and passed on. */
static int note_driver(const struct iommufd_ucmd *ucmd, int rc,
		       const struct iommu_user_data_array *array)
{
	if (rc)
		iommufd_refuse(&ucmd->ictx->log, rc, WHY_DRIVER,
			       "the IOMMU driver refused the entry %u behind 0x%llx, or their type %u",
			       array->entry_num, (u64)(uintptr_t)array->uptr, array->type);
	return rc;
}

static int invalidate_nested(const struct iommufd_ucmd *ucmd,
			     struct iommufd_object *obj,
			     struct iommu_user_data_array *array)
{
	struct iommu_domain *domain =
		container_of(obj, struct iommufd_hw_pagetable, obj)->domain;

	if (!domain->ops->cache_invalidate_user)
		return no_invalidation(ucmd, obj, array);
	return note_driver(ucmd, domain->ops->cache_invalidate_user(domain, array),
			   array);
}

static int invalidate_viommu(const struct iommufd_ucmd *ucmd,
			     struct iommufd_object *obj,
			     struct iommu_user_data_array *array)
{
	struct iommufd_viommu *viommu = container_of(obj, struct iommufd_viommu, obj);

	if (!viommu->ops->cache_invalidate)
		return no_invalidation(ucmd, obj, array);
	return note_driver(ucmd, viommu->ops->cache_invalidate(viommu, array),
			   array);
}

/* What was completed is counted in @array, as drivers do. */
static int invalidate_object(const struct iommufd_ucmd *ucmd,
			     struct iommufd_object *obj,
			     struct iommu_user_data_array *array)
{
	switch (obj->type) {
	case IOMMUFD_OBJ_HWPT_NESTED:
		return invalidate_nested(ucmd, obj, array);
	case IOMMUFD_OBJ_VIOMMU:
		return invalidate_viommu(ucmd, obj, array);
	default:
		array->entry_num = 0;
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "object %u is neither a nested table nor a vIOMMU",
				      obj->id);
	}
}

/*
 * In the order of the entries, until the driver does not complete one.  Leaves in @ndone how
 * many it did complete.
 */
static int invalidate_pieces(const struct iommufd_ucmd *ucmd,
			     struct iommufd_object *obj, u32 *ndone)
{
	const struct iommu_hwpt_invalidate *cmd = ucmd->cmd;
	struct iommu_user_data_array array = {
		.type = cmd->data_type,
		.entry_len = cmd->entry_len,
	};
	u32 npiece;
	int rc;

	do {
		npiece = min(cmd->entry_num - *ndone, PIECE_MAX_ENTRIES);
		array.uptr = u64_to_user_ptr(cmd->data_uptr + (u64)*ndone * cmd->entry_len);
		array.entry_num = npiece;
		rc = invalidate_object(ucmd, obj, &array);
		/* Drivers that fail before they look at an entry do not say so. */
		if (rc && array.entry_num >= npiece)
			array.entry_num = 0;
		*ndone += array.entry_num;
		cond_resched();
	} while (!rc && array.entry_num == npiece && *ndone < cmd->entry_num);
	return rc;
}

/* Leaves in @ndone how many entries the driver completed. */
static int run(const struct iommufd_ucmd *ucmd,
	       const struct iommu_hwpt_invalidate *cmd, u32 *ndone)
{
	struct iommufd_objects *objs = &ucmd->ictx->objects;
	struct iommufd_object *obj;
	int rc;

	rc = check_cmd(ucmd, cmd);
	if (rc)
		return rc;
	obj = iommufd_object_get(objs, cmd->hwpt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	rc = invalidate_pieces(ucmd, obj, ndone);
	iommufd_object_put(objs, obj);
	trace_iommufd_invalidate(cmd->hwpt_id, cmd->data_type, cmd->entry_num, *ndone, rc);
	return rc;
}

/**
 * iommufd_call_hwpt_invalidate - IOMMU_HWPT_INVALIDATE
 * @ucmd: the call
 *
 * The number of completed entries is written on failure, too.
 *
 * Return: 0; -EOPNOTSUPP a reserved member is not 0, or the driver has no invalidation
 * here; -EINVAL entries that are no array, or an object of another type; -ENOENT no such
 * object; -EFAULT; what the IOMMU driver says.
 */
int iommufd_call_hwpt_invalidate(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_invalidate *cmd = ucmd->cmd;
	u32 ndone = 0;
	int rc, reply;

	rc = run(ucmd, cmd, &ndone);
	cmd->entry_num = ndone;
	reply = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	return rc ?: reply;
}
