/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A mutex of one bit, for structures of which there are very many.
 *
 * It is a lock as a folio has one: a bit to hold it, and a bit that tells whoever unlocks
 * that somebody waits, in one of the queues which all of the kernel's bits share.  The word
 * has more bits, which are the owner's.
 *
 * Differences from &struct mutex, which is the better choice where its size does not
 * matter: who holds it is not known.  So nobody watches the holder run, but only
 * looks a few times before it sleeps; and nobody lends the holder a priority.
 *
 * Fairness: waiters stand in a queue.  Somebody who comes along may take the lock before
 * the first of them has woken up, but only once: after that it gets the lock from whoever
 * unlocks, who cannot take it again first.  What remains is a race of a few
 * instructions with somebody on another CPU.
 *
 * The rules are those of a mutex: who locks unlocks, not in interrupts; the memory stays
 * until everybody is out of bit_mutex_lock().  Who unlocks does not touch it any more once
 * the lock is free.  lockdep sees all of it.
 */
#ifndef __IOMMUFD_LIB_BIT_MUTEX_H
#define __IOMMUFD_LIB_BIT_MUTEX_H

#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/instruction_pointer.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/sched.h>

/* The word: bits 1 to 6, and those from BIT_MUTEX_BITS on, are the owner's. */
#define BIT_MUTEX_LOCKED 0
#define BIT_MUTEX_WAITERS 7 /* see xor_unlock_is_negative_byte() */
#define BIT_MUTEX_BITS 8

context_lock_struct(bit_mutex);

/**
 * struct bit_mutex - a mutex of one bit
 * @word: the bits.  Others than the mutex's are read at any time; who changes them while
 *	  others may know the mutex does so by atomic operations
 */
struct bit_mutex {
	unsigned long word;
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	/* private: */
	struct lockdep_map dep_map;
#endif
};

/* What is rare. */
int bit_mutex_wait(struct bit_mutex *mutex, unsigned int state);
void bit_mutex_wake(unsigned long *word);

static inline void bit_mutex_init_key(struct bit_mutex *mutex, unsigned long word,
				      const char *name, struct lock_class_key *key)
{
	mutex->word = word;
	lockdep_init_map_wait(&mutex->dep_map, name, key, 0, LD_WAIT_SLEEP);
}

/**
 * bit_mutex_init - make a mutex
 * @mutex: the mutex; nobody else knows it
 * @word: the owner's bits
 */
#define bit_mutex_init(mutex, word)                                            \
	do {                                                                   \
		static struct lock_class_key __key;                            \
									       \
		bit_mutex_init_key(mutex, word, #mutex, &__key);               \
	} while (0)

static inline int bit_mutex_lock_state(struct bit_mutex *mutex, unsigned int state,
				       unsigned int subclass)
	__cond_acquires(0, mutex)
{
	might_sleep();
	mutex_acquire(&mutex->dep_map, subclass, 0, _THIS_IP_);
	if (unlikely(test_and_set_bit_lock(BIT_MUTEX_LOCKED, &mutex->word))) {
		lock_contended(&mutex->dep_map, _THIS_IP_);
		if (bit_mutex_wait(mutex, state)) {
			mutex_release(&mutex->dep_map, _THIS_IP_);
			return -EINTR;
		}
	}
	lock_acquired(&mutex->dep_map, _THIS_IP_);
	__acquire(mutex);
	return 0;
}

/**
 * bit_mutex_lock_nested - lock, while another mutex of the same class is held
 * @mutex: the mutex
 * @subclass: tells lockdep which of the two it is
 *
 * Context: may sleep.
 */
static inline void bit_mutex_lock_nested(struct bit_mutex *mutex, unsigned int subclass)
	__acquires(mutex)
{
	bit_mutex_lock_state(mutex, TASK_UNINTERRUPTIBLE, subclass);
}

/**
 * bit_mutex_lock - lock
 * @mutex: the mutex
 *
 * Context: may sleep.
 */
static inline void bit_mutex_lock(struct bit_mutex *mutex)
	__acquires(mutex)
{
	bit_mutex_lock_nested(mutex, 0);
}

/**
 * bit_mutex_lock_killable - lock, unless the caller is being killed
 * @mutex: the mutex
 *
 * Context: may sleep.
 * Return: 0; -EINTR when the caller was killed while it waited: not locked.
 */
static inline int __must_check bit_mutex_lock_killable(struct bit_mutex *mutex)
	__cond_acquires(0, mutex)
{
	return bit_mutex_lock_state(mutex, TASK_KILLABLE, 0);
}

/**
 * bit_mutex_unlock - unlock
 * @mutex: the mutex, held by the caller
 *
 * Context: any that could lock.
 */
static inline void bit_mutex_unlock(struct bit_mutex *mutex)
	__releases(mutex)
{
	mutex_release(&mutex->dep_map, _THIS_IP_);
	__release(mutex);
	if (unlikely(xor_unlock_is_negative_byte(BIT(BIT_MUTEX_LOCKED), &mutex->word)))
		bit_mutex_wake(&mutex->word);
}

DEFINE_LOCK_GUARD_1(bit_mutex, struct bit_mutex, bit_mutex_lock(_T->lock),
		    bit_mutex_unlock(_T->lock))
DEFINE_LOCK_GUARD_1_COND(bit_mutex, _kill, bit_mutex_lock_killable(_T->lock), _RET == 0)

DECLARE_LOCK_GUARD_1_ATTRS(bit_mutex, __acquires(_T), __releases(*(struct bit_mutex **)_T))
#define class_bit_mutex_constructor(_T) WITH_LOCK_GUARD_1_ATTRS(bit_mutex, _T)
DECLARE_LOCK_GUARD_1_ATTRS(bit_mutex_kill, __acquires(_T), __releases(*(struct bit_mutex **)_T))
#define class_bit_mutex_kill_constructor(_T) WITH_LOCK_GUARD_1_ATTRS(bit_mutex_kill, _T)

#endif
