// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Fault injection into iommufd: steps that hardly ever fail in practice fail when
 * debugfs' fail_iommufd or a task's /proc/PID/fail-nth says so, and temporary memory
 * can be made scarce, so that what comes in one batch otherwise comes in several.
 *
 * Locks: none.
 */
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fault-inject.h>

#include "../test_hooks.h"
#include "fail.h"

unsigned long iommufd_test_memory_limit = 65536;

static DECLARE_FAULT_ATTR(fail_iommufd);
static struct dentry *debugfs_dir;

/**
 * iommufd_should_fail - shall this step fail?
 *
 * Context: any.
 * Return: true when the test wants to see what comes of it.
 */
bool iommufd_should_fail(void)
{
	return should_fail(&fail_iommufd, 1);
}

/**
 * iommufd_test_fail_init - let debugfs have its say
 *
 * Without debugfs only fail-nth works, which is no error.
 *
 * Context: process context, may sleep.
 */
void iommufd_test_fail_init(void)
{
	debugfs_dir = fault_create_debugfs_attr("fail_iommufd", NULL, &fail_iommufd);
}

/**
 * iommufd_test_fail_exit - undo iommufd_test_fail_init()
 *
 * Context: process context, may sleep.
 */
void iommufd_test_fail_exit(void)
{
	debugfs_remove_recursive(debugfs_dir);
}
