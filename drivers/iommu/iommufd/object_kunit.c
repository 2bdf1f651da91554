// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The object table: what lookups and DESTROY see in each state of an ID, what they
 * do while calls are running, and that nothing leaks or is freed too early when
 * many threads do everything at once.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/iommufd_report.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include "object.h"

#define ALIVE 0x616c6976

/* An object that may hold another one. */
struct thing {
	struct iommufd_object obj;
	struct iommufd_objects *objs;
	struct thing *held;
	u32 alive;
	bool revoked;
};

static atomic_t things;
static atomic_t mistakes;

static bool visible(struct iommufd_objects *objs, u32 id, enum iommufd_object_type type)
{
	struct iommufd_object *obj = iommufd_object_get(objs, id, type);

	if (IS_ERR(obj))
		return false;
	iommufd_object_put(objs, obj);
	return true;
}

static void thing_pre_destroy(struct iommufd_object *obj)
{
	struct thing *thing = container_of(obj, struct thing, obj);

	if (visible(thing->objs, obj->id, IOMMUFD_OBJ_ANY))
		atomic_inc(&mistakes);
	thing->revoked = true;
}

static void thing_revive(struct iommufd_object *obj)
{
	container_of(obj, struct thing, obj)->revoked = false;
}

static void thing_destroy(struct iommufd_object *obj)
{
	struct thing *thing = container_of(obj, struct thing, obj);

	/* The table's own reference may be given up already. */
	if (thing->alive != ALIVE || refcount_read(&obj->users) > 1)
		atomic_inc(&mistakes);
	if (obj->type == IOMMUFD_OBJ_IOAS &&
	    (!thing->revoked || iommufd_object_tryget(obj)))
		atomic_inc(&mistakes);
	thing->alive = 0;
	if (thing->held)
		iommufd_object_release(&thing->held->obj);
	atomic_dec(&things);
}

static const struct iommufd_object_ops ioas_ops = {
	.name = "ioas",
	.pre_destroy = thing_pre_destroy,
	.revive = thing_revive,
	.destroy = thing_destroy,
};

static const struct iommufd_object_ops hwpt_ops = {
	.name = "hwpt",
	.destroy = thing_destroy,
};

static const struct iommufd_object_ops *const ops[IOMMUFD_OBJ_MAX] = {
	[IOMMUFD_OBJ_IOAS] = &ioas_ops,
	[IOMMUFD_OBJ_HWPT_PAGING] = &hwpt_ops,
};

struct bench {
	struct iommufd_objects objs;
	struct iommufd_log log;
};

static struct bench *bench_new(struct kunit *test)
{
	struct bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	iommufd_log_init(&b->log);
	iommufd_objects_init(&b->objs, ops, &b->log);
	atomic_set(&things, 0);
	atomic_set(&mistakes, 0);
	return b;
}

static void bench_end(struct kunit *test, struct bench *b)
{
	iommufd_objects_destroy_all(&b->objs);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mistakes), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->objs.live), 0);
	KUNIT_EXPECT_TRUE(test, xa_empty(&b->objs.table));
}

static struct thing *thing_new(struct bench *b, enum iommufd_object_type type)
{
	struct thing *thing = iommufd_object_new(&b->objs, thing, type, obj);

	if (IS_ERR(thing))
		return NULL;
	thing->objs = &b->objs;
	thing->alive = ALIVE;
	atomic_inc(&things);
	return thing;
}

static struct thing *thing_publish(struct bench *b)
{
	struct thing *thing = thing_new(b, IOMMUFD_OBJ_IOAS);

	if (thing)
		iommufd_object_finalize(&b->objs, &thing->obj);
	return thing;
}

