// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A small NVMe driver in user space.
 *
 * It talks to the controller through registers (mmio.h) to start and stop it,
 * and through queues in memory (nvme_queue.c) for everything else. All addresses
 * that the controller is given are I/O virtual addresses of the address space
 * that it is attached to.
 *
 * Functions return 0 or a negative errno and print nothing: -ETIMEDOUT when the
 * controller does not answer, -EIO when it answers with an error.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "mmio.h"
#include "nvme.h"

/* Registers. */
#define REG_CAP		0x00	/* what the controller can do */
#define REG_VS		0x08	/* version */
#define REG_CC		0x14	/* configuration */
#define REG_CSTS	0x1c	/* status */
#define REG_AQA		0x24	/* sizes of the admin queues */
#define REG_ASQ		0x28	/* address of the admin submission queue */
#define REG_ACQ		0x30	/* address of the admin completion queue */

#define CC_ENABLE	0x1
#define CC_SQE_64	0x060000	/* log2 of the entry sizes */
#define CC_CQE_16	0x400000
#define CSTS_READY	0x1
#define CSTS_FATAL	0x2

/* Admin commands. */
#define ADMIN_CREATE_SQ		0x01
#define ADMIN_CREATE_CQ		0x05
#define ADMIN_IDENTIFY		0x06
#define ADMIN_SET_FEATURES	0x09
#define FEATURE_QUEUES		0x07
#define IDENTIFY_NAMESPACE	0
#define IDENTIFY_CONTROLLER	1

#define IO_READ			0x02

#define NAMESPACE	1

/* Pages of the driver's memory. */
enum memory_page {
	PAGE_ADMIN_SQ,
	PAGE_ADMIN_CQ,
	PAGE_IO_SQ,
	PAGE_IO_CQ,
	PAGE_ANSWER,		/* of IDENTIFY */
	PAGE_PRP_LISTS,		/* one page for each command in flight, to the end */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static unsigned char *page_va(struct nvme *nvme, unsigned int page)
{
	return nvme->memory + (size_t)page * NVME_PAGE;
}

static __u64 page_iova(struct nvme *nvme, unsigned int page)
{
	return nvme->memory_iova + (__u64)page * NVME_PAGE;
}

static void queue_init(struct nvme *nvme, struct nvme_queue *queue, unsigned int id,
		       enum memory_page sq_page, enum memory_page cq_page)
{
	nvme_queue_init(queue, &nvme->registers, id, page_va(nvme, sq_page),
			page_va(nvme, cq_page));
}

static int admin(struct nvme *nvme, const struct nvme_sqe *sqe)
{
	struct nvme_answer answer;
	int rc;

	nvme_queue_put(&nvme->admin, sqe);
	nvme_queue_submit(&nvme->admin);
	rc = nvme_queue_wait(&nvme->admin, &answer);
	if (rc)
		return rc;
	return answer.status ? -EIO : 0;
}

/* Controller. */

static int wait_ready(struct nvme *nvme, __u32 ready)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int left;

	for (left = nvme->timeout_ms; left; left--) {
		__u32 csts = mmio_read32(nvme->registers.base, REG_CSTS);

		if ((csts & CSTS_READY) == ready)
			return 0;
		if (ready && (csts & CSTS_FATAL))
			return -EIO;
		nanosleep(&ms, NULL);
	}
	return -ETIMEDOUT;
}

static int disable(struct nvme *nvme)
{
	mmio_write32(nvme->registers.base, REG_CC, 0);
	return wait_ready(nvme, 0);
}

/* The admin queues are the only ones whose place is told through registers. */
static int enable(struct nvme *nvme)
{
	void *base = nvme->registers.base;
	__u32 size;

	queue_init(nvme, &nvme->admin, 0, PAGE_ADMIN_SQ, PAGE_ADMIN_CQ);
	size = nvme->admin.entries - 1;
	mmio_write32(base, REG_AQA, size << 16 | size);
	mmio_write64(base, REG_ASQ, page_iova(nvme, PAGE_ADMIN_SQ));
	mmio_write64(base, REG_ACQ, page_iova(nvme, PAGE_ADMIN_CQ));
	mmio_write32(base, REG_CC, CC_ENABLE | CC_SQE_64 | CC_CQE_16);
	return wait_ready(nvme, CSTS_READY);
}

static int identify(struct nvme *nvme, unsigned int what, unsigned int nsid)
{
	struct nvme_sqe sqe = {
		.opcode_id = htole32(ADMIN_IDENTIFY),
		.nsid = htole32(nsid),
		.prp1 = htole64(page_iova(nvme, PAGE_ANSWER)),
		.cdw10 = htole32(what),
	};

	return admin(nvme, &sqe);
}

/* Text in IDENTIFY is filled up with spaces. */
static void copy_text(char *out, const unsigned char *in, size_t length)
{
	memcpy(out, in, length);
	while (length && (out[length - 1] == ' ' || !out[length - 1]))
		length--;
	out[length] = 0;
}

