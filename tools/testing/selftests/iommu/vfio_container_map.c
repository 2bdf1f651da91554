// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_IOMMU_MAP_DMA: what it accepts, what it refuses, and that a refusal
 * leaves nothing behind.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)

/* What is mapped in the end, after the answer of the call in question. */
static void say_mapped(struct st_trial *t, int rc)
{
	st_say_rc(t, rc);
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static int map_memory(struct st_trial *t, __u32 flags, __u64 size, __u64 iova)
{
	return st_dma_map(t->c.fd, flags, st_memory(PAGES(16)), size, iova);
}

static void argsz(struct st_trial *t)
{
	struct {
		struct vfio_iommu_type1_dma_map map;
		__u64 tail[2];
	} longer = { .tail = { 1, 2 } };

	longer.map.argsz = t->arg;
	longer.map.flags = ST_DMA_RW;
	longer.map.vaddr = (uintptr_t)st_memory(st_page);
	longer.map.iova = ST_IOVA;
	longer.map.size = st_page;
	say_mapped(t, st_call(t->c.fd, VFIO_IOMMU_MAP_DMA, &longer));
}

static void flags(struct st_trial *t)
{
	say_mapped(t, map_memory(t, t->arg, PAGES(2), ST_IOVA));
}

/* Every flag that is not known. */
static void unknown_flags(struct st_trial *t)
{
	unsigned int bit;
	int rc = 0;

	for (bit = 3; bit < 32; bit++) {
		rc = map_memory(t, ST_DMA_RW | 1u << bit, st_page, ST_IOVA + PAGES(bit));
		if (rc != -EINVAL)
			break;
	}
	say_mapped(t, rc);
}

static void size(struct st_trial *t)
{
	say_mapped(t, map_memory(t, ST_DMA_RW, t->arg, ST_IOVA));
}

static void size_max(struct st_trial *t)
{
	say_mapped(t, map_memory(t, ST_DMA_RW, ST_MAX - st_page + 1, 0));
}

static void iova_unaligned(struct st_trial *t)
{
	say_mapped(t, map_memory(t, ST_DMA_RW, st_page, ST_IOVA + t->arg));
}

static void vaddr_unaligned(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(2));

	say_mapped(t, st_dma_map(t->c.fd, ST_DMA_RW, memory + t->arg, st_page, ST_IOVA));
}

static void all_unaligned(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(2));

	say_mapped(t, st_dma_map(t->c.fd, ST_DMA_RW, memory + t->arg, t->arg, ST_IOVA + t->arg));
}

/* The first or the last page of the IOVA space, and beyond it. */
static void iova_zero(struct st_trial *t)
{
	say_mapped(t, map_memory(t, ST_DMA_RW, st_page, 0));
}

static void iova_top(struct st_trial *t)
{
	say_mapped(t, map_memory(t, ST_DMA_RW, st_page, -PAGES(1)));
}

static void iova_wraps(struct st_trial *t)
{
	say_mapped(t, map_memory(t, ST_DMA_RW, PAGES(2), -PAGES(1)));
}

/* Addresses that a pointer of a 32-bit program cannot have. */
static void say_vaddr(struct st_trial *t, __u64 vaddr)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = ST_DMA_RW,
		.vaddr = vaddr,
		.iova = ST_IOVA,
		.size = PAGES(2),
	};

	say_mapped(t, st_call(t->c.fd, VFIO_IOMMU_MAP_DMA, &map));
}

static void vaddr_wraps(struct st_trial *t)
{
	say_vaddr(t, -PAGES(1));
}

static void vaddr_4_gib(struct st_trial *t)
{
	say_vaddr(t, 1ull << 32);
}

/* One page before and one page behind what GET_INFO calls usable. */
static void above_ranges(struct st_trial *t)
{
	struct st_info info;

	st_dma_info(t->c.fd, &info);
	if (!info.ranges)
		st_give_up(t, "no ranges", -ENODATA);
	st_say_rc(t, map_memory(t, ST_DMA_RW, st_page, info.range[info.ranges - 1].last + 1));
	say_mapped(t, map_memory(t, ST_DMA_RW, st_page,
				 info.range[info.ranges - 1].last + 1 - st_page));
}

