// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_HWPT_ALLOC: a page table that user space names and destroys.
 *
 * The object that it builds on decides about its kind: an IOAS makes a paging HWPT, a
 * paging HWPT or a vIOMMU a nested one.  The new HWPT is complete, and the result is
 * written, before its ID becomes valid; so nobody has seen it when the call fails.
 *
 * Locks: none; the device and the object below are held by short references while
 * drivers are asked, and by nothing while the result is written.
 */
#include <linux/iommu.h>

#include "device.h"
#include "fault.h"
#include "hwpt.h"
#include "ioas.h"
#include "ucmd.h"

static int check_cmd(const struct iommufd_ucmd *ucmd,
		     const struct iommu_hwpt_alloc *cmd)
{
	bool none = cmd->data_type == IOMMU_HWPT_DATA_NONE;

	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	if (cmd->__reserved2)
		return iommufd_refuse_unknown(ucmd, "__reserved2", cmd->__reserved2);
	if (none == !!cmd->data_len)
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "data of type %u cannot have %u bytes",
				      cmd->data_type, cmd->data_len);
	return 0;
}

/* By the type of what it builds on. */
static struct iommufd_hw_pagetable *make_over(struct iommufd_object *obj,
					      const struct iommufd_hwpt_args *args)
{
	struct iommufd_hw_pagetable *below;

	switch (obj->type) {
	case IOMMUFD_OBJ_IOAS:
		return iommufd_hwpt_paging_new(container_of(obj, struct iommufd_ioas, obj),
					       args);
	case IOMMUFD_OBJ_HWPT_PAGING:
		below = container_of(obj, struct iommufd_hw_pagetable, obj);
		return iommufd_hwpt_nested_new(iommufd_hwpt_to_paging(below), args);
	case IOMMUFD_OBJ_VIOMMU:
		return iommufd_hwpt_viommu_nested_new(container_of(obj, struct iommufd_viommu, obj),
						      args);
	default:
		return ERR_PTR(iommufd_refuse(&args->idev->ictx->log, -EINVAL,
					      WHY_BAD_ARGUMENT,
					      "object %u is neither an IOAS nor a paging HWPT nor a vIOMMU",
					      obj->id));
	}
}

static struct iommufd_hw_pagetable *make(const struct iommufd_ucmd *ucmd,
					 const struct iommu_hwpt_alloc *cmd,
					 const struct iommufd_hwpt_args *args)
{
	struct iommufd_objects *objs = &ucmd->ictx->objects;
	struct iommufd_hw_pagetable *hwpt;
	struct iommufd_object *obj;

	if (!iommufd_device_has_iommu(args->idev))
		return ERR_PTR(iommufd_refuse(&ucmd->ictx->log, -EOPNOTSUPP,
					      WHY_NO_IOMMU,
					      "device %u (%s) is behind no IOMMU",
					      cmd->dev_id,
					      dev_name(args->idev->dev)));
	obj = iommufd_object_get(objs, cmd->pt_id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return ERR_PTR(iommufd_refuse(&ucmd->ictx->log, -EINVAL,
					      WHY_NO_OBJECT,
					      "there is no object with ID %u (pt_id)",
					      cmd->pt_id));
	hwpt = make_over(obj, args);
	iommufd_object_put(objs, obj);
	return hwpt;
}

/* The device is not needed any longer than the driver works. */
static struct iommufd_hw_pagetable *
make_for_device(const struct iommufd_ucmd *ucmd,
		const struct iommu_hwpt_alloc *cmd)
{
	const struct iommu_user_data data = {
		.type = cmd->data_type,
		.uptr = u64_to_user_ptr(cmd->data_uptr),
		.len = cmd->data_len,
	};
	struct iommufd_device *idev __free(idev_put) =
		iommufd_device_get(ucmd->ictx, cmd->dev_id);
	const struct iommufd_hwpt_args args = {
		.idev = idev,
		.flags = cmd->flags,
		.data = data.len ? &data : NULL,
	};

	if (IS_ERR(idev))
		return ERR_CAST(idev);
	return make(ucmd, cmd, &args);
}

static int connect_fault(const struct iommufd_ucmd *ucmd,
			 const struct iommu_hwpt_alloc *cmd,
			 struct iommufd_hw_pagetable *hwpt)
{
	struct iommufd_fault *fault;

	if (!(cmd->flags & IOMMU_HWPT_FAULT_ID_VALID))
		return 0;
	fault = iommufd_fault_get(ucmd->ictx, cmd->fault_id);
	if (IS_ERR(fault))
		return PTR_ERR(fault);
	iommufd_hwpt_set_fault(hwpt, fault);
	iommufd_object_put(&ucmd->ictx->objects, &fault->obj);
	return 0;
}

/**
 * iommufd_call_hwpt_alloc - IOMMU_HWPT_ALLOC
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP a reserved member is not 0, or flags, data or nesting that the
 * driver or the device lacks; -EINVAL data type and length contradict each other, pt_id
 * names nothing to build on, or a parent that cannot be one for the device; -ENOENT no
 * such device or fault queue; -EFAULT; -ENOMEM; what the IOMMU driver and pinning say.
 */
int iommufd_call_hwpt_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_hwpt_alloc *cmd = ucmd->cmd;
	struct iommufd_hw_pagetable *hwpt;
	int rc;

	rc = check_cmd(ucmd, cmd);
	if (rc)
		return rc;
	hwpt = make_for_device(ucmd, cmd);
	if (IS_ERR(hwpt))
		return PTR_ERR(hwpt);

	rc = connect_fault(ucmd, cmd, hwpt);
	if (!rc) {
		cmd->out_hwpt_id = hwpt->obj.id;
		rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	}
	if (rc) {
		iommufd_object_abort_and_destroy(&ucmd->ictx->objects, &hwpt->obj);
		return rc;
	}
	iommufd_hwpt_publish(hwpt);
	return 0;
}