static int identify_controller(struct nvme *nvme)
{
	const unsigned char *answer = page_va(nvme, PAGE_ANSWER);
	int rc = identify(nvme, IDENTIFY_CONTROLLER, 0);

	if (rc)
		return rc;
	copy_text(nvme->serial, answer + 4, 20);
	copy_text(nvme->model, answer + 24, 40);
	copy_text(nvme->firmware, answer + 64, 8);
	/* log2 of the pages in one transfer; 0 is no limit */
	nvme->io_bytes = NVME_IO_MAX;
	if (answer[77] && answer[77] < 16 && NVME_PAGE << answer[77] < NVME_IO_MAX)
		nvme->io_bytes = NVME_PAGE << answer[77];
	return 0;
}

static int identify_namespace(struct nvme *nvme)
{
	const unsigned char *answer = page_va(nvme, PAGE_ANSWER);
	unsigned int lba_lg2;
	__u64 lba_count;
	int rc = identify(nvme, IDENTIFY_NAMESPACE, NAMESPACE);

	if (rc)
		return rc;
	memcpy(&lba_count, answer, sizeof(lba_count));
	nvme->lba_count = le64toh(lba_count);
	lba_lg2 = answer[128 + 4 * (answer[26] & 0xf) + 2];
	if (!nvme->lba_count)
		return -ENODEV;
	if (lba_lg2 < 9 || lba_lg2 > 12)	/* we read by pages */
		return -ENOTSUP;
	nvme->lba_size = 1u << lba_lg2;
	return 0;
}

static int create_io_queues(struct nvme *nvme)
{
	const struct nvme_sqe one_pair = {
		.opcode_id = htole32(ADMIN_SET_FEATURES),
		.cdw10 = htole32(FEATURE_QUEUES),
		.cdw11 = htole32(0),	/* counted from 0, both kinds */
	};
	struct nvme_sqe sqe = { 0 };
	__u32 size_id;
	int rc;

	rc = admin(nvme, &one_pair);
	if (rc)
		return rc;

	queue_init(nvme, &nvme->io, 1, PAGE_IO_SQ, PAGE_IO_CQ);
	size_id = (nvme->io.entries - 1) << 16 | nvme->io.id;
	sqe.opcode_id = htole32(ADMIN_CREATE_CQ);
	sqe.prp1 = htole64(page_iova(nvme, PAGE_IO_CQ));
	sqe.cdw10 = htole32(size_id);
	sqe.cdw11 = htole32(1);				/* contiguous, no interrupts */
	rc = admin(nvme, &sqe);
	if (rc)
		return rc;

	sqe.opcode_id = htole32(ADMIN_CREATE_SQ);
	sqe.prp1 = htole64(page_iova(nvme, PAGE_IO_SQ));
	sqe.cdw11 = htole32(nvme->io.id << 16 | 1);	/* its completion queue */
	return admin(nvme, &sqe);
}

/**
 * nvme_restart() - Bring the controller up anew, whatever state it is in
 * @nvme: the driver, started before
 *
 * Return: 0; -ETIMEDOUT; -EIO; -ENODEV for an empty namespace 1; -ENOTSUP for
 * one with blocks of more than a page.
 */
int nvme_restart(struct nvme *nvme)
{
	int rc = disable(nvme);

	if (!rc)
		rc = enable(nvme);
	if (!rc)
		rc = identify_controller(nvme);
	if (!rc)
		rc = identify_namespace(nvme);
	if (!rc)
		rc = create_io_queues(nvme);
	return rc;
}

/**
 * nvme_start() - Take a controller over and bring it up
 * @nvme: filled in
 * @dev: the device, attached to an address space
 * @memory: NVME_MEMORY bytes, aligned to a page, for the driver's own use
 * @iova: address by which the device reaches @memory
 *
 * Return: as nvme_restart(); -ENOTSUP when the controller cannot work with
 * pages of 4 KiB; -errno of the VFIO call that failed.
 */
int nvme_start(struct nvme *nvme, struct vfio_device *dev, void *memory, __u64 iova)
{
	struct vfio_bar bar;
	__u64 cap;
	__u32 version;
	int rc;

	*nvme = (struct nvme) { .dev = dev, .memory = memory, .memory_iova = iova };
	rc = vfio_enable_dma(dev);
	if (rc)
		return rc;
	rc = vfio_map_bar(dev, 0, &bar);
	if (rc)
		return rc;

	nvme->registers.base = bar.base;
	cap = mmio_read64(nvme->registers.base, REG_CAP);
	if (cap >> 48 & 0xf)			/* log2 of the smallest page, less 12 */
		return -ENOTSUP;
	nvme->registers.doorbell_stride = 4u << (cap >> 32 & 0xf);
	nvme->registers.max_entries = (cap & 0xffff) + 1;
	nvme->timeout_ms = 500 * ((cap >> 24 & 0xff) + 1);
	version = mmio_read32(nvme->registers.base, REG_VS);
	nvme->major = version >> 16;
	nvme->minor = version >> 8 & 0xff;
	return nvme_restart(nvme);
}

