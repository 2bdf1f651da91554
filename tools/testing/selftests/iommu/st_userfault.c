// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Memory of which each page has to be waited for, as long as a test likes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include "iommu_selftest.h"

/**
 * st_watch() - Let whoever touches untouched memory wait
 * @at: the memory
 * @size: bytes
 *
 * Return: a descriptor for st_waiter() and st_answer(); a negative errno when the kernel has
 * no userfaultfd, or not for us.
 */
int st_watch(void *at, size_t size)
{
	struct uffdio_register range = {
		.range = { (uintptr_t)at, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	if (!ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &range))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/**
 * st_waiter() - Wait until somebody waits
 * @fd: from st_watch()
 * @page: returns the address of the page that is waited for
 *
 * Return: 0; a negative errno.
 */
int st_waiter(int fd, __u64 *page)
{
	struct uffd_msg msg;
	ssize_t n = read(fd, &msg, sizeof(msg));

	if (n != sizeof(msg))
		return n < 0 ? -errno : -EIO;
	*page = msg.arg.pagefault.address & ~(__u64)(st_page - 1);
	return 0;
}

/**
 * st_answer() - Give a page, full of zeroes, for which somebody waits
 * @fd: from st_watch()
 * @page: from st_waiter()
 *
 * Return: 0, also when it is there already; a negative errno.
 */
int st_answer(int fd, __u64 page)
{
	struct uffdio_zeropage zero = { .range = { page, st_page } };

	return ioctl(fd, UFFDIO_ZEROPAGE, &zero) && errno != EEXIST ? -errno : 0;
}