static void across_the_end(struct st_trial *t)
{
	struct st_info info;

	st_dma_info(t->c.fd, &info);
	if (!info.ranges)
		st_give_up(t, "no ranges", -ENODATA);
	say_mapped(t, map_memory(t, ST_DMA_RW, PAGES(2),
				 info.range[info.ranges - 1].last + 1 - st_page));
}

static void msi_window(struct st_trial *t)
{
	struct iommu_iova_range window = {};
	__u64 first, last;

	if (pci_msi_window(t->c.group.bdf, &first, &last))
		st_give_up(t, "no window", -ENOENT);
	window.start = first;
	window.last = last;
	st_say_rc(t, map_memory(t, ST_DMA_RW, st_page, window.start));
	st_say_rc(t, map_memory(t, ST_DMA_RW, PAGES(2), window.start - st_page));
	st_say_rc(t, map_memory(t, ST_DMA_RW, PAGES(2), window.last + 1 - st_page));
	st_say_rc(t, map_memory(t, ST_DMA_RW, st_page, window.start - st_page));
	say_mapped(t, map_memory(t, ST_DMA_RW, st_page, window.last + 1));
}

/* What there is: pages 4 to 7. */
static void overlap(struct st_trial *t)
{
	static const struct {
		unsigned int first, pages;
	} ranges[] = { { 4, 4 }, { 5, 1 }, { 3, 2 }, { 7, 2 }, { 2, 8 } };
	unsigned int i;

	st_say_rc(t, map_memory(t, ST_DMA_RW, PAGES(4), ST_IOVA + PAGES(4)));
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		st_say_rc(t, map_memory(t, ST_DMA_RW, PAGES(ranges[i].pages),
					ST_IOVA + PAGES(ranges[i].first)));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void adjacent(struct st_trial *t)
{
	st_say_rc(t, map_memory(t, ST_DMA_RW, PAGES(4), ST_IOVA + PAGES(4)));
	st_say_rc(t, map_memory(t, ST_DMA_RW, PAGES(4), ST_IOVA));
	say_mapped(t, map_memory(t, ST_DMA_RW, PAGES(4), ST_IOVA + PAGES(8)));
}

/* The same memory at two places. */
static void memory_twice(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));

	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
	say_mapped(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), 2 * ST_IOVA));
}

static void memory_absent(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));

	munmap(memory, PAGES(4));
	say_mapped(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
}

/* The last page is missing. */
static void memory_cut_off(struct st_trial *t)
{
	unsigned char *memory = st_memory(PAGES(4));

	munmap(memory + PAGES(3), st_page);
	say_mapped(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
	st_say_size(t, "VmLck", st_vm_lck() * 1024);
}

static void memory_protected(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));

	mprotect(memory, PAGES(4), t->arg >> 8);
	say_mapped(t, st_dma_map(t->c.fd, t->arg & 0xff, memory, PAGES(4), ST_IOVA));
}

static void memory_of_kernel(struct st_trial *t)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = ST_DMA_R,
		.vaddr = 0xffff888000000000ull,
		.iova = ST_IOVA,
		.size = st_page,
	};

	say_mapped(t, st_call(t->c.fd, VFIO_IOMMU_MAP_DMA, &map));
}

static void memory_huge(struct st_trial *t)
{
	void *memory = st_huge_memory(ST_HUGE);

	if (!memory)
		st_give_up(t, "no huge page", -ENOMEM);
	say_mapped(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, ST_HUGE, ST_IOVA));
}

static void *map_file(int fd, int protection, int sharing)
{
	void *memory = mmap(NULL, PAGES(4), protection, sharing, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static void memory_of_memfd(struct st_trial *t)
{
	void *memory = map_file(st_memfd(PAGES(4), 0), PROT_READ | PROT_WRITE, MAP_SHARED);

	say_mapped(t, st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA));
}

/* Of a file that may not be written, shared. */
static void memory_of_read_only_file(struct st_trial *t)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	say_mapped(t, st_dma_map(t->c.fd, t->arg, map_file(fd, PROT_READ, MAP_SHARED), st_page,
				 ST_IOVA));
}

/* Addresses that are device registers. */
static void memory_of_bar(struct st_trial *t)
{
	struct vfio_bar *bar = &t->c.env.edu.bar;

	say_mapped(t, st_dma_map(t->c.fd, t->arg, bar->base, bar->size, ST_IOVA));
}

