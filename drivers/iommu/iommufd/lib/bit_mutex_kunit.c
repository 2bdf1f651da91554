// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of mutexes of one bit: threads that fight for one.
 *
 * Nothing here depends on how fast a thread is.  Only a mutex that is broken makes the
 * tests wait for GIVE_UP; then the threads are left behind with what they look at.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "bit_mutex.h"

#define NTHREADS 6
#define ROUNDS 200
#define GIVE_UP (100 * HZ)

/* The owner's bits: a constant above, and a flag that is changed under the mutex. */
#define CONSTANT (12345UL << BIT_MUTEX_BITS | BIT(2))
#define FLAG 1

/**
 * struct fight - what threads fight for
 * @mutex: the mutex
 * @inside: threads in the section
 * @count: sections, changed without care
 * @clashes: sections that were not alone
 * @killed: waits that ended without the mutex
 * @order: who came in, in this order
 * @norder: how many of these
 * @going: threads that are not done
 * @done: none is left
 * @fighter: the threads
 */
struct fight {
	struct bit_mutex mutex;
	atomic_t inside;
	unsigned int count;
	atomic_t clashes;
	atomic_t killed;
	unsigned int order[NTHREADS];
	unsigned int norder;
	atomic_t going;
	struct completion done;
	struct fighter {
		struct fight *fight;
		struct task_struct *task;
		unsigned int index;
		bool at_door;
		bool inside;
	} fighter[NTHREADS];
};

/* Something that goes wrong when two do it, and that lets others run. */
static void section(struct fight *fight)
{
	unsigned int count = READ_ONCE(fight->count);

	if (atomic_inc_return(&fight->inside) != 1)
		atomic_inc(&fight->clashes);
	if (count % 2)
		set_bit(FLAG, &fight->mutex.word);
	else
		clear_bit(FLAG, &fight->mutex.word);
	if (count % 8 == 0)
		schedule_timeout_uninterruptible(1);
	if (test_bit(FLAG, &fight->mutex.word) != count % 2)
		atomic_inc(&fight->clashes);
	atomic_dec(&fight->inside);
	WRITE_ONCE(fight->count, count + 1);
}

static int leave(struct fight *fight)
{
	if (atomic_dec_and_test(&fight->going))
		complete(&fight->done);
	return 0;
}

static int count_up(void *data)
{
	struct fighter *fighter = data;
	struct fight *fight = fighter->fight;

	for (unsigned int i = 0; i < ROUNDS; i++)
		scoped_guard(bit_mutex, &fight->mutex)
			section(fight);
	return leave(fight);
}

/* As often as it takes; whoever is killed begins the round again. */
static int count_up_killable(void *data)
{
	struct fighter *fighter = data;
	struct fight *fight = fighter->fight;
	unsigned int i = 0;

	allow_signal(SIGKILL);
	while (i < ROUNDS) {
		ACQUIRE(bit_mutex_kill, lock)(&fight->mutex);
		if (ACQUIRE_ERR(bit_mutex_kill, &lock)) {
			atomic_inc(&fight->killed);
			flush_signals(current);
			continue;
		}
		section(fight);
		i++;
	}
	return leave(fight);
}

/* Once, and tell when. */
static int take_once(void *data)
{
	struct fighter *fighter = data;
	struct fight *fight = fighter->fight;

	WRITE_ONCE(fighter->at_door, true);
	bit_mutex_lock(&fight->mutex);
	WRITE_ONCE(fighter->inside, true);
	fight->order[fight->norder++] = fighter->index;
	bit_mutex_unlock(&fight->mutex);
	return leave(fight);
}

static int take_once_though_killed(void *data)
{
	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	return take_once(data);
}

