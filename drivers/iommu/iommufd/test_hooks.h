/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What test builds can turn on in the other rooms.  selftest/ defines these; without
 * CONFIG_IOMMUFD_TEST they are constants and cost nothing.
 */
#ifndef __IOMMUFD_TEST_HOOKS_H
#define __IOMMUFD_TEST_HOOKS_H

#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/kconfig.h>
#include <linux/limits.h>
#include <linux/types.h>

struct device;
struct dma_buf_attachment;
struct iommufd_ctx;
struct iommufd_object_ops;
struct iommufd_ucmd;
struct phys_vec;

/* What holds if pins and references are counted right: looking costs too much elsewhere. */
#define iommufd_test_warn(condition) \
	WARN_ON_ONCE(IS_ENABLED(CONFIG_IOMMUFD_TEST) && (condition))

#ifdef CONFIG_IOMMUFD_TEST
/* Largest temporary allocation in bytes. */
extern unsigned long iommufd_test_memory_limit;

/* Shall this step fail now?  (fail_iommufd in debugfs) */
bool iommufd_should_fail(void);

/*
 * A mock device belongs to the file whose call made it and goes with it, so it holds no
 * reference on that file; and it has no interrupts that could be isolated.
 */
bool iommufd_selftest_is_mock_dev(const struct device *dev);

/* With MOCK_FLAGS_ACCESS_SYZ in @flags, @iova names an area; both are made plain. */
void iommufd_test_syz_conv_iova_id(struct iommufd_ctx *ictx, u32 ioas_id,
				   u64 *iova, u32 *flags);

/*
 * The memory of a dma-buf that the selftest exports.  -EOPNOTSUPP: it is another's;
 * -ENODEV: revoked.  Context: the reservation lock is held.
 */
int iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				     struct phys_vec *phys);

/* IOMMU_TEST_CMD, and what its mock devices do at their end. */
int iommufd_call_test(struct iommufd_ucmd *ucmd);
extern const struct iommufd_object_ops iommufd_selftest_object_ops;

/* The mock IOMMU comes and goes with the module. */
int iommufd_test_init(void);
void iommufd_test_exit(void);
#else
#define iommufd_test_memory_limit ULONG_MAX

static inline bool iommufd_should_fail(void)
{
	return false;
}

static inline bool iommufd_selftest_is_mock_dev(const struct device *dev)
{
	return false;
}

static inline void iommufd_test_syz_conv_iova_id(struct iommufd_ctx *ictx,
						 u32 ioas_id, u64 *iova,
						 u32 *flags)
{
}

static inline int
iommufd_test_dma_buf_iommufd_map(struct dma_buf_attachment *attachment,
				 struct phys_vec *phys)
{
	return -EOPNOTSUPP;
}

static inline int iommufd_test_init(void)
{
	return 0;
}

static inline void iommufd_test_exit(void)
{
}
#endif
#endif