/* The memory may be unmapped right after. */
static void memory_gone_later(struct st_trial *t)
{
	void *memory = st_memory(PAGES(4));
	int rc = st_dma_map(t->c.fd, ST_DMA_RW, memory, PAGES(4), ST_IOVA);

	munmap(memory, PAGES(4));
	say_mapped(t, rc);
}

static const struct st_row call_rows[] = {
	{ "argsz 0", argsz,
	  .type1 = "EINVAL, mapped 0" },
	{ "argsz 31", argsz, .arg = 31,
	  .type1 = "EINVAL, mapped 0" },
	{ "argsz 32", argsz, .arg = 32,
	  .type1 = "0, mapped 1p" },
	{ "argsz 48, something behind the structure", argsz, .arg = 48,
	  .type1 = "0, mapped 1p" },
	{ "READ and WRITE", flags, .arg = ST_DMA_RW,
	  .type1 = "0, mapped 2p" },
	{ "READ only", flags, .arg = ST_DMA_R,
	  .type1 = "0, mapped 2p" },
	{ "WRITE only", flags, .arg = ST_DMA_W,
	  .type1 = "0, mapped 2p" },
	{ "neither READ nor WRITE", flags,
	  .type1 = "EINVAL, mapped 0", .shim = "0, mapped 2p" },
	{ "VADDR, nothing there", flags, .arg = VFIO_DMA_MAP_FLAG_VADDR,
	  .type1 = "ENOENT, mapped 0", .shim = "EINVAL, mapped 0" },
	{ "VADDR and READ", flags, .arg = VFIO_DMA_MAP_FLAG_VADDR | ST_DMA_R,
	  .type1 = "EINVAL, mapped 0" },
	{ "any unknown flag", unknown_flags,
	  .type1 = "EINVAL, mapped 0" },
	{ "size 0", size,
	  .type1 = "EINVAL, mapped 0" },
	{ "size 1", size, .arg = 1, .types = ST_V1,
	  .type1 = "EINVAL, mapped 0" },
	{ "size 1", size, .arg = 1, .types = ST_V2,
	  .type1 = "EINVAL, mapped 0", .shim = "0, mapped 1" },
	{ "size of a page and a half", size, .arg = 6144, .types = ST_V1,
	  .type1 = "EINVAL, mapped 0" },
	{ "size of a page and a half", size, .arg = 6144, .types = ST_V2,
	  .type1 = "EINVAL, mapped 0", .shim = "0, mapped 6144" },
	{ "size 2^64 - 4096 at 0", size_max,
	  .type1 = "EOVERFLOW, mapped 0" },
	{ "iova in the middle of a page", iova_unaligned, .arg = 2048, .types = ST_V1,
	  .type1 = "EINVAL, mapped 0" },
	{ "iova in the middle of a page", iova_unaligned, .arg = 2048, .types = ST_V2,
	  .type1 = "EINVAL, mapped 0", .shim = "0, mapped 1p" },
	{ "vaddr in the middle of a page", vaddr_unaligned, .arg = 2048, .types = ST_V1,
	  .type1 = "EINVAL, mapped 0" },
	{ "vaddr in the middle of a page", vaddr_unaligned, .arg = 2048, .types = ST_V2,
	  .type1 = "EINVAL, mapped 0", .shim = "0, mapped 1p" },
	{ "iova, vaddr and size in the middle of a page", all_unaligned, .arg = 2048,
	  .types = ST_V1,
	  .type1 = "EINVAL, mapped 0" },
	{ "iova, vaddr and size in the middle of a page", all_unaligned, .arg = 2048,
	  .types = ST_V2,
	  .type1 = "EINVAL, mapped 0", .shim = "0, mapped 2048" },
	{ "iova 0", iova_zero,
	  .type1 = "0, mapped 1p" },
};

