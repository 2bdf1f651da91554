// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Tests of dirty bitmaps in user memory: one case for each promise at the top
 * of iova_bitmap.c. What arrives in user memory is compared with a model that
 * sets bit after bit.
 */
#include <kunit/test.h>
#include <linux/iova_bitmap.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define MODEL_BYTES (3UL << 20)
#define MODEL_BITS (MODEL_BYTES * BITS_PER_BYTE)
#define MAP_BYTES (MODEL_BYTES + 2 * PAGE_SIZE)

/**
 * struct bitmap_test - State of a case
 * @test: the case
 * @rnd: source of random numbers, the same in each run
 * @user: user memory, MAP_BYTES long
 * @data: where in it the bitmap begins
 * @model: what is expected there, of MODEL_BYTES
 * @read: copy of what is there
 * @iova: what bit 0 stands for
 * @shift: exponent of the bytes that a bit stands for
 * @nbits: bits in use
 * @next: where the next window has to begin
 * @windows: windows seen
 * @stop: what the callback shall return
 * @reports: random reports for each window
 */
struct bitmap_test {
	struct kunit *test;
	struct rnd_state rnd;
	unsigned long user;
	unsigned long data;
	u8 *model;
	u8 *read;
	unsigned long iova;
	unsigned int shift;
	unsigned long nbits;
	unsigned long next;
	unsigned int windows;
	int stop;
	unsigned int reports;
};

static unsigned long random_below(struct bitmap_test *bt, unsigned long limit)
{
	unsigned long number = prandom_u32_state(&bt->rnd);

	return (number << 16 ^ prandom_u32_state(&bt->rnd)) % limit;
}

static void model_set(struct bitmap_test *bt, unsigned long bit)
{
	unsigned long nth = bit / BITS_PER_BYTE;

#ifdef __BIG_ENDIAN
	nth ^= 7;
#endif
	bt->model[nth] |= 1 << bit % BITS_PER_BYTE;
}

/* Report some bytes, and enter each bit they touch in the model. */
static void report(struct bitmap_test *bt, struct iova_bitmap *bitmap,
		   unsigned long iova, unsigned long length)
{
	unsigned long bit, last;

	iova_bitmap_set(bitmap, iova, length);
	if (iova < bt->iova) {
		if (length <= bt->iova - iova)
			return;
		length -= bt->iova - iova;
		iova = bt->iova;
	}
	bit = (iova - bt->iova) >> bt->shift;
	last = (iova - bt->iova + length - 1) >> bt->shift;
	for (; bit <= last && bit < bt->nbits; bit++)
		model_set(bt, bit);
}

static int check_window(struct iova_bitmap *bitmap, unsigned long iova,
			size_t length, void *opaque)
{
	struct bitmap_test *bt = opaque;
	unsigned long span = bt->nbits << bt->shift;
	unsigned int i;

	KUNIT_EXPECT_EQ(bt->test, iova, bt->next);
	KUNIT_EXPECT_EQ(bt->test, 0, ((iova - bt->iova) >> bt->shift) % BITS_PER_TYPE(u64));
	KUNIT_EXPECT_GT(bt->test, length, 0);
	bt->next = iova + length;
	bt->windows++;

	for (i = 0; i < bt->reports; i++)
		report(bt, bitmap, iova + random_below(bt, length),
		       1 + random_below(bt, 100UL << bt->shift));
	if (!bt->reports)
		return bt->stop;

	/* Over both edges of the window, and of the whole range. */
	report(bt, bitmap, iova - (3UL << bt->shift), 7UL << bt->shift);
	report(bt, bitmap, iova + length - 1, 70001UL << bt->shift);
	report(bt, bitmap, bt->iova - 2, 3);
	report(bt, bitmap, bt->iova + span - 1, 2UL << bt->shift);
	report(bt, bitmap, bt->iova + span, 1);
	report(bt, bitmap, bt->iova + random_below(bt, span),
	       random_below(bt, span) + 1);
	return bt->stop;
}

static struct iova_bitmap *start(struct bitmap_test *bt, unsigned long offset,
				 unsigned long nbits)
{
	struct iova_bitmap *bitmap;

	bt->data = bt->user + offset;
	bt->nbits = nbits;
	bt->next = bt->iova;
	bt->windows = 0;
	bitmap = iova_bitmap_alloc(bt->iova, nbits << bt->shift, 1UL << bt->shift,
				   (u64 __user *)bt->data);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(bt->test, bitmap);
	return bitmap;
}