static void states_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct thing *one = thing_new(b, IOMMUFD_OBJ_IOAS), *two, *three;

	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_EXPECT_EQ(test, one->obj.id, 1);
	KUNIT_EXPECT_FALSE(test, visible(&b->objs, 0, IOMMUFD_OBJ_ANY));
	KUNIT_EXPECT_FALSE(test, visible(&b->objs, 1, IOMMUFD_OBJ_ANY));
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 1), -ENOENT);
	iommufd_object_finalize(&b->objs, &one->obj);
	KUNIT_EXPECT_TRUE(test, visible(&b->objs, 1, IOMMUFD_OBJ_ANY));
	KUNIT_EXPECT_TRUE(test, visible(&b->objs, 1, IOMMUFD_OBJ_IOAS));
	KUNIT_EXPECT_FALSE(test, visible(&b->objs, 1, IOMMUFD_OBJ_HWPT_PAGING));

	/* An ID is free again after an abort, and after the end. */
	two = thing_new(b, IOMMUFD_OBJ_HWPT_PAGING);
	KUNIT_ASSERT_NOT_NULL(test, two);
	KUNIT_EXPECT_EQ(test, two->obj.id, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->objs.live), 2);
	iommufd_object_abort_and_destroy(&b->objs, &two->obj);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 1);
	two = thing_publish(b);
	three = thing_publish(b);
	KUNIT_ASSERT_NOT_NULL(test, two);
	KUNIT_ASSERT_NOT_NULL(test, three);
	KUNIT_EXPECT_EQ(test, three->obj.id, 3);
	KUNIT_EXPECT_TRUE(test, visible(&b->objs, 2, IOMMUFD_OBJ_ANY));
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 2), 0);
	KUNIT_EXPECT_FALSE(test, visible(&b->objs, 2, IOMMUFD_OBJ_ANY));
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 2), -ENOENT);
	two = thing_publish(b);
	KUNIT_ASSERT_NOT_NULL(test, two);
	KUNIT_EXPECT_EQ(test, two->obj.id, 2);
	bench_end(test, b);
}

static void busy_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct thing *thing = thing_publish(b);
	int rc;

	KUNIT_ASSERT_NOT_NULL(test, thing);
	iommufd_object_hold(&thing->obj);
	iommufd_object_hold(&thing->obj);
	rc = iommufd_object_destroy_by_id(&b->objs, 1);
	KUNIT_EXPECT_EQ(test, rc, -EBUSY);
	iommufd_report_result(&b->log, "DESTROY", rc);
	KUNIT_EXPECT_EQ(test, b->log.entries[0].why, WHY_BUSY);
	KUNIT_EXPECT_STREQ(test, b->log.entries[0].text,
			   "ioas 1 is held by 2 others");
	KUNIT_EXPECT_TRUE(test, visible(&b->objs, 1, IOMMUFD_OBJ_IOAS));
	iommufd_object_release(&thing->obj);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 1), -EBUSY);
	iommufd_object_release(&thing->obj);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 1), 0);
	bench_end(test, b);
}

static void kernel_user_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct thing *one = thing_publish(b), *two = thing_publish(b);

	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, two);
	iommufd_object_hold(&two->obj);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 2), -EBUSY);
	KUNIT_ASSERT_TRUE(test, iommufd_object_claim(&b->objs, &one->obj));
	KUNIT_EXPECT_FALSE(test, iommufd_object_claim(&b->objs, &one->obj));
	iommufd_object_burn(&b->objs, &one->obj);
	iommufd_object_destroy_user(&b->objs, &two->obj);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->objs.live), 0);
	KUNIT_EXPECT_FALSE(test, visible(&b->objs, 1, IOMMUFD_OBJ_ANY));
	/* 1 is burnt, 2 is free. */
	one = thing_publish(b);
	two = thing_publish(b);
	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, two);
	KUNIT_EXPECT_EQ(test, one->obj.id, 2);
	KUNIT_EXPECT_EQ(test, two->obj.id, 3);
	/* Who destroys it knows that it is gone: free again. */
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 1), -ENOENT);
	one = thing_publish(b);
	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_EXPECT_EQ(test, one->obj.id, 1);
	bench_end(test, b);
}

/* A program that never looks at what went cannot use up the IDs. */
static void burnt_many_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct thing *thing;
	u32 highest = 0;
	int i;

	for (i = 0; i < 5 * IOMMUFD_BURNT_MAX; i++) {
		thing = thing_publish(b);
		KUNIT_ASSERT_NOT_NULL(test, thing);
		if (i < IOMMUFD_BURNT_MAX)
			KUNIT_EXPECT_EQ(test, thing->obj.id, i + 1);
		highest = max(highest, thing->obj.id);
		KUNIT_ASSERT_TRUE(test, iommufd_object_claim(&b->objs, &thing->obj));
		iommufd_object_burn(&b->objs, &thing->obj);
	}
	KUNIT_EXPECT_EQ(test, highest, IOMMUFD_BURNT_MAX + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->objs.live), 0);
	bench_end(test, b);
}

