// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The selftest as a driver of mock devices: each has an object of its own that stands
 * for the driver's side of a bound device, so that user space can attach, replace and
 * detach at will, and unbind by destroying it.
 *
 * Locks: &test_device.lock, outside all locks of iommufd.
 */
#include <linux/iommu.h>
#include <linux/mutex.h>

#include "../../iommu-priv.h"
#include "../device.h"
#include "../hwpt.h"
#include "../test_hooks.h"
#include "calls.h"
#include "mock_attach.h"
#include "mock_device.h"

/**
 * struct test_device - a mock device as its driver sees it
 * @obj: ID and lifetime
 * @ictx: context
 * @mdev: the device
 * @idev: it is bound as this, NULL before
 * @attached: requests without a PASID go somewhere
 * @lock: protects @pasids, and keeps what is attached to them
 * @pasids: PASIDs that are attached
 */
struct test_device {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct mock_device *mdev;
	struct iommufd_device *idev;
	bool attached;
	struct mutex lock; /* pasids */
	struct xarray pasids;
};

static struct test_device *device_of(struct iommufd_object *obj)
{
	return container_of(obj, struct test_device, obj);
}

static void device_destroy_object(struct iommufd_object *obj)
{
	struct test_device *tdev = device_of(obj);
	unsigned long pasid;
	void *entry;

	xa_for_each(&tdev->pasids, pasid, entry)
		iommufd_device_detach(tdev->idev, pasid);
	xa_destroy(&tdev->pasids);
	if (tdev->attached)
		iommufd_device_detach(tdev->idev, IOMMU_NO_PASID);
	if (tdev->idev)
		iommufd_device_unbind(tdev->idev);
	if (tdev->mdev)
		mock_device_destroy(tdev->mdev);
}

const struct iommufd_object_ops iommufd_selftest_object_ops = {
	.name = "mock device",
	.destroy = device_destroy_object,
};

static void device_put(struct test_device *tdev)
{
	if (!IS_ERR_OR_NULL(tdev))
		iommufd_object_put(&tdev->ictx->objects, &tdev->obj);
}

DEFINE_FREE(device_put, struct test_device *, device_put(_T))

static struct test_device *device_get(const struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iommufd_object *obj = iommufd_object_get(&ucmd->ictx->objects, cmd->id,
							IOMMUFD_OBJ_SELFTEST);

	return IS_ERR(obj) ? ERR_CAST(obj) : device_of(obj);
}

/* Make the device, bind it, and attach it to *@pt_id; returns the HWPT there. */
static int device_start(struct test_device *tdev, unsigned int flags, u32 *pt_id,
			u32 *idev_id)
{
	struct mock_device *mdev = mock_device_create(flags);
	struct iommufd_device *idev;
	int rc;

	if (IS_ERR(mdev))
		return PTR_ERR(mdev);
	tdev->mdev = mdev;
	idev = iommufd_device_bind(tdev->ictx, &mdev->dev, idev_id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);
	tdev->idev = idev;
	rc = iommufd_device_attach(idev, IOMMU_NO_PASID, pt_id);
	tdev->attached = !rc;
	return rc;
}

static int make_device(struct iommufd_ucmd *ucmd, unsigned int flags)
{
	struct iommufd_objects *objs = &ucmd->ictx->objects;
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_device *tdev;
	u32 idev_id = 0, pt_id = cmd->id;
	int rc;

	tdev = iommufd_object_new(objs, tdev, IOMMUFD_OBJ_SELFTEST, obj);
	if (IS_ERR(tdev))
		return PTR_ERR(tdev);
	tdev->ictx = ucmd->ictx;
	mutex_init(&tdev->lock);
	xa_init(&tdev->pasids);

	rc = device_start(tdev, flags, &pt_id, &idev_id);
	if (!rc) {
		/* Common to both variants of the call. */
		cmd->mock_domain.out_stdev_id = tdev->obj.id;
		cmd->mock_domain.out_hwpt_id = pt_id;
		cmd->mock_domain.out_idev_id = idev_id;
		rc = test_reply(ucmd);
	}
	if (rc)
		iommufd_object_abort_and_destroy(objs, &tdev->obj);
	else
		iommufd_object_finalize(objs, &tdev->obj);
	return rc;
}

