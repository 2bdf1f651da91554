/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Why a call failed.
 *
 * Every file keeps its last few refusals: the call, the errno, a fixed code and
 * a sentence with the numbers that decided.  A room that refuses writes
 *
 *	return iommufd_refuse(log, -EEXIST, WHY_OVERLAP, "iova 0x%lx ...", ...);
 *
 * which notes the sentence for the running task; the entry point of the call
 * then seals it with the call's name and the final errno by
 * iommufd_report_result(), or drops it when the call succeeded after all.  A call
 * that succeeds and noted nothing pays one load.
 *
 * Locks: &iommufd_log.lock, a spinlock and a leaf.
 */
#ifndef __LINUX_IOMMUFD_REPORT_H
#define __LINUX_IOMMUFD_REPORT_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct seq_file;

#define IOMMUFD_LOG_ENTRIES 8
#define IOMMUFD_LOG_TEXT 120

/*
 * Codes of the reasons.  Each has a name for user space that never changes
 * (report.c); append only.
 */
enum iommufd_why {
	WHY_UNSPECIFIED,
	WHY_NO_OBJECT,
	WHY_BUSY,
	WHY_BAD_FLAGS,
	WHY_BAD_SIZE,
	WHY_BAD_ARGUMENT,
	WHY_OVERFLOW,
	WHY_MISALIGNED,
	WHY_RESERVED,
	WHY_OVERLAP,
	WHY_NO_SPACE,
	WHY_HOLE,
	WHY_PARTIAL,
	WHY_IN_PROGRESS,
	WHY_PERMISSION,
	WHY_MEMLOCK,
	WHY_NO_MEMORY,
	WHY_FAULT,
	WHY_BAD_FILE,
	WHY_SEALED,
	WHY_NOT_SUPPORTED,
	WHY_COHERENCY,
	WHY_UNSAFE_MSI,
	WHY_OWNED,
	WHY_GROUP,
	WHY_NO_IOMMU,
	WHY_DRIVER,
	WHY_PROCESS_GONE,
	WHY_DEADLOCK,
	WHY_NUM, /* number of codes, none itself */
};

/**
 * struct iommufd_refusal - one entry of the log
 * @seq: counts refusals of this file from 1; 0 is an unused entry
 * @pid: thread that noted it, while it is not sealed; 0 when sealed
 * @rc: negative errno
 * @why: code
 * @call: name of the call, a string constant
 * @text: sentence
 */
struct iommufd_refusal {
	u64 seq;
	pid_t pid;
	int rc;
	enum iommufd_why why;
	const char *call;
	char text[IOMMUFD_LOG_TEXT];
};

/**
 * struct iommufd_log - refusals of one file
 * @lock: protects all below
 * @pending: notes that are not sealed yet
 * @next_note: the next of @notes to be reused when all are taken
 * @seq: refusals so far
 * @entries: sealed ones, a ring by @seq
 * @notes: notes of calls that are running, one a task; the oldest is reused
 */
struct iommufd_log {
	spinlock_t lock; /* a leaf */
	unsigned int pending;
	unsigned int next_note;
	u64 seq;
	struct iommufd_refusal entries[IOMMUFD_LOG_ENTRIES];
	struct iommufd_refusal notes[4];
};

void iommufd_log_init(struct iommufd_log *log);

/* Note the reason for this task's call; returns @rc.  @log may be NULL. */
__printf(4, 5) int iommufd_refuse(struct iommufd_log *log, int rc,
				  enum iommufd_why why, const char *fmt, ...);

/* Name of a code as it is printed; "unspecified" for an unknown one. */
const char *iommufd_why_name(enum iommufd_why why);

/* Slow half of iommufd_report_result(). */
void __iommufd_report_result(struct iommufd_log *log, const char *call, int rc);

/**
 * iommufd_report_result - seal or drop what the running call noted
 * @log: log of the file the call was made on
 * @call: name of the call, a string constant
 * @rc: its result; values >= 0 are success
 *
 * A failure for which nothing was noted is recorded as WHY_UNSPECIFIED with the
 * errno's name.  Context: any; takes a spinlock only on failure or after a note.
 */
static inline void iommufd_report_result(struct iommufd_log *log,
					 const char *call, int rc)
{
	if (unlikely(rc < 0 || READ_ONCE(log->pending)))
		__iommufd_report_result(log, call, rc);
}

/* "refused:\t<seq> <CALL> errno=<N> reason=<code> <text>" a line, oldest first. */
void iommufd_log_show(struct iommufd_log *log, struct seq_file *m);
#endif
