// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The calls of a VFIO container on a file without groups, whose IOAS was chosen with
 * IOMMU_VFIO_IOAS. The container of groups has tests of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "st_dma.h"
#include "kselftest_harness.h"

FIXTURE(vfio_ioas)
{
	struct st_env env;
	unsigned char *memory;
	int fd;
	bool v1;
};

FIXTURE_VARIANT(vfio_ioas)
{
	unsigned long type;	/* for VFIO_SET_IOMMU, 0: not called */
	bool attached;
};

FIXTURE_VARIANT_ADD(vfio_ioas, no_type)
{
	.type = 0,
	.attached = false,
};

FIXTURE_VARIANT_ADD(vfio_ioas, v1)
{
	.type = VFIO_TYPE1_IOMMU,
	.attached = false,
};

FIXTURE_VARIANT_ADD(vfio_ioas, v2)
{
	.type = VFIO_TYPE1v2_IOMMU,
	.attached = false,
};

FIXTURE_VARIANT_ADD(vfio_ioas, v1_device)
{
	.type = VFIO_TYPE1_IOMMU,
	.attached = true,
};

FIXTURE_VARIANT_ADD(vfio_ioas, v2_device)
{
	.type = VFIO_TYPE1v2_IOMMU,
	.attached = true,
};

static int choose(int fd, __u16 op, __u32 *ioas)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = op, .ioas_id = *ioas };
	int rc = st_call(fd, IOMMU_VFIO_IOAS, &cmd);

	*ioas = cmd.ioas_id;
	return rc;
}

static int integer_call(int fd, unsigned long request, unsigned long value)
{
	return st_call(fd, request, (void *)value);
}

FIXTURE_SETUP(vfio_ioas)
{
	int rc = variant->attached ? st_env_open_attached(&self->env, ST_QUICK) :
				     st_env_open(&self->env);

	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	self->v1 = variant->type == VFIO_TYPE1_IOMMU;
	self->memory = st_memory(ST_MIB);
	ASSERT_NE(NULL, self->memory);
	ASSERT_EQ(0, choose(self->fd, IOMMU_VFIO_IOAS_SET, &self->env.ioas));
	if (variant->type)
		ASSERT_EQ(0, integer_call(self->fd, VFIO_SET_IOMMU, variant->type));
}

FIXTURE_TEARDOWN(vfio_ioas)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int map(struct _test_data_vfio_ioas *self, __u32 flags, int from, int to)
{
	return st_dma_map(self->fd, flags, self->memory + from * st_page, (to - from) * st_page,
			  ST_IOVA + from * st_page);
}

/* The number of pages unmapped, or the error; an error leaves the size alone. */
static int unmap(struct _test_data_vfio_ioas *self, int from, int to)
{
	__u64 asked = (to - from) * st_page, size = asked;
	int rc = st_dma_unmap(self->fd, 0, ST_IOVA + from * st_page, &size);

	if (rc && size != asked)
		return -EIDRM;
	return rc ?: (int)(size / st_page);
}

static int unmap_all(struct _test_data_vfio_ioas *self)
{
	__u64 size = 0;
	int rc = st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size);

	return rc ?: (int)(size / st_page);
}

