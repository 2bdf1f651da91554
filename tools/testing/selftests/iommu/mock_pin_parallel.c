// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Large ranges of memory that nobody has touched are pinned by several threads: with and
 * without them the same pages are mapped at the same places, the same errors are told, and
 * nothing is left of what fails or is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define WORKERS	"/sys/module/iommufd/parameters/pin_workers"
#define SIZE	(160 * ST_MIB)

/* Somewhere in the part that several threads pin. */
#define MIDDLE	(97 * ST_MIB + 5 * st_page)

/* Only a helper that never gets a CPU lets so many tries pass. */
#define TRIES	100

FIXTURE(together)
{
	struct st_env env;
	struct st_mock dev;
	int fd;
	char workers[16];	/* as it was before */
	unsigned char *memory;
};

FIXTURE_VARIANT(together)
{
	const char *workers;
	int advice;
};

FIXTURE_VARIANT_ADD(together, alone)
{
	.workers = "1",
	.advice = MADV_NOHUGEPAGE,
};

FIXTURE_VARIANT_ADD(together, two)
{
	.workers = "2",
	.advice = MADV_NOHUGEPAGE,
};

FIXTURE_VARIANT_ADD(together, four)
{
	.workers = "4",
	.advice = MADV_NOHUGEPAGE,
};

FIXTURE_VARIANT_ADD(together, huge_alone)
{
	.workers = "1",
	.advice = MADV_HUGEPAGE,
};

FIXTURE_VARIANT_ADD(together, huge_four)
{
	.workers = "4",
	.advice = MADV_HUGEPAGE,
};

/* Memory that nobody has touched, in place of what was there. */
static int fresh(struct _test_data_together *self, int advice)
{
	if (mmap(self->memory, SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != self->memory)
		return -errno;
	madvise(self->memory, SIZE, advice);
	return 0;
}

FIXTURE_SETUP(together)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	self->fd = self->env.iommufd;
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	ASSERT_EQ(0, st_read_text(WORKERS, self->workers, sizeof(self->workers)));
	ASSERT_EQ(0, st_write_text(WORKERS, variant->workers));
	ASSERT_EQ(0, st_mock_add(self->fd, self->env.ioas, 0, &self->dev));
	/* From somewhere between two huge pages on. */
	self->memory = st_memory(SIZE + ST_HUGE);
	ASSERT_NE(NULL, self->memory);
	self->memory += 3 * st_page;
	ASSERT_EQ(0, fresh(self, variant->advice));
}

FIXTURE_TEARDOWN(together)
{
	if (*self->workers)
		EXPECT_EQ(0, st_write_text(WORKERS, self->workers));
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map(struct _test_data_together *self, __u32 flags)
{
	__u64 iova = ST_IOVA;

	return st_map(self->fd, self->env.ioas, flags | ST_FIXED, self->memory, SIZE, &iova);
}

static int unmap(struct _test_data_together *self)
{
	return st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE);
}

static bool nothing_is_pinned(struct _test_data_together *self)
{
	return !st_fdinfo(self->fd, "pinned:") && !st_fdinfo(self->fd, "charged:") &&
	       !st_vm_pin() && st_counters_are_now(&self->env.before);
}

static int all_is_shown(struct _test_data_together *self)
{
	return st_mock_shows(self->fd, self->dev.hwpt, ST_IOVA, self->memory, SIZE);
}

TEST_F_TIMEOUT(together, same_pages, ST_TIMEOUT)
{
	size_t at;

	ASSERT_EQ(0, map(self, ST_RW));
	EXPECT_EQ(SIZE / ST_KIB, st_vm_pin());
	EXPECT_EQ(SIZE, st_fdinfo(self->fd, "pinned:"));
	EXPECT_EQ(0, all_is_shown(self));
	for (at = 0; at < SIZE; at += st_page)
		*(size_t *)(self->memory + at) = at + 1;
	EXPECT_EQ(0, all_is_shown(self));
	EXPECT_EQ(0, unmap(self));
	EXPECT_TRUE(nothing_is_pinned(self));
	for (at = 0; at < SIZE; at += st_page)
		ASSERT_EQ(at + 1, *(size_t *)(self->memory + at));
}

