/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A small NVMe driver in user space: one admin queue pair, one I/O queue pair,
 * no interrupts, reads only.
 *
 * The caller gives it a piece of memory that it has mapped for the device, and
 * the address by which the device reaches it. Data buffers are given by their
 * I/O address alone: the driver never touches the data.
 */
#ifndef NVME_H
#define NVME_H

#include <stddef.h>

#include <linux/types.h>

#include "nvme_queue.h"
#include "vfio_util.h"

#define NVME_PAGE	4096u
#define NVME_DEPTH	32u		/* commands in flight at most */
#define NVME_IO_MAX	(128u << 10)	/* bytes in one command at most */

/* Two queue pairs, a page for answers, a list of pages for each command in flight. */
#define NVME_MEMORY	((5 + NVME_DEPTH) * NVME_PAGE)

struct nvme {
	struct vfio_device *dev;
	struct nvme_registers registers;
	unsigned char *memory;
	__u64 memory_iova;
	unsigned int timeout_ms;	/* for the controller to become ready */
	struct nvme_queue admin, io;

	/* From IDENTIFY. */
	char model[41], serial[21], firmware[9];
	unsigned int major, minor;	/* of the specification */
	unsigned int lba_size;		/* bytes */
	__u64 lba_count;
	unsigned int io_bytes;		/* in one command */
};

/* What a run of reads did. */
struct nvme_stats {
	unsigned int commands;
	unsigned int depth;		/* most commands in flight at one time */
	double seconds;
};

int nvme_start(struct nvme *nvme, struct vfio_device *dev, void *memory, __u64 iova);
int nvme_restart(struct nvme *nvme);
void nvme_stop(struct nvme *nvme);
int nvme_read_range(struct nvme *nvme, __u64 offset, __u64 iova, __u64 length,
		    struct nvme_stats *stats);
int nvme_read_page(struct nvme *nvme, __u64 offset, __u64 iova, unsigned int *status);

#endif
