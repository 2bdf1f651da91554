/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the benchmark writes to the device of bench_access.ko.
 */
#ifndef BENCH_ACCESS_H
#define BENCH_ACCESS_H

#include <linux/types.h>

#define BENCH_ACCESS_DEVICE	"iommufd_bench"	/* a platform device */

enum bench_access_op {
	BENCH_ACCESS_PIN,	/* pin the range, and keep it pinned */
	BENCH_ACCESS_MARK,	/* write the value to the first word of each pinned page */
	BENCH_ACCESS_UNPIN,	/* unpin all that is pinned */
	BENCH_ACCESS_WRITE,	/* write pages full of the value, one at a time */
};

struct bench_access_request {
	__u32 op;
	__u32 batch;		/* pages in a call of the driver's, to pin and unpin */
	__u64 iova;
	__u64 pages;
	__u64 value;
};

#endif
