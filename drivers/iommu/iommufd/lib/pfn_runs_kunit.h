/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the tests of pfn_runs know about its inside.
 */
#ifndef __IOMMUFD_LIB_PFN_RUNS_KUNIT_H
#define __IOMMUFD_LIB_PFN_RUNS_KUNIT_H

#include <kunit/test.h>
#include "pfn_chunk.h"

/* Is it in the shape that its runs shall have, and do all the counts agree? */
void pfn_runs_check_shape(struct kunit *test, const struct pfn_runs *runs);

/* The number of packed runs. */
unsigned int pfn_runs_count(const struct pfn_runs *runs);
#endif