/**
 * test_mock_domain - IOMMU_TEST_OP_MOCK_DOMAIN
 * @ucmd: the call
 *
 * Return: 0; the errnos of binding and attaching; -EFAULT.
 */
int test_mock_domain(struct iommufd_ucmd *ucmd)
{
	return make_device(ucmd, 0);
}

/**
 * test_mock_domain_flags - IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS
 * @ucmd: the call
 *
 * Return: as test_mock_domain(); -EINVAL also for unknown flags.
 */
int test_mock_domain_flags(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;

	return make_device(ucmd, cmd->mock_domain_flags.dev_flags);
}

/**
 * test_mock_domain_replace - IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such mock device; the errnos of iommufd_device_replace(); -EFAULT.
 */
int test_mock_domain_replace(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_device *tdev __free(device_put) = device_get(ucmd);
	int rc;

	if (IS_ERR(tdev))
		return PTR_ERR(tdev);
	rc = iommufd_device_replace(tdev->idev, IOMMU_NO_PASID,
				    &cmd->mock_domain_replace.pt_id);
	return rc ?: test_reply(ucmd);
}

/* Room to remember the PASID comes first, so that a failure leaves it detached. */
static int attach_pasid(struct test_device *tdev, u32 pasid, u32 *pt_id)
{
	int rc;

	lockdep_assert_held(&tdev->lock);
	rc = xa_reserve(&tdev->pasids, pasid, GFP_KERNEL_ACCOUNT);
	if (rc)
		return rc;
	rc = iommufd_device_attach(tdev->idev, pasid, pt_id);
	if (rc)
		xa_release(&tdev->pasids, pasid);
	else
		xa_store(&tdev->pasids, pasid, tdev, GFP_KERNEL_ACCOUNT);
	return rc;
}

static void detach_pasid(struct test_device *tdev, u32 pasid)
{
	lockdep_assert_held(&tdev->lock);
	iommufd_device_detach(tdev->idev, pasid);
	xa_erase(&tdev->pasids, pasid);
}

/**
 * test_pasid_attach - IOMMU_TEST_OP_PASID_ATTACH
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such mock device; the errnos of iommufd_device_attach(); -EFAULT.
 */
int test_pasid_attach(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_device *tdev __free(device_put) = device_get(ucmd);
	u32 pasid = cmd->pasid_attach.pasid;
	int rc;

	if (IS_ERR(tdev))
		return PTR_ERR(tdev);
	guard(mutex)(&tdev->lock);
	rc = attach_pasid(tdev, pasid, &cmd->pasid_attach.pt_id);
	if (rc)
		return rc;
	rc = test_reply(ucmd);
	if (rc)
		detach_pasid(tdev, pasid);
	return rc;
}

/**
 * test_pasid_replace - IOMMU_TEST_OP_PASID_REPLACE
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such mock device; the errnos of iommufd_device_replace(); -EFAULT.
 */
int test_pasid_replace(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_device *tdev __free(device_put) = device_get(ucmd);
	int rc;

	if (IS_ERR(tdev))
		return PTR_ERR(tdev);
	guard(mutex)(&tdev->lock);
	rc = iommufd_device_replace(tdev->idev, cmd->pasid_replace.pasid,
				    &cmd->pasid_replace.pt_id);
	return rc ?: test_reply(ucmd);
}

/**
 * test_pasid_detach - IOMMU_TEST_OP_PASID_DETACH
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such mock device.
 */
int test_pasid_detach(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_device *tdev __free(device_put) = device_get(ucmd);

	if (IS_ERR(tdev))
		return PTR_ERR(tdev);
	guard(mutex)(&tdev->lock);
	detach_pasid(tdev, cmd->pasid_detach.pasid);
	return 0;
}

/* Domain of a HWPT, which is valid as long as the lock keeps it attached; NULL for ID 0. */
static struct iommu_domain *domain_by_id(struct iommufd_ctx *ictx, u32 id)
{
	struct iommu_domain *domain = ERR_PTR(-EINVAL);
	struct iommufd_object *obj;

