// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The fakes of fakes_kunit.h.
 */
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "fakes_kunit.h"
#include "origin.h"

static struct fake_domain *fake_of(struct iommu_domain *domain)
{
	return container_of(domain, struct fake_domain, domain);
}

static unsigned long slot_of(const struct fake_domain *fake, unsigned long iova)
{
	return (iova - fake->first) >> PAGE_SHIFT;
}

static bool fails_now(struct fake_domain *fake)
{
	return fake->fail_always || (fake->fail_after && !--fake->fail_after);
}

/* Memory of devices is mapped as such, and under a lock that forbids reclaim. */
static bool is_proper(phys_addr_t paddr, int prot, gfp_t gfp)
{
	if (PHYS_PFN(paddr) < FAKE_DEVICE_PFN)
		return !(prot & IOMMU_MMIO);
	return (prot & IOMMU_MMIO) && !(prot & IOMMU_CACHE) &&
	       !gfpflags_allow_blocking(gfp);
}

static int fake_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t paddr, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct fake_domain *fake = fake_of(domain);

	if (!is_proper(paddr, prot, gfp))
		return -EINVAL;
	for (; pgcount; pgcount--) {
		if (fails_now(fake))
			return fake->fail_rc;
		for (size_t done = 0; done < pgsize; done += PAGE_SIZE)
			fake->table[slot_of(fake, iova + done)] =
				PHYS_PFN(paddr + done);
		iova += pgsize;
		paddr += pgsize;
		*mapped += pgsize;
		fake->largest = max(fake->largest, pgsize);
	}
	return 0;
}

static size_t fake_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	struct fake_domain *fake = fake_of(domain);
	size_t done;

	for (done = 0; done < pgsize * pgcount; done += PAGE_SIZE) {
		if (!fake->table[slot_of(fake, iova + done)])
			break;
		fake->table[slot_of(fake, iova + done)] = 0;
	}
	return done;
}

static int fake_sync_map(struct iommu_domain *domain, unsigned long iova,
			 size_t size)
{
	struct fake_domain *fake = fake_of(domain);

	fake->syncs++;
	for (unsigned int i = 0; i < fake->npages; i++)
		if (fake->table[i])
			fake->iotlb[i] = fake->table[i];
	return 0;
}

static void fake_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct fake_domain *fake = fake_of(domain);
	void (*meanwhile)(void *data) = fake->meanwhile;

	fake->meanwhile = NULL;
	if (meanwhile)
		meanwhile(fake->data);
	fake->flushes++;
	memcpy(fake->iotlb, fake->table, fake->npages * sizeof(*fake->iotlb));
}

static const struct iommu_domain_ops fake_domain_ops = {
	.map_pages = fake_map_pages,
	.unmap_pages = fake_unmap_pages,
	.iotlb_sync_map = fake_sync_map,
	.iotlb_sync = fake_iotlb_sync,
};

void fake_domain_init(struct kunit *test, struct fake_domain *fake,
		      unsigned long first, unsigned int npages,
		      unsigned long pgsizes)
{
	fake->first = first;
	fake->npages = npages;
	fake->fail_rc = -ENOMEM;
	fake->table = kunit_kcalloc(test, npages, sizeof(*fake->table), GFP_KERNEL);
	fake->iotlb = kunit_kcalloc(test, npages, sizeof(*fake->iotlb), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fake->table);
	KUNIT_ASSERT_NOT_NULL(test, fake->iotlb);
	fake->domain.type = IOMMU_DOMAIN_UNMANAGED;
	fake->domain.ops = &fake_domain_ops;
	fake->domain.pgsize_bitmap = PAGE_SIZE | pgsizes;
	fake->domain.geometry.force_aperture = true;
	fake->domain.geometry.aperture_start = first;
	fake->domain.geometry.aperture_end = first + npages * PAGE_SIZE - 1;
}

bool fake_domain_reaches(const struct fake_domain *fake, unsigned long pfn)
{
	for (unsigned int i = 0; i < fake->npages; i++)
		if (fake->table[i] == pfn || fake->iotlb[i] == pfn)
			return true;
	return false;
}

bool fake_domain_is_empty(const struct fake_domain *fake)
{
	for (unsigned int i = 0; i < fake->npages; i++)
		if (fake->table[i] || fake->iotlb[i])
			return false;
	return true;
}

static int publish_if_on(struct fake_device *dev)
{
	guard(mutex)(&dev->rev.lock);
	if (!dev->on)
		return -EFAULT;
	iommufd_revocable_publish_locked(&dev->rev, PFN_PHYS(dev->pfn));
	return 0;
}

static int fake_restore(struct iommufd_revocable *rev, struct iommufd_log *log)
{
	struct fake_device *dev = container_of(rev, struct fake_device, rev);
	atomic_t *ended = &dev->missed;
	int rc = publish_if_on(dev);

	dev->users = refcount_read(&rev->backing.refs);
	if (!rc) {
		iommufd_revocable_fill(rev);
		ended = &dev->found;
	}
	atomic_inc(ended);
	wake_up_var(ended);
	return rc;
}

static bool fake_concerns(const struct iommufd_revocable *rev,
			  const struct address_space *mapping)
{
	return container_of(rev, struct fake_device, rev)->mapping == mapping;
}

static const struct iommufd_revocable_ops fake_revocable_ops = {
	.restore = fake_restore,
	.concerns = fake_concerns,
};

static void fake_release(struct iommufd_backing *backing)
{
	iommufd_revocable_exit(iommufd_revocable_of(backing));
}

static const struct iommufd_backing_ops fake_device_ops = {
	.name = "fake device",
	.revocable = true,
	.release = fake_release,
};

struct fake_device *fake_device_new(struct kunit *test, unsigned long npages)
{
	struct fake_device *dev = kzalloc_obj(*dev);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	dev->pfn = FAKE_DEVICE_PFN;
	/* Any address of its own. */
	dev->mapping = (const struct address_space *)dev;
	KUNIT_ASSERT_EQ(test, 0,
			iommufd_revocable_init(&dev->rev, &fake_device_ops,
					       &fake_revocable_ops, npages, true));
	disable_delayed_work_sync(&dev->rev.retry);
	return dev;
}

void fake_device_set(struct fake_device *dev, bool on)
{
	guard(mutex)(&dev->rev.lock);
	if (!on)
		iommufd_revocable_revoke_locked(&dev->rev);
	dev->on = on;
}

void fake_look(struct iommufd_revocable *rev)
{
	struct work_struct *work = &rev->retry.work;

	work->func(work);
}

bool fake_is_waiting(struct iommufd_revocable *rev)
{
	guard(mutex)(&rev->lock);
	return rev->waiting;
}
