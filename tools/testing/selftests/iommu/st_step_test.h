/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A program that consists of steps: it has them in an array "steps", and this included
 * behind.  If they need more than mock devices it says with ST_STEPS_LACK what is not
 * there, or NULL.
 */
#ifndef ST_STEP_TEST_H
#define ST_STEP_TEST_H

#include "st_world.h"
#include "kselftest_harness.h"

#ifndef ST_STEPS_LACK
#define ST_STEPS_LACK() NULL
#endif

FIXTURE(fail_nth)
{
	int nth;	/* the file */
};

FIXTURE_SETUP(fail_nth)
{
	const char *lack = ST_STEPS_LACK();

	self->nth = st_fail_open();
	if (self->nth < 0)
		SKIP(return, "the kernel injects no faults");
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	if (!st_huge_memory(ST_HUGE))
		SKIP(return, "no huge page");
	if (lack)
		SKIP(return, "%s", lack);
	st_fail_pages();
}

FIXTURE_TEARDOWN(fail_nth)
{
	st_fail_close(self->nth);
}

TEST_F_TIMEOUT(fail_nth, each_call, 900)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		EXPECT_EQ(0, st_step_each(self->nth, &steps[i]));
}

TEST_HARNESS_MAIN

#endif
