/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Which pages of a table anybody has written, device or kernel.
 */
#ifndef __IOMMUFD_PGTABLE_IOPT_RECORD_H
#define __IOMMUFD_PGTABLE_IOPT_RECORD_H

struct iommufd_iopt;
struct iopt_dirty_request;

/*
 * Both do nothing when it is so already.  The caller serialises them with each other and
 * with iopt_dirty_start() and iopt_dirty_stop().  -ENOMEM.
 */
int iopt_record_start(struct iommufd_iopt *iopt);
void iopt_record_stop(struct iommufd_iopt *iopt);

/*
 * Report, and begin anew unless rq->keep.  -EINVAL: not recording, or the range cuts an
 * area; else as iopt_dirty_report().
 */
int iopt_record_read(struct iommufd_iopt *iopt, const struct iopt_dirty_request *rq);

/* For an unmap: report the LEAVING areas in the range.  The domains lock is held. */
int iopt_record_collect(struct iommufd_iopt *iopt,
			const struct iopt_dirty_request *rq);
#endif