static void try_destroy_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct thing *thing = thing_publish(b);

	KUNIT_ASSERT_NOT_NULL(test, thing);
	iommufd_object_hold(&thing->obj);
	iommufd_object_hold(&thing->obj);
	iommufd_object_put_and_try_destroy(&b->objs, &thing->obj);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 1);
	KUNIT_EXPECT_TRUE(test, visible(&b->objs, 1, IOMMUFD_OBJ_IOAS));
	iommufd_object_put_and_try_destroy(&b->objs, &thing->obj);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 0);
	KUNIT_EXPECT_FALSE(test, visible(&b->objs, 1, IOMMUFD_OBJ_IOAS));
	bench_end(test, b);
}

/* A chain in which each holds the one before, in a random order of IDs. */
static void destroy_all_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct thing *thing[20];
	struct rnd_state rnd;
	int i;

	prandom_seed_state(&rnd, 5);
	for (i = 0; i < ARRAY_SIZE(thing); i++) {
		thing[i] = thing_publish(b);
		KUNIT_ASSERT_NOT_NULL(test, thing[i]);
	}
	for (i = ARRAY_SIZE(thing) - 1; i > 0; i--) {
		u32 other = prandom_u32_state(&rnd) % (i + 1);

		swap(thing[i], thing[other]);
	}
	for (i = 1; i < ARRAY_SIZE(thing); i++) {
		thing[i]->held = thing[i - 1];
		iommufd_object_hold(&thing[i - 1]->obj);
	}
	bench_end(test, b);
}

/* A busy machine needs less; DESTROY waits longer. */
#define PATIENCE (40 * HZ)

/* A call that runs in another thread and holds a short reference. */
struct call {
	struct bench *b;
	struct thing *thing;
	struct completion begun;
	struct completion done;
	bool take_long;
	bool drop_long;
	bool seen;
};

static int call_thread(void *data)
{
	struct call *call = data;
	struct iommufd_object *obj = &call->thing->obj;
	unsigned long end = jiffies + PATIENCE;
	u32 id = obj->id;

	if (!iommufd_object_tryget(obj))
		atomic_inc(&mistakes);
	complete(&call->begun);
	/* Until DESTROY has taken the ID away and waits. */
	do {
		call->seen = visible(&call->b->objs, id, IOMMUFD_OBJ_ANY);
		usleep_range(1000, 2000);
	} while (call->seen && time_before(jiffies, end));
	msleep(20);
	if (call->thing->alive != ALIVE)
		atomic_inc(&mistakes);
	if (call->take_long)
		iommufd_object_hold(obj);
	if (call->drop_long)
		iommufd_object_put_and_try_destroy(&call->b->objs, obj);
	iommufd_object_put(&call->b->objs, obj);
	complete(&call->done);
	return 0;
}

static void call_start(struct kunit *test, struct call *call)
{
	struct task_struct *task;

	init_completion(&call->begun);
	init_completion(&call->done);
	task = kthread_run(call_thread, call, "iommufd-call");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(&call->begun);
}

static void running_call_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct call call = { .b = b, .thing = thing_publish(b) };

	KUNIT_ASSERT_NOT_NULL(test, call.thing);
	call_start(test, &call);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 1), 0);
	KUNIT_EXPECT_TRUE(test, completion_done(&call.done));
	wait_for_completion(&call.done);
	KUNIT_EXPECT_FALSE(test, call.seen);

	call.thing = thing_publish(b);
	KUNIT_ASSERT_NOT_NULL(test, call.thing);
	iommufd_object_hold(&call.thing->obj);
	call_start(test, &call);
	iommufd_object_put_and_try_destroy(&b->objs, &call.thing->obj);
	wait_for_completion(&call.done);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 0);
	KUNIT_EXPECT_FALSE(test, call.seen);
	bench_end(test, b);
}

static void running_call_takes_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct call call = {
		.b = b,
		.thing = thing_publish(b),
		.take_long = true,
	};

	KUNIT_ASSERT_NOT_NULL(test, call.thing);
	call_start(test, &call);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 1), -EBUSY);
	wait_for_completion(&call.done);
	KUNIT_EXPECT_FALSE(test, call.seen);
	KUNIT_EXPECT_TRUE(test, visible(&b->objs, 1, IOMMUFD_OBJ_IOAS));
	KUNIT_EXPECT_FALSE(test, call.thing->revoked);
	iommufd_object_put_and_try_destroy(&b->objs, &call.thing->obj);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 0);

	/* It is DESTROY that destroys, if the call drops what it took. */
	call.thing = thing_publish(b);
	call.drop_long = true;
	KUNIT_ASSERT_NOT_NULL(test, call.thing);
	call_start(test, &call);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy_by_id(&b->objs, 1), 0);
	wait_for_completion(&call.done);
	KUNIT_EXPECT_EQ(test, atomic_read(&things), 0);
	bench_end(test, b);
}

