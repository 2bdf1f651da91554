// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * How calls reach the kernel: command numbers, sizes, and the way results go
 * back. One table says of each call how short it may be.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

/* A call with its arguments all 0 but for one member, and what it then returns. */
struct call {
	const char *name;
	unsigned int request;
	unsigned int min;	/* bytes that the kernel wants at least */
	unsigned int size;	/* of the structure */
	unsigned int at;	/* offset of the member */
	__u32 value;
	int result;
};

#define CALL(request, type, min, member, value, result)	\
	{ #request, request, min, sizeof(struct type),	\
	  offsetof(struct type, member), value, result }

static const struct call calls[] = {
	CALL(IOMMU_DESTROY, iommu_destroy, 8, id, 0, -ENOENT),
	CALL(IOMMU_IOAS_ALLOC, iommu_ioas_alloc, 12, flags, 0, 0),
	CALL(IOMMU_IOAS_ALLOW_IOVAS, iommu_ioas_allow_iovas, 24, ioas_id, 0, -ENOENT),
	CALL(IOMMU_IOAS_COPY, iommu_ioas_copy, 40, flags, ST_R, -ENOENT),
	CALL(IOMMU_IOAS_IOVA_RANGES, iommu_ioas_iova_ranges, 32, ioas_id, 0,
	     -ENOENT),
	CALL(IOMMU_IOAS_MAP, iommu_ioas_map, 40, flags, ST_R, -ENOENT),
	CALL(IOMMU_IOAS_MAP_FILE, iommu_ioas_map_file, 40, flags, ST_R, -ENOENT),
	CALL(IOMMU_IOAS_UNMAP, iommu_ioas_unmap, 24, ioas_id, 0, -ENOENT),
	CALL(IOMMU_OPTION, iommu_option, 24, op, IOMMU_OPTION_OP_GET, 0),
	CALL(IOMMU_IOAS_CHANGE_PROCESS, iommu_ioas_change_process, 8, __reserved, 0, 0),
	CALL(IOMMU_GET_HW_INFO, iommu_hw_info, 32, dev_id, 0, -ENOENT),
	CALL(IOMMU_IOAS_NOIOMMU_GET_PA, iommu_ioas_noiommu_get_pa, 40, length, 1, -ENOENT),
	CALL(IOMMU_HWPT_ALLOC, iommu_hwpt_alloc, 24, dev_id, 0, -ENOENT),
	CALL(IOMMU_HWPT_SET_DIRTY_TRACKING, iommu_hwpt_set_dirty_tracking, 16, flags,
	     ~0u, -EOPNOTSUPP),
	CALL(IOMMU_HWPT_GET_DIRTY_BITMAP, iommu_hwpt_get_dirty_bitmap, 48, flags, ~0u,
	     -EOPNOTSUPP),
	CALL(IOMMU_HWPT_INVALIDATE, iommu_hwpt_invalidate, 32, hwpt_id, ST_NO_ID, -ENOENT),
	CALL(IOMMU_FAULT_QUEUE_ALLOC, iommu_fault_alloc, 16, flags, ~0u, -EOPNOTSUPP),
	CALL(IOMMU_VIOMMU_ALLOC, iommu_viommu_alloc, 24, flags, ~0u, -EOPNOTSUPP),
	CALL(IOMMU_VDEVICE_ALLOC, iommu_vdevice_alloc, 24, viommu_id, ST_NO_ID, -ENOENT),
	CALL(IOMMU_VEVENTQ_ALLOC, iommu_veventq_alloc, 28, flags, ~0u, -EOPNOTSUPP),
	CALL(IOMMU_HW_QUEUE_ALLOC, iommu_hw_queue_alloc, 40, flags, ~0u, -EOPNOTSUPP),
};

static const struct call *const calls_end = calls + sizeof(calls) / sizeof(*calls);

FIXTURE(abi)
{
	struct st_env env;
	unsigned char *page;	/* writable, and nothing can be read behind it */
};

