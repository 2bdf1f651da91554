/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Queues of page requests that user space answers.
 *
 * A group of requests comes in through the handler of its domain, waits in @waiting,
 * is told to user space under a cookie, waits for the answer in @told, and is answered
 * and freed.  Whatever ends earlier (the attachment it came through, the queue's file)
 * answers it with IOMMU_PAGE_RESP_INVALID.
 *
 * Locks: &iommufd_fault.lock, a mutex, under the group's lock; never held while user
 * memory is copied.  The IOMMU core's locks of a device's requests and the IOMMU
 * driver's own are taken under it.
 */
#ifndef __IOMMUFD_FAULT_H
#define __IOMMUFD_FAULT_H

#include <linux/iommufd.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/xarray.h>

struct iommufd_attach_handle;
struct iommufd_ctx;
struct iopf_group;

/**
 * struct iommufd_fault - a queue of page requests
 * @obj: ID and lifetime; each HWPT that uses it and its open file hold a long reference
 * @ictx: context; the open file holds its file
 * @wait: woken when a group comes
 * @lock: protects the members below
 * @waiting: &struct iopf_group that user space has not read, oldest first
 * @told: &struct iopf_group that user space has to answer, by cookie
 * @next_cookie: where to look for the next cookie, so that one is not soon used again
 * @closed: the file is gone, nobody will ever answer
 */
struct iommufd_fault {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	wait_queue_head_t wait;
	struct mutex lock; /* the groups */
	struct list_head waiting;
	struct xarray told;
	u32 next_cookie;
	bool closed;
};

extern const struct iommufd_object_ops iommufd_fault_object_ops;

/* Short reference by ID; ERR_PTR(-ENOENT) with a reason. */
struct iommufd_fault *iommufd_fault_get(struct iommufd_ctx *ictx, u32 id);

int iommufd_fault_iopf_handler(struct iopf_group *group);
void iommufd_fault_end_attachment(struct iommufd_fault *fault,
				  const struct iommufd_attach_handle *handle);
void iommufd_fault_close(struct iommufd_fault *fault);
#endif
