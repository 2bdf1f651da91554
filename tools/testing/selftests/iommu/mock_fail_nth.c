// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Each allocation and each hook of a call fails once: the first, then the second, until
 * none is left to fail. A call that fails leaves no object, no pinned page, and the
 * device where it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_mock.h"
#include "kselftest_harness.h"

#define MOST_FAILURES	400
#define PASID		9u
#define NUMBER		0x42u

/* What a step may find: everything that the calls before it make. */
struct world {
	struct st_env env;
	struct st_mock dev;
	int fd;
	__u32 other_ioas;
	__u32 table, other_table, parent, nested, viommu, vdevice, fault, id;
	int queue, event_queue;
	unsigned char *memory;
};

/* A call that shall fail, and what it needs. */
struct step {
	const char *name;
	int (*prepare)(struct world *w);
	int (*run)(struct world *w);
	bool keeps_objects;	/* it makes none */
};

static int world_open(struct world *w)
{
	int rc;

	memset(w, 0, sizeof(*w));
	w->queue = -1;
	w->event_queue = -1;
	rc = st_env_open(&w->env);
	if (rc)
		return rc;
	w->fd = w->env.iommufd;
	rc = ioas_alloc(w->fd, &w->other_ioas);
	if (!rc)
		rc = st_mock_add(w->fd, w->env.ioas, MOCK_FLAGS_DEVICE_PASID, &w->dev);
	w->memory = mmap(NULL, ST_HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (w->memory == MAP_FAILED)
		return -ENOMEM;
	memset(w->memory, 1, ST_HUGE);
	if (!rc)
		rc = st_map_at(w->fd, w->env.ioas, w->memory, 64 * ST_KIB, ST_IOVA);
	if (!rc)
		rc = st_map_at(w->fd, w->other_ioas, w->memory, 64 * ST_KIB, ST_IOVA);
	return rc;
}

static int world_close(struct world *w)
{
	int rc;

	if (w->queue >= 0)
		close(w->queue);
	if (w->event_queue >= 0)
		close(w->event_queue);
	rc = st_env_close(&w->env);
	munmap(w->memory, ST_HUGE);
	return rc;
}

/* What steps need, each with what it needs itself. */
static int have_nothing(struct world *w)
{
	return 0;
}

static int have_tables(struct world *w)
{
	int rc = st_mock_hwpt(w->fd, &w->dev, w->env.ioas, IOMMU_HWPT_ALLOC_PASID, &w->table);

	if (!rc)
		rc = st_mock_hwpt(w->fd, &w->dev, w->other_ioas, IOMMU_HWPT_ALLOC_PASID,
				  &w->other_table);
	return rc ?: st_mock_replace(w->fd, &w->dev, w->table);
}

static int have_pasid(struct world *w)
{
	return have_tables(w) ?: st_mock_pasid_attach(w->fd, &w->dev, PASID, w->table);
}

static int have_parent(struct world *w)
{
	return st_mock_hwpt(w->fd, &w->dev, w->env.ioas,
			    IOMMU_HWPT_ALLOC_NEST_PARENT | IOMMU_HWPT_ALLOC_PASID, &w->parent);
}

static int have_viommu(struct world *w)
{
	return have_parent(w) ?: st_mock_viommu(w->fd, &w->dev, w->parent, NULL, &w->viommu);
}

static int have_vdevice(struct world *w)
{
	return have_viommu(w) ?:
	       st_mock_vdevice(w->fd, w->viommu, &w->dev, NUMBER, &w->vdevice);
}

static int have_viommu_nested(struct world *w)
{
	return have_vdevice(w) ?:
	       st_mock_nested(w->fd, &w->dev, w->viommu, 0, 0, &w->nested);
}

static int have_fault(struct world *w)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = have_parent(w) ?: st_call(w->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (rc)
		return rc;
	w->fault = cmd.out_fault_id;
	w->queue = cmd.out_fault_fd;
	return 0;
}

static int have_fault_table(struct world *w)
{
	return have_fault(w) ?:
	       st_mock_nested(w->fd, &w->dev, w->parent, IOMMU_HWPT_FAULT_ID_VALID, w->fault,
			      &w->nested);
}

static int have_request(struct world *w)
{
	return have_fault_table(w) ?: st_mock_replace(w->fd, &w->dev, w->nested) ?:
	       st_mock_page_request(w->fd, &w->dev, 0, 1, ST_IOVA);
}

/* The calls. */
static int add_device(struct world *w)
{
	struct st_mock dev;

	return st_mock_add(w->fd, w->other_ioas, 0, &dev);
}

static int alloc_paging(struct world *w)
{
	return st_mock_hwpt(w->fd, &w->dev, w->other_ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
			    &w->id);
}

static int alloc_nested(struct world *w)
{
	return st_mock_nested(w->fd, &w->dev, w->parent, IOMMU_HWPT_FAULT_ID_VALID, w->fault,
			      &w->id);
}

static int alloc_viommu(struct world *w)
{
	struct iommu_viommu_selftest data = { .in_data = 1 };

	return st_mock_viommu(w->fd, &w->dev, w->parent, &data, &w->id);
}

static int alloc_vdevice(struct world *w)
{
	return st_mock_vdevice(w->fd, w->viommu, &w->dev, NUMBER, &w->id);
}

static int alloc_viommu_nested(struct world *w)
{
	return st_mock_nested(w->fd, &w->dev, w->viommu, 0, 0, &w->id);
}

static int alloc_hw_queue(struct world *w)
{
	struct iommu_hw_queue_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = w->viommu,
		.type = IOMMU_HW_QUEUE_TYPE_SELFTEST,
		.nesting_parent_iova = ST_IOVA,
		.length = 16 * ST_KIB,
	};

	return st_call(w->fd, IOMMU_HW_QUEUE_ALLOC, &cmd);
}