/* What devices only read is made our own, too. */
TEST_F_TIMEOUT(together, for_reading, ST_TIMEOUT)
{
	ASSERT_EQ(0, map(self, ST_R));
	EXPECT_EQ(0, all_is_shown(self));
	memset(self->memory, 1, SIZE);
	EXPECT_EQ(0, all_is_shown(self));
	EXPECT_EQ(0, unmap(self));
}

static long own_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

/* Pages of which somebody else took care, in 4 KiB. */
static long mapped_by_others(struct _test_data_together *self)
{
	long before = own_faults();

	return map(self, ST_RW) ? -1 : (long)(SIZE / st_page) - (own_faults() - before);
}

/* The parameter decides whether there are others, at any time. */
TEST_F_TIMEOUT(together, helpers, ST_TIMEOUT)
{
	bool alone = !strcmp(variant->workers, "1");
	long others = 0;
	int tries;

	if (variant->advice == MADV_HUGEPAGE)
		SKIP(return, "faults of huge pages cannot be told from others");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one CPU");
	for (tries = 0; tries < (alone ? 3 : TRIES) && others <= 0; tries++) {
		ASSERT_EQ(0, fresh(self, variant->advice));
		others = mapped_by_others(self);
		EXPECT_EQ(0, all_is_shown(self));
		ASSERT_EQ(0, unmap(self));
	}
	EXPECT_EQ(!alone, others > 0);
	ASSERT_EQ(0, st_write_text(WORKERS, alone ? "4" : "1"));
	ASSERT_EQ(0, fresh(self, variant->advice));
	ASSERT_EQ(0, map(self, ST_RW));
	EXPECT_EQ(0, all_is_shown(self));
	EXPECT_EQ(0, unmap(self));
}

/* What is there already, in parts; the pages of a file; memory that is only read. */
TEST_F_TIMEOUT(together, mixed, ST_TIMEOUT)
{
	int file = st_memfd(16 * ST_MIB, 0);
	size_t at;

	ASSERT_LE(0, file);
	for (at = 0; at < SIZE; at += 7 * ST_MIB)
		memset(self->memory + at, 1, 3 * st_page);
	ASSERT_EQ(self->memory + 40 * ST_MIB,
		  mmap(self->memory + 40 * ST_MIB, 16 * ST_MIB, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_FIXED, file, 0));
	ASSERT_EQ(self->memory + 96 * ST_MIB,
		  mmap(self->memory + 96 * ST_MIB, 16 * ST_MIB, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_FIXED, file, 0));
	close(file);
	ASSERT_EQ(0, map(self, ST_RW));
	EXPECT_EQ(0, all_is_shown(self));
	EXPECT_EQ(0, unmap(self));
	EXPECT_TRUE(nothing_is_pinned(self));
}

static void expect_fault_at(struct __test_metadata *_metadata,
			    struct _test_data_together *self, size_t at)
{
	EXPECT_EQ(-EFAULT, map(self, ST_RW));
	EXPECT_TRUE(st_told(self->fd, "IOAS_MAP", EFAULT, "fault",
			    (uintptr_t)self->memory + at));
	EXPECT_TRUE(nothing_is_pinned(self));
	EXPECT_EQ(-ENOENT, unmap(self));
}

/* The lowest page that cannot be pinned is the one that is told of. */
TEST_F_TIMEOUT(together, holes, ST_TIMEOUT)
{
	ASSERT_EQ(0, munmap(self->memory + SIZE - 2 * st_page, st_page));
	expect_fault_at(_metadata, self, SIZE - 2 * st_page);
	ASSERT_EQ(0, munmap(self->memory + MIDDLE + 3 * st_page, st_page));
	expect_fault_at(_metadata, self, MIDDLE + 3 * st_page);
	ASSERT_EQ(0, mprotect(self->memory + MIDDLE, st_page, PROT_READ));
	expect_fault_at(_metadata, self, MIDDLE);
	ASSERT_EQ(0, munmap(self->memory, st_page));
	expect_fault_at(_metadata, self, 0);
}