	if (!id)
		return NULL;
	obj = iommufd_object_get(&ictx->objects, id, IOMMUFD_OBJ_ANY);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	if (obj->type == IOMMUFD_OBJ_HWPT_PAGING ||
	    obj->type == IOMMUFD_OBJ_HWPT_NESTED)
		domain = container_of(obj, struct iommufd_hw_pagetable, obj)->domain;
	iommufd_object_put(&ictx->objects, obj);
	return domain;
}

/**
 * test_pasid_check_hwpt - IOMMU_TEST_OP_PASID_CHECK_HWPT
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such mock device or HWPT; -EINVAL something else is attached.
 */
int test_pasid_check_hwpt(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct test_device *tdev __free(device_put) = device_get(ucmd);
	struct iommu_attach_handle *handle;
	struct iommu_domain *domain;

	if (IS_ERR(tdev))
		return PTR_ERR(tdev);
	domain = domain_by_id(ucmd->ictx, cmd->pasid_check.hwpt_id);
	if (IS_ERR(domain))
		return PTR_ERR(domain);
	guard(mutex)(&tdev->lock);
	handle = iommu_attach_handle_get(tdev->mdev->dev.iommu_group,
					 cmd->pasid_check.pasid, 0);
	if ((IS_ERR(handle) ? NULL : handle->domain) != domain)
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "HWPT %u is not what PASID %u is attached to",
				      cmd->pasid_check.hwpt_id,
				      cmd->pasid_check.pasid);
	return 0;
}

/* A bound device, if it is a mock device. */
static struct iommufd_device *idev_get(const struct iommufd_ucmd *ucmd, u32 id)
{
	struct iommufd_device *idev = iommufd_device_get(ucmd->ictx, id);

	if (IS_ERR(idev) || iommufd_selftest_is_mock_dev(idev->dev))
		return idev;
	iommufd_device_put(idev);
	return ERR_PTR(iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "device %u is none of the selftest's", id));
}

/**
 * test_trigger_iopf - IOMMU_TEST_OP_TRIGGER_IOPF
 * @ucmd: the call
 *
 * Return: 0, whatever becomes of the page request; -ENOENT, -EINVAL no such mock device.
 */
int test_trigger_iopf(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iopf_fault fault = {
		.fault = {
			.type = IOMMU_FAULT_PAGE_REQ,
			.prm = {
				.pasid = cmd->trigger_iopf.pasid,
				.grpid = cmd->trigger_iopf.grpid,
				.perm = cmd->trigger_iopf.perm,
				.addr = cmd->trigger_iopf.addr,
			},
		},
	};
	struct iommufd_device *idev __free(idev_put) =
		idev_get(ucmd, cmd->trigger_iopf.dev_id);

	if (IS_ERR(idev))
		return PTR_ERR(idev);
	if (cmd->trigger_iopf.pasid != IOMMU_NO_PASID)
		fault.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_PASID_VALID;
	if (!cmd->trigger_iopf.more)
		fault.fault.prm.flags |= IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE;
	mock_send_page_request(mock_device_of(idev->dev), &fault);
	return 0;
}

/**
 * test_trigger_vevent - IOMMU_TEST_OP_TRIGGER_VEVENT
 * @ucmd: the call
 *
 * Return: 0; -ENOENT, -EINVAL no such mock device; the errnos of mock_send_event().
 */
int test_trigger_vevent(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iommufd_device *idev __free(idev_put) =
		idev_get(ucmd, cmd->trigger_vevent.dev_id);

	if (IS_ERR(idev))
		return PTR_ERR(idev);
	return mock_send_event(mock_device_of(idev->dev));
}

/**
 * test_check_cache - IOMMU_TEST_OP_DEV_CHECK_CACHE
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such device; -EINVAL it is no mock device, has no such entry, or
 * another value there.
 */
int test_check_cache(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	u32 id = cmd->check_dev_cache.id;
	u32 value;
	struct iommufd_device *idev __free(idev_put) = idev_get(ucmd, cmd->id);

	if (IS_ERR(idev))
		return PTR_ERR(idev);
	if (id > MOCK_DEV_CACHE_ID_MAX)
		return -EINVAL;
	value = READ_ONCE(mock_device_of(idev->dev)->cache[id]);
	if (value != cmd->check_dev_cache.cache)
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "cache entry %u is 0x%x", id, value);
	return 0;
}
