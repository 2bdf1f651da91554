// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The dump of all mappings in debugfs: whole, in order, each mapping once, however it is
 * read, and while mappings come and go.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define DEBUG	"/sys/kernel/debug"
#define DUMP	DEBUG "/iommufd/mappings"
#define MANY	1000u
#define FAR	0x100000000ull

FIXTURE(debugfs)
{
	struct st_env env;
	unsigned char *memory;
	long long number;
	int fd;
	__u32 ioas;
};

FIXTURE_SETUP(debugfs)
{
	int rc = st_mount_alone("debugfs", DEBUG);

	if (rc == -ENOENT)
		SKIP(return, "the kernel has no debugfs");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_env_open(&self->env));
	self->fd = self->env.iommufd;
	self->ioas = self->env.ioas;
	self->number = st_fdinfo(self->fd, "iommufd:");
	ASSERT_LT(0, self->number);
	self->memory = st_memory(8 * st_page);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(debugfs)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* One line of the dump. */
struct line {
	unsigned long long number, first, last, address;
	unsigned int ioas, accesses;
	char prot[4], memory[16], state[16];
};

static bool parse(const char *text, struct line *line)
{
	return sscanf(text,
		      "iommufd=%llu ioas=%u iova=0x%llx-0x%llx prot=%3s memory=%15s address=0x%llx state=%15s accesses=%u",
		      &line->number, &line->ioas, &line->first, &line->last, line->prot,
		      line->memory, &line->address, line->state, &line->accesses) == 9;
}

/* The lines of one iommufd, up to @max, read in pieces of @piece bytes; -EIO: no line. */
static int dump(long long number, struct line *lines, int max, size_t piece)
{
	FILE *file = fopen(DUMP, "r");
	char text[256];
	int n = 0;

	if (!file)
		return -errno;
	setvbuf(file, NULL, _IOFBF, piece);
	while (n >= 0 && n < max && fgets(text, sizeof(text), file)) {
		if (!parse(text, lines + n))
			n = -EIO;
		else if (lines[n].number == (unsigned long long)number)
			n++;
	}
	fclose(file);
	return n;
}

TEST_F(debugfs, what_a_mapping_is)
{
	int memfd = memfd_create("debugfs", 0);
	__u64 iova = ST_IOVA + FAR;
	struct line line[4];

	EXPECT_EQ(0, dump(self->number, line, 4, BUFSIZ));
	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory + st_page, 2 * st_page,
			       ST_IOVA));
	iova = ST_IOVA + FAR;
	ASSERT_EQ(0, st_map(self->fd, self->ioas,
			    IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA, self->memory,
			    st_page, &iova));
	ASSERT_EQ(0, ftruncate(memfd, 4 * st_page));
	iova = ST_IOVA + 2 * FAR;
	ASSERT_EQ(0, st_map_file(self->fd, self->ioas, ST_RW | IOMMU_IOAS_MAP_FIXED_IOVA, memfd,
				 3 * st_page, st_page, &iova));
	ASSERT_EQ(3, dump(self->number, line, 4, BUFSIZ));

	EXPECT_EQ(self->ioas, line[0].ioas);
	EXPECT_EQ(ST_IOVA, line[0].first);
	EXPECT_EQ(ST_IOVA + 2 * st_page - 1, line[0].last);
	EXPECT_STREQ("rw", line[0].prot);
	EXPECT_STREQ("user", line[0].memory);
	EXPECT_EQ((uintptr_t)self->memory + st_page, line[0].address);
	EXPECT_STREQ("live", line[0].state);
	EXPECT_EQ(0, line[0].accesses);

	EXPECT_EQ(ST_IOVA + FAR, line[1].first);
	EXPECT_STREQ("r", line[1].prot);

	EXPECT_EQ(ST_IOVA + 2 * FAR, line[2].first);
	EXPECT_STREQ("file", line[2].memory);
	EXPECT_EQ(3 * st_page, line[2].address);
	close(memfd);
}

