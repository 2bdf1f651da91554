/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the parts of the benchmark share: the rig (a device attached to an
 * address space by one of two backends), kinds of memory, and cases.
 *
 * Every function ends the program when something does not work, so that no
 * number is printed for a case that did not do what it says.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#include "nvme.h"
#include "vfio_util.h"

#define PAGE		4096ul
#define MIB		0x100000ull
#define HUGE_PAGE	(2 * MIB)

/*
 * The I/O addresses: small areas are mapped from the lowest on, so that the
 * search for a free place meets them, large ones past the window of interrupt
 * messages below 4 GiB; the device's queues are out of the way.
 */
#define AREAS_IOVA	0ull
#define LARGE_IOVA	0x100000000ull
#define QUEUES_IOVA	0x3000000000ull

struct bench;

/* What a case measures. */
struct bench_cost {
	__u64 amount;			/* nanoseconds, or what the case counts */
	__u64 operations;		/* for how many units; 0: it cannot be done here */
	__u64 calls;			/* of the kernel's to map or unmap */
	__u64 submissions;		/* to the IOMMU's queue, if they are counted */
};

/* bench_memory.c */
enum memory_kind {
	MEMORY_4K,		/* pages of 4 KiB, neighbours apart in physical memory */
	MEMORY_THP,		/* transparent huge pages of 2 MiB */
	MEMORY_HUGETLB,		/* hugetlb pages of 2 MiB */
	MEMORY_MEMFD_4K,	/* a memfd with pages of 4 KiB, neighbours apart */
	MEMORY_MEMFD_HUGETLB,	/* a memfd with hugetlb pages of 2 MiB */
	MEMORY_NEW_4K,		/* as their namesakes, but nothing is there until */
	MEMORY_NEW_THP,		/*   somebody touches it */
	MEMORY_NEW_HUGETLB,
};

struct memory {
	char *va;
	size_t size;
	enum memory_kind kind;
	int fd;			/* of a memfd, else -1 */
};

void bench_memory_get(struct memory *memory, enum memory_kind kind, size_t size);
void bench_memory_put(struct memory *memory);

/* bench_iommufd.c, bench_container.c: how the device and its memory are reached. */
struct bench_backend {
	const char *name;
	/* Open the device and attach it to an empty address space. */
	void (*open)(struct bench *bench, const char *bdf);
	/* Close whatever is open, all at once. */
	void (*close)(struct bench *bench);
	int (*map)(struct bench *bench, void *va, size_t length, __u64 iova);
	int (*unmap)(struct bench *bench, __u64 iova, __u64 length);
	/* Where the kernel finds room; NULL if it never looks. */
	int (*map_anywhere)(struct bench *bench, void *va, size_t length, __u64 *iova);
	/* A memfd, without an address of the process; NULL if there is no such call. */
	int (*map_file)(struct bench *bench, int fd, __u64 offset, size_t length, __u64 iova);
};

extern const struct bench_backend bench_iommufd, bench_container;

struct bench {
	const struct bench_backend *backend;
	size_t mib;			/* for the cases of large memory */
	unsigned int repeats;
	bool median;			/* of the repeats, not the least */
	bool count_submissions;		/* instead of time */
	bool list;			/* the cases, and run none */
	char bdf[PCI_BDF_SIZE];
	void *queues;			/* memory of the controller's queues */
	struct vfio_device dev;
	struct nvme nvme;
	__u64 disk_offset;		/* of the next page to check with */
	bool awake_only;		/* do not count the time that this thread sleeps */
	__u64 clock;			/* when the measurement began */
	__u64 calls;			/* since then */

	/* Of the backend: /dev/iommu and an IOAS, or a container and a group. */
	int iommufd;
	__u32 ioas;
	int container;
	int group;
};

/* bench_clock.c */
void bench_clock_start(struct bench *bench);
void bench_clock_stop(struct bench *bench, struct bench_cost *cost, __u64 operations);
bool bench_clock_count_submissions(void);

/* bench_rig.c */
void bench_rig_start(struct bench *bench);
void bench_rig_restart(struct bench *bench);
void bench_rig_quiesce(struct bench *bench);
void bench_rig_stop(struct bench *bench);
void bench_map(struct bench *bench, void *va, size_t length, __u64 iova);
__u64 bench_map_anywhere(struct bench *bench, void *va, size_t length);
void bench_map_file(struct bench *bench, int fd, __u64 offset, size_t length, __u64 iova);
void bench_unmap(struct bench *bench, __u64 iova, __u64 length);
void bench_must_see(struct bench *bench, void *va, __u64 iova);
void bench_must_not_see(struct bench *bench, void *va, __u64 iova);

/* bench_cases.c */
#define BENCH_COSTS	2	/* costs that a case measures, at most */

/* What a case cannot do without. */
enum bench_needs {
	NEEDS_NOTHING,
	NEEDS_IOMMUFD,
	NEEDS_CONTAINER,
};

struct bench_case {
	const char *name;
	const char *costs[BENCH_COSTS];	/* what is measured; NULL: nothing more */
	const char *unit;		/* the operation that a cost is for */
	void (*run)(struct bench *bench, const struct bench_case *self,
		    struct bench_cost cost[BENCH_COSTS]);
	enum bench_needs needs;
	bool on_demand;			/* only if it is asked for by name */
	/* Of the case, for its run(). */
	enum memory_kind memory;
	size_t mib;			/* large memory; 0: as the user wants it */
	size_t piece;			/* bytes in a call; 0: all in one */
	size_t shift;			/* I/O addresses off the alignment of huge pages */
	bool by_file;			/* by the memfd, not by its address here */
	unsigned int areas;		/* or what run() counts by */
	unsigned int hole;		/* bytes between areas */
};

extern const struct bench_case bench_cases[];	/* ends with an empty name */

typedef void bench_run(struct bench *bench, const struct bench_case *self,
		       struct bench_cost *cost);

/*
 * bench_access.c, bench_large.c, bench_parallel.c, bench_second.c, bench_small.c,
 * bench_threads.c, bench_usage.c
 */
bench_run run_large, run_close;
bench_run run_copy, run_second_attach, run_two_domains;
bench_run run_pairs, run_small, run_unmap_all, run_placement, run_pairs_among;
bench_run run_threads;
bench_run run_parallel;
bench_run run_memory_small, run_memory_large, run_dirty;
bench_run run_access_pin, run_access_rw;

/* How large the large memory of a case is, in bytes. */
static inline size_t bench_large_size(const struct bench *bench, const struct bench_case *self)
{
	return (self->mib ? self->mib : bench->mib) * MIB;
}

#endif