FIXTURE_SETUP(abi)
{
	ASSERT_EQ(0, st_env_open(&self->env));
	self->page = st_memory(2 * st_page);
	ASSERT_NE(NULL, self->page);
	ASSERT_EQ(0, mprotect(self->page + st_page, st_page, PROT_NONE));
}

FIXTURE_TEARDOWN(abi)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* The arguments of @call, @size bytes of them. */
static void *arguments(void *buffer, const struct call *call, __u32 size)
{
	memset(buffer, 0, call->size);
	memcpy((char *)buffer + call->at, &call->value, sizeof(call->value));
	memcpy(buffer, &size, sizeof(size));
	return buffer;
}

TEST_F(abi, unknown_numbers)
{
	static const unsigned int unknown[] = {
		_IO(IOMMUFD_TYPE, 0x00), _IO(IOMMUFD_TYPE, 0x10), _IO(IOMMUFD_TYPE, 0x7f),
		_IO(IOMMUFD_TYPE, 0x96), _IO(IOMMUFD_TYPE, 0x9f), _IO(IOMMUFD_TYPE, 0xff),
		_IO('x', IOMMUFD_CMD_DESTROY), _IO(0, IOMMUFD_CMD_IOAS_ALLOC),
		_IOR(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC, struct iommu_ioas_alloc),
		_IOW(IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_MAP, struct iommu_ioas_map),
		_IOC(_IOC_NONE, IOMMUFD_TYPE, IOMMUFD_CMD_IOAS_ALLOC, 8),
	};
	size_t i;

	memset(self->page, 0, st_page);
	self->page[0] = 64;
	for (i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		EXPECT_EQ(-ENOTTY, st_call(self->env.iommufd, unknown[i], self->page)) {
			TH_LOG("request 0x%x", unknown[i]);
		}
		/* The number is judged before the argument is looked at. */
		EXPECT_EQ(-ENOTTY, st_call(self->env.iommufd, unknown[i], NULL));
	}
}

TEST_F(abi, unreadable_size)
{
	const struct call *call;

	for (call = calls; call < calls_end; call++) {
		EXPECT_EQ(-EFAULT, st_call(self->env.iommufd, call->request, NULL)) {
			TH_LOG("%s", call->name);
		}
		EXPECT_EQ(-EFAULT, st_call(self->env.iommufd, call->request,
					   self->page + st_page));
	}
}

TEST_F(abi, too_short)
{
	const struct call *call;

	for (call = calls; call < calls_end; call++) {
		EXPECT_EQ(-EINVAL, st_call(self->env.iommufd, call->request,
					   arguments(self->page, call, call->min - 1))) {
			TH_LOG("%s", call->name);
		}
		EXPECT_EQ(-EINVAL, st_call(self->env.iommufd, call->request,
					   arguments(self->page, call, sizeof(__u32))));
		EXPECT_EQ(-EINVAL, st_call(self->env.iommufd, call->request,
					   arguments(self->page, call, 0)));
	}
}

TEST_F(abi, shortest_and_exact)
{
	const struct call *call;

	for (call = calls; call < calls_end; call++) {
		EXPECT_EQ(call->result, st_call(self->env.iommufd, call->request,
						arguments(self->page, call, call->min))) {
			TH_LOG("%s, %u bytes", call->name, call->min);
		}
		EXPECT_EQ(call->result, st_call(self->env.iommufd, call->request,
						arguments(self->page, call, call->size))) {
			TH_LOG("%s, %u bytes", call->name, call->size);
		}
	}
}

TEST_F(abi, longer_with_zeros)
{
	const struct call *call;

	for (call = calls; call < calls_end; call++) {
		memset(self->page, 0, st_page);
		EXPECT_EQ(call->result, st_call(self->env.iommufd, call->request,
						arguments(self->page, call, call->size + 1))) {
			TH_LOG("%s", call->name);
		}
		EXPECT_EQ(call->result, st_call(self->env.iommufd, call->request,
						arguments(self->page, call, st_page)));
	}
}

