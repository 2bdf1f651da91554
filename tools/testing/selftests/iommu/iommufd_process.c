// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_IOAS_CHANGE_PROCESS: mappings of files, and what they cost, move to the
 * process that asks for them.
 *
 * Two processes take part: "giver", which maps, and its child "taker". Both
 * return 0 or a number that says which step failed.
 */
#include <errno.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define SIZE		ST_MIB
#define SIZE_KIB	(SIZE / ST_KIB)

enum charging {
	BY_NOBODY,	/* the processes keep CAP_IPC_LOCK */
	BY_USER,
	BY_PROCESS,
};

FIXTURE(process)
{
	struct st_env env;
	enum charging charging;
	int file;
	__u64 limit;	/* of the taker */
};

FIXTURE_VARIANT(process)
{
	enum charging charging;
};

FIXTURE_VARIANT_ADD(process, nobody)
{
	.charging = BY_NOBODY,
};

FIXTURE_VARIANT_ADD(process, user)
{
	.charging = BY_USER,
};

FIXTURE_VARIANT_ADD(process, process)
{
	.charging = BY_PROCESS,
};

FIXTURE_SETUP(process)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	self->charging = variant->charging;
	ASSERT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	ASSERT_EQ(0, st_option_set(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0,
				   variant->charging == BY_PROCESS));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &self->env.ioas));
	self->file = st_memfd(SIZE, 0);
	ASSERT_LE(0, self->file);
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
}

FIXTURE_TEARDOWN(process)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int limit(struct _test_data_process *self, __u64 bytes)
{
	return self->charging == BY_NOBODY ? 0 : st_limit_memlock(bytes);
}

static int map_file(struct _test_data_process *self, __u64 iova)
{
	return st_map_file(self->env.iommufd, self->env.ioas, ST_RW | ST_FIXED, self->file, 0,
			   SIZE, &iova);
}

/* Does this process have so much pinned, and is it charged as it should be? */
static bool has(struct _test_data_process *self, long long kib)
{
	return st_vm_pin() == kib && st_vm_lck() == (self->charging == BY_PROCESS ? kib : 0);
}

static int give_to(struct _test_data_process *self, int (*taker)(void *argument), long long kept)
{
	int rc;

	if (limit(self, 8 * SIZE) || map_file(self, ST_IOVA) || !has(self, SIZE_KIB))
		return 1;
	rc = st_in_child(taker, self);
	if (rc)
		return rc;
	if (!has(self, kept))
		return 2;
	if (kept && (st_unmap_all(self->env.iommufd, self->env.ioas, NULL) || !has(self, 0)))
		return 3;
	return 0;
}

TEST_F(process, reserved)
{
	struct iommu_ioas_change_process cmd = { .size = sizeof(cmd), .__reserved = 1 };

	EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_IOAS_CHANGE_PROCESS, &cmd));
}

TEST_F(process, nothing_to_move)
{
	int bare = iommufd_open();

	ASSERT_LE(0, bare);
	EXPECT_EQ(0, st_change_process(bare));
	EXPECT_EQ(0, st_change_process(self->env.iommufd));
	close(bare);
}

/* Memory of a process cannot move, and then nothing does. */
static int taker_refused(void *argument)
{
	struct _test_data_process *self = argument;

	if (st_change_process(self->env.iommufd) != -EINVAL)
		return 21;
	return has(self, 0) ? 0 : 22;
}

static int giver_of_own_memory(void *argument)
{
	struct _test_data_process *self = argument;

	if (st_map_at(self->env.iommufd, self->env.ioas, st_memory(st_page), st_page,
		      2 * ST_IOVA))
		return 11;
	if (st_change_process(self->env.iommufd) != -EINVAL)
		return 12;
	if (st_unmap(self->env.iommufd, self->env.ioas, 2 * ST_IOVA, st_page))
		return 13;
	return 0;
}

static int giver_of_both(void *argument)
{
	struct _test_data_process *self = argument;
	__u32 other;

	if (ioas_alloc(self->env.iommufd, &other))
		return 14;
	if (st_map_at(self->env.iommufd, other, st_memory(st_page), st_page, ST_IOVA))
		return 15;
	return give_to(self, taker_refused, SIZE_KIB);
}

TEST_F(process, own_memory)
{
	EXPECT_EQ(0, st_in_child(giver_of_own_memory, self));
	EXPECT_EQ(0, st_in_child(giver_of_both, self));
}

static int taker(void *argument)
{
	struct _test_data_process *self = argument;

	if (!has(self, 0) || st_change_process(self->env.iommufd) || !has(self, SIZE_KIB))
		return 31;
	/* Once more changes nothing. */
	if (st_change_process(self->env.iommufd) || !has(self, SIZE_KIB))
		return 32;
	if (st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, SIZE) || !has(self, 0))
		return 33;
	return 0;
}

static int giver(void *argument)
{
	return give_to(argument, taker, 0);
}

TEST_F(process, moves)
{
	EXPECT_EQ(0, st_in_child(giver, self));
}

/* The taker takes, and the giver takes it back. */
static int taker_only(void *argument)
{
	struct _test_data_process *self = argument;

	return st_change_process(self->env.iommufd) || !has(self, SIZE_KIB) ? 41 : 0;
}

static int giver_takes_back(void *argument)
{
	struct _test_data_process *self = argument;
	int rc = give_to(self, taker_only, 0);

	if (rc)
		return rc;
	if (st_change_process(self->env.iommufd) || !has(self, SIZE_KIB))
		return 42;
	if (st_unmap_all(self->env.iommufd, self->env.ioas, NULL) || !has(self, 0))
		return 43;
	return 0;
}

TEST_F(process, moves_back)
{
	EXPECT_EQ(0, st_in_child(giver_takes_back, self));
}

/* What is not pinned yet is charged to the new process when it is. */
static int taker_attaches(void *argument)
{
	struct _test_data_process *self = argument;

	if (st_change_process(self->env.iommufd) || !has(self, 0))
		return 51;
	if (st_attach(self->env.dev.fd, self->env.ioas) || !has(self, SIZE_KIB))
		return 52;
	return st_unmap_all(self->env.iommufd, self->env.ioas, NULL) || !has(self, 0) ? 53 : 0;
}

static int giver_detached(void *argument)
{
	struct _test_data_process *self = argument;

	if (st_detach(self->env.dev.fd) || limit(self, 8 * SIZE) || map_file(self, ST_IOVA))
		return 54;
	return st_in_child(taker_attaches, self);
}

TEST_F(process, moves_unpinned)
{
	EXPECT_EQ(0, st_in_child(giver_detached, self));
}

/* What a user has charged stays so between his processes: take another user. */
static int taker_too_poor(void *argument)
{
	struct _test_data_process *self = argument;

	if (limit(self, SIZE / 2))
		return 61;
	if (self->charging == BY_USER && setresuid(1000, 1000, 1000))
		return 60;
	if (st_change_process(self->env.iommufd) != -ENOMEM)
		return 62;
	return has(self, 0) ? 0 : 63;
}

static int giver_keeps(void *argument)
{
	struct _test_data_process *self = argument;

	if (limit(self, 8 * SIZE) || map_file(self, 2 * ST_IOVA))
		return 64;
	if (st_in_child(taker_too_poor, self))
		return 65;
	return st_unmap_all(self->env.iommufd, self->env.ioas, NULL) || !has(self, 0) ? 66 : 0;
}

TEST_F(process, over_limit)
{
	if (variant->charging != BY_NOBODY)
		EXPECT_EQ(0, st_in_child(giver_keeps, self));
}

TEST_HARNESS_MAIN