static int child_over_limit(void *argument)
{
	struct _test_data_together *self = argument;

	if (st_limit_memlock(SIZE - st_page))
		return 1;
	if (map(self, ST_RW) != -ENOMEM || !st_told(self->fd, "IOAS_MAP", ENOMEM, "memlock", SIZE))
		return 2;
	if (st_vm_pin() || st_fdinfo(self->fd, "pinned:") || st_fdinfo(self->fd, "charged:"))
		return 3;
	self->memory += st_page;
	if (st_map_at(self->fd, self->env.ioas, self->memory, SIZE - st_page, ST_IOVA))
		return 4;
	if (st_fdinfo(self->fd, "charged:") != (long long)(SIZE - st_page))
		return 5;
	return st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE - st_page) ? 6 : 0;
}

TEST_F_TIMEOUT(together, limit, ST_TIMEOUT)
{
	EXPECT_EQ(0, st_in_child(child_over_limit, self));
	EXPECT_TRUE(nothing_is_pinned(self));
}

/* A child that maps all the time, and says when it begins. */
static pid_t start_mapper(struct _test_data_together *self, int advice, int said)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	for (;;) {
		fresh(self, advice);
		if (write(said, "", 1) != 1 || map(self, ST_RW) || unmap(self))
			_exit(1);
	}
}

/* Whatever it was doing. */
TEST_F_TIMEOUT(together, killed, ST_TIMEOUT)
{
	unsigned int ms;
	int said[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(said));
	for (ms = 0; ms <= 60; ms += 15) {
		pid = start_mapper(self, variant->advice, said[1]);
		ASSERT_LT(0, pid);
		ASSERT_EQ(1, read(said[0], &byte, 1));
		st_sleep_ms(ms);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_EQ(0, st_unmap_all(self->fd, self->env.ioas, NULL));
		EXPECT_EQ(0, st_fdinfo(self->fd, "pinned:"));
		EXPECT_EQ(0, st_fdinfo(self->fd, "charged:"));
		EXPECT_TRUE(st_counters_are(&self->env.before));
		/* What it has said since. */
		ASSERT_EQ(0, fcntl(said[0], F_SETFL, O_NONBLOCK));
		while (read(said[0], &byte, 1) == 1)
			;
		ASSERT_EQ(0, fcntl(said[0], F_SETFL, 0));
	}
	close(said[0]);
	close(said[1]);
}

/* Gives each page that somebody waits for. */
static void *answer(void *argument)
{
	int fd = *(int *)argument;
	__u64 page;

	while (!st_waiter(fd, &page) && !st_answer(fd, page))
		;
	return NULL;
}

#define WATCHED	(8 * ST_MIB)

TEST_F_TIMEOUT(together, userfault, ST_TIMEOUT)
{
	pthread_t thread;
	int fd = st_watch(self->memory + MIDDLE, WATCHED);

	if (fd < 0)
		SKIP(return, "there is no userfaultfd");
	ASSERT_EQ(0, pthread_create(&thread, NULL, answer, &fd));
	ASSERT_EQ(0, map(self, ST_RW));
	EXPECT_EQ(0, all_is_shown(self));
	EXPECT_EQ(0, unmap(self));
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	close(fd);
}

static void *map_all(void *argument)
{
	struct _test_data_together *self = argument;

	map(self, ST_RW);
	return NULL;
}

/* Nobody ever answers. */
static int child_waits(struct _test_data_together *self, int said)
{
	int fd = st_watch(self->memory + MIDDLE, WATCHED);
	pthread_t thread;
	__u64 page;

	if (fd < 0 || pthread_create(&thread, NULL, map_all, self))
		return 1;
	if (st_waiter(fd, &page) || write(said, "", 1) != 1)
		return 2;
	for (;;)
		pause();
}

/* Whoever waits for such a page, waits as itself: it can be killed. */
TEST_F_TIMEOUT(together, killed_in_a_userfault, ST_TIMEOUT)
{
	int said[2], status;
	pid_t pid;
	char byte;
	int fd = st_watch(self->memory, st_page);

	if (fd < 0)
		SKIP(return, "there is no userfaultfd");
	close(fd);
	ASSERT_EQ(0, pipe(said));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(child_waits(self, said[1]));
	close(said[1]);
	ASSERT_EQ(1, read(said[0], &byte, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, st_unmap_all(self->fd, self->env.ioas, NULL));
	EXPECT_EQ(0, st_fdinfo(self->fd, "pinned:"));
	EXPECT_TRUE(st_counters_are(&self->env.before));
	close(said[0]);
}

TEST_HARNESS_MAIN