static void run(struct bitmap_test *bt, unsigned long offset,
		unsigned long nbits)
{
	struct iova_bitmap *bitmap = start(bt, offset, nbits);

	KUNIT_EXPECT_EQ(bt->test, 0,
			iova_bitmap_for_each(bitmap, bt, check_window));
	KUNIT_EXPECT_EQ(bt->test, bt->next, bt->iova + (nbits << bt->shift));
	iova_bitmap_free(bitmap);
}

/* Fill user memory and model with the same random bytes. */
static void scramble(struct bitmap_test *bt, unsigned long offset)
{
	void __user *data = (void __user *)(bt->user + offset);

	prandom_bytes_state(&bt->rnd, bt->model, MODEL_BYTES);
	KUNIT_ASSERT_EQ(bt->test, 0, copy_to_user(data, bt->model, MODEL_BYTES));
}

static void expect_model(struct bitmap_test *bt)
{
	KUNIT_ASSERT_EQ(bt->test, 0,
			copy_from_user(bt->read, (void __user *)bt->data,
				       MODEL_BYTES));
	KUNIT_EXPECT_EQ(bt->test, 0, memcmp(bt->read, bt->model, MODEL_BYTES));
}

/* Some pages, at any place in a page, with what was there before kept. */
static void test_small_bitmaps(struct kunit *test)
{
	struct bitmap_test *bt = test->priv;
	unsigned long offset;
	int i;

	bt->reports = 20;
	for (i = 0; i < 100; i++) {
		bt->shift = random_below(bt, 8);
		bt->iova = 8 * PAGE_SIZE + random_below(bt, 1 << 20);
		offset = random_below(bt, PAGE_SIZE);
		if (IS_ENABLED(CONFIG_CPU_BIG_ENDIAN))
			offset = round_down(offset, sizeof(u64));
		scramble(bt, offset);
		run(bt, offset, 1 + random_below(bt, 1 << 17));
		expect_model(bt);
	}
}

/* A window grows with the square of the page size. */
static void skip_if_one_window(struct kunit *test)
{
	if (PAGE_SIZE > SZ_4K)
		kunit_skip(test, "the whole bitmap fits into one window");
}

static void expect_windows(struct bitmap_test *bt)
{
	unsigned long offset = PAGE_SIZE - sizeof(u64);

	skip_if_one_window(bt->test);
	bt->reports = 50;
	bt->shift = 6;
	scramble(bt, offset);
	run(bt, offset, MODEL_BITS);
	KUNIT_EXPECT_GT(bt->test, bt->windows, 1);
	expect_model(bt);
}

/* Several windows, reports over their edges. */
static void test_windows(struct kunit *test)
{
	struct bitmap_test *bt = test->priv;

	bt->iova = 0x12340000;
	expect_windows(bt);
}

/* The same, of a range that begins within what a u64 stands for. */
static void test_odd_windows(struct kunit *test)
{
	struct bitmap_test *bt = test->priv;

	bt->iova = 0x12340000 + (5 << 6);
	expect_windows(bt);
}

/* The range may end with the address space. */
static void test_last_address(struct kunit *test)
{
	struct bitmap_test *bt = test->priv;
	struct iova_bitmap *bitmap;

	bt->shift = 12;
	bt->iova = -(100UL << bt->shift);
	scramble(bt, 0);
	bitmap = start(bt, 0, 100);
	KUNIT_EXPECT_EQ(test, 0, iova_bitmap_for_each(bitmap, bt, check_window));
	KUNIT_EXPECT_EQ(test, bt->next, 0);

	/* Outside of for_each() reports are delivered as well. */
	report(bt, bitmap, bt->iova, 1);
	report(bt, bitmap, ULONG_MAX, 1);
	iova_bitmap_set(bitmap, ULONG_MAX, 5);
	iova_bitmap_set(bitmap, bt->iova, 0);
	iova_bitmap_free(bitmap);
	expect_model(bt);
}

