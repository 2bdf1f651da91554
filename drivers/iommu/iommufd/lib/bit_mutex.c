// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mutexes of one bit: waiting for one, and what is to be done at its end.
 *
 * Waiters stand in the queue of the bit (bit_waitqueue()) until they leave, with or without
 * the lock, so none loses its place.  Rules against lost wake-ups:
 *
 *  - a waiter is in the queue before it sets the bit WAITERS, and tries to lock after it;
 *  - only who holds the lock clears the bit, and sets it again if it finds the queue in use;
 *  - who gives up tries to lock a last time after it has left the queue, since the wake-up
 *    that it got may have been the only one.
 *
 * A bit that is left behind by killed waiters costs a look into the queue per unlock, until
 * the next waiter gets the lock.
 *
 * Locks: the queue's, a leaf.  Calls the scheduler only.
 */
#include <linux/errno.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/sched/signal.h>
#include <linux/wait_bit.h>

#include "bit_mutex.h"

/* Looks before sleeping: a few microseconds, in which most holders are done. */
#define LOOKS 100

/**
 * struct bit_mutex_waiter - somebody who waits
 * @queued: in the queue
 * @late: has woken up before, and the lock was taken; gets it from who unlocks
 * @owns: has got it
 */
struct bit_mutex_waiter {
	struct wait_bit_queue_entry queued;
	bool late;
	bool owns;
};

static bool try_lock(unsigned long *word)
{
	return !test_and_set_bit_lock(BIT_MUTEX_LOCKED, word);
}

/* Called by who has unlocked, with the queue's lock held; negative: look no further. */
static int wake_waiter(struct wait_queue_entry *entry, unsigned int mode, int flags,
		       void *arg)
{
	struct bit_mutex_waiter *waiter =
		container_of(entry, struct bit_mutex_waiter, queued.wq_entry);
	const struct wait_bit_key *key = arg;

	if (waiter->queued.key.flags != key->flags ||
	    waiter->queued.key.bit_nr != key->bit_nr)
		return 0;
	if (!READ_ONCE(waiter->late))
		return test_bit(BIT_MUTEX_LOCKED, key->flags) ?
		       -1 : default_wake_function(entry, mode, flags, NULL);
	if (!try_lock(key->flags))
		return -1;
	WRITE_ONCE(waiter->owns, true);
	default_wake_function(entry, mode, flags, NULL);
	return 1;
}

/* In the queue, until the lock is there or the wait is over. */
static int wait_in_queue(struct wait_queue_head *queue, struct bit_mutex_waiter *waiter,
			 unsigned long *word, unsigned int state)
{
	for (;;) {
		prepare_to_wait_exclusive(queue, &waiter->queued.wq_entry, state);
		set_bit(BIT_MUTEX_WAITERS, word);
		if (READ_ONCE(waiter->owns) || try_lock(word))
			return 0;
		if (signal_pending_state(state, current))
			return -EINTR;
		schedule();
		WRITE_ONCE(waiter->late, true);
	}
}

static bool look_a_while(unsigned long *word)
{
	for (unsigned int i = 0; i < LOOKS && !need_resched(); i++) {
		if (!test_bit(BIT_MUTEX_LOCKED, word) && try_lock(word))
			return true;
		cpu_relax();
	}
	return false;
}

/**
 * bit_mutex_wait - lock a mutex that was found locked
 * @mutex: the mutex
 * @state: TASK_KILLABLE or TASK_UNINTERRUPTIBLE
 *
 * Context: may sleep.
 * Return: 0 when it is locked; -EINTR when a signal ended the wait.
 */
int __sched bit_mutex_wait(struct bit_mutex *mutex, unsigned int state)
{
	unsigned long *word = &mutex->word;
	struct wait_queue_head *queue = bit_waitqueue(word, BIT_MUTEX_LOCKED);
	struct bit_mutex_waiter waiter = {
		.queued.key.flags = word,
		.queued.key.bit_nr = BIT_MUTEX_LOCKED,
		.queued.wq_entry.private = current,
		.queued.wq_entry.func = wake_waiter,
		.queued.wq_entry.entry = LIST_HEAD_INIT(waiter.queued.wq_entry.entry),
	};
	int rc;

	if (look_a_while(word))
		return 0;
	rc = wait_in_queue(queue, &waiter, word, state);
	finish_wait(queue, &waiter.queued.wq_entry);
	/* Nobody wakes this one any more. */
	if (rc && !waiter.owns && !try_lock(word))
		return rc;

	clear_bit(BIT_MUTEX_WAITERS, word);
	smp_mb__after_atomic(); /* others come into the queue first and set the bit then */
	/* Is somebody there, perhaps for another bit? */
	if (waitqueue_active(queue))
		set_bit(BIT_MUTEX_WAITERS, word);
	return 0;
}

/**
 * bit_mutex_wake - tell the first waiter that the mutex is free
 * @word: of the mutex; nothing may be left there
 *
 * Context: any.
 */
void bit_mutex_wake(unsigned long *word)
{
	/* Who has set the bit was in the queue before. */
	smp_mb();
	wake_up_bit(word, BIT_MUTEX_LOCKED);
}
