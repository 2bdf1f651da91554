// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Drivers of emulated devices pin and copy while their device goes from one IOAS to the
 * next: each copy is one IOAS's, none goes on when a move has ended, and nothing is touched
 * of an IOAS that is gone.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define PAGES	16
#define MOVES	60
#define ENOUGH	200	/* what each of the others has done at least while there are moves */

FIXTURE(access)
{
	struct st_env env;	/* its IOAS is where the access is */
	unsigned char *memory[2];
	size_t size;
	int access;
	int fd;
};

FIXTURE_SETUP(access)
{
	int i;

	ASSERT_EQ(0, st_env_open(&self->env));
	self->access = -1;
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	self->fd = self->env.iommufd;
	self->size = PAGES * st_page;
	for (i = 0; i < 2; i++) {
		self->memory[i] = st_memory(self->size);
		ASSERT_NE(NULL, self->memory[i]);
		memset(self->memory[i], i + 1, self->size);
	}
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, self->memory[0], self->size, ST_IOVA));
	self->access = st_mock_access(self->fd, self->env.ioas,
				      MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
	ASSERT_LE(0, self->access);
}

FIXTURE_TEARDOWN(access)
{
	if (self->access >= 0)
		close(self->access);
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* One thread of a race. */
struct worker {
	struct _test_data_access *self;
	bool *stop;
	unsigned int done;
	int unexpected;		/* errno, or 1: something else was wrong */
	pthread_t thread;
};

static bool running(struct worker *worker)
{
	return !__atomic_load_n(worker->stop, __ATOMIC_RELAXED) && !worker->unexpected;
}

static void count(struct worker *worker)
{
	__atomic_add_fetch(&worker->done, 1, __ATOMIC_RELAXED);
}

/* While the access leaves it is attached to nothing, and asked for its pins. */
static void *pin_and_unpin(void *argument)
{
	struct worker *worker = argument;
	unsigned int turn = 0;
	__u32 id;
	int rc;

	while (running(worker)) {
		unsigned int first = turn++ % PAGES, npages = turn % 3 ? 1 : PAGES - first;

		rc = st_mock_pin(worker->self->fd, worker->self->access,
				 ST_IOVA + first * st_page, npages * st_page, 0, &id);
		if (!rc)
			rc = st_mock_unpin(worker->self->fd, worker->self->access, id);
		if (rc && rc != -ENOENT)
			worker->unexpected = rc;
		count(worker);
	}
	return NULL;
}

static void *copy(void *argument)
{
	struct worker *worker = argument;
	struct _test_data_access *self = worker->self;
	unsigned char *bytes = st_memory(self->size);
	int rc;

	while (running(worker)) {
		rc = st_mock_rw(self->fd, self->access, ST_IOVA, bytes, self->size, 0);
		if (rc && rc != -ENOENT)
			worker->unexpected = rc;
		/* Of which IOAS we cannot know. */
		if (!rc && bytes[0] != 1 && bytes[0] != 2)
			worker->unexpected = 1;
		if (!rc && memcmp(bytes, bytes + 1, self->size - 1))
			worker->unexpected = 1;
		count(worker);
	}
	return NULL;
}

/* The IOAS that it leaves is gone then. */
static int move_on(struct _test_data_access *self, unsigned char *memory)
{
	__u32 next;
	int rc;

	rc = ioas_alloc(self->fd, &next) ?:
	     st_map_at(self->fd, next, memory, self->size, ST_IOVA) ?:
	     st_mock_move(self->fd, self->access, next) ?:
	     iommufd_destroy(self->fd, self->env.ioas);
	self->env.ioas = next;
	return rc;
}

static bool all_did_enough(const struct worker *workers, int n)
{
	while (n--) {
		if (__atomic_load_n(&workers[n].done, __ATOMIC_RELAXED) < ENOUGH &&
		    !workers[n].unexpected)
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(access, moves, ST_TIMEOUT)
{
	void *(*const functions[])(void *argument) = { pin_and_unpin, copy, copy };
	struct worker workers[ARRAY_SIZE(functions)];
	bool stop = false;
	size_t i, moves;
	int rc = 0;

	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		workers[i] = (struct worker) { .self = self, .stop = &stop };
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, functions[i],
					    &workers[i]));
	}
	for (moves = 0; !rc && (moves < MOVES || !all_did_enough(workers, i)); moves++)
		rc = move_on(self, self->memory[(moves + 1) % 2]);
	EXPECT_EQ(0, rc);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(functions); i++) {
		pthread_join(workers[i].thread, NULL);
		EXPECT_EQ(0, workers[i].unexpected) {
			TH_LOG("thread %zu", i);
		}
	}
	EXPECT_EQ(0, st_fdinfo(self->fd, "pinned:"));
}

/* A copy that has to wait for memory, and one that moves the access meanwhile. */
struct slow_copy {
	struct _test_data_access *self;
	unsigned char *bytes;
	int rc;
};

static void *copy_slowly(void *argument)
{
	struct slow_copy *slow = argument;

	slow->rc = st_mock_rw(slow->self->fd, slow->self->access, ST_IOVA, slow->bytes, st_page, 0);
	return NULL;
}

struct move {
	struct _test_data_access *self;
	bool has_ended;
	int rc;
};

static void *move_away(void *argument)
{
	struct move *move = argument;

	move->rc = move_on(move->self, move->self->memory[1]);
	__atomic_store_n(&move->has_ended, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST_F_TIMEOUT(access, move_waits_for_a_copy, ST_TIMEOUT)
{
	struct slow_copy slow = { .self = self, .bytes = st_memory(st_page), .rc = 1 };
	struct move move = { .self = self, .rc = 1 };
	pthread_t copier, mover;
	int fd, i;
	__u64 page;

	ASSERT_NE(NULL, slow.bytes);
	memset(slow.bytes, 7, st_page);
	ASSERT_EQ(0, madvise(self->memory[0], st_page, MADV_DONTNEED));
	fd = st_watch(self->memory[0], st_page);
	if (fd < 0)
		SKIP(return, "there is no userfaultfd");
	ASSERT_EQ(0, pthread_create(&copier, NULL, copy_slowly, &slow));
	ASSERT_EQ(0, st_waiter(fd, &page));
	ASSERT_EQ(0, pthread_create(&mover, NULL, move_away, &move));
	/* Never a false alarm; one that does not wait is found if it is fast enough. */
	for (i = 0; i < 10; i++) {
		st_sleep_ms(10);
		EXPECT_FALSE(__atomic_load_n(&move.has_ended, __ATOMIC_ACQUIRE));
	}
	ASSERT_EQ(0, st_answer(fd, page));
	pthread_join(copier, NULL);
	pthread_join(mover, NULL);
	EXPECT_EQ(0, slow.rc);
	EXPECT_EQ(0, slow.bytes[0]);
	EXPECT_EQ(0, move.rc);
	EXPECT_EQ(0, st_mock_rw(self->fd, self->access, ST_IOVA, slow.bytes, st_page, 0));
	EXPECT_EQ(2, slow.bytes[0]);
	close(fd);
}

TEST_HARNESS_MAIN