static int alloc_fault(struct world *w)
{
	struct iommu_fault_alloc cmd = { .size = sizeof(cmd) };
	int rc = st_call(w->fd, IOMMU_FAULT_QUEUE_ALLOC, &cmd);

	if (!rc)
		w->queue = cmd.out_fault_fd;
	return rc;
}

static int alloc_veventq(struct world *w)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = w->viommu,
		.type = IOMMU_VEVENTQ_TYPE_SELFTEST,
		.veventq_depth = 4,
	};
	int rc = st_call(w->fd, IOMMU_VEVENTQ_ALLOC, &cmd);

	if (!rc)
		w->event_queue = cmd.out_veventq_fd;
	return rc;
}

static int replace_by_ioas(struct world *w)
{
	return st_mock_replace(w->fd, &w->dev, w->other_ioas);
}

static int replace_by_table(struct world *w)
{
	return st_mock_replace(w->fd, &w->dev, w->other_table);
}

static int replace_by_nested(struct world *w)
{
	return st_mock_replace(w->fd, &w->dev, w->nested);
}

static int attach_pasid(struct world *w)
{
	return st_mock_pasid_attach(w->fd, &w->dev, PASID, w->table);
}

static int replace_pasid(struct world *w)
{
	return st_mock_pasid_replace(w->fd, &w->dev, PASID, w->other_table);
}

static int invalidate(struct world *w)
{
	struct iommu_viommu_invalidate_selftest entry = { .vdev_id = NUMBER };
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = w->viommu,
		.data_uptr = (uintptr_t)&entry,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST,
		.entry_len = sizeof(entry),
		.entry_num = 1,
	};

	return st_call(w->fd, IOMMU_HWPT_INVALIDATE, &cmd);
}

/* A request that could not be read is still there. */
static int read_request(struct world *w)
{
	struct iommu_hwpt_pgfault record;
	ssize_t n = read(w->queue, &record, sizeof(record));

	if (n < 0)
		return -errno;
	return n == sizeof(record) && record.grpid == 1 ? 0 : -EBADMSG;
}

static const struct step steps[] = {
	{ "add a device", have_nothing, add_device },
	{ "HWPT_ALLOC", have_nothing, alloc_paging },
	{ "HWPT_ALLOC, nested", have_fault, alloc_nested },
	{ "HWPT_ALLOC, of a vIOMMU", have_viommu, alloc_viommu_nested },
	{ "VIOMMU_ALLOC", have_parent, alloc_viommu },
	{ "VDEVICE_ALLOC", have_viommu, alloc_vdevice },
	{ "HW_QUEUE_ALLOC", have_viommu, alloc_hw_queue },
	{ "FAULT_QUEUE_ALLOC", have_nothing, alloc_fault },
	{ "VEVENTQ_ALLOC", have_viommu, alloc_veventq },
	{ "replace by an IOAS", have_nothing, replace_by_ioas, true },
	{ "replace by a table", have_tables, replace_by_table, true },
	{ "replace by a nested table", have_fault_table, replace_by_nested, true },
	{ "replace by one of a vIOMMU", have_viommu_nested, replace_by_nested, true },
	{ "attach a PASID", have_tables, attach_pasid, true },
	{ "replace at a PASID", have_pasid, replace_pasid, true },
	{ "HWPT_INVALIDATE", have_vdevice, invalidate, true },
	{ "read a page request", have_request, read_request, true },
};

FIXTURE(fail_nth)
{
	int nth;	/* the file */
};

FIXTURE_SETUP(fail_nth)
{
	self->nth = st_fail_open();
	if (self->nth < 0)
		SKIP(return, "the kernel injects no faults");
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	if (!st_huge_memory(ST_HUGE))
		SKIP(return, "no huge page");
}

FIXTURE_TEARDOWN(fail_nth)
{
	st_fail_close(self->nth);
}

/* One failure. Returns whether there was one to have. */
static bool fail_once(struct __test_metadata *_metadata, int nth_file, const struct step *step,
		      unsigned int nth)
{
	long long objects, after;
	struct world w;
	bool failed;
	int rc, again;

	ASSERT_EQ(0, world_open(&w));
	ASSERT_EQ(0, step->prepare(&w));
	objects = st_fdinfo(w.fd, "objects:");
	st_fail_nth(nth_file, nth);
	rc = step->run(&w);
	failed = st_fail_done(nth_file);

	after = st_fdinfo(w.fd, "objects:");
	if (rc || step->keeps_objects)
		EXPECT_GE(objects, after);
	if (!failed)
		EXPECT_EQ(0, rc);
	if (rc) {
		/* What was refused for lack of memory works when there is some. */
		again = step->run(&w);
		EXPECT_EQ(0, again) {
			TH_LOG("%s: %d after failure %u (%d)", step->name, again, nth, rc);
		}
	}
	EXPECT_EQ(0, world_close(&w)) {
		TH_LOG("%s: failure %u (%d) leaves something", step->name, nth, rc);
	}
	return failed;
}

TEST_F_TIMEOUT(fail_nth, each_call, 900)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		unsigned int nth = 1;

		while (nth < MOST_FAILURES && fail_once(_metadata, self->nth, &steps[i], nth))
			nth++;
		EXPECT_GT(MOST_FAILURES, nth);
		/* A call without anything that can fail was not the right one. */
		EXPECT_LT(1, nth);
		TH_LOG("%s: %u failures", steps[i].name, nth - 1);
	}
}

TEST_HARNESS_MAIN
