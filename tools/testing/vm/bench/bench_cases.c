// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The cases. To add one: a run() that does its work once and fills in what it
 * cost, and a line here.
 */
#include "bench.h"

#define LARGE(_name, _memory, ...) {					\
	.name = _name, .costs = { "map", "unmap" }, .unit = "page",	\
	.run = run_large, .memory = _memory, ##__VA_ARGS__		\
}

#define PIECES(_name, _memory) {					\
	.name = _name, .costs = { "map", "unmap" }, .unit = "call",	\
	.run = run_large, .memory = _memory, .piece = HUGE_PAGE,	\
}

#define CLOSE(_name, _memory) {						\
	.name = _name, .costs = { "close" }, .unit = "page",		\
	.run = run_close, .memory = _memory,				\
}

#define SECOND(_name, _run, _cost, _undo, _memory) {			\
	.name = _name, .costs = { _cost, _undo }, .unit = "page",	\
	.run = _run, .needs = NEEDS_IOMMUFD, .memory = _memory,		\
}

#define PLACEMENT(_name, _areas, _hole) {				\
	.name = _name, .costs = { "map" }, .unit = "call",		\
	.run = run_placement, .needs = NEEDS_IOMMUFD,			\
	.areas = _areas, .hole = _hole,					\
}

#define USAGE(_name, _memory) {						\
	.name = _name, .costs = { "bytes" }, .unit = "GiB",		\
	.run = run_memory_large, .memory = _memory,			\
}

#define ACCESS_PIN(_name, _batch) {					\
	.name = _name, .costs = { "pin", "unpin" }, .unit = "page",	\
	.run = run_access_pin, .mib = 64, .areas = _batch,		\
}

/* The same work for more memory, or among more areas. */
#define SCALE(_name, _memory, _mib)					\
	LARGE(_name, _memory, .mib = _mib, .on_demand = true)

#define CROWD(_name, _areas) {						\
	.name = _name, .costs = { "map+unmap" }, .unit = "pair",	\
	.run = run_pairs_among, .areas = _areas, .on_demand = true,	\
}

#define THREADS(_name, _spaces) {					\
	.name = _name, .costs = { "map+unmap" }, .unit = "pair",	\
	.run = run_threads, .needs = NEEDS_IOMMUFD, .areas = _spaces,	\
	.on_demand = true,						\
}

#define PARALLEL(_name, _memory, _busy) {				\
	.name = _name, .costs = { "alone", "together" }, .unit = "page",	\
	.run = run_parallel, .needs = NEEDS_IOMMUFD, .memory = _memory,	\
	.areas = _busy, .on_demand = true,				\
}

const struct bench_case bench_cases[] = {
	{
		.name = "memory-area", .costs = { "bytes" }, .unit = "area",
		.run = run_memory_small, .areas = 20000,
	},
	USAGE("memory-4k", MEMORY_4K),
	USAGE("memory-thp", MEMORY_THP),
	{
		.name = "pair", .costs = { "map+unmap" }, .unit = "pair",
		.run = run_pairs,
	},
	LARGE("4k", MEMORY_4K),
	LARGE("thp", MEMORY_THP),
	LARGE("hugetlb", MEMORY_HUGETLB),
	LARGE("thp-misaligned", MEMORY_THP, .shift = PAGE),
	PIECES("thp-2m-pieces", MEMORY_THP),
	PIECES("hugetlb-2m-pieces", MEMORY_HUGETLB),
	LARGE("memfd-4k", MEMORY_MEMFD_4K),
	LARGE("memfd-hugetlb", MEMORY_MEMFD_HUGETLB),
	LARGE("file-4k", MEMORY_MEMFD_4K, .by_file = true),
	LARGE("file-hugetlb", MEMORY_MEMFD_HUGETLB, .by_file = true),
	LARGE("new-4k", MEMORY_NEW_4K),
	LARGE("new-thp", MEMORY_NEW_THP),
	LARGE("new-hugetlb", MEMORY_NEW_HUGETLB),
	CLOSE("close-4k", MEMORY_4K),
	CLOSE("close-thp", MEMORY_THP),
	CLOSE("close-hugetlb", MEMORY_HUGETLB),
	SECOND("copy-4k", run_copy, "copy", "unmap", MEMORY_4K),
	SECOND("copy-hugetlb", run_copy, "copy", "unmap", MEMORY_HUGETLB),
	SECOND("attach-4k", run_second_attach, "attach", "detach", MEMORY_4K),
	SECOND("attach-hugetlb", run_second_attach, "attach", "detach", MEMORY_HUGETLB),
	SECOND("two-domains-4k", run_two_domains, "map", "unmap", MEMORY_4K),
	{
		.name = "small-20k", .costs = { "map", "unmap" }, .unit = "call",
		.run = run_small, .areas = 20000,
	},
	{
		.name = "unmap-all-10k", .costs = { "unmap" }, .unit = "area",
		.run = run_unmap_all, .areas = 10000,
	},
	PLACEMENT("place-0", 0, 0),
	PLACEMENT("place-1k", 1000, 0),
	PLACEMENT("place-10k", 10000, 0),
	PLACEMENT("place-60k", 60000, 0),
	PLACEMENT("place-holes-0", 0, PAGE),
	PLACEMENT("place-holes-1k", 1000, PAGE),
	PLACEMENT("place-holes-10k", 10000, PAGE),
	PLACEMENT("place-holes-60k", 60000, PAGE),
	{
		.name = "dirty-bitmap", .costs = { "read" }, .unit = "page",
		.run = run_dirty, .needs = NEEDS_CONTAINER, .memory = MEMORY_THP,
	},
	ACCESS_PIN("access-pin", 1),
	ACCESS_PIN("access-pin-512", 512),
	{
		.name = "access-rw", .costs = { "write" }, .unit = "page",
		.run = run_access_rw, .mib = 64,
	},
	SCALE("scale-4k-128m", MEMORY_4K, 128),
	SCALE("scale-4k-1g", MEMORY_4K, 1024),
	SCALE("scale-4k-4g", MEMORY_4K, 4096),
	SCALE("scale-thp-128m", MEMORY_THP, 128),
	SCALE("scale-thp-1g", MEMORY_THP, 1024),
	SCALE("scale-thp-4g", MEMORY_THP, 4096),
	SCALE("scale-hugetlb-128m", MEMORY_HUGETLB, 128),
	SCALE("scale-hugetlb-1g", MEMORY_HUGETLB, 1024),
	SCALE("scale-hugetlb-4g", MEMORY_HUGETLB, 4096),
	CROWD("scale-areas-1k", 1000),
	CROWD("scale-areas-10k", 10000),
	CROWD("scale-areas-100k", 100000),
	CROWD("scale-areas-500k", 500000),
	THREADS("threads-1", 0),
	THREADS("threads-2-in-one", 1),
	THREADS("threads-2-in-two", 2),
	PARALLEL("parallel-4k", MEMORY_NEW_4K, false),
	PARALLEL("parallel-4k-busy", MEMORY_NEW_4K, true),
	PARALLEL("parallel-thp", MEMORY_NEW_THP, false),
	PARALLEL("parallel-thp-busy", MEMORY_NEW_THP, true),
	{ 0 },
};