/* Everything at once. */
#define WORKERS 4
#define STEPS 1200
#define MAX_STEPS (100 * STEPS)
#define DESTROYED 50
#define IDS 4

struct worker {
	struct bench *b;
	struct completion done;
	struct iommufd_object *held[8];
	struct rnd_state rnd;
	atomic_t *destroyed; /* by all of them */
};

static void worker_hold(struct worker *w, struct iommufd_object *obj)
{
	struct iommufd_object **slot = &w->held[prandom_u32_state(&w->rnd) % 8];
	struct iommufd_object *old = *slot;

	iommufd_object_hold(obj);
	*slot = obj;
	iommufd_object_put(&w->b->objs, obj);
	if (old && prandom_u32_state(&w->rnd) % 2)
		iommufd_object_put_and_try_destroy(&w->b->objs, old);
	else if (old)
		iommufd_object_release(old);
}

static void worker_step(struct worker *w)
{
	u32 id = 1 + prandom_u32_state(&w->rnd) % IDS;
	struct iommufd_object *obj;

	switch (prandom_u32_state(&w->rnd) % 8) {
	case 0:
		if (atomic_read(&things) < IDS)
			thing_publish(w->b);
		return;
	case 1:
	case 2:
		if (!iommufd_object_destroy_by_id(&w->b->objs, id))
			atomic_inc(w->destroyed);
		return;
	}
	obj = iommufd_object_get(&w->b->objs, id, IOMMUFD_OBJ_IOAS);
	if (IS_ERR(obj))
		return;
	if (container_of(obj, struct thing, obj)->alive != ALIVE)
		atomic_inc(&mistakes);
	cond_resched();
	if (prandom_u32_state(&w->rnd) % 8 == 0)
		worker_hold(w, obj);
	else
		iommufd_object_put(&w->b->objs, obj);
}

static int worker_thread(void *data)
{
	struct worker *w = data;
	int i;

	/* How often DESTROY finds nobody in its way depends on the machine. */
	for (i = 0; i < STEPS || (i < MAX_STEPS && atomic_read(w->destroyed) < DESTROYED);
	     i++) {
		worker_step(w);
		if (i % 16 == 0)
			schedule_timeout_uninterruptible(i % 256 == 0);
		/* Let go of everything at times, so that DESTROY gets through. */
		if (i % 64)
			continue;
		for (int k = 0; k < ARRAY_SIZE(w->held); k++) {
			if (w->held[k])
				iommufd_object_put_and_try_destroy(&w->b->objs,
								   w->held[k]);
			w->held[k] = NULL;
		}
	}
	for (i = 0; i < ARRAY_SIZE(w->held); i++)
		if (w->held[i])
			iommufd_object_release(w->held[i]);
	complete(&w->done);
	return 0;
}

static void stress_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	struct worker *w = kunit_kcalloc(test, WORKERS, sizeof(*w), GFP_KERNEL);
	atomic_t destroyed = ATOMIC_INIT(0);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, w);
	for (i = 0; i < WORKERS; i++) {
		w[i].b = b;
		w[i].destroyed = &destroyed;
		init_completion(&w[i].done);
		prandom_seed_state(&w[i].rnd, 100 + i);
	}
	for (i = 0; i < WORKERS; i++)
		if (IS_ERR(kthread_run(worker_thread, &w[i], "iommufd-%d", i)))
			complete(&w[i].done);
	for (i = 0; i < WORKERS; i++)
		wait_for_completion(&w[i].done);
	KUNIT_EXPECT_GE(test, atomic_read(&destroyed), DESTROYED);
	bench_end(test, b);
}

static struct kunit_case object_cases[] = {
	KUNIT_CASE(states_test),
	KUNIT_CASE(busy_test),
	KUNIT_CASE(kernel_user_test),
	KUNIT_CASE(burnt_many_test),
	KUNIT_CASE(try_destroy_test),
	KUNIT_CASE(destroy_all_test),
	KUNIT_CASE(running_call_test),
	KUNIT_CASE(running_call_takes_test),
	KUNIT_CASE(stress_test),
	{}
};

static struct kunit_suite object_suite = {
	.name = "iommufd-object",
	.test_cases = object_cases,
};

kunit_test_suite(object_suite);
