// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Step 4: what the kernel refuses, and how to learn why.
 *
 * Each call here is one that people get wrong. The errno comes back from the
 * call; the reason with its numbers is read from /proc/self/fdinfo of the file
 * that refused: /dev/iommu, or the VFIO device for the calls of VFIO.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "demo.h"
#include "iommufd_util.h"
#include "say.h"

/* A call that is about to be refused, and what was on record before it. */
struct trial {
	int iommufd, device_fd;
	struct refusal_mark iommufd_mark, device_mark;
};

static void trial_begin(struct trial *trial, int iommufd, int device_fd)
{
	trial->iommufd = iommufd;
	trial->device_fd = device_fd;
	refusal_mark(iommufd, &trial->iommufd_mark);
	refusal_mark(device_fd, &trial->device_mark);
}

static int trial_reason(const struct trial *trial, char *reason, size_t size)
{
	int rc = refusal_reason(trial->iommufd, &trial->iommufd_mark, reason, size);

	if (rc)
		rc = refusal_reason(trial->device_fd, &trial->device_mark, reason, size);
	return rc;
}

/* A reason that names an errno must name the one that the call returned. */
static void check_reason(const char *what, const char *reason, int expected)
{
	const char *at = strstr(reason, "errno=");
	int value;

	if (at && sscanf(at, "errno=%d", &value) == 1 && abs(value) != expected)
		fail("%s gave errno %d, but the reason on record is: %s", what, expected, reason);
}

static void trial_end(struct demo *demo, const struct trial *trial, const char *what,
		      int rc, int expected)
{
	char reason[512];

	if (rc >= 0)
		fail("%s was not refused", what);
	if (rc != -expected)
		fail("%s gave %s, and not %s", what, strerrorname_np(-rc),
		     strerrorname_np(expected));
	say_ok(what, "%s, %s", strerrorname_np(expected), strerror(expected));
	demo->refused++;

	if (trial_reason(trial, reason, sizeof(reason))) {
		say_wrapped("why:", "(this kernel gives no reason)");
		return;
	}
	check_reason(what, reason, expected);
	say_wrapped("why:", reason);
	demo->explained++;
}

/* Writes to the MSI window raise interrupts; it is no place for memory. */
static void map_over_msi(struct demo *demo, void *page, size_t size)
{
	__u64 first, last;
	struct trial trial;
	int rc;

	must(pci_msi_window(demo->nvme_bdf, &first, &last),
	     "%s has no MSI window to map over", demo->nvme_bdf);
	trial_begin(&trial, demo->iommufd, demo->nvme_dev.fd);
	rc = ioas_map_at(demo->iommufd, demo->ioas, page, size, first);
	trial_end(demo, &trial, "map over the MSI window", rc, EINVAL);
}

static void bind_twice(struct demo *demo)
{
	struct trial trial;
	__u32 id;
	int rc;

	trial_begin(&trial, demo->iommufd, demo->nvme_dev.fd);
	rc = vfio_bind(demo->nvme_dev.fd, demo->iommufd, &id);
	trial_end(demo, &trial, "bind a device a second time", rc, EINVAL);
}

/* Anybody with permission may open the node; only one of them can bind. */
static void bind_by_second_open(struct demo *demo)
{
	int fd = open(demo->nvme_dev.node, O_RDWR | O_CLOEXEC);
	struct trial trial;
	__u32 id;
	int rc;

	must(fd < 0 ? -errno : 0, "cannot open %s a second time", demo->nvme_dev.node);
	trial_begin(&trial, demo->iommufd, fd);
	rc = vfio_bind(fd, demo->iommufd, &id);
	trial_end(demo, &trial, "bind it by a second open file", rc, EINVAL);
	close(fd);
}

/* Mappings go as they came, whole. */
static void unmap_half(struct demo *demo, void *memory, size_t size)
{
	struct trial trial;
	__u64 iova;
	int rc;

	must(ioas_map(demo->iommufd, demo->ioas, memory, size, &iova),
	     "cannot map %zu bytes", size);
	trial_begin(&trial, demo->iommufd, demo->nvme_dev.fd);
	rc = ioas_unmap(demo->iommufd, demo->ioas, iova, size / 2);
	trial_end(demo, &trial, "unmap half of a mapping", rc, ENOENT);
	must(ioas_unmap(demo->iommufd, demo->ioas, iova, size), "cannot unmap the whole of it");
}

/*
 * Root is not bound by RLIMIT_MEMLOCK because of CAP_IPC_LOCK. Put the
 * capability aside (@effective false) or take it back (true).
 */
static void set_lock_capability(bool effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const __u32 bits = 1u << CAP_IPC_LOCK | 1u << CAP_SYS_RESOURCE;
	long rc = syscall(SYS_capget, &header, data);

	if (!rc) {
		if (effective)
			data[0].effective |= bits & data[0].permitted;
		else
			data[0].effective &= ~bits;
		rc = syscall(SYS_capset, &header, data);
	}
	must(rc ? -errno : 0, "cannot change the capability CAP_IPC_LOCK");
}

/* Mapping pins memory, which is charged to the user up to RLIMIT_MEMLOCK. */
static void map_over_memlock(struct demo *demo)
{
	const size_t limit = 64 << 10, size = 1 << 20;
	void *memory = demo_memory(size);
	struct rlimit before, small;
	struct trial trial;
	__u64 iova;
	int rc;

	must(getrlimit(RLIMIT_MEMLOCK, &before) ? -errno : 0, "cannot read RLIMIT_MEMLOCK");
	small = before;
	small.rlim_cur = limit;
	must(setrlimit(RLIMIT_MEMLOCK, &small) ? -errno : 0, "cannot set RLIMIT_MEMLOCK");
	set_lock_capability(false);

	trial_begin(&trial, demo->iommufd, demo->nvme_dev.fd);
	rc = ioas_map(demo->iommufd, demo->ioas, memory, size, &iova);

	set_lock_capability(true);
	must(setrlimit(RLIMIT_MEMLOCK, &before) ? -errno : 0, "cannot restore RLIMIT_MEMLOCK");
	trial_end(demo, &trial, "map 1 MiB, RLIMIT_MEMLOCK 64 KiB", rc, ENOMEM);
}

/**
 * demo_refusals() - Make the kernel refuse, and read why
 * @demo: the state
 */
void demo_refusals(struct demo *demo)
{
	size_t size = 4 * sysconf(_SC_PAGESIZE);
	void *memory = demo_memory(size);

	say_heading(4, "Refusals, and the kernel's own reasons for them");
	map_over_msi(demo, memory, size);
	bind_twice(demo);
	bind_by_second_open(demo);
	unmap_half(demo, memory, size);
	map_over_memlock(demo);
}