static int take_killable(void *data)
{
	struct fighter *fighter = data;
	struct fight *fight = fighter->fight;

	allow_signal(SIGKILL);
	WRITE_ONCE(fighter->at_door, true);
	if (bit_mutex_lock_killable(&fight->mutex)) {
		atomic_inc(&fight->killed);
	} else {
		fight->order[fight->norder++] = fighter->index;
		bit_mutex_unlock(&fight->mutex);
	}
	return leave(fight);
}

static void start(struct kunit *test, struct fight *fight, unsigned int index,
		  int (*what)(void *data))
{
	struct fighter *fighter = &fight->fighter[index];
	struct task_struct *task;

	fighter->fight = fight;
	fighter->index = index;
	task = kthread_create(what, fighter, "bit-mutex-%u", index);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	fighter->task = get_task_struct(task);
	wake_up_process(task);
}

/* Until a thread sleeps in the queue, as it has to; nothing else there puts it to sleep. */
static void wait_until_asleep(struct fighter *fighter, unsigned int state)
{
	while (!READ_ONCE(fighter->inside) &&
	       (!READ_ONCE(fighter->at_door) ||
		READ_ONCE(fighter->task->__state) != state))
		schedule_timeout_uninterruptible(1);
}

static struct fight *fight_new(struct kunit *test, unsigned int nthreads)
{
	/* Not the test's: it is left behind when threads are. */
	struct fight *fight = kzalloc_obj(*fight);

	KUNIT_ASSERT_NOT_NULL(test, fight);
	bit_mutex_init(&fight->mutex, CONSTANT);
	init_completion(&fight->done);
	atomic_set(&fight->going, nthreads);
	return fight;
}

/* All threads come to their end, and the mutex is as it was. */
static void wait_for_all(struct kunit *test, struct fight *fight)
{
	unsigned long changing = BIT(FLAG) | BIT(BIT_MUTEX_WAITERS);

	KUNIT_ASSERT_NE_MSG(test, 0, wait_for_completion_timeout(&fight->done, GIVE_UP),
			    "word 0x%lx, %u sections, %d threads left", fight->mutex.word,
			    fight->count, atomic_read(&fight->going));
	KUNIT_EXPECT_EQ(test, CONSTANT, fight->mutex.word & ~changing);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&fight->clashes));
}

static void fight_free(struct fight *fight)
{
	for (unsigned int i = 0; i < NTHREADS; i++)
		if (fight->fighter[i].task)
			kthread_stop_put(fight->fighter[i].task);
	kfree(fight);
}

/* The owner's bits are the owner's. */
static void test_alone(struct kunit *test)
{
	struct bit_mutex mutex;

	bit_mutex_init(&mutex, CONSTANT);
	for (unsigned int i = 0; i < 3; i++) {
		bit_mutex_lock(&mutex);
		KUNIT_EXPECT_EQ(test, CONSTANT | BIT(BIT_MUTEX_LOCKED), mutex.word);
		bit_mutex_unlock(&mutex);
		KUNIT_EXPECT_EQ(test, CONSTANT, mutex.word);
		KUNIT_ASSERT_EQ(test, 0, bit_mutex_lock_killable(&mutex));
		KUNIT_EXPECT_EQ(test, CONSTANT | BIT(BIT_MUTEX_LOCKED), mutex.word);
		bit_mutex_unlock(&mutex);
		KUNIT_EXPECT_EQ(test, CONSTANT, mutex.word);
	}
}

/* One at a time, and nobody sleeps for ever. */
static void test_exclusion(struct kunit *test)
{
	struct fight *fight = fight_new(test, NTHREADS);

	for (unsigned int i = 0; i < NTHREADS; i++)
		start(test, fight, i, count_up);
	wait_for_all(test, fight);
	KUNIT_EXPECT_EQ(test, NTHREADS * ROUNDS, fight->count);
	fight_free(fight);
}

