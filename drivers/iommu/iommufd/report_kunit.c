// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The log of refusals: notes, sealing, the ring, and what is printed.
 */
#include <kunit/test.h>
#include <linux/iommufd_report.h>
#include <linux/seq_file.h>

struct bench {
	struct iommufd_log log;
	struct seq_file m;
	char buffer[4096];
};

static struct bench *bench_new(struct kunit *test)
{
	struct bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, b);
	iommufd_log_init(&b->log);
	return b;
}

static const char *shown(struct bench *b)
{
	b->m = (struct seq_file){
		.buf = b->buffer,
		.size = sizeof(b->buffer) - 1,
	};
	iommufd_log_show(&b->log, &b->m);
	b->buffer[b->m.count] = 0;
	return b->buffer;
}

static void refuse_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	int rc;

	KUNIT_EXPECT_STREQ(test, shown(b), "");
	KUNIT_EXPECT_EQ(test, -EEXIST, iommufd_refuse(NULL, -EEXIST, WHY_BUSY, "x"));

	rc = iommufd_refuse(&b->log, -EEXIST, WHY_OVERLAP, "iova %d", 5);
	KUNIT_EXPECT_EQ(test, rc, -EEXIST);
	KUNIT_EXPECT_STREQ(test, shown(b), "");
	iommufd_report_result(&b->log, "MAP", rc);
	KUNIT_EXPECT_EQ(test, b->log.pending, 0);
	KUNIT_EXPECT_STREQ(test, shown(b),
			   "refused:\t1 MAP errno=17 reason=overlap iova 5\n");

	/* Success after a note, and without one, leaves nothing. */
	iommufd_refuse(&b->log, -ENOMEM, WHY_NO_MEMORY, "first attempt");
	iommufd_report_result(&b->log, "MAP", 0);
	iommufd_report_result(&b->log, "MAP", 7);
	KUNIT_EXPECT_EQ(test, b->log.pending, 0);
	KUNIT_EXPECT_EQ(test, b->log.seq, 1);

	/* The last note counts, and the errno of the call. */
	iommufd_refuse(&b->log, -ENOMEM, WHY_NO_MEMORY, "one");
	iommufd_refuse(&b->log, -EPERM, WHY_IN_PROGRESS, "two");
	KUNIT_EXPECT_EQ(test, b->log.pending, 1);
	iommufd_report_result(&b->log, "COPY", -EINVAL);
	KUNIT_EXPECT_STREQ(test, shown(b),
			   "refused:\t1 MAP errno=17 reason=overlap iova 5\n"
			   "refused:\t2 COPY errno=22 reason=in-progress two\n");
}

static void unspecified_test(struct kunit *test)
{
	struct bench *b = bench_new(test);

	iommufd_report_result(&b->log, "UNMAP", -EINVAL);
	KUNIT_EXPECT_EQ(test, b->log.entries[0].why, WHY_UNSPECIFIED);
	KUNIT_EXPECT_NOT_NULL(test, strstr(shown(b),
					   "1 UNMAP errno=22 reason=unspecified -"));
}

static void ring_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	char want[64], *at;
	int i;

	for (i = 1; i <= 3 * IOMMUFD_LOG_ENTRIES + 2; i++) {
		iommufd_refuse(&b->log, -EINVAL, WHY_HOLE, "number %d", i);
		iommufd_report_result(&b->log, "CALL", -EINVAL);
	}
	shown(b);
	at = b->buffer;
	for (i -= IOMMUFD_LOG_ENTRIES; i <= 3 * IOMMUFD_LOG_ENTRIES + 2; i++) {
		snprintf(want, sizeof(want),
			 "refused:\t%d CALL errno=22 reason=hole number %d\n", i,
			 i);
		KUNIT_ASSERT_EQ(test, strncmp(at, want, strlen(want)), 0);
		at += strlen(want);
	}
	KUNIT_EXPECT_EQ(test, *at, 0);
}

/* Other threads are played by writing another PID into the notes. */
static void threads_test(struct kunit *test)
{
	struct bench *b = bench_new(test);
	pid_t others = current->pid + 1;
	int i;

	for (i = 0; i < ARRAY_SIZE(b->log.notes); i++) {
		iommufd_refuse(&b->log, -EIO, WHY_FAULT, "other %d", i);
		b->log.notes[i].pid = others + i;
	}
	KUNIT_EXPECT_EQ(test, b->log.pending, 4);

	/* Not this thread's: neither used nor dropped. */
	iommufd_report_result(&b->log, "CALL", 0);
	KUNIT_EXPECT_EQ(test, b->log.pending, 4);
	iommufd_report_result(&b->log, "CALL", -EIO);
	KUNIT_EXPECT_EQ(test, b->log.entries[0].why, WHY_UNSPECIFIED);

	/* The oldest makes room, and only that. */
	iommufd_refuse(&b->log, -EIO, WHY_HOLE, "mine");
	KUNIT_EXPECT_EQ(test, b->log.pending, 4);
	for (i = 1; i < ARRAY_SIZE(b->log.notes); i++)
		KUNIT_EXPECT_EQ(test, b->log.notes[i].pid, others + i);
	iommufd_report_result(&b->log, "CALL", -EIO);
	KUNIT_EXPECT_STREQ(test, b->log.entries[1].text, "mine");
	KUNIT_EXPECT_EQ(test, b->log.pending, 3);
}

static void long_text_test(struct kunit *test)
{
	struct bench *b = bench_new(test);

	iommufd_refuse(&b->log, -EIO, WHY_DRIVER, "%0200d", 1);
	iommufd_report_result(&b->log, "CALL", -EIO);
	KUNIT_EXPECT_EQ(test, strlen(b->log.entries[0].text),
			IOMMUFD_LOG_TEXT - 1);
}

static void names_test(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, iommufd_why_name(WHY_UNSPECIFIED), "unspecified");
	KUNIT_EXPECT_STREQ(test, iommufd_why_name(WHY_DEADLOCK), "deadlock");
	KUNIT_EXPECT_STREQ(test, iommufd_why_name(12345), "unspecified");
}

static struct kunit_case report_cases[] = {
	KUNIT_CASE(refuse_test),
	KUNIT_CASE(unspecified_test),
	KUNIT_CASE(ring_test),
	KUNIT_CASE(threads_test),
	KUNIT_CASE(long_text_test),
	KUNIT_CASE(names_test),
	{}
};

static struct kunit_suite report_suite = {
	.name = "iommufd-report",
	.test_cases = report_cases,
};

kunit_test_suite(report_suite);