TEST_F(vfio_ioas, extensions)
{
	int i;

	EXPECT_EQ(VFIO_API_VERSION, integer_call(self->fd, VFIO_GET_API_VERSION, 0));
	EXPECT_EQ(1, integer_call(self->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(1, integer_call(self->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(1, integer_call(self->fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	EXPECT_EQ(0, integer_call(self->fd, VFIO_CHECK_EXTENSION, VFIO_SPAPR_TCE_IOMMU));
	EXPECT_EQ(0, integer_call(self->fd, VFIO_CHECK_EXTENSION, 6));
	EXPECT_EQ(0, integer_call(self->fd, VFIO_CHECK_EXTENSION, ~0ul));
	for (i = 0; i < 64; i++)
		EXPECT_LE(0, integer_call(self->fd, VFIO_CHECK_EXTENSION, i));
	if (!variant->attached)
		EXPECT_EQ(1, integer_call(self->fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
}

TEST_F(vfio_ioas, types)
{
	EXPECT_EQ(-EINVAL, integer_call(self->fd, VFIO_SET_IOMMU, 0));
	EXPECT_EQ(-EINVAL, integer_call(self->fd, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU));
	EXPECT_EQ(-EINVAL, integer_call(self->fd, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(-EINVAL, integer_call(self->fd, VFIO_SET_IOMMU, ~0ul));
	if (variant->type)
		EXPECT_EQ(0, integer_call(self->fd, VFIO_SET_IOMMU, variant->type));
}

TEST_F(vfio_ioas, huge_pages)
{
	__u64 value = 7;

	ASSERT_EQ(0, st_option_get(self->fd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas, &value));
	EXPECT_EQ(!self->v1, value);
}

TEST_F(vfio_ioas, no_ioas)
{
	unsigned char info[64] = { [0] = sizeof(info) };
	__u64 size = st_page;
	__u32 id = 0;

	ASSERT_EQ(0, choose(self->fd, IOMMU_VFIO_IOAS_CLEAR, &id));
	EXPECT_EQ(-ENODEV, choose(self->fd, IOMMU_VFIO_IOAS_GET, &id));
	EXPECT_EQ(-ENODEV, map(self, ST_DMA_RW, 0, 1));
	EXPECT_EQ(-ENODEV, st_dma_unmap(self->fd, 0, ST_IOVA, &size));
	EXPECT_EQ(st_page, size);
	EXPECT_EQ(-ENODEV, st_call(self->fd, VFIO_IOMMU_GET_INFO, info));
	EXPECT_EQ(-ENODEV, integer_call(self->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, integer_call(self->fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(1, integer_call(self->fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(st_told(self->fd, "VFIO_SET_IOMMU", ENODEV, "no-object", 0));
}

TEST_F(vfio_ioas, bad_structures)
{
	struct vfio_iommu_type1_dma_unmap un = { .iova = ST_IOVA, .size = st_page };
	struct vfio_iommu_type1_dma_map to = {
		.flags = ST_DMA_RW,
		.vaddr = (uintptr_t)self->memory,
		.iova = ST_IOVA,
		.size = st_page,
	};
	struct vfio_iommu_type1_info info = {};
	__u32 id = 0;

	/* The structure comes before the IOAS. */
	ASSERT_EQ(0, choose(self->fd, IOMMU_VFIO_IOAS_CLEAR, &id));
	for (to.argsz = 0; to.argsz < sizeof(to); to.argsz++)
		EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_IOMMU_MAP_DMA, &to));
	for (un.argsz = 0; un.argsz < sizeof(un); un.argsz++)
		EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_IOMMU_UNMAP_DMA, &un));
	for (info.argsz = 0; info.argsz < 16; info.argsz++)
		EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_IOMMU_GET_INFO, &info));
	to.flags |= 1u << 31;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_IOMMU_MAP_DMA, &to));
	un.flags = 1u << 31;
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_IOMMU_UNMAP_DMA, &un));
	EXPECT_TRUE(st_told(self->fd, "VFIO_IOMMU_UNMAP_DMA", EINVAL, "bad-flags", 1u << 31));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_IOMMU_MAP_DMA, NULL));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_IOMMU_UNMAP_DMA, NULL));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_IOMMU_GET_INFO, NULL));
	EXPECT_EQ(-ENOTTY, st_call(self->fd, VFIO_IOMMU_ENABLE, NULL));
}

