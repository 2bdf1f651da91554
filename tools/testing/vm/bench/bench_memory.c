// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Memory of a known kind, faulted in, so that a case measures mapping alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "say.h"

#define HUGE_PAGES_FILE	"/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define STRIDE		1000003ull	/* a prime that divides no number of pages here */

#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB	(21 << 26)
#endif

static void set_huge_pages(size_t count)
{
	FILE *file = fopen(HUGE_PAGES_FILE, "w");

	must(file ? 0 : -errno, "this kernel has no hugetlb pages of 2 MiB");
	fprintf(file, "%zu", count);
	must(fclose(file) ? -errno : 0, "cannot get %zu hugetlb pages", count);
}

/* How much of the process's memory is in transparent huge pages. */
static size_t thp_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	size_t kib = 0;

	must(file ? 0 : -errno, "cannot read /proc/self/smaps_rollup");
	while (fgets(line, sizeof(line), file) && sscanf(line, "AnonHugePages: %zu", &kib) != 1)
		;
	fclose(file);
	return kib << 10;
}

/* A range that begins at a multiple of 2 MiB; what is cut off stays reserved. */
static void *reserve_aligned(size_t size)
{
	char *memory = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	must(memory == MAP_FAILED ? -errno : 0, "cannot get %zu bytes", size);
	before = -(size_t)memory % HUGE_PAGE;
	if (before)
		munmap(memory, before);
	munmap(memory + before + size, HUGE_PAGE - before);
	return memory + before;
}

/*
 * The kernel hands pages out in order, so touching them out of order scatters
 * what is contiguous in the address space.
 */
static void touch_scattered(char *memory, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		memory[(i * STRIDE % pages) * PAGE] = 1;
}

static void touch(char *memory, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		memory[i * PAGE] = 1;
}

static void *memory_4k(size_t size)
{
	size_t huge = thp_bytes();
	void *memory = reserve_aligned(size);

	must(madvise(memory, size, MADV_NOHUGEPAGE) ? -errno : 0, "cannot ask for small pages");
	touch_scattered(memory, size / PAGE);
	if (thp_bytes() != huge)
		fail("the kernel took huge pages where small ones were asked for");
	return memory;
}

static void *memory_thp(size_t size)
{
	size_t huge = thp_bytes();
	void *memory = reserve_aligned(size);

	must(madvise(memory, size, MADV_HUGEPAGE) ? -errno : 0, "cannot ask for huge pages");
	touch(memory, size / PAGE);
	if (thp_bytes() - huge != size)
		fail("only %zu of %zu bytes are in huge pages", thp_bytes() - huge, size);
	return memory;
}

static void *memory_hugetlb(size_t size)
{
	void *memory;

	set_huge_pages(size / HUGE_PAGE);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	must(memory == MAP_FAILED ? -errno : 0, "cannot get %zu bytes of hugetlb", size);
	touch(memory, size / PAGE);
	return memory;
}

/**
 * bench_memory() - Get memory of a kind, faulted in
 * @kind: the kind
 * @size: bytes, a multiple of 2 MiB
 *
 * Return: the memory, aligned to 2 MiB.
 */
void *bench_memory(enum memory_kind kind, size_t size)
{
	switch (kind) {
	case MEMORY_THP:
		return memory_thp(size);
	case MEMORY_HUGETLB:
		return memory_hugetlb(size);
	default:
		return memory_4k(size);
	}
}

/**
 * bench_memory_free() - Give memory back
 * @memory: from bench_memory()
 * @size: as it was asked for
 * @kind: as it was asked for
 */
void bench_memory_free(void *memory, size_t size, enum memory_kind kind)
{
	must(munmap(memory, size) ? -errno : 0, "cannot give memory back");
	if (kind == MEMORY_HUGETLB)
		set_huge_pages(0);
}
