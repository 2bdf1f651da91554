/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Registers of a device that are mapped into this process.
 *
 * Registers are little endian and go by 32 bits, which every PCI device and
 * every CPU can do in one access. A write is ordered after all earlier writes
 * to memory, so that a doorbell never overtakes the command it announces; a
 * read is ordered before all later reads from memory.
 */
#ifndef MMIO_H
#define MMIO_H

#include <endian.h>
#include <stddef.h>

#include <linux/types.h>

static inline void dma_fence(void)
{
#if defined(__x86_64__)
	/* Loads and stores keep their order by themselves; hold the compiler back. */
	__asm__ __volatile__("" ::: "memory");
#elif defined(__aarch64__)
	__asm__ __volatile__("dmb osh" ::: "memory");
#else
	__sync_synchronize();
#endif
}

static inline __u32 mmio_read32(void *base, size_t offset)
{
	__u32 *reg = (__u32 *)((char *)base + offset);
	__u32 value = le32toh(__atomic_load_n(reg, __ATOMIC_RELAXED));

	dma_fence();
	return value;
}

static inline void mmio_write32(void *base, size_t offset, __u32 value)
{
	__u32 *reg = (__u32 *)((char *)base + offset);

	dma_fence();
	__atomic_store_n(reg, htole32(value), __ATOMIC_RELAXED);
}

static inline __u64 mmio_read64(void *base, size_t offset)
{
	__u64 low = mmio_read32(base, offset);

	return low | (__u64)mmio_read32(base, offset + 4) << 32;
}

static inline void mmio_write64(void *base, size_t offset, __u64 value)
{
	mmio_write32(base, offset, value);
	mmio_write32(base, offset + 4, value >> 32);
}

#endif