TEST_F(vfio_ioas, map)
{
	struct vfio_iommu_type1_dma_map wrap = {
		.argsz = sizeof(wrap),
		.flags = ST_DMA_RW,
		.vaddr = (uintptr_t)self->memory,
		.iova = -st_page,
		.size = 2 * st_page,
	};

	EXPECT_EQ(-EINVAL, map(self, 0, 0, 1));
	EXPECT_EQ(-EINVAL, map(self, ST_DMA_RW, 0, 0));
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, VFIO_IOMMU_MAP_DMA, &wrap));
	wrap.iova = ST_IOVA;
	wrap.vaddr = -st_page;
	EXPECT_EQ(-EOVERFLOW, st_call(self->fd, VFIO_IOMMU_MAP_DMA, &wrap));

	ASSERT_EQ(0, map(self, ST_DMA_RW, 0, 4));
	EXPECT_EQ(-EEXIST, map(self, ST_DMA_RW, 3, 5));
	EXPECT_EQ(0, map(self, VFIO_DMA_MAP_FLAG_READ, 4, 5));
	EXPECT_EQ(0, map(self, VFIO_DMA_MAP_FLAG_WRITE, 5, 6));
	EXPECT_EQ(6, unmap_all(self));
	EXPECT_EQ(0, unmap_all(self));
}

/* What the container maps an iommufd can unmap, and the other way round. */
TEST_F(vfio_ioas, both_ways)
{
	ASSERT_EQ(0, map(self, ST_DMA_RW, 0, 4));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, 4 * st_page));
	ASSERT_EQ(0, st_map_at(self->fd, self->env.ioas, self->memory, st_page, ST_IOVA));
	EXPECT_EQ(1, unmap(self, 0, 4));
}

TEST_F(vfio_ioas, unmap_numbers)
{
	__u64 size = 0;

	ASSERT_EQ(0, map(self, ST_DMA_RW, 0, 4));
	EXPECT_EQ(-EINVAL, unmap(self, 0, 0));
	size = 2 * st_page;
	EXPECT_EQ(-EOVERFLOW, st_dma_unmap(self->fd, 0, -st_page, &size));
	EXPECT_EQ(2 * st_page, size);
	size = st_page;
	EXPECT_EQ(-EINVAL, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size));
	EXPECT_EQ(st_page, size);
	size = 0;
	EXPECT_EQ(-EINVAL, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, ST_IOVA, &size));
	EXPECT_EQ(0, unmap(self, 8, 16));
	EXPECT_EQ(4, unmap(self, 0, 4));
	EXPECT_EQ(0, unmap(self, 0, 4));
}

/* Cutting: the second type refuses, the first takes whole mappings. */
TEST_F(vfio_ioas, unmap_cuts)
{
	ASSERT_EQ(0, map(self, ST_DMA_RW, 0, 4));
	ASSERT_EQ(0, map(self, ST_DMA_RW, 4, 8));
	ASSERT_EQ(0, map(self, ST_DMA_RW, 10, 14));
	if (!self->v1) {
		EXPECT_EQ(-ENOENT, unmap(self, 1, 3));
		EXPECT_EQ(-ENOENT, unmap(self, 0, 6));
		EXPECT_EQ(-ENOENT, unmap(self, 2, 8));
		EXPECT_EQ(-ENOENT, unmap(self, 0, 12));
		EXPECT_EQ(12, unmap(self, 0, 14));
		return;
	}
	EXPECT_EQ(0, unmap(self, 1, 3));
	EXPECT_EQ(0, unmap(self, 1, 14));
	EXPECT_EQ(0, unmap(self, 7, 14));
	EXPECT_EQ(4, unmap(self, 0, 1));
	/* A hole at its begin, a mapping that reaches beyond its end. */
	EXPECT_EQ(8, unmap(self, 0, 12));
	EXPECT_EQ(0, unmap_all(self));
}

/* The chain of an answer as long as its argsz says; NULL if it is broken. */
static const void *find_cap(const struct vfio_iommu_type1_info *info, __u16 id, int *ncaps)
{
	const struct vfio_info_cap_header *cap;
	__u32 offset = info->cap_offset;
	const void *found = NULL;

	for (*ncaps = 0; offset; (*ncaps)++) {
		if (offset < sizeof(*info) || offset % 8 ||
		    offset + sizeof(*cap) > info->argsz || *ncaps > 8)
			return NULL;
		cap = (const void *)info + offset;
		if (cap->version != 1)
			return NULL;
		if (cap->id == id)
			found = cap;
		offset = cap->next;
	}
	return found;
}

