/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the parts of the benchmark share: the rig (a device attached to an
 * address space), kinds of memory, and cases.
 *
 * Every function ends the program when something does not work, so that no
 * number is printed for a case that did not do what it says.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>

#include <linux/types.h>

#include "nvme.h"
#include "vfio_util.h"

#define PAGE		4096ul
#define MIB		0x100000ull
#define HUGE_PAGE	(2 * MIB)

/*
 * The I/O addresses: cases map from the lowest on, so that the search for a
 * free place meets their areas; the device's queues are out of the way.
 */
#define AREAS_IOVA	0ull
#define QUEUES_IOVA	0x3000000000ull

struct bench {
	size_t mib;			/* for the cases of large memory */
	unsigned int repeats;
	int iommufd;
	__u32 ioas;
	struct vfio_device dev;
	struct nvme nvme;
	__u64 disk_offset;		/* of the next page to check with */
};

/* bench_rig.c */
void bench_rig_start(struct bench *bench);
void bench_rig_stop(struct bench *bench);
void bench_map(struct bench *bench, void *va, size_t length, __u64 iova);
__u64 bench_map_anywhere(struct bench *bench, void *va, size_t length);
void bench_unmap(struct bench *bench, __u64 iova, __u64 length);
void bench_must_see(struct bench *bench, void *va, __u64 iova);
void bench_must_not_see(struct bench *bench, void *va, __u64 iova);
__u64 bench_ns(void);

/* bench_memory.c */
enum memory_kind {
	MEMORY_4K,		/* pages of 4 KiB, neighbours apart in physical memory */
	MEMORY_THP,		/* transparent huge pages of 2 MiB */
	MEMORY_HUGETLB,		/* hugetlb pages of 2 MiB */
};

void *bench_memory(enum memory_kind kind, size_t size);
void bench_memory_free(void *memory, size_t size, enum memory_kind kind);

/* bench_cases.c */
#define BENCH_COSTS	2	/* costs that a case measures, at most */

struct bench_cost {
	__u64 ns;
	__u64 operations;
};

struct bench_case {
	const char *name;
	const char *costs[BENCH_COSTS];	/* what is measured; NULL: nothing more */
	const char *unit;		/* the operation that a cost is for */
	void (*run)(struct bench *bench, const struct bench_case *self,
		    struct bench_cost cost[BENCH_COSTS]);
	/* Of the case, for its run(). */
	enum memory_kind memory;
	unsigned int areas;
	unsigned int hole;		/* bytes between areas */
};

extern const struct bench_case bench_cases[];	/* ends with an empty name */

#endif
