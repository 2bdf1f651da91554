// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The rig: an NVMe controller of vfio-pci, attached to an IOAS through its
 * device node, and the proof that it sees what is mapped and nothing else.
 *
 * The proof reads the disk. Its image is lines of 16 bytes that count up, so
 * that each page tells from where on the disk it came.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench.h"
#include "iommufd_util.h"
#include "say.h"

#define LINE		16
#define FIRST_LINE	100000000000000ull
#define POISON		0xa5

/**
 * bench_ns() - Read the clock
 *
 * Under QEMU's -icount shift=0 this counts the guest's instructions.
 *
 * Return: nanoseconds.
 */
__u64 bench_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/**
 * bench_map() - Map memory at a given I/O address
 * @bench: the rig
 * @va: the memory
 * @length: bytes
 * @iova: where the device shall see it
 */
void bench_map(struct bench *bench, void *va, size_t length, __u64 iova)
{
	must(ioas_map_at(bench->iommufd, bench->ioas, va, length, iova),
	     "cannot map %zu bytes at %#llx", length, iova);
}

/**
 * bench_map_anywhere() - Map memory where the kernel finds room
 * @bench: the rig
 * @va: the memory
 * @length: bytes
 *
 * Return: the I/O address.
 */
__u64 bench_map_anywhere(struct bench *bench, void *va, size_t length)
{
	__u64 iova;

	must(ioas_map(bench->iommufd, bench->ioas, va, length, &iova),
	     "cannot map %zu bytes anywhere", length);
	return iova;
}

/**
 * bench_unmap() - Unmap all areas of a range
 * @bench: the rig
 * @iova: first I/O address
 * @length: bytes
 */
void bench_unmap(struct bench *bench, __u64 iova, __u64 length)
{
	must(ioas_unmap(bench->iommufd, bench->ioas, iova, length),
	     "cannot unmap %#llx bytes at %#llx", length, iova);
}

/**
 * bench_must_see() - Let the device write a page of the disk, and see it arrive
 * @bench: the rig
 * @va: a page of memory
 * @iova: where it is mapped
 */
void bench_must_see(struct bench *bench, void *va, __u64 iova)
{
	unsigned char *page = va;
	unsigned int status, i;
	char line[32];

	memset(page, POISON, PAGE);
	must(nvme_read_page(&bench->nvme, bench->disk_offset, iova, &status),
	     "the device does not answer");
	if (status)
		fail("the device cannot write to %#llx: status %#x", iova, status);
	for (i = 0; i < PAGE / LINE; i++) {
		snprintf(line, sizeof(line), "%llu\n",
			 FIRST_LINE + bench->disk_offset / LINE + i);
		if (memcmp(page + i * LINE, line, LINE))
			fail("the device wrote to %#llx, but this did not arrive", iova);
	}
	bench->disk_offset += PAGE;
}

/**
 * bench_must_not_see() - Let the device write a page of the disk, and see nothing arrive
 * @bench: the rig
 * @va: a page of memory
 * @iova: where it was mapped
 *
 * What the device says of it does not count: QEMU's reports success.
 */
void bench_must_not_see(struct bench *bench, void *va, __u64 iova)
{
	unsigned char *page = va;
	unsigned int status, i;
	int rc;

	memset(page, POISON, PAGE);
	rc = nvme_read_page(&bench->nvme, bench->disk_offset, iova, &status);
	for (i = 0; i < PAGE; i++) {
		if (page[i] != POISON)
			fail("the device reached memory that was unmapped from %#llx", iova);
	}
	if (rc)
		must(nvme_restart(&bench->nvme), "the device does not come up again");
}

/**
 * bench_rig_start() - Attach the first NVMe controller to a new IOAS and start it
 * @bench: filled in
 */
void bench_rig_start(struct bench *bench)
{
	static const struct pci_match nvme = { 0x0108, PCI_ANY, PCI_ANY };
	char bdf[PCI_BDF_SIZE] = "";
	void *queues;

	must(pci_find(&nvme, bdf), "this machine has no NVMe controller");
	must(pci_give_to_vfio(bdf), "cannot bind %s to vfio-pci", bdf);
	bench->iommufd = iommufd_open();
	must(bench->iommufd, "cannot open /dev/iommu");
	must(ioas_alloc(bench->iommufd, &bench->ioas), "cannot make an IOAS");
	must(vfio_open(&bench->dev, bdf), "cannot open the VFIO device of %s", bdf);
	must(vfio_bind(bench->dev.fd, bench->iommufd, &bench->dev.id), "cannot bind %s", bdf);
	must(vfio_reset(&bench->dev), "cannot reset %s", bdf);
	must(vfio_attach(&bench->dev, bench->ioas), "cannot attach %s", bdf);

	queues = mmap(NULL, NVME_MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(queues == MAP_FAILED ? -errno : 0, "no memory for the queues");
	bench_map(bench, queues, NVME_MEMORY, QUEUES_IOVA);
	must(nvme_start(&bench->nvme, &bench->dev, queues, QUEUES_IOVA),
	     "the controller does not come up");
}

/**
 * bench_rig_stop() - Give everything back, step by step
 * @bench: the rig
 */
void bench_rig_stop(struct bench *bench)
{
	nvme_stop(&bench->nvme);
	bench_unmap(bench, QUEUES_IOVA, NVME_MEMORY);
	must(vfio_detach(&bench->dev), "cannot detach the device");
	vfio_close(&bench->dev);
	must(iommufd_destroy(bench->iommufd, bench->ioas), "cannot destroy the IOAS");
}