/* Whoever is killed takes no wake-up along that another needs. */
static void test_exclusion_and_kills(struct kunit *test)
{
	struct fight *fight = fight_new(test, NTHREADS);
	unsigned long end = jiffies + GIVE_UP;

	for (unsigned int i = 0; i < NTHREADS; i++)
		start(test, fight, i, i % 3 ? count_up_killable : count_up);
	for (unsigned int i = 0; !completion_done(&fight->done); i++) {
		if (i % 3)
			send_sig(SIGKILL, fight->fighter[i % NTHREADS].task, 1);
		schedule_timeout_uninterruptible(1);
		if (time_after(jiffies, end))
			break;
	}
	wait_for_all(test, fight);
	KUNIT_EXPECT_EQ(test, NTHREADS * ROUNDS, fight->count);
	fight_free(fight);
}

/* In the order in which they came. */
static void test_queue(struct kunit *test)
{
	struct fight *fight = fight_new(test, NTHREADS);

	bit_mutex_lock(&fight->mutex);
	for (unsigned int i = 0; i < NTHREADS; i++) {
		start(test, fight, i, take_once);
		wait_until_asleep(&fight->fighter[i], TASK_UNINTERRUPTIBLE);
	}
	KUNIT_EXPECT_EQ(test, 0, fight->norder);
	bit_mutex_unlock(&fight->mutex);
	wait_for_all(test, fight);
	for (unsigned int i = 0; i < NTHREADS; i++)
		KUNIT_EXPECT_EQ(test, i, fight->order[i]);
	fight_free(fight);
}

/* The end of a killed one's wait needs nobody to unlock. */
static void test_kill(struct kunit *test)
{
	struct fight *fight = fight_new(test, 2);

	bit_mutex_lock(&fight->mutex);
	start(test, fight, 0, take_killable);
	wait_until_asleep(&fight->fighter[0], TASK_KILLABLE);
	start(test, fight, 1, take_once_though_killed);
	wait_until_asleep(&fight->fighter[1], TASK_UNINTERRUPTIBLE);

	send_sig(SIGKILL, fight->fighter[0].task, 1);
	for (unsigned long end = jiffies + GIVE_UP;
	     !atomic_read(&fight->killed) && time_before(jiffies, end);)
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ(test, 1, atomic_read(&fight->killed));
	KUNIT_EXPECT_EQ(test, 0, fight->norder);

	bit_mutex_unlock(&fight->mutex);
	wait_for_all(test, fight);
	KUNIT_EXPECT_EQ(test, 1, fight->norder);
	KUNIT_EXPECT_EQ(test, 1, fight->order[0]);
	fight_free(fight);
}

/* A waiter that comes too late once is not passed by again. */
static void test_hand_over(struct kunit *test)
{
	struct fight *fight = fight_new(test, 1);

	bit_mutex_lock(&fight->mutex);
	start(test, fight, 0, take_once);
	wait_until_asleep(&fight->fighter[0], TASK_UNINTERRUPTIBLE);
	bit_mutex_unlock(&fight->mutex);
	bit_mutex_lock(&fight->mutex);
	if (!fight->norder) {
		wait_until_asleep(&fight->fighter[0], TASK_UNINTERRUPTIBLE);
		bit_mutex_unlock(&fight->mutex);
		bit_mutex_lock(&fight->mutex);
		KUNIT_EXPECT_EQ(test, 1, fight->norder);
	}
	bit_mutex_unlock(&fight->mutex);
	wait_for_all(test, fight);
	fight_free(fight);
}

static struct kunit_case bit_mutex_cases[] = {
	KUNIT_CASE(test_alone),
	KUNIT_CASE_SLOW(test_exclusion),
	KUNIT_CASE_SLOW(test_exclusion_and_kills),
	KUNIT_CASE(test_queue),
	KUNIT_CASE(test_kill),
	KUNIT_CASE(test_hand_over),
	{}
};

static struct kunit_suite bit_mutex_suite = {
	.name = "iommufd_bit_mutex",
	.test_cases = bit_mutex_cases,
};

kunit_test_suite(bit_mutex_suite);