static void test_bad_arguments(struct kunit *test)
{
	struct bitmap_test *bt = test->priv;
	u64 __user *data = (u64 __user *)bt->user;
	u64 __user *top = (u64 __user *)(ULONG_MAX - 7);

	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(iova_bitmap_alloc(0, 0, PAGE_SIZE, data)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(iova_bitmap_alloc(0, PAGE_SIZE, 0, data)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(iova_bitmap_alloc(0, PAGE_SIZE, 3000, data)));
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			PTR_ERR(iova_bitmap_alloc(ULONG_MAX, 2, 1, data)));
	KUNIT_EXPECT_EQ(test, -EFAULT,
			PTR_ERR(iova_bitmap_alloc(0, 1000, 1, top)));
}

/* The callback's result ends the walk. */
static void test_stop(struct kunit *test)
{
	struct bitmap_test *bt = test->priv;
	struct iova_bitmap *bitmap;

	bt->stop = -ENXIO;
	bt->iova = PAGE_SIZE;
	bitmap = start(bt, 0, MODEL_BITS);
	KUNIT_EXPECT_EQ(test, -ENXIO,
			iova_bitmap_for_each(bitmap, bt, check_window));
	KUNIT_EXPECT_EQ(test, 1, bt->windows);
	iova_bitmap_free(bitmap);
}

static int report_far_away(struct iova_bitmap *bitmap, unsigned long iova,
			   size_t length, void *opaque)
{
	struct bitmap_test *bt = opaque;

	bt->windows++;
	iova_bitmap_set(bitmap, iova + 2 * length, 1);
	return 0;
}

/* Missing memory is noticed before the callback could clear anything. */
static void test_fault(struct kunit *test)
{
	struct bitmap_test *bt = test->priv;
	unsigned long present = 2 << 20;
	struct iova_bitmap *bitmap;

	skip_if_one_window(test);
	KUNIT_ASSERT_EQ(test, 0,
			vm_munmap(bt->user + present, MAP_BYTES - present));

	/* Two windows have memory, the third has none. */
	bitmap = start(bt, 0, MODEL_BITS);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iova_bitmap_for_each(bitmap, bt, check_window));
	KUNIT_EXPECT_EQ(test, 2, bt->windows);

	/* A report from the first into the third ends the walk at once. */
	bt->windows = 0;
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iova_bitmap_for_each(bitmap, bt, report_far_away));
	KUNIT_EXPECT_EQ(test, 1, bt->windows);
	iova_bitmap_free(bitmap);

	bitmap = start(bt, present, 1);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			iova_bitmap_for_each(bitmap, bt, check_window));
	KUNIT_EXPECT_EQ(test, 0, bt->windows);
	iova_bitmap_free(bitmap);
}

static void free_buffer(void *buffer)
{
	vfree(buffer);
}

static u8 *new_buffer(struct kunit *test)
{
	u8 *buffer = vzalloc(MODEL_BYTES);

	KUNIT_ASSERT_NOT_NULL(test, buffer);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_buffer, buffer));
	return buffer;
}

static int iova_bitmap_test_init(struct kunit *test)
{
	struct bitmap_test *bt = kunit_kzalloc(test, sizeof(*bt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bt);
	test->priv = bt;
	bt->test = test;
	prandom_seed_state(&bt->rnd, 7);
	bt->model = new_buffer(test);
	bt->read = new_buffer(test);
	bt->user = kunit_vm_mmap(test, NULL, 0, MAP_BYTES, PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, bt->user, 0);
	KUNIT_ASSERT_LT_MSG(test, bt->user, (unsigned long)TASK_SIZE,
			    "no user memory");
	return 0;
}

static struct kunit_case iova_bitmap_cases[] = {
	KUNIT_CASE(test_small_bitmaps),
	KUNIT_CASE(test_windows),
	KUNIT_CASE(test_odd_windows),
	KUNIT_CASE(test_last_address),
	KUNIT_CASE(test_bad_arguments),
	KUNIT_CASE(test_stop),
	KUNIT_CASE(test_fault),
	{}
};

static struct kunit_suite iova_bitmap_suite = {
	.name = "iova_bitmap",
	.init = iova_bitmap_test_init,
	.test_cases = iova_bitmap_cases,
};

kunit_test_suite(iova_bitmap_suite);

MODULE_DESCRIPTION("Tests of dirty bitmaps in user memory");
MODULE_IMPORT_NS("IOMMUFD");
MODULE_LICENSE("GPL");
