// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Bound devices: who may own the DMA of a device, and for how long.
 *
 * Binding claims the device's isolation group for the context.  From then on, until a
 * page table is attached, its DMA is blocked.
 *
 * Locks: none of its own; the group's for the vDEVICE that goes with a device.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/module.h>

#include "ctx.h"
#include "device.h"
#include "igroup.h"
#include "test_hooks.h"

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Allow devices whose interrupts are not isolated to be bound: user space may then raise any interrupt of the machine");

static struct iommufd_device *device_of(struct iommufd_object *obj)
{
	return container_of(obj, struct iommufd_device, obj);
}

static void bound_destroy(struct iommufd_object *obj)
{
	struct iommufd_device *idev = device_of(obj);

	if (iommufd_device_has_iommu(idev))
		iommu_device_release_dma_owner(idev->dev);
	iommufd_group_put(idev->igroup);
}

/*
 * A vDEVICE cannot be without its device, and has a short reference on it.  If a DESTROY
 * is ending it already, that reference is waited for.
 */
static void bound_pre_destroy(struct iommufd_object *obj)
{
	struct iommufd_device *idev = device_of(obj);
	struct iommufd_objects *objs = &idev->ictx->objects;
	struct iommufd_vdevice *claimed = NULL;

	scoped_guard(mutex, &idev->igroup->lock) {
		idev->going = true;
		if (idev->vdev && iommufd_object_claim(objs, &idev->vdev->obj))
			claimed = idev->vdev;
	}
	if (claimed)
		iommufd_object_burn(objs, &claimed->obj);
}

const struct iommufd_object_ops iommufd_device_object_ops = {
	.name = "device",
	.pre_destroy = bound_pre_destroy,
	.destroy = bound_destroy,
};

/**
 * iommufd_device_get - look a bound device up
 * @ictx: context
 * @id: ID that the caller gave
 *
 * Context: any; give back soon, unbinding waits for it.
 * Return: short reference for iommufd_device_put(); ERR_PTR(-ENOENT).
 */
struct iommufd_device *iommufd_device_get(struct iommufd_ctx *ictx, u32 id)
{
	struct iommufd_object *obj =
		iommufd_object_get(&ictx->objects, id, IOMMUFD_OBJ_DEVICE);

	return IS_ERR(obj) ? ERR_CAST(obj) : device_of(obj);
}

/**
 * iommufd_device_put - give a short reference back
 * @idev: from iommufd_device_get()
 *
 * Context: any.
 */
void iommufd_device_put(struct iommufd_device *idev)
{
	iommufd_object_put(&idev->ictx->objects, &idev->obj);
}

/* Without isolation a device can write any MSI, and so attack the host. */
static int check_msi(struct iommufd_group *igroup, struct device *dev)
{
	if (iommufd_selftest_is_mock_dev(dev) ||
	    iommu_group_has_isolated_msi(igroup->group))
		return 0;
	if (!allow_unsafe_interrupts)
		return iommufd_refuse(&igroup->ictx->log, -EPERM, WHY_UNSAFE_MSI,
				      "interrupts of %s are not isolated, see the parameter allow_unsafe_interrupts",
				      dev_name(dev));
	dev_warn_ratelimited(dev, "bound to user space without isolated interrupts, by allow_unsafe_interrupts\n");
	return 0;
}

/* Whoever owns the group, -EBUSY tells it; the IOMMU core has several ways to say so. */
static int claim(struct iommufd_group *igroup, struct device *dev)
{
	int rc = iommu_device_claim_dma_owner(dev, igroup->ictx);

	if (rc == -EPERM || rc == -EBUSY)
		return iommufd_refuse(&igroup->ictx->log, -EBUSY, WHY_OWNED,
				      "group %d of %s belongs to another owner or to a kernel driver",
				      iommu_group_id(igroup->group), dev_name(dev));
	if (rc)
		return iommufd_refuse(&igroup->ictx->log, rc, WHY_DRIVER,
				      "the IOMMU driver cannot block the DMA of %s",
				      dev_name(dev));
	return 0;
}

/* Uses up the reference on @igroup when it succeeds. */
static struct iommufd_device *publish(struct iommufd_group *igroup,
				      struct device *dev)
{
	struct iommufd_objects *objs = &igroup->ictx->objects;
	struct iommufd_device *idev;

