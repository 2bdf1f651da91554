// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * RLIMIT_MEMLOCK, in both ways of counting. What has a limit runs in a child
 * process that gave up CAP_IPC_LOCK; a child returns the line of what went
 * wrong, counted as step, or 0.
 */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define LIMIT	ST_MIB
#define KIB(n)	((n) * ST_KIB)

FIXTURE(memlock)
{
	struct st_env env;
	bool per_process;
};

FIXTURE_VARIANT(memlock)
{
	bool per_process;
};

FIXTURE_VARIANT_ADD(memlock, user)
{
	.per_process = false,
};

FIXTURE_VARIANT_ADD(memlock, process)
{
	.per_process = true,
};

FIXTURE_SETUP(memlock)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	self->per_process = variant->per_process;
	ASSERT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	ASSERT_EQ(0, st_option_set(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0,
				   variant->per_process));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &self->env.ioas));
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
}

FIXTURE_TEARDOWN(memlock)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map(struct _test_data_memlock *self, size_t size, __u64 iova)
{
	void *memory = st_memory(size);

	return memory ? st_map_at(self->env.iommufd, self->env.ioas, memory, size, iova) :
			-EIDRM;
}

static int unmap(struct _test_data_memlock *self, size_t size, __u64 iova)
{
	return st_unmap(self->env.iommufd, self->env.ioas, iova, size);
}

/* Is so much charged to this process? In the other way nothing shows here. */
static bool charged(struct _test_data_memlock *self, size_t size)
{
	return st_vm_lck() == (self->per_process ? (long long)(size / ST_KIB) : 0) &&
	       st_vm_pin() == (long long)(size / ST_KIB);
}

static int child_over_limit(void *argument)
{
	struct _test_data_memlock *self = argument;

	if (st_limit_memlock(LIMIT) || !charged(self, 0))
		return 1;
	if (map(self, 2 * LIMIT, ST_IOVA) != -ENOMEM || !charged(self, 0))
		return 2;
	if (map(self, KIB(512), ST_IOVA) || !charged(self, KIB(512)))
		return 3;
	if (map(self, KIB(768), 2 * ST_IOVA) != -ENOMEM || !charged(self, KIB(512)))
		return 4;
	/* The refused mapping does not occupy its place. */
	if (map(self, KIB(256), 2 * ST_IOVA) || !charged(self, KIB(768)))
		return 5;
	if (unmap(self, KIB(512), ST_IOVA) || !charged(self, KIB(256)))
		return 6;
	if (map(self, KIB(768), ST_IOVA) || !charged(self, KIB(1024)))
		return 7;
	/* Full to the last page. */
	if (map(self, st_page, 3 * ST_IOVA) != -ENOMEM)
		return 8;
	if (unmap(self, KIB(256), 2 * ST_IOVA) || unmap(self, KIB(768), ST_IOVA))
		return 9;
	return charged(self, 0) ? 0 : 10;
}

TEST_F(memlock, over_limit)
{
	EXPECT_EQ(0, st_in_child(child_over_limit, self));
	EXPECT_EQ(0, st_in_child(child_over_limit, self));
}

/* Without a page table nothing is pinned; the attach then is what fails. */
static int child_over_limit_at_attach(void *argument)
{
	struct _test_data_memlock *self = argument;

	if (st_limit_memlock(LIMIT) || st_detach(self->env.dev.fd))
		return 1;
	if (map(self, KIB(768), ST_IOVA) || map(self, KIB(512), 2 * ST_IOVA) ||
	    !charged(self, 0))
		return 2;
	if (st_attach(self->env.dev.fd, self->env.ioas) != -ENOMEM || !charged(self, 0))
		return 3;
	if (unmap(self, KIB(512), 2 * ST_IOVA))
		return 4;
	if (st_attach(self->env.dev.fd, self->env.ioas) || !charged(self, KIB(768)))
		return 5;
	if (unmap(self, KIB(768), ST_IOVA) || !charged(self, 0))
		return 6;
	return 0;
}

TEST_F(memlock, over_limit_at_attach)
{
	EXPECT_EQ(0, st_in_child(child_over_limit_at_attach, self));
}

static int child_file_over_limit(void *argument)
{
	struct _test_data_memlock *self = argument;
	int file = st_memfd(2 * LIMIT, 0);
	__u64 iova = ST_IOVA;

	if (st_limit_memlock(LIMIT))
		return 1;
	if (st_map_file(self->env.iommufd, self->env.ioas, ST_RW | ST_FIXED, file, 0, 2 * LIMIT,
			&iova) != -ENOMEM || !charged(self, 0))
		return 2;
	if (st_map_file(self->env.iommufd, self->env.ioas, ST_RW | ST_FIXED, file, LIMIT, LIMIT,
			&iova) || !charged(self, LIMIT))
		return 3;
	return unmap(self, LIMIT, ST_IOVA) || !charged(self, 0) ? 4 : 0;
}

