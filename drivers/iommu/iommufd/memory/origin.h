/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * For the files of this room that make backings of one origin or work inside them;
 * users of backings need backing.h only.
 */
#ifndef __IOMMUFD_MEMORY_ORIGIN_H
#define __IOMMUFD_MEMORY_ORIGIN_H

#include "backing.h"

/**
 * struct iommufd_movable_backing - a backing that outlives the process that made it
 * @backing: first member, so that kfree() of either is the same
 * @next_payer: a reference between iommufd_backing_move_prepare() and its end;
 *		@backing.lock
 */
struct iommufd_movable_backing {
	struct iommufd_backing backing;
	struct iommufd_payer *next_payer;
};

void iommufd_backing_init_free(struct iommufd_backing *backing,
			       const struct iommufd_backing_ops *ops,
			       unsigned long npages, bool writable);
int iommufd_backing_init(struct iommufd_backing *backing,
			 const struct iommufd_backing_ops *ops,
			 struct iommufd_accounts *accounts,
			 unsigned long npages, bool writable,
			 struct iommufd_log *log);
/* Has iommufd_backing_user() made it? */
bool iommufd_backing_is_user(const struct iommufd_backing *backing);
/* Memory of such backings; nothing is left in them. */
void iommufd_backing_user_free(void **backings, unsigned int n);
void iommufd_backing_unpin_runs(struct iommufd_backing *backing,
				struct pfn_runs *runs, bool dirty);
unsigned long iommufd_backing_npinned(struct iommufd_backing *backing);
bool iommufd_backing_covers(struct iommufd_backing *backing,
			    unsigned long first, unsigned long npages);
/* Fill @out with the pages of a range on which the caller holds a use; with the lock held. */
void iommufd_backing_fill_pages(struct iommufd_backing *backing,
				unsigned long first, unsigned long npages,
				struct page **out);

#if IS_ENABLED(CONFIG_KUNIT)
/* Asks the exporter of a dma-buf where its memory is; KUnit's exporters have a stub. */
struct dma_buf_attachment;
struct phys_vec;
int iommufd_dmabuf_ask(struct dma_buf_attachment *attach, struct phys_vec *phys);
#endif

#endif