TEST_F(vfio_ioas, info)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap;
	const struct vfio_iommu_type1_info_dma_avail *avail;
	struct vfio_iommu_type1_info *info;
	struct iova_ranges ranges;
	__u32 size, argsz, i;
	unsigned char *bytes;
	int ncaps;

	bytes = malloc(4096);
	ASSERT_NE(NULL, bytes);
	info = (void *)bytes;
	memset(bytes, 0xa5, 4096);
	info->argsz = sizeof(*info);
	ASSERT_EQ(0, st_call(self->fd, VFIO_IOMMU_GET_INFO, info));
	size = info->argsz;
	EXPECT_LT(sizeof(*info), size);
	ASSERT_GE(1024, size);

	/* Too short by any number of bytes: no chain, and nothing behind argsz. */
	for (argsz = 16; argsz < size; argsz++) {
		memset(bytes, 0xa5, 4096);
		info->argsz = argsz;
		ASSERT_EQ(0, st_call(self->fd, VFIO_IOMMU_GET_INFO, info));
		EXPECT_EQ(size, info->argsz);
		EXPECT_EQ(VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, info->flags);
		if (argsz >= offsetof(struct vfio_iommu_type1_info, pad))
			EXPECT_EQ(0, info->cap_offset);
		for (i = argsz; i < 4096; i++)
			ASSERT_EQ(0xa5, bytes[i]);
	}

	info->argsz = 4096;
	ASSERT_EQ(0, st_call(self->fd, VFIO_IOMMU_GET_INFO, info));
	EXPECT_EQ(4096, info->argsz);
	info->argsz = size;
	ASSERT_EQ(0, st_call(self->fd, VFIO_IOMMU_GET_INFO, info));
	EXPECT_EQ(size, info->argsz);
	EXPECT_TRUE(info->iova_pgsizes & st_page);
	EXPECT_EQ(0, info->iova_pgsizes & (st_page - 1));

	avail = find_cap(info, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, &ncaps);
	ASSERT_NE(NULL, avail);
	EXPECT_EQ(2, ncaps);
	EXPECT_LE(65535, avail->avail);
	cap = find_cap(info, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, &ncaps);
	ASSERT_NE(NULL, cap);
	EXPECT_LT((void *)avail, (void *)cap);
	ASSERT_EQ(0, ioas_iova_ranges(self->fd, self->env.ioas, &ranges));
	ASSERT_EQ(ranges.count, cap->nr_iovas);
	EXPECT_EQ(0, memcmp(cap->iova_ranges, ranges.range,
			    ranges.count * sizeof(ranges.range[0])));
	free(bytes);
}

TEST_F(vfio_ioas, choice)
{
	__u32 other, id = 0;

	ASSERT_EQ(0, ioas_alloc(self->fd, &other));
	ASSERT_EQ(0, map(self, ST_DMA_RW, 0, 1));
	ASSERT_EQ(0, choose(self->fd, IOMMU_VFIO_IOAS_SET, &other));
	EXPECT_EQ(0, choose(self->fd, IOMMU_VFIO_IOAS_GET, &id));
	EXPECT_EQ(other, id);
	EXPECT_EQ(0, unmap(self, 0, 1));
	ASSERT_EQ(0, iommufd_destroy(self->fd, other));
	EXPECT_EQ(-ENODEV, choose(self->fd, IOMMU_VFIO_IOAS_GET, &id));
	ASSERT_EQ(0, choose(self->fd, IOMMU_VFIO_IOAS_SET, &self->env.ioas));
	EXPECT_TRUE(st_fdinfo_shows(self->fd, "container:\tnode=iommu type=%s ioas=%u groups=0",
				    !variant->type ? "none" : self->v1 ? "type1" : "type1v2",
				    self->env.ioas));
	EXPECT_EQ(1, unmap(self, 0, 1));
}

