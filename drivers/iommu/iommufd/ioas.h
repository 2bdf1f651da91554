/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The IOAS object: an I/O page table with an ID, and the HWPTs that show it.
 */
#ifndef __IOMMUFD_IOAS_H
#define __IOMMUFD_IOAS_H

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include "ctx.h"
#include "pgtable/iopt.h"

struct iommu_iova_range;

/**
 * struct iommufd_ioas - an I/O address space
 * @obj: ID and lifetime
 * @ictx: context
 * @iopt: the page table
 * @mutex: protects @hwpts; held while a device is attached automatically, so that two
 *	   attaches do not make two HWPTs.  Outside &iommufd_group.lock
 * @hwpts: &struct iommufd_hwpt_paging, in the order they were made
 * @track_dirty: automatic HWPTs get dirty bits where the IOMMU has them; fixed before
 *		 the IOAS is published
 * @published: counted in &iommufd_ctx.nioases
 * @rcu: for those who look whether an access is still attached to it, see access.c
 * @small_for_type1: VFIO_SET_IOMMU has turned large pages off, and the program has not
 *		     said since what it wants; see container_type.c
 */
struct iommufd_ioas {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct iommufd_iopt iopt;
	struct mutex mutex; /* list of HWPTs */
	struct list_head hwpts;
	struct rcu_head rcu;
	bool track_dirty;
	bool published;
	bool small_for_type1;
};

extern const struct iommufd_object_ops iommufd_ioas_object_ops;

/* A new one, not published: iommufd_ioas_publish() or iommufd_object_abort_and_destroy(). */
struct iommufd_ioas *iommufd_ioas_new(struct iommufd_ctx *ictx);
void iommufd_ioas_publish(struct iommufd_ioas *ioas);

/* Short reference; ERR_PTR(-ENOENT) with a reason. */
struct iommufd_ioas *iommufd_ioas_get(struct iommufd_ctx *ictx, u32 id);
void iommufd_ioas_put(struct iommufd_ioas *ioas);

/*
 * The usable ranges in ascending order, at most @room of them, for kvfree();
 * ERR_PTR(-ENOMEM).
 */
struct iommu_iova_range *iommufd_ioas_ranges(struct iommufd_ioas *ioas, u32 room,
					     u32 *total, u64 *alignment);

/* ioas_map.c: map memory of the calling process. */
int iommufd_ioas_map_user(struct iommufd_ioas *ioas, struct iopt_map_request *rq,
			  u64 uva);
/* The mapping of exactly @span shows the same memory, which the caller has at @uva now. */
int iommufd_ioas_update_vaddr(struct iommufd_ioas *ioas,
			      const struct iova_span *span, u64 uva);

DEFINE_FREE(ioas_put, struct iommufd_ioas *, if (!IS_ERR_OR_NULL(_T)) iommufd_ioas_put(_T))
#endif