static const struct st_row place_rows[] = {
	{ "last page of 64 bits", iova_top,
	  .type1 = "EINVAL, mapped 0", .shim = "0, mapped 1p" },
	{ "iova + size wraps", iova_wraps,
	  .type1 = "EOVERFLOW, mapped 0" },
	{ "vaddr + size wraps", vaddr_wraps,
	  .type1 = "EOVERFLOW, mapped 0" },
	{ "vaddr of 4 GiB, where nothing is", vaddr_4_gib,
	  .type1 = "EFAULT, mapped 0", .shim = "0, mapped 2p" },
	{ "first page above the ranges of GET_INFO, last page in them", above_ranges,
	  .type1 = "EINVAL, 0, mapped 1p", .shim = "0, 0, mapped 2p" },
	{ "across the end of the ranges", across_the_end,
	  .type1 = "EINVAL, mapped 0", .shim = "EOVERFLOW, mapped 0" },
	{ "MSI window: inside, into its start, out of its end, before, behind", msi_window,
	  .type1 = "EINVAL, EINVAL, EINVAL, 0, 0, mapped 2p",
	  .shim = "0, EEXIST, 0, 0, EEXIST, mapped 4p" },
	{ "pages 4-7, then again: all, inside, over the start, over the end, around", overlap,
	  .type1 = "0, EEXIST, EEXIST, EEXIST, EEXIST, EEXIST, mapped 4p" },
	{ "pages 4-7, then right before and right behind", adjacent,
	  .type1 = "0, 0, 0, mapped 12p" },
	{ "the same memory at two places", memory_twice,
	  .type1 = "0, 0, mapped 8p" },
};

static const struct st_row memory_rows[] = {
	{ "no memory there", memory_absent,
	  .type1 = "EFAULT, mapped 0", .shim = "0, mapped 4p" },
	{ "last page missing", memory_cut_off,
	  .type1 = "EFAULT, mapped 0, VmLck 0", .shim = "0, mapped 4p, VmLck 0" },
	{ "PROT_NONE, READ", memory_protected, .arg = PROT_NONE << 8 | ST_DMA_R,
	  .type1 = "EFAULT, mapped 0", .shim = "0, mapped 4p" },
	{ "PROT_READ, READ", memory_protected, .arg = PROT_READ << 8 | ST_DMA_R,
	  .type1 = "0, mapped 4p" },
	{ "PROT_READ, READ and WRITE", memory_protected, .arg = PROT_READ << 8 | ST_DMA_RW,
	  .type1 = "EFAULT, mapped 0", .shim = "0, mapped 4p" },
	{ "PROT_READ, WRITE", memory_protected, .arg = PROT_READ << 8 | ST_DMA_W,
	  .type1 = "EFAULT, mapped 0", .shim = "0, mapped 4p" },
	{ "address of the kernel", memory_of_kernel,
	  .type1 = "EFAULT, mapped 0", .shim = "0, mapped 1p" },
	{ "huge page of hugetlbfs", memory_huge,
	  .type1 = "0, mapped 512p" },
	{ "memfd, shared", memory_of_memfd,
	  .type1 = "0, mapped 4p" },
	{ "file opened for reading, READ", memory_of_read_only_file, .arg = ST_DMA_R,
	  .type1 = "0, mapped 1p" },
	{ "file opened for reading, READ and WRITE", memory_of_read_only_file, .arg = ST_DMA_RW,
	  .type1 = "EFAULT, mapped 0", .shim = "0, mapped 1p" },
	{ "BAR of a device, READ and WRITE", memory_of_bar, .arg = ST_DMA_RW,
	  .from = ST_FROM_DMA,
	  .type1 = "0, mapped 256p", .shim = "EFAULT, mapped 0", .native = "EFAULT, mapped 0",
	  .why = "upstream's selftests of VFIO assert that it fails on a /dev/iommu; "
		 "p2p_user_va allows it" },
	{ "BAR of a device, READ", memory_of_bar, .arg = ST_DMA_R, .from = ST_FROM_DMA,
	  .type1 = "0, mapped 256p", .shim = "EFAULT, mapped 0", .native = "EFAULT, mapped 0",
	  .why = "upstream's selftests of VFIO assert that it fails on a /dev/iommu; "
		 "p2p_user_va allows it" },
	{ "munmap() after MAP_DMA", memory_gone_later,
	  .type1 = "0, mapped 4p" },
};

static const struct st_section sections[] = {
	ST_SECTION("MAP_DMA: the call", call_rows),
	ST_SECTION("MAP_DMA: where", place_rows),
	ST_SECTION("MAP_DMA: what", memory_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