/**
 * nvme_stop() - Stop the controller
 * @nvme: the driver
 *
 * It does no DMA afterwards, so that its memory can be unmapped.
 */
void nvme_stop(struct nvme *nvme)
{
	disable(nvme);
}

/* Reads. */

/*
 * Tell the controller where the data goes. It takes addresses by pages (PRP):
 * one or two fit in the command, more go in a list in memory. The pages follow
 * each other in I/O addresses however they are scattered in physical memory,
 * because the IOMMU translates each.
 */
static void set_pages(struct nvme *nvme, struct nvme_sqe *sqe, unsigned int slot,
		      __u64 iova, unsigned int length)
{
	__u64 *list = (void *)page_va(nvme, PAGE_PRP_LISTS + slot);
	unsigned int pages = length / NVME_PAGE;
	unsigned int i;

	sqe->prp1 = htole64(iova);
	if (pages == 2)
		sqe->prp2 = htole64(iova + NVME_PAGE);
	if (pages <= 2)
		return;
	for (i = 1; i < pages; i++)
		list[i - 1] = htole64(iova + (__u64)i * NVME_PAGE);
	sqe->prp2 = htole64(page_iova(nvme, PAGE_PRP_LISTS + slot));
}

static void put_read(struct nvme *nvme, unsigned int slot, __u64 offset, __u64 iova,
		     unsigned int length)
{
	__u64 lba = offset / nvme->lba_size;
	struct nvme_sqe sqe = {
		.opcode_id = htole32(IO_READ | slot << 16),
		.nsid = htole32(NAMESPACE),
		.cdw10 = htole32((__u32)lba),
		.cdw11 = htole32((__u32)(lba >> 32)),
		.cdw12 = htole32(length / nvme->lba_size - 1),
	};

	set_pages(nvme, &sqe, slot, iova, length);
	nvme_queue_put(&nvme->io, &sqe);
}

/**
 * nvme_read_range() - Read a long piece of the disk with many commands in flight
 * @nvme: the driver
 * @offset: first byte on the disk, a multiple of the page size
 * @iova: where the device shall write it, page aligned
 * @length: bytes, a multiple of the page size
 * @stats: filled in
 *
 * Return: 0; -ERANGE when the disk is too small; -ETIMEDOUT; -EIO.
 */
int nvme_read_range(struct nvme *nvme, __u64 offset, __u64 iova, __u64 length,
		    struct nvme_stats *stats)
{
	unsigned int limit = nvme->io.entries - 1 < NVME_DEPTH ? nvme->io.entries - 1 : NVME_DEPTH;
	unsigned int free_slots[NVME_DEPTH];
	unsigned int in_flight = 0;
	__u64 asked = 0;
	double start = now();
	unsigned int i;

	if (offset + length > nvme->lba_count * nvme->lba_size)
		return -ERANGE;
	*stats = (struct nvme_stats) { 0 };
	for (i = 0; i < limit; i++)
		free_slots[i] = i;

	while (asked < length || in_flight) {
		struct nvme_answer answer;
		int rc;

		for (; asked < length && in_flight < limit; stats->commands++) {
			__u64 left = length - asked;
			unsigned int bytes = left < nvme->io_bytes ? left : nvme->io_bytes;
			unsigned int slot = free_slots[limit - ++in_flight];

			put_read(nvme, slot, offset + asked, iova + asked, bytes);
			asked += bytes;
		}
		nvme_queue_submit(&nvme->io);
		if (stats->depth < in_flight)
			stats->depth = in_flight;

		rc = nvme_queue_wait(&nvme->io, &answer);
		if (rc)
			return rc;
		if (answer.status || answer.id >= limit)
			return -EIO;
		free_slots[limit - in_flight--] = answer.id;
	}
	stats->seconds = now() - start;
	return 0;
}

/**
 * nvme_read_page() - Read one page of the disk, whatever comes of it
 * @nvme: the driver
 * @offset: first byte on the disk, a multiple of the page size
 * @iova: where the device shall write it, page aligned
 * @status: set to the controller's status code, 0 for success
 *
 * Return: 0 when the controller answered; -ETIMEDOUT when it did not, and needs
 * nvme_restart().
 */
int nvme_read_page(struct nvme *nvme, __u64 offset, __u64 iova, unsigned int *status)
{
	struct nvme_answer answer;
	int rc;

	put_read(nvme, 0, offset, iova, NVME_PAGE);
	nvme_queue_submit(&nvme->io);
	rc = nvme_queue_wait(&nvme->io, &answer);
	if (!rc)
		*status = answer.status;
	return rc;
}
