// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Large ranges pinned by several threads: memory that nobody has touched yet has to be
 * allocated and cleared, which takes far longer than anything else in a call.
 *
 * The range is cut into pieces.  Threads take them in ascending order; the caller works,
 * too, and helpers that have not begun when the last piece is taken are sent home.  Each
 * piece has runs of its own, which the caller puts together at the end.
 *
 * A piece that cannot be pinned stops the pieces above it and no others: those below are
 * what the caller alone would have pinned before it came across the error.  The caller goes
 * over the incomplete pieces by itself, from the lowest on, and so finds the same error, or
 * waits as long as it takes, or is killed.
 *
 * Helpers work for the caller: with its rights, for its memory control group, and no longer
 * than it lives (pin_helpers.h).
 *
 * Locks: none.  &pin_job.next and &pin_job.end are changed by all threads, a piece by the
 * one that took it and, when all have ended, by the caller.  Calls lib/pfn_runs, pins and
 * pin_helpers.
 */
#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/iommufd_report.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../lib/pfn_runs.h"
#include "pin_helpers.h"
#include "pin_parallel.h"
#include "pins.h"

/**
 * struct pin_piece - a piece of the range
 * @runs: what of it is pinned, from its first page on
 */
struct pin_piece {
	struct pfn_runs runs;
};

/**
 * struct pin_job - a range that is being pinned
 * @how: what and how
 * @caller: the thread that wants it; when it is killed all stop
 * @cred: its rights
 * @memcg: see &pin_parallel.mm
 * @next: index of the first piece that nobody has taken
 * @end: index of the lowest piece that cannot be pinned; those above need not be
 * @npieces: how many there are
 * @pieces: the pieces
 * @nhelpers: how many there are
 * @helpers: the helpers
 */
struct pin_job {
	const struct pin_parallel *how;
	struct task_struct *caller;
	const struct cred *cred;
	struct mem_cgroup *memcg;
	atomic_long_t next;
	unsigned long end;
	unsigned long npieces;
	struct pin_piece *pieces;
	unsigned int nhelpers;
	struct pin_helper {
		struct work_struct work;
		struct pin_job *job;
	} helpers[] __counted_by(nhelpers);
};

static unsigned long piece_first(const struct pin_job *job, unsigned long i)
{
	return job->how->first + i * job->how->piece;
}

static unsigned long piece_npages(const struct pin_job *job, unsigned long i)
{
	return min(job->how->piece, job->how->npages - i * job->how->piece);
}

static bool must_stop(const struct pin_job *job, unsigned long i)
{
	return i >= READ_ONCE(job->end) || fatal_signal_pending(job->caller);
}

/* Piece @i cannot be pinned. */
static void stop_above(struct pin_job *job, unsigned long i)
{
	unsigned long end = READ_ONCE(job->end);

	while (i < end && !try_cmpxchg(&job->end, &end, i))
		;
}

/* Pin piece @i as far as possible without waiting: true if there was nothing to wait for. */
static bool pin_piece(struct pin_job *job, unsigned long i, struct pin_array *array)
{
	struct pfn_runs *runs = &job->pieces[i].runs;
	unsigned long first = piece_first(job, i);
	unsigned long npages = piece_npages(job, i), done;
	long got;

	while ((done = pfn_runs_npages(runs)) < npages && !must_stop(job, i)) {
		got = job->how->step(job->how, first + done, npages - done, array, runs);
		if (got == -EAGAIN)
			return false;
		if (got < 0)
			stop_above(job, i);
		if (got <= 0)
			break;
		cond_resched();
	}
	return true;
}

/* Let the others go on; false when they have taken everything. */
static bool wait_for_lock(struct pin_job *job, unsigned long i)
{
	if (atomic_long_read(&job->next) >= job->npieces || must_stop(job, i))
		return false;
	schedule_timeout_idle(1);
	return true;
}

static bool finish_piece(struct pin_job *job, unsigned long i, struct pin_array *array)
{
	while (!pin_piece(job, i, array))
		if (!wait_for_lock(job, i))
			return false;
	return true;
}

/* The next piece that nobody has taken, or none. */
static unsigned long take_piece(struct pin_job *job)
{
	unsigned long i = atomic_long_fetch_inc(&job->next);

	return i >= job->npieces || must_stop(job, i) ? job->npieces : i;
}

static void pin_pieces(struct pin_job *job)
{
	struct pin_array array __uninitialized;
	unsigned long i;

	if (pin_array_init(&array, job->how->piece))
		return;
	while ((i = take_piece(job)) < job->npieces)
		pin_piece(job, i, &array);
	pin_array_free(&array);
}