TEST_F(memlock, file_over_limit)
{
	EXPECT_EQ(0, st_in_child(child_file_over_limit, self));
}

/* A huge page counts as all of its small pages. */
static int child_huge_over_limit(void *argument)
{
	struct _test_data_memlock *self = argument;
	void *memory = st_huge_memory(ST_HUGE);

	if (!memory)
		return 100;
	if (st_limit_memlock(LIMIT))
		return 1;
	if (st_map_at(self->env.iommufd, self->env.ioas, memory, ST_HUGE, ST_IOVA) != -ENOMEM ||
	    !charged(self, 0))
		return 2;
	if (st_map_at(self->env.iommufd, self->env.ioas, memory, LIMIT, ST_IOVA) ||
	    !charged(self, LIMIT))
		return 3;
	return unmap(self, LIMIT, ST_IOVA) || !charged(self, 0) ? 4 : 0;
}

TEST_F(memlock, huge_over_limit)
{
	int rc = st_in_child(child_huge_over_limit, self);

	if (rc == 100)
		SKIP(return, "no huge pages are free");
	EXPECT_EQ(0, rc);
}

/* A second space that shows the same memory costs nothing. */
static int child_copy_is_free(void *argument)
{
	struct _test_data_memlock *self = argument;
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->env.ioas,
		.src_ioas_id = self->env.ioas,
		.length = KIB(768),
		.dst_iova = 2 * ST_IOVA,
		.src_iova = ST_IOVA,
	};

	if (st_limit_memlock(LIMIT) || map(self, KIB(768), ST_IOVA))
		return 1;
	if (st_copy(self->env.iommufd, &copy) || !charged(self, KIB(768)))
		return 2;
	if (unmap(self, KIB(768), ST_IOVA) || !charged(self, KIB(768)))
		return 3;
	return unmap(self, KIB(768), 2 * ST_IOVA) || !charged(self, 0) ? 4 : 0;
}

TEST_F(memlock, copy_is_free)
{
	EXPECT_EQ(0, st_in_child(child_copy_is_free, self));
}

/* Who may lock memory has no limit. */
static int child_capable(void *argument)
{
	struct _test_data_memlock *self = argument;
	struct rlimit limit = { .rlim_cur = st_page, .rlim_max = st_page };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		return 1;
	if (map(self, 4 * LIMIT, ST_IOVA) || st_vm_pin() != 4 * LIMIT / ST_KIB)
		return 2;
	return unmap(self, 4 * LIMIT, ST_IOVA) || st_vm_pin() || st_vm_lck() ? 3 : 0;
}

TEST_F(memlock, capable)
{
	EXPECT_EQ(0, st_in_child(child_capable, self));
}

/* Of two processes of one user, the second finds what the first left. */
static int grandchild(void *argument)
{
	struct _test_data_memlock *self = argument;
	int rc = map(self, KIB(768), 2 * ST_IOVA);

	if (!self->per_process)
		return rc == -ENOMEM ? 0 : 51;
	if (rc || !charged(self, KIB(768)))
		return 52;
	return unmap(self, KIB(768), 2 * ST_IOVA) ? 53 : 0;
}

static int child_shares_limit(void *argument)
{
	struct _test_data_memlock *self = argument;
	int rc;

	if (st_limit_memlock(LIMIT) || map(self, KIB(768), ST_IOVA))
		return 1;
	rc = st_in_child(grandchild, self);
	if (unmap(self, KIB(768), ST_IOVA) || !charged(self, 0))
		return 2;
	return rc;
}

TEST_F(memlock, shared_by_a_user)
{
	EXPECT_EQ(0, st_in_child(child_shares_limit, self));
}

/* Who goes and leaves a mapping behind leaves no charge that stays for ever. */
static int child_leaves(void *argument)
{
	struct _test_data_memlock *self = argument;

	return st_limit_memlock(LIMIT) || map(self, KIB(768), ST_IOVA) ? 1 : 0;
}

TEST_F(memlock, charge_goes_with_the_mapping)
{
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, st_in_child(child_leaves, self));
		EXPECT_EQ(0, unmap(self, KIB(768), ST_IOVA));
	}
	EXPECT_EQ(0, st_in_child(child_over_limit, self));
}

/* How a mapping is charged is settled when it is made. */
static int child_settled(void *argument)
{
	struct _test_data_memlock *self = argument;

	if (st_detach(self->env.dev.fd) || map(self, 2 * LIMIT, ST_IOVA))
		return 1;
	if (st_limit_memlock(LIMIT))
		return 2;
	if (st_attach(self->env.dev.fd, self->env.ioas) || st_vm_lck())
		return 3;
	return unmap(self, 2 * LIMIT, ST_IOVA) || !charged(self, 0) ? 4 : 0;
}

TEST_F(memlock, settled_by_the_map)
{
	EXPECT_EQ(0, st_in_child(child_settled, self));
}

TEST_HARNESS_MAIN
