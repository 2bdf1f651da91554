// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The writer of event queues: numbers, also where they start again, and losses.
 */
#include <kunit/test.h>
#include <linux/iommufd.h>

#include "veventq.h"

#define DEPTH 2u
#define TYPE ((enum iommu_veventq_type)77)

/**
 * struct bench - a vIOMMU with one queue, no IDs
 * @viommu: the vIOMMU
 * @queue: its queue
 */
struct bench {
	struct iommufd_viommu viommu;
	struct iommufd_veventq queue;
};

/* @sequence: number of the first event. */
static struct bench *bench_new(struct kunit *test, unsigned int sequence)
{
	struct bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	INIT_LIST_HEAD(&b->viommu.veventqs);
	init_rwsem(&b->viommu.veventqs_rwsem);
	iommufd_veventq_init_events(&b->queue, DEPTH);
	b->queue.type = TYPE;
	b->queue.sequence = sequence;
	list_add_tail(&b->queue.item, &b->viommu.veventqs);
	return b;
}

static int send(struct bench *b, u32 value)
{
	return iommufd_viommu_report_event(&b->viommu, TYPE, &value, sizeof(value));
}

/* What a reader does with the oldest entry; a loss has no data. */
static void expect_next(struct kunit *test, struct bench *b, u32 sequence, u32 flags,
			u32 value)
{
	struct iommufd_vevent *event;

	event = list_first_entry_or_null(&b->queue.events, struct iommufd_vevent, item);
	KUNIT_ASSERT_NOT_NULL(test, event);
	KUNIT_EXPECT_EQ(test, sequence, event->header.sequence);
	KUNIT_EXPECT_EQ(test, flags, event->header.flags);
	list_del_init(&event->item);
	if (event == &b->queue.lost) {
		KUNIT_EXPECT_EQ(test, 0, event->data_len);
		return;
	}
	b->queue.num_events--;
	KUNIT_EXPECT_EQ(test, sizeof(value), event->data_len);
	KUNIT_EXPECT_MEMEQ(test, event->data, &value, sizeof(value));
	kfree(event);
}

static void expect_empty(struct kunit *test, const struct bench *b)
{
	KUNIT_EXPECT_TRUE(test, list_empty(&b->queue.events));
	KUNIT_EXPECT_EQ(test, 0, b->queue.num_events);
}

static void numbers_test(struct kunit *test)
{
	struct bench *b = bench_new(test, 0);
	u32 value = 1;

	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			iommufd_viommu_report_event(&b->viommu, TYPE + 1, &value,
						    sizeof(value)));
	KUNIT_EXPECT_EQ(test, 0, send(b, 10));
	KUNIT_EXPECT_EQ(test, 0, send(b, 11));
	expect_next(test, b, 0, 0, 10);
	expect_next(test, b, 1, 0, 11);
	expect_empty(test, b);
}

/* The number behind INT_MAX is 0. */
static void wrap_test(struct kunit *test)
{
	struct bench *b = bench_new(test, INT_MAX);

	KUNIT_EXPECT_EQ(test, 0, send(b, 10));
	KUNIT_EXPECT_EQ(test, 0, send(b, 11));
	expect_next(test, b, INT_MAX, 0, 10);
	expect_next(test, b, 0, 0, 11);

	/* Also that of an event which is lost. */
	b->queue.sequence = INT_MAX - 2;
	KUNIT_EXPECT_EQ(test, 0, send(b, 12));
	KUNIT_EXPECT_EQ(test, 0, send(b, 13));
	KUNIT_EXPECT_EQ(test, 0, send(b, 14));
	KUNIT_EXPECT_EQ(test, 0, send(b, 15));
	expect_next(test, b, INT_MAX - 2, 0, 12);
	expect_next(test, b, INT_MAX - 1, 0, 13);
	expect_next(test, b, 0, IOMMU_VEVENTQ_FLAG_LOST_EVENTS, 0);
	expect_empty(test, b);
}

/* One entry for all losses, which the next event replaces. */
static void loss_test(struct kunit *test)
{
	struct bench *b = bench_new(test, 0);
	u32 i;

	for (i = 0; i < DEPTH + 3; i++)
		KUNIT_EXPECT_EQ(test, 0, send(b, i));
	KUNIT_EXPECT_EQ(test, DEPTH, b->queue.num_events);
	KUNIT_EXPECT_EQ(test, DEPTH + 2, b->queue.lost.header.sequence);
	KUNIT_EXPECT_TRUE(test, list_is_last(&b->queue.lost.item, &b->queue.events));
	expect_next(test, b, 0, 0, 0);
	KUNIT_EXPECT_EQ(test, 0, send(b, 99));
	KUNIT_EXPECT_TRUE(test, list_empty(&b->queue.lost.item));
	expect_next(test, b, 1, 0, 1);
	expect_next(test, b, DEPTH + 3, 0, 99);
	expect_empty(test, b);
}

static struct kunit_case veventq_cases[] = {
	KUNIT_CASE(numbers_test),
	KUNIT_CASE(wrap_test),
	KUNIT_CASE(loss_test),
	{}
};

static struct kunit_suite veventq_suite = {
	.name = "iommufd-veventq",
	.test_cases = veventq_cases,
};

kunit_test_suite(veventq_suite);
