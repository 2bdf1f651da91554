// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The IOMMU's fault reports in the kernel log.
 *
 * The drivers of Intel's and AMD's IOMMU write a line for each DMA that the
 * hardware stopped, with the device and the address. /dev/kmsg gives one record
 * for each read(): "priority,sequence,time,flags;text".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "klog.h"

#define PAGE		4096ull
#define WAIT_MS		2000
#define RECORD_MAX	8192	/* read() fails for a record that does not fit */

/**
 * klog_open() - Open the kernel log at its end
 *
 * Only what is written from now on will be read.
 *
 * Return: a file descriptor or -errno.
 */
int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* The text of the next record; false when there is none yet. */
static bool next_line(int fd, char record[RECORD_MAX], char **text)
{
	ssize_t length;

	do {
		length = read(fd, record, RECORD_MAX - 1);
	} while (length < 0 && (errno == EPIPE || errno == EINTR));	/* EPIPE: lost some */
	if (length <= 0)
		return false;
	record[length] = 0;
	*text = strchr(record, ';');
	*text = *text ? *text + 1 : record;
	(*text)[strcspn(*text, "\n")] = 0;
	return true;
}

/* Does the line tell of a fault of this device in the page of @iova? */
static bool tells_fault(const char *text, const char *bdf, __u64 iova)
{
	static const char *const keys[] = { "fault addr 0x", "address=0x", NULL };
	const char *short_bdf = strchr(bdf, ':') + 1;	/* not all name the segment */
	const char *const *key;

	if (!strstr(text, "DMAR:") && !strstr(text, "AMD-Vi:"))
		return false;
	if (!strstr(text, short_bdf))
		return false;
	for (key = keys; *key; key++) {
		const char *at = strstr(text, *key);

		if (at && strtoull(at + strlen(*key), NULL, 16) / PAGE == iova / PAGE)
			return true;
	}
	return false;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/**
 * klog_wait_fault() - Wait for the report that the IOMMU stopped a DMA
 * @fd: the kernel log, opened before the DMA was started
 * @bdf: PCI address of the device
 * @iova: address that it tried, anywhere in the page
 * @line: filled in with the kernel's line
 * @size: bytes in @line
 *
 * Return: 0; -ENOENT when no such line came in two seconds.
 */
int klog_wait_fault(int fd, const char *bdf, __u64 iova, char *line, size_t size)
{
	long long deadline = now_ms() + WAIT_MS;
	char record[RECORD_MAX];
	char *text;

	do {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		poll(&wait, 1, 50);
		while (next_line(fd, record, &text)) {
			if (!tells_fault(text, bdf, iova))
				continue;
			snprintf(line, size, "%s", text);
			return 0;
		}
	} while (now_ms() < deadline);
	return -ENOENT;
}