/* A helper keeps a piece until it is done, or goes home. */
static void help_with_pieces(struct pin_job *job)
{
	struct pin_array array __uninitialized;
	unsigned long i;

	if (pin_array_init(&array, job->how->piece))
		return;
	while (pin_helpers_have_room(job->memcg)) {
		i = take_piece(job);
		if (i == job->npieces || !finish_piece(job, i, &array))
			break;
	}
	pin_array_free(&array);
}

/*
 * With the rights of the caller, and at the cost of its memory control group.  Not in its
 * address space: then this CPU would have to be interrupted whenever a page table changes.
 */
static void help_as_caller(struct pin_job *job)
{
	const struct cred *old_cred = override_creds(job->cred);
	struct mem_cgroup *old_memcg = set_active_memcg(job->memcg);

	help_with_pieces(job);
	set_active_memcg(old_memcg);
	revert_creds(old_cred);
}

static void help(struct work_struct *work)
{
	struct pin_job *job = container_of(work, struct pin_helper, work)->job;

	pin_helpers_promise(job->how->piece);
	help_as_caller(job);
	pin_helpers_keep(job->how->piece);
}

static void run(struct pin_job *job)
{
	unsigned int i;

	for (i = 0; i < job->nhelpers; i++)
		pin_helpers_queue(&job->helpers[i].work);
	pin_pieces(job);
	/* Who waits for the mmap lock now would keep the caller waiting, who gets it sooner. */
	atomic_long_set(&job->next, job->npieces);
	for (i = 0; i < job->nhelpers; i++)
		cancel_work_sync(&job->helpers[i].work);
}

/* Append a piece and what is missing of it; on failure it may keep some of its pages. */
static int append_piece(struct pin_job *job, unsigned long i,
			struct pfn_runs *runs, struct iommufd_log *log)
{
	struct pfn_runs *piece = &job->pieces[i].runs;
	unsigned long done = pfn_runs_npages(piece);
	unsigned long npages = piece_npages(job, i);

	if (done && pfn_runs_join(runs, piece, GFP_KERNEL_ACCOUNT))
		return iommufd_refuse(log, -ENOMEM, WHY_NO_MEMORY,
				      "no memory to describe pinned pages");
	if (done == npages)
		return 0;
	return job->how->rest(job->how, piece_first(job, i) + done, npages - done,
			      runs, log);
}

static int gather(struct pin_job *job, struct pfn_runs *runs, struct iommufd_log *log)
{
	unsigned long i;
	int rc = 0;

	for (i = 0; i < job->npieces; i++) {
		if (!rc)
			rc = append_piece(job, i, runs, log);
		if (rc)
			job->how->discard(job->how, &job->pieces[i].runs);
	}
	return rc;
}

static struct pin_job *job_new(const struct pin_parallel *how)
{
	unsigned long npieces = DIV_ROUND_UP(how->npages, how->piece);
	unsigned int nhelpers = min(how->nthreads, npieces) - 1;
	struct pin_job *job __free(kfree) =
		kzalloc_flex(*job, helpers, nhelpers, GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	job->pieces = kvcalloc(npieces, sizeof(*job->pieces), GFP_KERNEL_ACCOUNT);
	if (!job->pieces)
		return NULL;
	job->how = how;
	job->caller = current;
	job->cred = current_cred();
	job->memcg = get_mem_cgroup_from_mm(how->mm);
	job->end = npieces;
	job->npieces = npieces;
	job->nhelpers = nhelpers;
	for (unsigned int i = 0; i < nhelpers; i++) {
		job->helpers[i].job = job;
		INIT_WORK(&job->helpers[i].work, help);
	}
	return no_free_ptr(job);
}

static void job_free(struct pin_job *job)
{
	mem_cgroup_put(job->memcg);
	kvfree(job->pieces);
	kfree(job);
}

/**
 * pin_parallel - pin a range together with others
 * @how: what and how
 * @runs: where its pages are appended
 * @log: where a refusal is told
 *
 * Context: may sleep, may fault; its helpers sleep and fault meanwhile.
 * Return: 0; what &pin_parallel.rest says, -ENOMEM.  What was pinned then and is in @runs
 * is left there.
 */
int pin_parallel(const struct pin_parallel *how, struct pfn_runs *runs,
		 struct iommufd_log *log)
{
	struct pin_job *job = job_new(how);
	int rc;

	if (!job)
		return how->rest(how, how->first, how->npages, runs, log);
	run(job);
	rc = gather(job, runs, log);
	job_free(job);
	return rc;
}
