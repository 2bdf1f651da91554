// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Memory of a known kind. But for the new ones it is faulted in, so that a case
 * measures mapping alone.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>

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

static void advise(struct memory *memory, int advice)
{
	must(madvise(memory->va, memory->size, advice) ? -errno : 0,
	     "the kernel does not take advice on the size of pages");
}

static void get_4k(struct memory *memory)
{
	size_t huge = thp_bytes();

	memory->va = reserve_aligned(memory->size);
	advise(memory, MADV_NOHUGEPAGE);
	touch_scattered(memory->va, memory->size / PAGE);
	if (thp_bytes() != huge)
		fail("the kernel took huge pages where small ones were asked for");
}

static void get_thp(struct memory *memory)
{
	size_t huge = thp_bytes();

	memory->va = reserve_aligned(memory->size);
	advise(memory, MADV_HUGEPAGE);
	touch(memory->va, memory->size / PAGE);
	if (thp_bytes() - huge != memory->size)
		fail("only %zu of %zu bytes are in huge pages", thp_bytes() - huge,
		     memory->size);
}

static void get_new(struct memory *memory, int advice)
{
	memory->va = reserve_aligned(memory->size);
	advise(memory, advice);
}

static void get_hugetlb(struct memory *memory)
{
	set_huge_pages(memory->size / HUGE_PAGE);
	memory->va = mmap(NULL, memory->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1, 0);
	must(memory->va == MAP_FAILED ? -errno : 0, "cannot get %zu bytes of hugetlb",
	     memory->size);
}

static void get_memfd(struct memory *memory, unsigned int flags)
{
	memory->fd = memfd_create("bench", MFD_CLOEXEC | flags);
	must(memory->fd < 0 || ftruncate(memory->fd, memory->size) ? -errno : 0,
	     "cannot get a memfd of %zu bytes", memory->size);
	memory->va = mmap(NULL, memory->size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	must(memory->va == MAP_FAILED ? -errno : 0, "cannot map a memfd");
}

/**
 * bench_memory_get() - Get memory of a kind
 * @memory: filled in; its address is aligned to 2 MiB
 * @kind: the kind
 * @size: bytes, a multiple of 2 MiB
 */
void bench_memory_get(struct memory *memory, enum memory_kind kind, size_t size)
{
	*memory = (struct memory) { .kind = kind, .size = size, .fd = -1 };
	switch (kind) {
	case MEMORY_4K:
		get_4k(memory);
		break;
	case MEMORY_THP:
		get_thp(memory);
		break;
	case MEMORY_NEW_4K:
		get_new(memory, MADV_NOHUGEPAGE);
		break;
	case MEMORY_NEW_THP:
		get_new(memory, MADV_HUGEPAGE);
		break;
	case MEMORY_NEW_HUGETLB:
		get_hugetlb(memory);
		break;
	case MEMORY_HUGETLB:
		get_hugetlb(memory);
		touch(memory->va, size / PAGE);
		break;
	case MEMORY_MEMFD_4K:
		get_memfd(memory, 0);
		touch_scattered(memory->va, size / PAGE);
		break;
	case MEMORY_MEMFD_HUGETLB:
		set_huge_pages(size / HUGE_PAGE);
		get_memfd(memory, MFD_HUGETLB | MFD_HUGE_2MB);
		touch(memory->va, size / PAGE);
		break;
	}
}

/**
 * bench_memory_put() - Give memory back
 * @memory: from bench_memory_get()
 */
void bench_memory_put(struct memory *memory)
{
	must(munmap(memory->va, memory->size) ? -errno : 0, "cannot give memory back");
	if (memory->fd >= 0)
		close(memory->fd);
	if (memory->kind == MEMORY_HUGETLB || memory->kind == MEMORY_NEW_HUGETLB ||
	    memory->kind == MEMORY_MEMFD_HUGETLB)
		set_huge_pages(0);
}
