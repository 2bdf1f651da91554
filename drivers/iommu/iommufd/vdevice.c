// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_VDEVICE_ALLOC: a device gets the number by which a guest's IOMMU driver knows it.
 *
 * A vDEVICE never outlives its device.  It has a short reference on it for its whole
 * life, so unbinding waits for it; and unbinding destroys it, unless a DESTROY is at it
 * already.  Both know each other through &iommufd_device.vdev, under the group's lock.
 *
 * Locks: &iommufd_group.lock of the device; under it the xarray lock of the vIOMMU's
 * @vdevs, where a vDEVICE stands while IOMMU drivers may find it.
 */
#include <linux/iommu.h>

#include "ctx.h"
#include "device.h"
#include "igroup.h"
#include "ucmd.h"
#include "viommu.h"

static void leave(struct iommufd_vdevice *vdev)
{
	struct iommufd_device *idev = vdev->idev;

	scoped_guard(mutex, &idev->igroup->lock) {
		idev->vdev = NULL;
		xa_erase(&vdev->viommu->vdevs, vdev->virt_id);
		if (vdev->destroy)
			vdev->destroy(vdev);
	}
	iommufd_device_put(idev);
}

static void vdevice_destroy(struct iommufd_object *obj)
{
	struct iommufd_vdevice *vdev = container_of(obj, struct iommufd_vdevice, obj);

	if (vdev->idev)
		leave(vdev);
	iommufd_object_release(&vdev->viommu->obj);
}

const struct iommufd_object_ops iommufd_vdevice_object_ops = {
	.name = "vdevice",
	.destroy = vdevice_destroy,
};

/* A vDEVICE of the size the driver wants, without a device yet. */
static struct iommufd_vdevice *vdevice_new(struct iommufd_viommu *viommu, u64 virt_id)
{
	size_t size = viommu->ops->vdevice_size ?: sizeof(struct iommufd_vdevice);
	struct iommufd_vdevice *vdev;
	struct iommufd_object *obj;

	if (WARN_ON_ONCE(size < sizeof(*vdev)))
		return ERR_PTR(-EOPNOTSUPP);
	obj = _iommufd_object_new(&viommu->ictx->objects, size, IOMMUFD_OBJ_VDEVICE);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	vdev = container_of(obj, struct iommufd_vdevice, obj);
	vdev->viommu = viommu;
	vdev->virt_id = virt_id;
	iommufd_object_hold(&viommu->obj);
	return vdev;
}

static struct iommufd_vdevice *make(const struct iommufd_ucmd *ucmd,
				    const struct iommu_vdevice_alloc *cmd)
{
	struct iommufd_viommu *viommu __free(viommu_put) =
		iommufd_viommu_get(ucmd->ictx, cmd->viommu_id);

	if (IS_ERR(viommu))
		return ERR_CAST(viommu);
	/* It is an index of the vIOMMU's xarray. */
	if (cmd->virt_id > ULONG_MAX)
		return ERR_PTR(iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_OVERFLOW,
					      "number 0x%llx is too large",
					      cmd->virt_id));
	return vdevice_new(viommu, cmd->virt_id);
}

static int check_device(const struct iommufd_viommu *viommu,
			struct iommufd_device *idev)
{
	struct iommufd_log *log = &viommu->ictx->log;

	lockdep_assert_held(&idev->igroup->lock);
	if (!iommufd_device_has_iommu(idev) ||
	    __iommu_get_iommu_dev(idev->dev) != viommu->iommu_dev)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_ARGUMENT,
				      "%s is not behind the IOMMU of vIOMMU %u",
				      dev_name(idev->dev), viommu->obj.id);
	if (idev->going)
		return iommufd_refuse(log, -ENOENT, WHY_NO_OBJECT,
				      "%s is being unbound", dev_name(idev->dev));
	if (idev->vdev)
		return iommufd_refuse(log, -EEXIST, WHY_BUSY,
				      "%s has vDEVICE %u already",
				      dev_name(idev->dev), idev->vdev->obj.id);
	return 0;
}

static int init_by_driver(struct iommufd_vdevice *vdev)
{
	struct iommufd_viommu *viommu = vdev->viommu;
	int rc;

	if (!viommu->ops->vdevice_init)
		return 0;
	rc = viommu->ops->vdevice_init(vdev);
	if (rc)
		iommufd_refuse(&viommu->ictx->log, rc, WHY_DRIVER,
			       "the IOMMU driver refused number 0x%llx for %s",
			       vdev->virt_id, dev_name(vdev->idev->dev));
	return rc;
}

/* Enter it under its number, when the driver is ready. */
static int enter(struct iommufd_vdevice *vdev)
{
	struct xarray *vdevs = &vdev->viommu->vdevs;
	int rc;

	rc = xa_insert(vdevs, vdev->virt_id, NULL, GFP_KERNEL_ACCOUNT);
	if (rc == -EBUSY)
		return iommufd_refuse(&vdev->viommu->ictx->log, -EEXIST, WHY_OVERLAP,
				      "number 0x%llx is taken in vIOMMU %u",
				      vdev->virt_id, vdev->viommu->obj.id);
	if (rc)
		return rc;
	rc = init_by_driver(vdev);
	if (rc) {
		xa_release(vdevs, vdev->virt_id);
		return rc;
	}
	/* The slot is there. */
	WARN_ON(xa_is_err(xa_store(vdevs, vdev->virt_id, vdev, GFP_KERNEL)));
	return 0;
}

/* Published under the lock: unbinding looks for published vDEVICEs only. */
static int join(struct iommufd_vdevice *vdev, struct iommufd_device *idev)
{
	int rc;

	guard(mutex)(&idev->igroup->lock);
	rc = check_device(vdev->viommu, idev);
	if (rc)
		return rc;
	vdev->idev = idev;
	rc = enter(vdev);
	if (rc) {
		vdev->idev = NULL;
		return rc;
	}
	/* The caller has one, so this one can be had. */
	WARN_ON(!iommufd_object_tryget(&idev->obj));
	idev->vdev = vdev;
	iommufd_object_finalize(&idev->ictx->objects, &vdev->obj);
	return 0;
}

static int join_by_id(struct iommufd_vdevice *vdev, u32 dev_id)
{
	struct iommufd_device *idev __free(idev_put) =
		iommufd_device_get(vdev->viommu->ictx, dev_id);

	if (IS_ERR(idev))
		return PTR_ERR(idev);
	return join(vdev, idev);
}

/**
 * iommufd_call_vdevice_alloc - IOMMU_VDEVICE_ALLOC
 * @ucmd: the call
 *
 * The ID is written before anything holds the device, so that a slow page fault does not
 * keep it from being unbound.
 *
 * Return: 0; -ENOENT no such vIOMMU or device, or one that is being unbound; -EINVAL the
 * device is behind another IOMMU; -EEXIST it has a vDEVICE, or the number is taken;
 * -EFAULT; -ENOMEM; what the IOMMU driver says.
 */
int iommufd_call_vdevice_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommu_vdevice_alloc *cmd = ucmd->cmd;
	struct iommufd_vdevice *vdev;
	int rc;

	vdev = make(ucmd, cmd);
	if (IS_ERR(vdev))
		return PTR_ERR(vdev);
	cmd->out_vdevice_id = vdev->obj.id;
	rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	if (!rc)
		rc = join_by_id(vdev, cmd->dev_id);
	if (rc)
		iommufd_object_abort_and_destroy(&ucmd->ictx->objects, &vdev->obj);
	return rc;
}
