// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_VIOMMU_ALLOC: what one guest may own of a physical IOMMU.
 *
 * The IOMMU driver puts our structure at the beginning of its own, which is allocated
 * here in the size it says, and completes it in its viommu_init callback.  The
 * structure of the physical IOMMU is not counted: IOMMUs do not go.
 *
 * Locks: none here.  The xarray lock of @vdevs belongs to vdevice.c and driver.c,
 * @veventqs_rwsem to veventq.h.
 */
#include <linux/iommu.h>

#include "../iommu-priv.h"
#include "ctx.h"
#include "device.h"
#include "hwpt.h"
#include "ucmd.h"
#include "viommu.h"

static void viommu_destroy(struct iommufd_object *obj)
{
	struct iommufd_viommu *viommu = container_of(obj, struct iommufd_viommu, obj);

	if (viommu->ops && viommu->ops->destroy)
		viommu->ops->destroy(viommu);
	xa_destroy(&viommu->vdevs);
	iommufd_object_release(&viommu->hwpt->common.obj);
}

const struct iommufd_object_ops iommufd_viommu_object_ops = {
	.name = "viommu",
	.destroy = viommu_destroy,
};

/**
 * iommufd_viommu_get - look a vIOMMU up
 * @ictx: context
 * @id: ID that the caller gave
 *
 * Context: any.
 * Return: short reference for iommufd_viommu_put(); ERR_PTR(-ENOENT).
 */
struct iommufd_viommu *iommufd_viommu_get(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(&ictx->objects, id, IOMMUFD_OBJ_VIOMMU);

	return IS_ERR(obj) ? ERR_CAST(obj) :
			     container_of(obj, struct iommufd_viommu, obj);
}

/**
 * iommufd_viommu_put - give a short reference back
 * @viommu: from iommufd_viommu_get()
 *
 * Context: any.
 */
void iommufd_viommu_put(struct iommufd_viommu *viommu)
{
	iommufd_object_put(&viommu->ictx->objects, &viommu->obj);
}

static int check_cmd(const struct iommufd_ucmd *ucmd,
		     const struct iommu_viommu_alloc *cmd)
{
	if (cmd->flags)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->flags);
	if (cmd->type == IOMMU_VIOMMU_TYPE_DEFAULT)
		return iommufd_refuse_unknown(ucmd, "type", cmd->type);
	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	return 0;
}

/* Bytes of the driver's structure; 0 when it has none of this type. */
static size_t driver_size(struct iommufd_device *idev, enum iommu_viommu_type type)
{
	const struct iommu_ops *ops;
	size_t size;

	if (!iommufd_device_has_iommu(idev))
		return 0;
	ops = dev_iommu_ops(idev->dev);
	if (!ops->get_viommu_size || !ops->viommu_init)
		return 0;
	size = ops->get_viommu_size(idev->dev, type);
	if (WARN_ON_ONCE(size && size < sizeof(struct iommufd_viommu)))
		return 0;
	return size;
}

static int check_parent(const struct iommufd_hwpt_paging *parent,
			const struct iommufd_device *idev)
{
	struct iommufd_log *log = &idev->ictx->log;
	u32 id = parent->common.obj.id;

	if (!parent->nest_parent)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page table %u was not allocated to be a parent",
				      id);
	if (parent->common.domain->owner != dev_iommu_ops(idev->dev))
		return iommufd_refuse(log, -EINVAL, WHY_BAD_ARGUMENT,
				      "page table %u belongs to another IOMMU driver than that of %s",
				      id, dev_name(idev->dev));
	return 0;
}

/* All that the driver may look at. */
static struct iommufd_viommu *viommu_new(struct iommufd_hwpt_paging *parent,
					 struct iommufd_device *idev, size_t size,
					 enum iommu_viommu_type type)
{
	struct iommufd_ctx *ictx = idev->ictx;
	struct iommufd_viommu *viommu;
	struct iommufd_object *obj;

