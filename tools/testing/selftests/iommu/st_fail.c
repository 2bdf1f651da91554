// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Failures of this thread's allocations, one at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu_selftest.h"

static void set_attribute(const char *dir, const char *file, const char *value)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, value, strlen(value)) < 0)
		perror(path);
	close(fd);
}

/* Returns a descriptor for the calls below; -ENODEV when the kernel injects no faults. */
int st_fail_open(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -ENODEV;
	if (access("/sys/kernel/debug/failslab", F_OK)) {
		close(fd);
		return -ENODEV;
	}
	set_attribute("failslab", "ignore-gfp-wait", "N");
	set_attribute("failslab", "verbose", "0");
	set_attribute("fail_iommufd", "verbose", "0");
	return fd;
}

/* Single pages, too: those of page tables, not those that processes are given. */
void st_fail_pages(void)
{
	set_attribute("fail_page_alloc", "ignore-gfp-wait", "N");
	set_attribute("fail_page_alloc", "min-order", "0");
	set_attribute("fail_page_alloc", "verbose", "0");
}

void st_fail_close(int fd)
{
	if (fd < 0)
		return;
	set_attribute("failslab", "ignore-gfp-wait", "Y");
	set_attribute("fail_page_alloc", "ignore-gfp-wait", "Y");
	set_attribute("fail_page_alloc", "min-order", "1");
	close(fd);
}

/* Let what comes @nth from now on fail; 0: nothing. */
void st_fail_nth(int fd, unsigned int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", nth);

	if (pwrite(fd, text, n, 0) != n)
		perror("# fail-nth");
}

/* Did it fail?  Nothing fails afterwards. */
bool st_fail_done(int fd)
{
	char text[16] = {};
	bool done = pread(fd, text, sizeof(text) - 1, 0) > 0 && !strtoul(text, NULL, 10);

	st_fail_nth(fd, 0);
	return done;
}
