// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What a mock device knows of the domains that are attached to it, and what it does on
 * its own: send page requests, and events to its vIOMMU.
 *
 * As with a real device, attaching a domain that takes page requests turns them on, and
 * detaching the last such domain turns them off; then the device has sent its last one.
 *
 * Locks: &mock_device.lock, below the IOMMU core's group mutex and above those of fault
 * queues and event queues.
 */
#include <linux/iommu.h>
#include <linux/iommufd.h>

#include "mock_attach.h"
#include "mock_device.h"

static struct iopf_queue *mock_iopf_queue;

/* Page requests: as many as there are attachments that want them. */
static int iopf_enable(struct mock_device *mdev, const struct iommu_domain *domain)
{
	int rc;

	lockdep_assert_held_write(&mdev->lock);
	if (!domain->iopf_handler)
		return 0;
	if (!mdev->niopf) {
		if (!mock_iopf_queue)
			return -ENODEV;
		rc = iopf_queue_add_device(mock_iopf_queue, &mdev->dev);
		if (rc)
			return rc;
	}
	mdev->niopf++;
	return 0;
}

static void iopf_disable(struct mock_device *mdev, const struct iommu_domain *domain)
{
	lockdep_assert_held_write(&mdev->lock);
	if (!domain || !domain->iopf_handler)
		return;
	if (!--mdev->niopf)
		iopf_queue_remove_device(mock_iopf_queue, &mdev->dev);
}

static int check_dirty(const struct mock_device *mdev,
		       const struct iommu_domain *domain)
{
	if (domain->dirty_ops && (mdev->flags & MOCK_FLAGS_DEVICE_NO_DIRTY))
		return -EINVAL;
	return 0;
}

/**
 * mock_attach - attach a domain to requests without a PASID
 * @domain: domain
 * @dev: mock device
 * @old: what is attached now, may be NULL
 * @viommu: vIOMMU of a nested domain, or NULL
 *
 * Context: the group's mutex is held; may sleep.
 * Return: 0; -EINVAL the device cannot track dirty pages, -ENOENT it has no vDEVICE,
 * -ENODEV page requests are not built into the kernel, -ENOMEM.
 */
int mock_attach(struct iommu_domain *domain, struct device *dev,
		struct iommu_domain *old, struct iommufd_viommu *viommu)
{
	struct mock_device *mdev = mock_device_of(dev);
	unsigned long virt_id = 0;
	int rc;

	rc = check_dirty(mdev, domain);
	if (!rc && viommu)
		rc = iommufd_viommu_get_vdev_id(viommu, dev, &virt_id);
	if (rc)
		return rc;

	guard(rwsem_write)(&mdev->lock);
	rc = iopf_enable(mdev, domain);
	if (rc)
		return rc;
	iopf_disable(mdev, old);
	mdev->viommu = viommu;
	mdev->virt_id = virt_id;
	return 0;
}

/*
 * To see a replace fail and be undone: of two domains that are attached to the reserved
 * PASID one after the other, the second is refused, once.
 */
static int fail_reserved_pasid(struct mock_device *mdev, ioasid_t pasid)
{
	lockdep_assert_held_write(&mdev->lock);
	if (pasid != IOMMU_TEST_PASID_RESERVED)
		return 0;
	mdev->fail_replace = !mdev->fail_replace;
	return mdev->fail_replace ? 0 : -ENOMEM;
}

/**
 * mock_attach_pasid - attach a domain to a PASID
 * @domain: domain
 * @dev: mock device
 * @pasid: its PASID
 * @old: what is attached there now, may be NULL
 *
 * Context: the group's mutex is held; may sleep.
 * Return: 0; -EINVAL, -ENODEV, -ENOMEM as above.
 */
int mock_attach_pasid(struct iommu_domain *domain, struct device *dev,
		      ioasid_t pasid, struct iommu_domain *old)
{
	struct mock_device *mdev = mock_device_of(dev);
	int rc;

	rc = check_dirty(mdev, domain);
	if (rc)
		return rc;

	guard(rwsem_write)(&mdev->lock);
	rc = iopf_enable(mdev, domain);
	if (rc)
		return rc;
	rc = fail_reserved_pasid(mdev, pasid);
	iopf_disable(mdev, rc ? domain : old);
	return rc;
}

static int blocked_attach(struct iommu_domain *domain, struct device *dev,
			  struct iommu_domain *old)
{
	return mock_attach(domain, dev, old, NULL);
}

static int blocked_attach_pasid(struct iommu_domain *domain, struct device *dev,
				ioasid_t pasid, struct iommu_domain *old)
{
	struct mock_device *mdev = mock_device_of(dev);

	guard(rwsem_write)(&mdev->lock);
	if (pasid == IOMMU_TEST_PASID_RESERVED)
		mdev->fail_replace = false;
	iopf_disable(mdev, old);
	return 0;
}

static const struct iommu_domain_ops mock_blocked_ops = {
	.attach_dev = blocked_attach,
	.set_dev_pasid = blocked_attach_pasid,
};

struct iommu_domain mock_blocked_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &mock_blocked_ops,
};

/**
 * mock_send_page_request - send a page request
 * @mdev: device
 * @fault: the request
 *
 * It is lost when the device does not send any at present.
 *
 * Context: process context, may sleep.
 */
void mock_send_page_request(struct mock_device *mdev, struct iopf_fault *fault)
{
	/* While this is held, what is attached stays so. */
	guard(rwsem_read)(&mdev->lock);
	if (mdev->niopf)
		iommu_report_device_fault(&mdev->dev, fault);
}

/**
 * mock_send_event - send an event to the vIOMMU that a device is behind
 * @mdev: device
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOENT there is no vIOMMU; the errnos of iommufd_viommu_report_event().
 */
int mock_send_event(struct mock_device *mdev)
{
	struct iommu_viommu_event_selftest event = {};

	guard(rwsem_read)(&mdev->lock);
	if (!mdev->viommu || !mdev->virt_id)
		return -ENOENT;
	event.virt_id = mdev->virt_id;
	return iommufd_viommu_report_event(mdev->viommu,
					   IOMMU_VEVENTQ_TYPE_SELFTEST, &event,
					   sizeof(event));
}

/**
 * mock_attach_init - get ready for page requests
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOMEM.
 */
int mock_attach_init(void)
{
	if (!IS_ENABLED(CONFIG_IOMMU_IOPF))
		return 0;
	mock_iopf_queue = iopf_queue_alloc("iommufd_mock");
	return mock_iopf_queue ? 0 : -ENOMEM;
}

/**
 * mock_attach_exit - undo mock_attach_init()
 *
 * Context: process context, may sleep; all devices are gone.
 */
void mock_attach_exit(void)
{
	if (mock_iopf_queue)
		iopf_queue_free(mock_iopf_queue);
}
