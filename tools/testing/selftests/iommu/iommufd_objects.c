// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IDs and the life of objects.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

FIXTURE(objects)
{
	struct st_env env;
};

FIXTURE_VARIANT(objects)
{
	bool attached;
};

FIXTURE_VARIANT_ADD(objects, alone)
{
	.attached = false,
};

FIXTURE_VARIANT_ADD(objects, device)
{
	.attached = true,
};

FIXTURE_SETUP(objects)
{
	int rc = variant->attached ? st_env_open_attached(&self->env, ST_QUICK) :
				     st_env_open(&self->env);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
}

FIXTURE_TEARDOWN(objects)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

TEST_F(objects, ids_count_from_one)
{
	__u32 a, b, c, again;
	int fd = iommufd_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, ioas_alloc(fd, &a));
	EXPECT_EQ(0, ioas_alloc(fd, &b));
	EXPECT_EQ(0, ioas_alloc(fd, &c));
	EXPECT_EQ(1, a);
	EXPECT_EQ(2, b);
	EXPECT_EQ(3, c);

	/* The lowest free one comes next. */
	EXPECT_EQ(0, iommufd_destroy(fd, b));
	EXPECT_EQ(-ENOENT, iommufd_destroy(fd, b));
	EXPECT_EQ(0, ioas_alloc(fd, &again));
	EXPECT_EQ(b, again);
	close(fd);
}

TEST_F(objects, ids_belong_to_a_file)
{
	__u32 mine = 0, i;
	int fd = iommufd_open();

	ASSERT_LE(0, fd);
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, ioas_alloc(fd, &mine));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, mine));
	EXPECT_EQ(0, iommufd_destroy(fd, mine));
	close(fd);
}

TEST_F(objects, alloc_flags)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd), .flags = 1 };

	EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_IOAS_ALLOC, &cmd));
	cmd.flags = 1u << 31;
	EXPECT_EQ(-EOPNOTSUPP, st_call(self->env.iommufd, IOMMU_IOAS_ALLOC, &cmd));
}

TEST_F(objects, destroy_what_is_not_there)
{
	static const __u32 ids[] = { 0, ST_NO_ID, 0x7fffffff, 0x80000000, 0xffffffff };
	size_t i;

	for (i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, ids[i])) {
			TH_LOG("id 0x%x", ids[i]);
		}
}

/* Each call that wants an IOAS, with an ID that is something else. */
static void expect_no_ioas(struct __test_metadata *_metadata, struct st_env *env, __u32 id)
{
	struct iommu_iova_range range = { .start = st_page, .last = ST_MIB };
	struct iommu_ioas_copy copy = { .flags = ST_RW, .length = st_page };
	struct iommu_ioas_noiommu_get_pa pa = { .size = sizeof(pa), .ioas_id = id, .length = 1 };
	int memfd = st_memfd(st_page, 0);
	struct iova_ranges ranges;
	__u64 value;

	EXPECT_EQ(-ENOENT, ioas_iova_ranges(env->iommufd, id, &ranges));
	EXPECT_EQ(-ENOENT, st_allow(env->iommufd, id, &range, 1));
	EXPECT_EQ(-ENOENT, st_allow(env->iommufd, id, NULL, 0));
	EXPECT_EQ(-ENOENT, st_map_at(env->iommufd, id, &range, st_page, ST_IOVA));
	EXPECT_EQ(-ENOENT, st_map_file(env->iommufd, id, ST_RW, memfd, 0, st_page, NULL));
	EXPECT_EQ(-ENOENT, st_unmap(env->iommufd, id, 0, ST_MAX));
	EXPECT_EQ(-ENOENT, st_unmap(env->iommufd, id, 0, 0));
	EXPECT_EQ(-ENOENT, st_option_get(env->iommufd, IOMMU_OPTION_HUGE_PAGES, id, &value));
	EXPECT_EQ(-ENOENT, st_option_set(env->iommufd, IOMMU_OPTION_HUGE_PAGES, id, 1));
	EXPECT_EQ(-ENOENT, st_call(env->iommufd, IOMMU_IOAS_NOIOMMU_GET_PA, &pa));

	copy.dst_ioas_id = env->ioas;
	copy.src_ioas_id = id;
	EXPECT_EQ(-ENOENT, st_copy(env->iommufd, &copy));
	EXPECT_EQ(0, st_map_at(env->iommufd, env->ioas, st_memory(st_page), st_page, ST_IOVA));
	copy.src_ioas_id = env->ioas;
	copy.src_iova = ST_IOVA;
	copy.dst_ioas_id = id;
	EXPECT_EQ(-ENOENT, st_copy(env->iommufd, &copy));
	EXPECT_EQ(0, st_unmap(env->iommufd, env->ioas, ST_IOVA, st_page));
	close(memfd);
}

TEST_F(objects, no_such_ioas)
{
	expect_no_ioas(_metadata, &self->env, 0);
	expect_no_ioas(_metadata, &self->env, ST_NO_ID);
	expect_no_ioas(_metadata, &self->env, 0xffffffff);
}

TEST_F(objects, ioas_is_no_device)
{
	struct iommu_hw hw;

	EXPECT_EQ(-ENOENT, iommufd_hw_info(self->env.iommufd, self->env.ioas, &hw));
}