TEST_F(abi, longer_with_a_tail)
{
	const struct call *call;

	for (call = calls; call < calls_end; call++) {
		memset(self->page, 0, st_page);
		self->page[call->size] = 1;
		EXPECT_EQ(-E2BIG, st_call(self->env.iommufd, call->request,
					  arguments(self->page, call, call->size + 1))) {
			TH_LOG("%s", call->name);
		}
		self->page[call->size] = 0;
		self->page[call->size + 63] = 0x80;
		EXPECT_EQ(-E2BIG, st_call(self->env.iommufd, call->request,
					  arguments(self->page, call, call->size + 64)));
	}
}

TEST_F(abi, longer_into_nothing)
{
	const struct call *call;

	for (call = calls; call < calls_end; call++) {
		unsigned char *at = self->page + st_page - call->size;

		EXPECT_EQ(-EFAULT, st_call(self->env.iommufd, call->request,
					   arguments(at, call, call->size + 8))) {
			TH_LOG("%s", call->name);
		}
	}
}

TEST_F(abi, results_fit_the_size)
{
	struct {
		struct iommu_ioas_alloc cmd;
		__u32 behind[2];
	} longer = { .cmd.size = sizeof(longer) };
	struct iommu_option option = {
		.size = sizeof(option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_GET,
		.object_id = self->env.ioas,
		.val64 = 77,
	};

	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_IOAS_ALLOC, &longer));
	EXPECT_NE(0, longer.cmd.out_ioas_id);
	EXPECT_EQ(sizeof(longer), longer.cmd.size);
	EXPECT_EQ(0, longer.behind[0]);
	EXPECT_EQ(0, longer.behind[1]);

	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_OPTION, &option));
	EXPECT_EQ(1, option.val64);
	EXPECT_EQ(IOMMU_OPTION_HUGE_PAGES, option.option_id);
	EXPECT_EQ(self->env.ioas, option.object_id);
}

/* An IOAS whose ID cannot be told is not left behind. */
TEST_F(abi, creation_undone)
{
	struct iommu_ioas_alloc *cmd = (void *)self->page;
	__u32 before, after;

	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &before));
	ASSERT_EQ(0, iommufd_destroy(self->env.iommufd, before));

	*cmd = (struct iommu_ioas_alloc) { .size = sizeof(*cmd) };
	ASSERT_EQ(0, mprotect(self->page, st_page, PROT_READ));
	EXPECT_EQ(-EFAULT, st_call(self->env.iommufd, IOMMU_IOAS_ALLOC, cmd));

	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &after));
	EXPECT_EQ(before, after);
}

/* A mapping stays even when its IOVA cannot be told. */
TEST_F(abi, mapping_not_undone)
{
	struct iommu_ioas_map *map = (void *)self->page;
	unsigned char *memory = st_memory(st_page);

	*map = (struct iommu_ioas_map) {
		.size = sizeof(*map),
		.flags = ST_RW | ST_FIXED,
		.ioas_id = self->env.ioas,
		.user_va = (uintptr_t)memory,
		.length = st_page,
		.iova = ST_IOVA,
	};
	ASSERT_EQ(0, mprotect(self->page, st_page, PROT_READ));
	EXPECT_EQ(-EFAULT, st_call(self->env.iommufd, IOMMU_IOAS_MAP, map));
	EXPECT_EQ(-EEXIST, st_map_at(self->env.iommufd, self->env.ioas, memory, st_page,
				     ST_IOVA));
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, st_page));
}

TEST_F(abi, other_file_operations)
{
	char byte = 0;

	EXPECT_EQ(-1, read(self->env.iommufd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->env.iommufd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);

	EXPECT_EQ(MAP_FAILED, mmap(NULL, st_page, PROT_READ, MAP_SHARED, self->env.iommufd, 0));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, st_page, PROT_READ, MAP_SHARED, self->env.iommufd,
				   st_page * 8));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, st_page, PROT_READ, MAP_PRIVATE, self->env.iommufd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, st_page, PROT_READ | PROT_EXEC, MAP_SHARED,
				   self->env.iommufd, 0));
	EXPECT_EQ(EPERM, errno);
}

TEST_HARNESS_MAIN
