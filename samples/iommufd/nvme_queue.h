/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A pair of NVMe queues: commands go out by one, answers come in by the other.
 */
#ifndef NVME_QUEUE_H
#define NVME_QUEUE_H

#include <stddef.h>

#include <linux/types.h>

#define NVME_QUEUE_ENTRIES	64u	/* at most; one page of commands */

/* A command, in the submission queue. All members are little endian. */
struct nvme_sqe {
	__u32 opcode_id;	/* opcode, and the command's ID from bit 16 */
	__u32 nsid;
	__u64 reserved[2];
	__u64 prp1, prp2;
	__u32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
};

/* An answer, in the completion queue. All members are little endian. */
struct nvme_cqe {
	__u32 result;
	__u32 reserved;
	__u32 sq_head;
	__u32 id_status;	/* command's ID, phase in bit 16, status above */
};

/* An answer, as it is handed out. */
struct nvme_answer {
	unsigned int id;
	unsigned int status;	/* 0: success */
};

struct nvme_queue {
	void *registers;
	size_t sq_doorbell, cq_doorbell;
	unsigned int id;
	unsigned int entries;
	struct nvme_sqe *sq;
	struct nvme_cqe *cq;
	unsigned int sq_tail;
	unsigned int cq_head;
	unsigned int phase;	/* of an answer that is new */
};

/* Where the registers are, and how they are laid out. */
struct nvme_registers {
	void *base;
	unsigned int doorbell_stride;	/* bytes */
	unsigned int max_entries;	/* of a queue */
};

void nvme_queue_init(struct nvme_queue *queue, const struct nvme_registers *registers,
		     unsigned int id, void *sq_page, void *cq_page);
void nvme_queue_put(struct nvme_queue *queue, const struct nvme_sqe *sqe);
void nvme_queue_submit(struct nvme_queue *queue);
int nvme_queue_wait(struct nvme_queue *queue, struct nvme_answer *answer);

#endif