	obj = _iommufd_object_new(&ictx->objects, size, IOMMUFD_OBJ_VIOMMU);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	viommu = container_of(obj, struct iommufd_viommu, obj);
	viommu->ictx = ictx;
	viommu->iommu_dev = __iommu_get_iommu_dev(idev->dev);
	viommu->hwpt = parent;
	viommu->type = type;
	xa_init(&viommu->vdevs);
	INIT_LIST_HEAD(&viommu->veventqs);
	init_rwsem(&viommu->veventqs_rwsem);
	iommufd_object_hold(&parent->common.obj);
	return viommu;
}

static int init_by_driver(struct iommufd_viommu *viommu, struct device *dev,
			  const struct iommu_viommu_alloc *cmd)
{
	const struct iommu_user_data data = {
		.type = cmd->type,
		.uptr = u64_to_user_ptr(cmd->data_uptr),
		.len = cmd->data_len,
	};
	int rc;

	rc = dev_iommu_ops(dev)->viommu_init(viommu, viommu->hwpt->common.domain,
					     data.len ? &data : NULL);
	if (!rc && WARN_ON_ONCE(!viommu->ops))
		rc = -EOPNOTSUPP;
	if (!rc)
		return 0;
	/* What failed has nothing to undo. */
	viommu->ops = NULL;
	return iommufd_refuse(&viommu->ictx->log, rc, WHY_DRIVER,
			      "the IOMMU driver of %s refused a vIOMMU of type %u",
			      dev_name(dev), cmd->type);
}

static struct iommufd_viommu *make_over(struct iommufd_hwpt_paging *parent,
					struct iommufd_device *idev, size_t size,
					const struct iommu_viommu_alloc *cmd)
{
	struct iommufd_viommu *viommu;
	int rc;

	rc = check_parent(parent, idev);
	if (rc)
		return ERR_PTR(rc);
	viommu = viommu_new(parent, idev, size, cmd->type);
	if (IS_ERR(viommu))
		return viommu;
	rc = init_by_driver(viommu, idev->dev, cmd);
	if (rc) {
		iommufd_object_abort_and_destroy(&idev->ictx->objects, &viommu->obj);
		return ERR_PTR(rc);
	}
	return viommu;
}

static struct iommufd_viommu *make(const struct iommufd_ucmd *ucmd,
				   const struct iommu_viommu_alloc *cmd)
{
	struct iommufd_device *idev __free(idev_put) =
		iommufd_device_get(ucmd->ictx, cmd->dev_id);
	struct iommufd_viommu *viommu;
	struct iommufd_object *obj;
	size_t size;

	if (IS_ERR(idev))
		return ERR_CAST(idev);
	size = driver_size(idev, cmd->type);
	if (!size)
		return ERR_PTR(iommufd_refuse(&ucmd->ictx->log, -EOPNOTSUPP,
					      WHY_NOT_SUPPORTED,
					      "the IOMMU of %s offers no vIOMMU of type %u",
					      dev_name(idev->dev), cmd->type));
	obj = iommufd_object_get(&ucmd->ictx->objects, cmd->hwpt_id,
				 IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	viommu = make_over(container_of(obj, struct iommufd_hwpt_paging, common.obj),
			   idev, size, cmd);
	iommufd_object_put(&ucmd->ictx->objects, obj);
	return viommu;
}

/**
 * iommufd_call_viommu_alloc - IOMMU_VIOMMU_ALLOC
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP a flag, a reserved member, or a type that the driver does not
 * offer; -ENOENT no such device or paging HWPT; -EINVAL the HWPT cannot be a parent;
 * -EFAULT; -ENOMEM; what the IOMMU driver says.
 */
int iommufd_call_viommu_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommufd_objects *objs = &ucmd->ictx->objects;
	struct iommu_viommu_alloc *cmd = ucmd->cmd;
	struct iommufd_viommu *viommu;
	int rc;

	rc = check_cmd(ucmd, cmd);
	if (rc)
		return rc;
	viommu = make(ucmd, cmd);
	if (IS_ERR(viommu))
		return PTR_ERR(viommu);
	cmd->out_viommu_id = viommu->obj.id;
	rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	if (rc) {
		iommufd_object_abort_and_destroy(objs, &viommu->obj);
		return rc;
	}
	iommufd_object_finalize(objs, &viommu->obj);
	return 0;
}
