/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What KUnit tests of a page table begin and end with.
 */
#ifndef __IOMMUFD_PGTABLE_BENCH_KUNIT_H
#define __IOMMUFD_PGTABLE_BENCH_KUNIT_H

#include <kunit/test.h>
#include <linux/iommufd_report.h>
#include <linux/prandom.h>

#include "../memory/memlock.h"
#include "../memory/origin.h"
#include "iopt_private.h"

/**
 * struct iopt_bench - a page table, and whom its memory is charged to
 * @test: the case
 * @iopt: the page table
 * @log: of @iopt
 * @accounts: of the backings
 * @rnd: chance, the same each time
 */
struct iopt_bench {
	struct kunit *test;
	struct iommufd_iopt iopt;
	struct iommufd_log log;
	struct iommufd_accounts accounts;
	struct rnd_state rnd;
};

/* Zeroed memory in. */
void iopt_bench_init(struct kunit *test, struct iopt_bench *bench, u64 seed);

/* Nothing is mapped any more. */
void iopt_bench_unmap(struct iopt_bench *bench);

/* When the domains have left and the backings were given back. */
void iopt_bench_exit(struct iopt_bench *bench);

/* A backing of nothing but @ops, from which the caller has one reference. */
struct iommufd_backing *
iopt_bench_backing(struct iopt_bench *bench, const struct iommufd_backing_ops *ops,
		   unsigned long npages);

/* Memory of a user for @size bytes, behind which nothing is. */
unsigned long iopt_bench_user(struct kunit *test, unsigned long size);

/* What an access does, with the lock that it holds. */
static inline int iopt_bench_pin(struct iopt_bench *bench, unsigned long iova,
				 unsigned long length, struct page **pages, bool write)
{
	guard(rwsem_read)(&bench->iopt.space_lock);
	return iopt_access_pin(&bench->iopt, iova, length, pages, write);
}

static inline void iopt_bench_unpin(struct iopt_bench *bench, unsigned long iova,
				    unsigned long length)
{
	guard(rwsem_read)(&bench->iopt.space_lock);
	iopt_access_unpin(&bench->iopt, iova, length);
}

static inline int iopt_bench_rw(struct iopt_bench *bench, unsigned long iova, void *data,
				unsigned long length, unsigned int flags)
{
	guard(rwsem_read)(&bench->iopt.space_lock);
	if (iopt_access_copy(&bench->iopt, iova, data, length, flags))
		return 0;
	return iopt_access_rw(&bench->iopt, iova, data, length, flags);
}

static inline unsigned int iopt_bench_pick(struct iopt_bench *bench,
					   unsigned int below)
{
	return prandom_u32_state(&bench->rnd) % below;
}

#endif
