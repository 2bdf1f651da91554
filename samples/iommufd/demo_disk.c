// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Step 2: a disk is read by DMA into memory of this process.
 *
 * Two pieces of memory are mapped for the device. The queues go to an address
 * that the kernel picks; the data goes where we want it.
 */
#include <strings.h>

#include "demo.h"
#include "iommufd_util.h"
#include "say.h"
#include "sha256.h"

static void start_controller(struct demo *demo)
{
	struct nvme *nvme = &demo->nvme;
	void *memory = demo_memory(NVME_MEMORY);

	must(ioas_map(demo->iommufd, demo->ioas, memory, NVME_MEMORY, &demo->queues_iova),
	     "cannot map the queues");
	say_ok("queues mapped where it fits", "%u KiB at %#llx",
	       NVME_MEMORY >> 10, demo->queues_iova);

	must(nvme_start(nvme, &demo->nvme_dev, memory, demo->queues_iova),
	     "the controller does not come up");
	say_ok("controller up, identified", "%s", nvme->model);
	say_detail("", "NVMe %u.%u, firmware %s", nvme->major, nvme->minor, nvme->firmware);
	say_detail("", "serial %s", nvme->serial);
	say_detail("namespace 1", "%llu MiB in blocks of %u bytes",
		   nvme->lba_count * nvme->lba_size / MIB, nvme->lba_size);
}

static void read_disk(struct demo *demo)
{
	struct nvme_stats stats;

	demo->data_size = demo->mib * MIB;
	if (demo->nvme.lba_count * demo->nvme.lba_size < demo->data_size)
		fail("the disk has less than %zu MiB", demo->mib);
	demo->data = demo_memory(demo->data_size);
	must(ioas_map_at(demo->iommufd, demo->ioas, demo->data, demo->data_size, DATA_IOVA),
	     "cannot map %zu MiB for the data", demo->mib);
	say_ok("data buffer mapped where we want", "%zu MiB at %#llx", demo->mib, DATA_IOVA);

	must(nvme_read_range(&demo->nvme, 0, DATA_IOVA, demo->data_size, &stats),
	     "reading the disk failed");
	if (stats.depth < 2)
		fail("the controller took one command at a time");
	say_ok("disk read by DMA", "%zu MiB in %.2f s: %.0f MiB/s", demo->mib,
	       stats.seconds, demo->mib / stats.seconds);
	say_detail("", "%u reads of %u KiB, %u in flight",
		   stats.commands, demo->nvme.io_bytes >> 10, stats.depth);
}

static void compare_hash(struct demo *demo)
{
	char hex[SHA256_HEX_SIZE];

	sha256_hex(demo->data, demo->data_size, hex);
	if (!demo->sha256) {
		say_detail("SHA-256, not compared", "%s", "");
		say_wrapped("", hex);
		return;
	}
	if (strcasecmp(hex, demo->sha256))
		fail("the data has the SHA-256\n%s, and not\n%s", hex, demo->sha256);
	say_ok("SHA-256 is that of the host", "%.16s...%s", hex, hex + SHA256_HEX_SIZE - 17);
	demo->matched = true;
}

/**
 * demo_disk() - Read the disk by DMA and compare the data's hash
 * @demo: the state
 */
void demo_disk(struct demo *demo)
{
	say_heading(2, "The disk, read by DMA into this process");
	start_controller(demo);
	read_disk(demo);
	compare_hash(demo);
}
