// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of info_cap.c and irq_set.c, the helpers for the info and IRQ calls.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/test.h>
#include <linux/align.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vfio.h>

#define CAPS_MAX	20
#define CAP_BYTES_MAX	100

struct sent_cap {
	struct vfio_info_cap_header header;
	u8 payload[CAP_BYTES_MAX];
};

/* Fill @sent with a capability that no other index looks like. */
static size_t make_cap(struct rnd_state *rnd, struct sent_cap *sent, u32 index)
{
	u32 payload = prandom_u32_state(rnd) % CAP_BYTES_MAX;

	sent->header.id = 100 + index;
	sent->header.version = 1 + index % 3;
	sent->header.next = 0xbad;
	memset(sent->payload, index + 1, payload);
	return sizeof(sent->header) + payload;
}

/* What a user finds at @info + @offset must be what was sent. */
static u32 check_cap(struct kunit *test, const u8 *info, u32 offset,
		     const struct sent_cap *sent, size_t size)
{
	const struct vfio_info_cap_header *cap = (const void *)(info + offset);
	const u8 *pad = (const u8 *)cap + size;

	KUNIT_EXPECT_EQ(test, offset % sizeof(u64), 0);
	KUNIT_EXPECT_EQ(test, cap->id, sent->header.id);
	KUNIT_EXPECT_EQ(test, cap->version, sent->header.version);
	KUNIT_EXPECT_MEMEQ(test, cap + 1, sent->payload, size - sizeof(*cap));
	for (; !IS_ALIGNED((uintptr_t)pad, sizeof(u64)); pad++)
		KUNIT_EXPECT_EQ(test, *pad, 0);
	return cap->next;
}

static void chain_is_what_was_added(struct kunit *test)
{
	const size_t info_size = 24;
	struct sent_cap *sent = kunit_kcalloc(test, CAPS_MAX, sizeof(*sent),
					      GFP_KERNEL);
	size_t sizes[CAPS_MAX];
	struct rnd_state rnd;
	u32 count, i, at;
	u8 *info;

	KUNIT_ASSERT_NOT_NULL(test, sent);
	prandom_seed_state(&rnd, 1);

	for (count = 1; count <= CAPS_MAX; count++) {
		struct vfio_info_cap caps = {};

		for (i = 0; i < count; i++) {
			sizes[i] = make_cap(&rnd, &sent[i], i);
			KUNIT_ASSERT_EQ(test, 0,
					vfio_info_add_capability(&caps, &sent[i].header,
								 sizes[i]));
		}
		vfio_info_cap_shift(&caps, info_size);

		info = kunit_kzalloc(test, info_size + caps.size, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, info);
		memcpy(info + info_size, caps.buf, caps.size);

		at = info_size;
		for (i = 0; i < count; i++) {
			KUNIT_ASSERT_GE(test, at, info_size);
			KUNIT_ASSERT_LE(test, at + sizes[i], info_size + caps.size);
			at = check_cap(test, info, at, &sent[i], sizes[i]);
		}
		KUNIT_EXPECT_EQ(test, at, 0);
		kfree(caps.buf);
		kunit_kfree(test, info);
	}
}

static void added_cap_is_empty(struct kunit *test)
{
	struct vfio_info_cap caps = {};
	struct vfio_info_cap_header *cap;
	u8 zero[CAP_BYTES_MAX] = {};

	vfio_info_cap_shift(&caps, 24);
	KUNIT_EXPECT_NULL(test, caps.buf);

	cap = vfio_info_cap_add(&caps, sizeof(*cap) + 5, 7, 2);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cap);
	KUNIT_EXPECT_PTR_EQ(test, cap, caps.buf);
	KUNIT_EXPECT_EQ(test, cap->id, 7);
	KUNIT_EXPECT_EQ(test, cap->version, 2);
	KUNIT_EXPECT_EQ(test, cap->next, 0);
	KUNIT_EXPECT_MEMEQ(test, cap + 1, zero, 5);
	KUNIT_EXPECT_EQ(test, caps.size, ALIGN(sizeof(*cap) + 5, sizeof(u64)));
	kfree(caps.buf);
}

static void failed_add_frees_the_chain(struct kunit *test)
{
	struct vfio_info_cap caps = {};
	struct vfio_info_cap_header *cap;

	cap = vfio_info_cap_add(&caps, sizeof(*cap), 1, 1);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cap);

	/* So much that the sum of the sizes wraps. */
	cap = vfio_info_cap_add(&caps, SIZE_MAX - 7, 2, 1);
	KUNIT_EXPECT_EQ(test, PTR_ERR(cap), -ENOMEM);
	KUNIT_EXPECT_NULL(test, caps.buf);
	KUNIT_EXPECT_EQ(test, caps.size, 0);
}