	idev = iommufd_object_new(objs, idev, IOMMUFD_OBJ_DEVICE, obj);
	if (IS_ERR(idev))
		return idev;
	idev->ictx = igroup->ictx;
	idev->igroup = igroup;
	idev->dev = dev;
	idev->enforce_cache_coherency =
		device_iommu_capable(dev, IOMMU_CAP_ENFORCE_CACHE_COHERENCY);
	/* The driver's reference on the object, and the one on the file. */
	iommufd_object_hold(&idev->obj);
	if (!iommufd_selftest_is_mock_dev(dev))
		iommufd_ctx_get(idev->ictx);
	iommufd_object_finalize(objs, &idev->obj);
	return idev;
}

static struct iommufd_device *bind_noiommu(struct iommufd_ctx *ictx,
					   struct device *dev)
{
	struct iommufd_group *igroup = iommufd_group_new_noiommu(ictx);
	struct iommufd_device *idev;

	if (IS_ERR(igroup))
		return ERR_CAST(igroup);
	idev = publish(igroup, dev);
	if (IS_ERR(idev))
		iommufd_group_put(igroup);
	return idev;
}

static struct iommufd_device *bind(struct iommufd_ctx *ictx, struct device *dev)
{
	struct iommufd_group *igroup __free(igroup_put) =
		iommufd_group_get(ictx, dev);
	struct iommufd_device *idev;
	int rc;

	if (IS_ERR(igroup))
		return ERR_CAST(igroup);
	/* All of VFIO's users take coherent DMA for granted. */
	if (!device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY))
		return ERR_PTR(iommufd_refuse(&ictx->log, -EINVAL, WHY_COHERENCY,
					      "DMA of %s is not cache coherent",
					      dev_name(dev)));
	rc = check_msi(igroup, dev);
	if (rc)
		return ERR_PTR(rc);
	rc = claim(igroup, dev);
	if (rc)
		return ERR_PTR(rc);
	idev = publish(igroup, dev);
	if (IS_ERR(idev)) {
		iommu_device_release_dma_owner(dev);
		return idev;
	}
	retain_and_null_ptr(igroup);
	return idev;
}

static bool is_noiommu(const struct device *dev)
{
	return IS_ENABLED(CONFIG_IOMMUFD_NOIOMMU) && !dev->iommu;
}

/**
 * iommufd_device_bind - take ownership of a physical device
 * @ictx: context that the device shall belong to
 * @dev: the device; stays until iommufd_device_unbind()
 * @id: returns the ID of the device object
 *
 * A device behind no IOMMU is bound as well when the kernel is built for that; whether
 * it may be is the business of the caller.
 *
 * Context: process context, may sleep.
 * Return: the device, with a reference on the file; an ERR_PTR: -ENODEV no isolation
 * group, -EINVAL not cache coherent, -EPERM interrupts not isolated, -EBUSY owned by
 * another or no ID left, -ENOMEM.
 */
struct iommufd_device *iommufd_device_bind(struct iommufd_ctx *ictx,
					   struct device *dev, u32 *id)
{
	struct iommufd_device *idev;

	idev = is_noiommu(dev) ? bind_noiommu(ictx, dev) : bind(ictx, dev);
	if (!IS_ERR(idev))
		*id = idev->obj.id;
	iommufd_report_result(&ictx->log, "DEVICE_BIND", PTR_ERR_OR_ZERO(idev));
	return idev;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_bind, "IOMMUFD");

/**
 * iommufd_device_unbind - give a device back
 * @idev: attached to nothing any more; gone on return
 *
 * A vDEVICE that still stands for the device goes with it, and burns its ID.
 *
 * Context: process context; waits for running calls that use the device.
 */
void iommufd_device_unbind(struct iommufd_device *idev)
{
	bool holds_file = !iommufd_selftest_is_mock_dev(idev->dev);
	struct iommufd_ctx *ictx = idev->ictx;

	iommufd_object_destroy_user(&ictx->objects, &idev->obj);
	if (holds_file)
		iommufd_ctx_put(ictx);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_unbind, "IOMMUFD");

/**
 * iommufd_device_to_ictx - the context a device is bound to
 * @idev: bound device
 *
 * Context: any.
 * Return: the context, without a reference; valid until the device is unbound.
 */
struct iommufd_ctx *iommufd_device_to_ictx(struct iommufd_device *idev)
{
	return idev->ictx;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_to_ictx, "IOMMUFD");

/**
 * iommufd_device_to_id - the ID of a device
 * @idev: bound device
 *
 * Context: any.
 * Return: the ID of the device object.
 */
u32 iommufd_device_to_id(struct iommufd_device *idev)
{
	return idev->obj.id;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_to_id, "IOMMUFD");
