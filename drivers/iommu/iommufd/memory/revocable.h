/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A revocable is a backing whose memory can be taken away at any moment and may come
 * back: the memory of a device, which answers only while the device decodes it.
 * Nothing of it is pinned or charged.  It is one physically contiguous range, or it is
 * not there.
 *
 * Where it is to be seen is told once, as *shows*: a domain, an IOVA, a part of the
 * range.  As long as the range is there every show is mapped; when it goes, all
 * shows are taken out of their domains before the call that takes it away returns;
 * when it comes back they are mapped again.  A show whose memory is away is a
 * hole, which DMA runs into as into any address that is not mapped.
 *
 * Lock: &iommufd_revocable.lock, a mutex and a leaf: below it stand only the locks of
 * IOMMU drivers and of the retry timer.  It is taken in MMU notifiers and under
 * the reservation lock of a dma-buf, so nothing may be allocated under it in a way that
 * waits for reclaim.
 */
#ifndef __IOMMUFD_MEMORY_REVOCABLE_H
#define __IOMMUFD_MEMORY_REVOCABLE_H

#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/workqueue.h>
#include "backing.h"

struct address_space;
struct iommu_domain;
struct iommufd_revocable;

/**
 * struct iommufd_revocable_ops - what differs by origin
 * @restore: look whether the memory is there; if so, publish it and fill the shows.
 *	     May sleep and fault, holds no lock.  0 when it is there, even if a show
 *	     lacks something that the timer has to try again, else a negative errno
 *	     with the reason noted
 * @concerns: may something that happened to the device behind @mapping (of its file)
 *	      have brought the memory back?
 */
struct iommufd_revocable_ops {
	int (*restore)(struct iommufd_revocable *rev, struct iommufd_log *log);
	bool (*concerns)(const struct iommufd_revocable *rev,
			 const struct address_space *mapping);
};

/* Tries that never run out. */
#define REVOCABLE_PATIENT UINT_MAX

/**
 * struct iommufd_revocable - a backing that can be taken away
 * @backing: first member, so that kfree() of either is the same
 * @ops: by origin
 * @lock: protects everything below but @id
 * @shows: &struct iommufd_show by domain and IOVA
 * @unfilled: shows that are not, or not wholly, mapped
 * @phys: first byte, while @present
 * @present: the memory is there
 * @gone: it will never come back
 * @waiting: it is away, somebody is to see it, and it may come back
 * @id: in the registry of revoked.c
 * @retry: looks whether it is back
 * @delay_ms: until the next look
 * @patience: looks left
 */
struct iommufd_revocable {
	struct iommufd_backing backing;
	const struct iommufd_revocable_ops *ops;
	struct mutex lock; /* the shows; a leaf */
	struct rb_root shows;
	struct list_head unfilled;
	phys_addr_t phys;
	bool present;
	bool gone;
	bool waiting;
	u32 id;
	struct delayed_work retry;
	unsigned int delay_ms;
	unsigned int patience;
};

/* NULL for a backing of another kind. */
static inline struct iommufd_revocable *
iommufd_revocable_of(struct iommufd_backing *backing)
{
	return backing->ops->revocable ?
		container_of(backing, struct iommufd_revocable, backing) : NULL;
}

/**
 * struct iommufd_show_request - where memory is to be seen
 * @domain: in which domain
 * @iova: from which IOVA
 * @offset: first byte of the backing
 * @length: bytes, not zero
 * @prot: IOMMU_READ, IOMMU_WRITE; the rest is chosen here
 * @max_piece: largest page to use, a power of two; 0 is no limit
 */
struct iommufd_show_request {
	struct iommu_domain *domain;
	unsigned long iova;
	unsigned long offset;
	unsigned long length;
	int prot;
	unsigned long max_piece;
};

/* For the users of the memory: pgtable/ */
int iommufd_revocable_find(struct iommufd_revocable *rev, struct iommufd_log *log);
int iommufd_revocable_show(struct iommufd_revocable *rev,
			   const struct iommufd_show_request *rq,
			   struct iommufd_log *log);
void iommufd_revocable_hide(struct iommufd_revocable *rev,
			    struct iommu_domain *domain, unsigned long iova);
void iommufd_revocable_move_show(struct iommufd_revocable *from,
				 struct iommufd_revocable *to,
				 const struct iommufd_show_request *rq);

/* For the origins */
int iommufd_revocable_init(struct iommufd_revocable *rev,
			   const struct iommufd_backing_ops *backing_ops,
			   const struct iommufd_revocable_ops *ops,
			   unsigned long npages, bool writable);
void iommufd_revocable_exit(struct iommufd_revocable *rev);
void iommufd_revocable_revoke_locked(struct iommufd_revocable *rev);
void iommufd_revocable_publish_locked(struct iommufd_revocable *rev,
				      phys_addr_t phys);
void iommufd_revocable_set_gone_locked(struct iommufd_revocable *rev);
void iommufd_revocable_fill(struct iommufd_revocable *rev);

#endif