TEST_F(objects, device_is_no_ioas)
{
	if (variant->attached) {
		expect_no_ioas(_metadata, &self->env, self->env.dev.id);
		expect_no_ioas(_metadata, &self->env, self->env.dev.pt_id);
	}
}

TEST_F(objects, busy_while_attached)
{
	__u32 device = self->env.dev.id, table = self->env.dev.pt_id;
	int fd = self->env.iommufd;

	if (!variant->attached) {
		EXPECT_EQ(0, iommufd_destroy(fd, self->env.ioas));
		return;
	}
	ASSERT_NE(self->env.ioas, table);
	EXPECT_EQ(-EBUSY, iommufd_destroy(fd, device));
	EXPECT_EQ(-EBUSY, iommufd_destroy(fd, table));
	EXPECT_EQ(-EBUSY, iommufd_destroy(fd, self->env.ioas));

	/* The automatic page table goes with its last attachment. */
	EXPECT_EQ(0, vfio_detach(&self->env.dev));
	EXPECT_EQ(-ENOENT, iommufd_destroy(fd, table));
	EXPECT_EQ(-EBUSY, iommufd_destroy(fd, device));
	EXPECT_EQ(0, iommufd_destroy(fd, self->env.ioas));

	/* The device's ID goes with the bind. */
	vfio_close(&self->env.dev);
	EXPECT_EQ(-ENOENT, iommufd_destroy(fd, device));
}

TEST_F(objects, destroy_unmaps)
{
	unsigned char *memory = st_memory(ST_MIB);
	__u32 table = self->env.dev.pt_id;

	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory, ST_MIB, ST_IOVA));
	if (variant->attached) {
		EXPECT_EQ(self->env.before.vm_pin + (long long)(ST_MIB / ST_KIB), st_vm_pin());
		EXPECT_EQ(0, vfio_detach(&self->env.dev));
		EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, table));
	}
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
	EXPECT_TRUE(st_counters_are(&self->env.before));
}

/* Everything that close() has to clear away by itself. */
TEST_F(objects, close_with_everything)
{
	unsigned char *memory = st_memory(ST_MIB);
	__u32 ioas;
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &ioas));
		ASSERT_EQ(0, st_map_at(self->env.iommufd, ioas, memory, ST_MIB, ST_IOVA));
	}
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, memory, ST_MIB, ST_IOVA));

	/* The bound device keeps the file's contents alive until it goes too. */
	close(self->env.iommufd);
	self->env.iommufd = -1;
	if (variant->attached)
		EXPECT_EQ(self->env.before.vm_pin + (long long)(ST_MIB / ST_KIB), st_vm_pin());
}

struct race {
	int fd;
	__u32 ioas;
	bool stop;
	unsigned int unexpected;	/* results that must not be */
	unsigned int done;
};

/* A user of the IOAS that holds it for moments only. */
static void *ask_ranges(void *argument)
{
	struct race *race = argument;
	struct iova_ranges ranges;

	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		int rc = ioas_iova_ranges(race->fd, race->ioas, &ranges);

		if (rc && rc != -ENOENT)
			race->unexpected++;
		race->done++;
	}
	return NULL;
}

/* DESTROY waits for calls that run; it does not fail for them. */
TEST_F_TIMEOUT(objects, destroy_during_use, ST_TIMEOUT)
{
	struct race race = { .fd = self->env.iommufd };
	pthread_t thread;
	int i;

	ASSERT_EQ(0, ioas_alloc(race.fd, &race.ioas));
	ASSERT_EQ(0, pthread_create(&thread, NULL, ask_ranges, &race));
	for (i = 0; i < 2000 || !__atomic_load_n(&race.done, __ATOMIC_RELAXED); i++) {
		__u32 next;

		EXPECT_EQ(0, iommufd_destroy(race.fd, race.ioas));
		ASSERT_EQ(0, ioas_alloc(race.fd, &next));
		ASSERT_EQ(race.ioas, next);
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, race.unexpected);
	EXPECT_NE(0, race.done);
}

static void *destroy_all(void *argument)
{
	struct race *race = argument;
	__u32 id;

	for (id = race->ioas; id < race->ioas + 1000; id++) {
		int rc = iommufd_destroy(race->fd, id);

		if (rc && rc != -ENOENT)
			race->unexpected++;
		race->done += !rc;
	}
	return NULL;
}

/* Of two who destroy the same object, one succeeds. */
TEST_F_TIMEOUT(objects, destroy_twice, ST_TIMEOUT)
{
	struct race a = { .fd = self->env.iommufd }, b;
	pthread_t thread;
	__u32 id, i;

	ASSERT_EQ(0, ioas_alloc(a.fd, &a.ioas));
	for (i = 1; i < 1000; i++) {
		ASSERT_EQ(0, ioas_alloc(a.fd, &id));
		ASSERT_EQ(a.ioas + i, id);
	}
	b = a;
	ASSERT_EQ(0, pthread_create(&thread, NULL, destroy_all, &a));
	destroy_all(&b);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, a.unexpected + b.unexpected);
	EXPECT_EQ(1000, a.done + b.done);
}

TEST_HARNESS_MAIN
