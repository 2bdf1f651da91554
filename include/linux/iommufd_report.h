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
 * Stable names (X-macro: enum WHY_<NAME>, printed in lower case with dashes).
 * Append only.
 */
#define IOMMUFD_WHY_LIST(X)                                                    \
	X(UNSPECIFIED, "unspecified")                                          \
	X(NO_OBJECT, "no-object")                                              \
	X(BUSY, "busy")                                                        \
	X(BAD_FLAGS, "bad-flags")                                              \
	X(BAD_SIZE, "bad-size")                                                \
	X(BAD_ARGUMENT, "bad-argument")                                        \
	X(OVERFLOW, "overflow")                                                \
	X(MISALIGNED, "misaligned")                                            \
	X(RESERVED, "reserved")                                                \
	X(OVERLAP, "overlap")                                                  \
	X(NO_SPACE, "no-space")                                                \
	X(HOLE, "hole")                                                        \
	X(PARTIAL, "partial")                                                  \
	X(IN_PROGRESS, "in-progress")                                          \
	X(PERMISSION, "permission")                                            \
	X(MEMLOCK, "memlock")                                                  \
	X(NO_MEMORY, "no-memory")                                              \
	X(FAULT, "fault")                                                      \
	X(BAD_FILE, "bad-file")                                                \
	X(SEALED, "sealed")                                                    \
	X(NOT_SUPPORTED, "not-supported")                                      \
	X(COHERENCY, "coherency")                                              \
	X(UNSAFE_MSI, "unsafe-msi")                                            \
	X(OWNED, "owned")                                                      \
	X(GROUP, "group")                                                      \
	X(NO_IOMMU, "no-iommu")                                                \
	X(DRIVER, "driver")                                                    \
	X(PROCESS_GONE, "process-gone")                                        \
	X(DEADLOCK, "deadlock")

enum iommufd_why {
#define X(name, text) WHY_##name,
	IOMMUFD_WHY_LIST(X)
#undef X
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