/* Two address spaces, with more lines than fit into a page; however they are read. */
TEST_F(debugfs, all_once_and_in_order)
{
	static const size_t pieces[] = { 1, 100, 4096, 1 << 20 };
	struct line *line = calloc(MANY + 1, sizeof(*line));
	__u32 other, ioas;
	unsigned int i, p;

	ASSERT_NE(NULL, line);
	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	for (i = 0; i < MANY; i++) {
		ioas = i % 2 ? other : self->ioas;
		ASSERT_EQ(0, st_map_at(self->fd, ioas, self->memory, st_page,
				       ST_IOVA + i * 2 * st_page));
	}
	for (p = 0; p < 4; p++) {
		ASSERT_EQ(MANY, dump(self->number, line, MANY + 1, pieces[p]));
		for (i = 0; i < MANY; i++) {
			ASSERT_EQ(i < MANY / 2 ? self->ioas : other, line[i].ioas);
			ASSERT_EQ(ST_IOVA + (i < MANY / 2 ? 2 * i : 2 * i + 1 - MANY) * 2 *
				  st_page, line[i].first);
		}
	}
	ASSERT_EQ(0, st_unmap_all(self->fd, self->ioas, NULL));
	EXPECT_EQ(MANY / 2, dump(self->number, line, MANY + 1, BUFSIZ));
	ASSERT_EQ(0, st_unmap_all(self->fd, other, NULL));
	EXPECT_EQ(0, dump(self->number, line, MANY + 1, BUFSIZ));
	free(line);
}

/* The number is not used again, and who is closed is not there. */
TEST_F(debugfs, many_iommufds)
{
	struct line line[2];
	long long number;
	__u32 ioas;
	int fd;

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA));
	fd = open("/dev/iommu", O_RDWR);
	ASSERT_LE(0, fd);
	number = st_fdinfo(fd, "iommufd:");
	EXPECT_LT(self->number, number);
	ASSERT_EQ(0, ioas_alloc(fd, &ioas));
	ASSERT_EQ(0, st_map_at(fd, ioas, self->memory, st_page, 2 * ST_IOVA));
	EXPECT_EQ(1, dump(self->number, line, 2, BUFSIZ));
	EXPECT_EQ(1, dump(number, line, 2, BUFSIZ));
	EXPECT_EQ(2 * ST_IOVA, line->first);
	close(fd);
	EXPECT_EQ(0, dump(number, line, 2, BUFSIZ));
	EXPECT_EQ(1, dump(self->number, line, 2, BUFSIZ));
}

struct mapper {
	struct _test_data_debugfs *self;
	atomic_bool stop;
	unsigned int rounds;
	int rc;
};

static void *map_and_unmap(void *data)
{
	struct mapper *mapper = data;
	struct _test_data_debugfs *self = mapper->self;
	int rc = 0;

	while (!rc && !mapper->stop) {
		rc = st_map_at(self->fd, self->ioas, self->memory, st_page, 2 * ST_IOVA) ?:
		     st_unmap(self->fd, self->ioas, 2 * ST_IOVA, st_page);
		mapper->rounds++;
	}
	mapper->rc = rc;
	return NULL;
}

/* What stays is in each dump, whatever else happens. */
TEST_F(debugfs, while_others_map)
{
	struct mapper mapper = { .self = self };
	struct line line[8];
	pthread_t thread;
	int i, n;

	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, ST_IOVA));
	ASSERT_EQ(0, st_map_at(self->fd, self->ioas, self->memory, st_page, 3 * ST_IOVA));
	ASSERT_EQ(0, pthread_create(&thread, NULL, map_and_unmap, &mapper));
	for (i = 0; i < 200; i++) {
		n = dump(self->number, line, 8, 64);
		EXPECT_LE(2, n);
		EXPECT_GE(3, n);
		EXPECT_EQ(ST_IOVA, line[0].first);
		EXPECT_EQ(3 * ST_IOVA, line[n - 1].first);
	}
	mapper.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, mapper.rc);
	EXPECT_LT(0, mapper.rounds);
}

TEST_HARNESS_MAIN