/* The other node: what type1 said without a group, and iommufd's calls as ever. */
TEST(vfio_node)
{
	int fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	struct _test_data_vfio_ioas self = { .fd = fd, .memory = st_memory(st_page) };
	__u64 value = 7;
	__u32 ioas;

	if (fd < 0)
		SKIP(return, "no container");
	EXPECT_EQ(1, integer_call(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, integer_call(fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(-EINVAL, integer_call(fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EINVAL, map(&self, ST_DMA_RW, 0, 1));
	EXPECT_TRUE(st_told(fd, "VFIO_IOMMU_MAP_DMA", EINVAL, "no-object", 0));
	EXPECT_EQ(0, st_option_get(fd, IOMMU_OPTION_RLIMIT_MODE, 0, &value));
	EXPECT_EQ(1, value);
	EXPECT_TRUE(st_fdinfo_shows(fd, "container:\tnode=vfio type=none ioas=none groups=0"));

	ASSERT_EQ(0, ioas_alloc(fd, &ioas));
	ASSERT_EQ(0, choose(fd, IOMMU_VFIO_IOAS_SET, &ioas));
	EXPECT_EQ(0, map(&self, ST_DMA_RW, 0, 1));
	EXPECT_EQ(0, integer_call(fd, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(1, unmap_all(&self));
	close(fd);
}

struct racer {
	struct _test_data_vfio_ioas *self;
	int from, rounds, rc;
};

static void *race_map(void *argument)
{
	struct racer *racer = argument;
	int i, rc;

	for (i = 0; i < racer->rounds && !racer->rc; i++) {
		rc = map(racer->self, ST_DMA_RW, racer->from, racer->from + 16);
		if (rc && rc != -EEXIST)
			racer->rc = rc;
	}
	return NULL;
}

static void *race_unmap(void *argument)
{
	struct racer *racer = argument;
	int i, rc;

	for (i = 0; i < racer->rounds && !racer->rc; i++) {
		rc = racer->from < 0 ? unmap_all(racer->self) :
				       unmap(racer->self, racer->from, racer->from + 16);
		if (rc < 0)
			racer->rc = rc;
	}
	return NULL;
}

/* An unmap never meets a mapping that is half made. */
TEST_F_TIMEOUT(vfio_ioas, unmap_waits, ST_TIMEOUT)
{
	struct racer racers[] = {
		{ self, 0, 300 }, { self, 32, 300 }, { self, 0, 600 }, { self, -1, 600 },
	};
	pthread_t threads[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, i < 2 ? race_map : race_unmap,
					    &racers[i]));
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, racers[i].rc);
	}
	EXPECT_LE(0, unmap_all(self));
}

/* A choice that comes while the IOAS is destroyed is refused, or forgotten. */
static void *race_choose(void *argument)
{
	struct racer *racer = argument;
	int i, rc;

	for (i = 0; i < racer->rounds; i++) {
		__u32 id = racer->from;

		rc = choose(racer->self->fd, IOMMU_VFIO_IOAS_SET, &id);
		if (rc && rc != -ENOENT)
			racer->rc = rc;
		map(racer->self, ST_DMA_RW, 0, 1);
	}
	return NULL;
}

TEST_F_TIMEOUT(vfio_ioas, destroy_races_choice, ST_TIMEOUT)
{
	__u32 id, next = 0;
	int i, rc;

	for (i = 0; i < 50; i++) {
		struct racer racer = { self, 0, 50 };
		pthread_t thread;

		ASSERT_EQ(0, ioas_alloc(self->fd, &id));
		racer.from = id;
		ASSERT_EQ(0, pthread_create(&thread, NULL, race_choose, &racer));
		st_sleep_ms(i % 4);
		EXPECT_EQ(0, iommufd_destroy(self->fd, id));
		pthread_join(thread, NULL);
		EXPECT_EQ(0, racer.rc);
		/* None, or the one of before if the thread came too late. */
		rc = choose(self->fd, IOMMU_VFIO_IOAS_GET, &next);
		EXPECT_TRUE(rc == -ENODEV || (!rc && next == self->env.ioas));
	}
}

TEST_HARNESS_MAIN