#define IRQ_HDR		20	/* bytes of struct vfio_irq_set without data */
#define NONE		VFIO_IRQ_SET_DATA_NONE
#define BOOL		VFIO_IRQ_SET_DATA_BOOL
#define FD		VFIO_IRQ_SET_DATA_EVENTFD
#define TRIGGER		VFIO_IRQ_SET_ACTION_TRIGGER

static const struct irq_case {
	u32 hdr[5]; /* argsz, flags, index, start, count */
	int num_irqs, num_types;
	int rc;
	size_t data_size;
} irq_cases[] = {
	{ { IRQ_HDR, NONE | TRIGGER, 0, 0, 4 }, 4, 1, 0, 0 },
	{ { IRQ_HDR, NONE | TRIGGER, 0, 0, 0 }, 4, 1, 0, 0 },
	{ { IRQ_HDR + 4, BOOL | TRIGGER, 2, 0, 4 }, 4, 3, 0, 4 },
	{ { IRQ_HDR + 16, FD | TRIGGER, 2, 0, 4 }, 4, 3, 0, 16 },
	{ { IRQ_HDR + 99, FD | TRIGGER, 2, 3, 1 }, 4, 3, 0, 4 },
	{ { IRQ_HDR - 1, NONE | TRIGGER, 0, 0, 1 }, 4, 1, -EINVAL },
	{ { IRQ_HDR, NONE | TRIGGER, 1, 0, 1 }, 4, 1, -EINVAL },
	{ { IRQ_HDR, NONE | TRIGGER, 0, 4, 0 }, 4, 1, -EINVAL },
	{ { IRQ_HDR, NONE | TRIGGER, 0, 0, 5 }, 4, 1, -EINVAL },
	{ { IRQ_HDR, NONE | TRIGGER, 0, 2, 3 }, 4, 1, -EINVAL },
	{ { IRQ_HDR, NONE | TRIGGER, 0, 2, U32_MAX - 1 }, 4, 1, -EINVAL },
	{ { IRQ_HDR, NONE | TRIGGER, 0, 0, 0 }, 0, 1, -EINVAL },
	{ { IRQ_HDR, TRIGGER, 0, 0, 1 }, 4, 1, -EINVAL },
	{ { IRQ_HDR + 99, NONE | BOOL | TRIGGER, 0, 0, 1 }, 4, 1, -EINVAL },
	{ { IRQ_HDR + 99, NONE | TRIGGER | 1u << 6, 0, 0, 1 }, 4, 1, -EINVAL },
	{ { IRQ_HDR + 3, BOOL | TRIGGER, 0, 0, 4 }, 4, 1, -EINVAL },
	{ { IRQ_HDR + 15, FD | TRIGGER, 0, 0, 4 }, 4, 1, -EINVAL },
};

static void irq_set_header(struct kunit *test)
{
	size_t i, size;

	for (i = 0; i < ARRAY_SIZE(irq_cases); i++) {
		const struct irq_case *c = &irq_cases[i];
		struct vfio_irq_set hdr = {
			.argsz = c->hdr[0],
			.flags = c->hdr[1],
			.index = c->hdr[2],
			.start = c->hdr[3],
			.count = c->hdr[4],
		};

		size = 12345;
		KUNIT_EXPECT_EQ_MSG(test, c->rc,
				    vfio_set_irqs_validate_and_prepare(&hdr, c->num_irqs,
								       c->num_types, &size),
				    "case %zu", i);
		KUNIT_EXPECT_EQ_MSG(test, size, c->data_size, "case %zu", i);

		/* Without a place for the size, no data is welcome. */
		KUNIT_EXPECT_EQ_MSG(test, c->data_size ? -EINVAL : c->rc,
				    vfio_set_irqs_validate_and_prepare(&hdr, c->num_irqs,
								       c->num_types, NULL),
				    "case %zu", i);
	}
}

static struct kunit_case info_cap_cases[] = {
	KUNIT_CASE(chain_is_what_was_added),
	KUNIT_CASE(added_cap_is_empty),
	KUNIT_CASE(failed_add_frees_the_chain),
	KUNIT_CASE(irq_set_header),
	{}
};

static struct kunit_suite info_cap_suite = {
	.name = "vfio_info_cap",
	.test_cases = info_cap_cases,
};

kunit_test_suite(info_cap_suite);

MODULE_DESCRIPTION("KUnit tests of the VFIO core");
MODULE_LICENSE("GPL");
