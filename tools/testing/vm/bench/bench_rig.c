// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The rig: an NVMe controller of vfio-pci, attached by the backend to an address
 * space, and the proof that it sees what is mapped and nothing else.
 *
 * The proof reads the disk. Its image is lines of 16 bytes that count up, so
 * that each page tells from where on the disk it came.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/vfio.h>

#include "bench.h"
#include "say.h"

#define LINE		16
#define FIRST_LINE	100000000000000ull
#define POISON		0xa5

/**
 * bench_map() - Map memory at a given I/O address
 * @bench: the rig
 * @va: the memory
 * @length: bytes
 * @iova: where the device shall see it
 */
void bench_map(struct bench *bench, void *va, size_t length, __u64 iova)
{
	bench->calls++;
	must(bench->backend->map(bench, va, length, iova),
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

	bench->calls++;
	must(bench->backend->map_anywhere(bench, va, length, &iova),
	     "cannot map %zu bytes anywhere", length);
	return iova;
}

/**
 * bench_map_file() - Map a part of a memfd at a given I/O address
 * @bench: the rig
 * @fd: the memfd
 * @offset: first byte of it
 * @length: bytes
 * @iova: where the device shall see it
 */
void bench_map_file(struct bench *bench, int fd, __u64 offset, size_t length, __u64 iova)
{
	bench->calls++;
	must(bench->backend->map_file(bench, fd, offset, length, iova),
	     "cannot map %zu bytes of a file at %#llx", length, iova);
}

/**
 * bench_unmap() - Unmap all areas of a range
 * @bench: the rig
 * @iova: first I/O address
 * @length: bytes
 */
void bench_unmap(struct bench *bench, __u64 iova, __u64 length)
{
	bench->calls++;
	must(bench->backend->unmap(bench, iova, length),
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
 * bench_rig_restart() - Open the device anew and start the controller
 * @bench: the rig, closed or never open
 */
void bench_rig_restart(struct bench *bench)
{
	bench->backend->open(bench, bench->bdf);
	bench_map(bench, bench->queues, NVME_MEMORY, QUEUES_IOVA);
	must(nvme_start(&bench->nvme, &bench->dev, bench->queues, QUEUES_IOVA),
	     "the controller does not come up");
}

/**
 * bench_rig_start() - Open the first NVMe controller and start it
 * @bench: the rig, with a backend
 */
void bench_rig_start(struct bench *bench)
{
	static const struct pci_match nvme = { 0x0108, PCI_ANY, PCI_ANY };

	must(pci_find(&nvme, bench->bdf), "this machine has no NVMe controller");
	must(pci_give_to_vfio(bench->bdf), "cannot bind %s to vfio-pci", bench->bdf);
	bench->queues = mmap(NULL, NVME_MEMORY, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(bench->queues == MAP_FAILED ? -errno : 0, "no memory for the queues");
	bench_rig_restart(bench);
}

/**
 * bench_rig_quiesce() - Stop the controller and let its registers go
 * @bench: the rig
 *
 * The device's descriptor is then the only one that holds it.
 */
void bench_rig_quiesce(struct bench *bench)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = 0 };

	nvme_stop(&bench->nvme);
	must(ioctl(bench->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &info) ? -errno : 0,
	     "the size of the registers is not known");
	must(munmap((void *)bench->nvme.registers.base, info.size) ? -errno : 0,
	     "cannot unmap the registers");
}

/**
 * bench_rig_stop() - Give everything back
 * @bench: the rig
 */
void bench_rig_stop(struct bench *bench)
{
	bench_rig_quiesce(bench);
	bench_unmap(bench, QUEUES_IOVA, NVME_MEMORY);
	bench->backend->close(bench);
	munmap(bench->queues, NVME_MEMORY);
}
