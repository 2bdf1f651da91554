// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Why a call failed: see iommufd_report.h for how a reason gets from where it is known to
 * where it is read.
 *
 * A note belongs to the thread that wrote it until the thread's call is over; a
 * later one of the same call replaces it.  Nothing waits for a note: when more
 * threads fail at once than there are notes, the oldest loses its text and its
 * call is recorded without.
 *
 * &iommufd_log.lock is a leaf; text is formatted before it is taken.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/iommufd_report.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "trace.h"

static const char *const why_names[WHY_NUM] = {
	[WHY_UNSPECIFIED] = "unspecified",
	[WHY_NO_OBJECT] = "no-object",
	[WHY_BUSY] = "busy",
	[WHY_BAD_FLAGS] = "bad-flags",
	[WHY_BAD_SIZE] = "bad-size",
	[WHY_BAD_ARGUMENT] = "bad-argument",
	[WHY_OVERFLOW] = "overflow",
	[WHY_MISALIGNED] = "misaligned",
	[WHY_RESERVED] = "reserved",
	[WHY_OVERLAP] = "overlap",
	[WHY_NO_SPACE] = "no-space",
	[WHY_HOLE] = "hole",
	[WHY_PARTIAL] = "partial",
	[WHY_IN_PROGRESS] = "in-progress",
	[WHY_PERMISSION] = "permission",
	[WHY_MEMLOCK] = "memlock",
	[WHY_NO_MEMORY] = "no-memory",
	[WHY_FAULT] = "fault",
	[WHY_BAD_FILE] = "bad-file",
	[WHY_SEALED] = "sealed",
	[WHY_NOT_SUPPORTED] = "not-supported",
	[WHY_COHERENCY] = "coherency",
	[WHY_UNSAFE_MSI] = "unsafe-msi",
	[WHY_OWNED] = "owned",
	[WHY_GROUP] = "group",
	[WHY_NO_IOMMU] = "no-iommu",
	[WHY_DRIVER] = "driver",
	[WHY_PROCESS_GONE] = "process-gone",
	[WHY_DEADLOCK] = "deadlock",
};

/**
 * iommufd_why_name - the name of a code
 * @why: the code
 *
 * Return: a string constant, the same in every version.
 */
const char *iommufd_why_name(enum iommufd_why why)
{
	if (why >= WHY_NUM)
		why = WHY_UNSPECIFIED;
	return why_names[why];
}

/**
 * iommufd_log_init - make an empty log
 * @log: the log
 */
void iommufd_log_init(struct iommufd_log *log)
{
	*log = (struct iommufd_log){};
	spin_lock_init(&log->lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_log_init, "IOMMUFD");

/* The note of the running thread, or NULL. */
static struct iommufd_refusal *own_note(struct iommufd_log *log)
{
	unsigned int i;

	lockdep_assert_held(&log->lock);
	for (i = 0; i < ARRAY_SIZE(log->notes); i++)
		if (log->notes[i].pid == current->pid)
			return &log->notes[i];
	return NULL;
}

/* A note for the running thread: its own, a free one, or the oldest. */
static struct iommufd_refusal *take_note(struct iommufd_log *log)
{
	struct iommufd_refusal *note = own_note(log);
	unsigned int i;

	if (note)
		return note;
	for (i = 0; i < ARRAY_SIZE(log->notes); i++) {
		note = &log->notes[log->next_note++ % ARRAY_SIZE(log->notes)];
		if (!note->pid)
			break;
	}
	/* All are taken: the one after the last that was given away is oldest. */
	if (note->pid)
		note = &log->notes[log->next_note++ % ARRAY_SIZE(log->notes)];
	else
		WRITE_ONCE(log->pending, log->pending + 1);
	note->pid = current->pid;
	return note;
}

static void drop_note(struct iommufd_log *log, struct iommufd_refusal *note)
{
	lockdep_assert_held(&log->lock);
	note->pid = 0;
	WRITE_ONCE(log->pending, log->pending - 1);
}

/**
 * iommufd_refuse - note why the running call fails
 * @log: log of the file the call was made on, or NULL
 * @rc: negative errno
 * @why: code
 * @fmt: sentence with the numbers that decided; what does not fit is cut
 *
 * Context: any but interrupts.
 * Return: @rc.
 */
int iommufd_refuse(struct iommufd_log *log, int rc, enum iommufd_why why,
		   const char *fmt, ...)
{
	char text[IOMMUFD_LOG_TEXT];
	struct iommufd_refusal *note;
	va_list args;

	if (!log)
		return rc;
	va_start(args, fmt);
	vscnprintf(text, sizeof(text), fmt, args);
	va_end(args);

	guard(spinlock)(&log->lock);
	note = take_note(log);
	note->rc = rc;
	note->why = why;
	strscpy(note->text, text);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_refuse, "IOMMUFD");

static void seal(struct iommufd_log *log, const struct iommufd_refusal *note,
		 const char *call, int rc)
{
	struct iommufd_refusal *entry;

	lockdep_assert_held(&log->lock);
	entry = &log->entries[log->seq++ % ARRAY_SIZE(log->entries)];
	if (note) {
		*entry = *note;
	} else {
		entry->why = WHY_UNSPECIFIED;
		scnprintf(entry->text, sizeof(entry->text), "%pe", ERR_PTR(rc));
	}
	entry->seq = log->seq;
	entry->pid = 0;
	entry->rc = rc;
	entry->call = call;
	trace_iommufd_refused(call, rc, iommufd_why_name(entry->why), entry->text);
}

/**
 * __iommufd_report_result - seal or drop what the running call noted
 * @log: log of the file the call was made on
 * @call: name of the call, a string constant
 * @rc: its result
 *
 * Context: any but interrupts.
 */
void __iommufd_report_result(struct iommufd_log *log, const char *call, int rc)
{
	struct iommufd_refusal *note;

	guard(spinlock)(&log->lock);
	note = own_note(log);
	if (rc < 0)
		seal(log, note, call, rc);
	if (note)
		drop_note(log, note);
}
EXPORT_SYMBOL_NS_GPL(__iommufd_report_result, "IOMMUFD");

/**
 * iommufd_log_show - print a log
 * @log: the log
 * @m: where to
 *
 * One line for each refusal, oldest first: number, call, errno, reason, sentence.
 */
void iommufd_log_show(struct iommufd_log *log, struct seq_file *m)
{
	const struct iommufd_refusal *entry;
	unsigned int i;

	guard(spinlock)(&log->lock);
	for (i = 0; i < ARRAY_SIZE(log->entries); i++) {
		entry = &log->entries[(log->seq + i) % ARRAY_SIZE(log->entries)];
		if (entry->seq)
			seq_printf(m, "refused:\t%llu %s errno=%d reason=%s %s\n",
				   entry->seq, entry->call, -entry->rc,
				   iommufd_why_name(entry->why), entry->text);
	}
}
EXPORT_SYMBOL_NS_GPL(iommufd_log_show, "IOMMUFD");
