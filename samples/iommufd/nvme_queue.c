// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A pair of NVMe queues.
 *
 * Commands are 64-byte entries of a ring in memory. Writing the ring's tail to
 * a doorbell register makes the controller fetch them. It answers with 16-byte
 * entries of another ring, whose phase bit flips with each round, so that a new
 * answer is told from an old one by looking at memory alone.
 */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "mmio.h"
#include "nvme_queue.h"

#define REG_DOORBELLS	0x1000
#define PAGE_BYTES	4096
#define ANSWER_MS	2000	/* how long to wait for the next answer */

static_assert(sizeof(struct nvme_sqe) == 64, "entry of a submission queue");
static_assert(sizeof(struct nvme_cqe) == 16, "entry of a completion queue");

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/**
 * nvme_queue_init() - Begin with empty queues
 * @queue: filled in
 * @registers: of the controller
 * @id: number of the pair; 0 is the admin pair
 * @sq_page: a page of memory for the commands
 * @cq_page: a page of memory for the answers
 *
 * The controller has to be told about the queues by the caller.
 */
void nvme_queue_init(struct nvme_queue *queue, const struct nvme_registers *registers,
		     unsigned int id, void *sq_page, void *cq_page)
{
	unsigned int max = registers->max_entries;

	memset(sq_page, 0, PAGE_BYTES);
	memset(cq_page, 0, PAGE_BYTES);
	*queue = (struct nvme_queue) {
		.registers = registers->base,
		.sq_doorbell = REG_DOORBELLS + 2 * id * registers->doorbell_stride,
		.cq_doorbell = REG_DOORBELLS + (2 * id + 1) * registers->doorbell_stride,
		.id = id,
		.entries = max < NVME_QUEUE_ENTRIES ? max : NVME_QUEUE_ENTRIES,
		.sq = sq_page,
		.cq = cq_page,
		.phase = 1,
	};
}

/**
 * nvme_queue_put() - Write a command into the queue
 * @queue: with room for it
 * @sqe: the command
 *
 * The controller learns of it with nvme_queue_submit().
 */
void nvme_queue_put(struct nvme_queue *queue, const struct nvme_sqe *sqe)
{
	queue->sq[queue->sq_tail] = *sqe;
	queue->sq_tail = (queue->sq_tail + 1) % queue->entries;
}

/**
 * nvme_queue_submit() - Make the controller fetch the commands put so far
 * @queue: the queue
 */
void nvme_queue_submit(struct nvme_queue *queue)
{
	mmio_write32(queue->registers, queue->sq_doorbell, queue->sq_tail);
}

/* Take one answer if there is one. */
static bool take(struct nvme_queue *queue, struct nvme_answer *answer)
{
	/* What the answer speaks of must be read after the answer. */
	__u32 raw = __atomic_load_n(&queue->cq[queue->cq_head].id_status, __ATOMIC_ACQUIRE);
	__u32 id_status = le32toh(raw);

	if ((id_status >> 16 & 1) != queue->phase)
		return false;
	answer->id = id_status & 0xffff;
	answer->status = id_status >> 17 & 0x7ff;
	if (++queue->cq_head == queue->entries) {
		queue->cq_head = 0;
		queue->phase ^= 1;
	}
	return true;
}

/**
 * nvme_queue_wait() - Wait for one answer
 * @queue: with at least one command submitted
 * @answer: filled in
 *
 * Return: 0; -ETIMEDOUT when the controller is silent.
 */
int nvme_queue_wait(struct nvme_queue *queue, struct nvme_answer *answer)
{
	long long deadline = now_ms() + ANSWER_MS;

	while (!take(queue, answer)) {
		if (now_ms() > deadline)
			return -ETIMEDOUT;
		sched_yield();
	}
	/* The answer's entry is free again. */
	mmio_write32(queue->registers, queue->cq_doorbell, queue->cq_head);
	return 0;
}
