// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The bench of bench_kunit.h.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/slab.h>

#include "bench_kunit.h"

void iopt_bench_init(struct kunit *test, struct iopt_bench *bench, u64 seed)
{
	bench->test = test;
	prandom_seed_state(&bench->rnd, seed);
	iommufd_log_init(&bench->log);
	iommufd_accounts_init(&bench->accounts, IOMMUFD_ACCOUNT_USER);
	iopt_init(&bench->iopt, &bench->log);
}

void iopt_bench_unmap(struct iopt_bench *bench)
{
	unsigned long bytes;

	KUNIT_EXPECT_EQ(bench->test, 0, iopt_unmap_all(&bench->iopt, &bytes));
}

void iopt_bench_exit(struct iopt_bench *bench)
{
	iopt_destroy(&bench->iopt);
	iommufd_accounts_destroy(&bench->accounts);
}

struct iommufd_backing *
iopt_bench_backing(struct iopt_bench *bench, const struct iommufd_backing_ops *ops,
		   unsigned long npages)
{
	struct iommufd_backing *backing = kzalloc_obj(*backing);

	KUNIT_ASSERT_NOT_NULL(bench->test, backing);
	KUNIT_ASSERT_EQ(bench->test, 0,
			iommufd_backing_init(backing, ops, &bench->accounts, npages,
					     true, &bench->log));
	return backing;
}

unsigned long iopt_bench_user(struct kunit *test, unsigned long size)
{
	unsigned long user = kunit_vm_mmap(test, NULL, 0, size + PAGE_SIZE,
					   PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(user));
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(user + size, PAGE_SIZE));
	return user;
}
