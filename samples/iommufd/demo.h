/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the steps of the demo share.
 */
#ifndef DEMO_H
#define DEMO_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#include "edu.h"
#include "nvme.h"
#include "vfio_util.h"

#define MIB		0x100000ull

/*
 * The I/O address space is ours to lay out. The disk's data goes above 4 GiB,
 * the page that is taken away from the devices in step 3 where edu reaches it.
 */
#define DATA_IOVA	0x100000000ull
#define VICTIM_IOVA	(128 * MIB)

struct demo {
	/* What the user asked for. */
	char nvme_bdf[PCI_BDF_SIZE];
	char edu_bdf[PCI_BDF_SIZE];
	const char *sha256;	/* NULL: nothing to compare with */
	size_t mib;
	bool with_edu;
	bool with_reasons;

	/* Step 1. */
	int iommufd;
	__u32 ioas;
	struct vfio_device nvme_dev;
	struct vfio_device edu_dev;

	/* Step 2. */
	struct nvme nvme;
	__u64 queues_iova;
	unsigned char *data;
	size_t data_size;

	/* What was proved. */
	bool matched;
	unsigned int isolated;		/* devices */
	unsigned int refused;		/* calls, as expected */
	unsigned int explained;		/* of those, with the kernel's reason */
};

void *demo_memory(size_t size);

void demo_attach(struct demo *demo);
void demo_disk(struct demo *demo);
void demo_isolation(struct demo *demo);
void demo_refusals(struct demo *demo);

#endif
