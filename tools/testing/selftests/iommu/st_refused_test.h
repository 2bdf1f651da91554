/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A program that consists of tables of refusals: it has its calls in an array "calls", and
 * this included behind.
 */
#ifndef ST_REFUSED_TEST_H
#define ST_REFUSED_TEST_H

#include "st_refused.h"
#include "kselftest_harness.h"

FIXTURE(refused)
{
	struct st_scene s;
};

FIXTURE_SETUP(refused)
{
	if (!st_mock_is_there())
		SKIP(return, "the kernel has no mock IOMMU");
	if (!st_huge_memory(ST_HUGE))
		SKIP(return, "no huge page");
}

FIXTURE_TEARDOWN(refused)
{
}

TEST_F_TIMEOUT(refused, each_call, ST_TIMEOUT)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		ASSERT_EQ(0, st_scene_open(&self->s));
		EXPECT_EQ(0, st_refused_each(&self->s, &calls[i]));
		EXPECT_EQ(0, st_scene_close(&self->s));
	}
}

TEST_HARNESS_MAIN

#endif
