// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups: who may open one, what it says about itself, into and out of a
 * container, and the way to a device.
 *
 * See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "st_table.h"

#define PAGES(n)	((n) * (__u64)st_page)

static void say_status(struct st_trial *t)
{
	int status = st_group_status(&t->c.group);

	if (status < 0) {
		st_say_rc(t, status);
		return;
	}
	st_say(t, "%s%s", status & VFIO_GROUP_FLAGS_VIABLE ? "viable" : "not viable",
	       status & VFIO_GROUP_FLAGS_CONTAINER_SET ? " in container" : "");
}

static void open_group(struct st_trial *t)
{
	int rc = st_group_open(&t->c.group);

	if (rc)
		st_give_up(t, "cannot open the group", rc);
}

/* Another group, open. */
static void open_second(struct st_trial *t, struct st_group *second)
{
	int rc = st_group_find(second, ST_NVME) ?: st_group_open(second);

	if (rc)
		st_give_up(t, "no second group", rc);
}

static int open_again(struct st_trial *t)
{
	struct st_group again = t->c.group;
	int rc = st_group_open(&again);

	if (!rc)
		st_group_close(&again);
	return rc;
}

/* The group's device by its own node. */
static int open_cdev(struct st_trial *t, struct vfio_device *dev)
{
	int rc = vfio_open(dev, t->c.group.bdf);

	if (rc)
		st_give_up(t, "no cdev", rc);
	return rc;
}

static void opened_twice(struct st_trial *t)
{
	open_group(t);
	st_say_rc(t, open_again(t));
}

static void opened_after_close(struct st_trial *t)
{
	open_group(t);
	st_group_close(&t->c.group);
	st_say_rc(t, open_again(t));
}

static void node_mode(struct st_trial *t)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/vfio/%d", t->c.group.number);
	st_say_rc(t, access(path, R_OK | W_OK) ? -errno : 0);
	st_say_rc(t, access("/dev/vfio/999999", F_OK) ? -errno : 0);
}

/* The device was bound through its own node. */
static void cdev_bound(struct st_trial *t)
{
	int iommufd = iommufd_open();
	struct vfio_device dev;
	__u32 id;

	open_cdev(t, &dev);
	st_say_rc(t, vfio_bind(dev.fd, iommufd, &id));
	st_say_rc(t, open_again(t));
	vfio_close(&dev);
	st_say_rc(t, open_again(t));
}

static void cdev_open_unbound(struct st_trial *t)
{
	struct vfio_device dev;

	open_cdev(t, &dev);
	st_say_rc(t, open_again(t));
}

/* The group is open, and somebody binds the device by its node. */
static void cdev_while_open(struct st_trial *t)
{
	int iommufd = iommufd_open();
	struct vfio_device dev;
	__u32 id;

	open_group(t);
	open_cdev(t, &dev);
	st_say_rc(t, vfio_bind(dev.fd, iommufd, &id));
	st_group_close(&t->c.group);
	st_say_rc(t, vfio_bind(dev.fd, iommufd, &id));
}

/* Other calls of the device's own node, on the file that the group gave. */
static void cdev_calls(struct st_trial *t)
{
	int iommufd = iommufd_open();
	__u32 id, ioas = 0;

	ioas_alloc(iommufd, &ioas);
	st_say_rc(t, vfio_bind(t->c.env.dev.fd, iommufd, &id));
	st_say_rc(t, st_attach(t->c.env.dev.fd, ioas));
	st_say_rc(t, st_detach(t->c.env.dev.fd));
}

static void status_sizes(struct st_trial *t)
{
	struct vfio_group_status status = { .argsz = t->arg };

	open_group(t);
	st_say_rc(t, st_call(t->c.group.fd, VFIO_GROUP_GET_STATUS, &status));
	st_say(t, "flags %u", status.flags);
	st_say(t, "argsz %u", status.argsz);
}

static void status_null(struct st_trial *t)
{
	open_group(t);
	st_say_rc(t, st_call(t->c.group.fd, VFIO_GROUP_GET_STATUS, NULL));
}

static void status_fresh(struct st_trial *t)
{
	open_group(t);
	say_status(t);
}

static void status_in(struct st_trial *t)
{
	say_status(t);
}

static void status_after(struct st_trial *t)
{
	st_say_rc(t, st_group_leave(&t->c.group));
	say_status(t);
}

static void other_call(struct st_trial *t)
{
	__u32 argument[16] = { sizeof(argument) };

	open_group(t);
	st_say_rc(t, st_call(t->c.group.fd, t->arg, argument));
}

static void file_calls(struct st_trial *t)
{
	char byte = 0;
	void *at;

	open_group(t);
	st_say_rc(t, read(t->c.group.fd, &byte, 1) < 0 ? -errno : 0);
	st_say_rc(t, write(t->c.group.fd, &byte, 1) < 0 ? -errno : 0);
	at = mmap(NULL, st_page, PROT_READ, MAP_SHARED, t->c.group.fd, 0);
	st_say_rc(t, at == MAP_FAILED ? -errno : 0);
}

static const struct st_row open_rows[] = {
	{ "node there, node of no group", node_mode, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "0, ENOENT" },
	{ "a second time", opened_twice, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EBUSY" },
	{ "after close", opened_after_close, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "0" },
	{ "BIND of its device by the cdev, open, cdev closed, open", cdev_bound,
	  .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "0, EBUSY, 0" },
	{ "cdev of its device open, not bound", cdev_open_unbound, .from = ST_FROM_NOTHING,
	  .types = ST_ONCE,
	  .type1 = "0" },
	{ "BIND of its device by the cdev while the group is open, and after", cdev_while_open,
	  .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EBUSY, 0" },
	{ "BIND, ATTACH, DETACH on a device of the group", cdev_calls, .from = ST_FROM_DEVICE,
	  .types = ST_ONCE,
	  .type1 = "EINVAL, ENOTTY, ENOTTY",
	  .ours = "EINVAL, EINVAL, EINVAL",
	  .why = "EINVAL, and fdinfo says that the container attaches it" },
	{ "read(), write(), mmap()", file_calls, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EINVAL, EINVAL, ENODEV" },
	{ "unknown call", other_call, .arg = _IO(VFIO_TYPE, VFIO_BASE + 24),
	  .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "ENOTTY" },
	{ "call of a container", other_call, .arg = VFIO_IOMMU_GET_INFO, .from = ST_FROM_NOTHING,
	  .types = ST_ONCE,
	  .type1 = "ENOTTY" },
};

static const struct st_row status_rows[] = {
	{ "argsz 0", status_sizes, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EINVAL, flags 0, argsz 0" },
	{ "argsz 7", status_sizes, .arg = 7, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EINVAL, flags 0, argsz 7" },
	{ "argsz 8", status_sizes, .arg = 8, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "0, flags 1, argsz 8" },
	{ "argsz 64", status_sizes, .arg = 64, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "0, flags 1, argsz 64" },
	{ "of NULL", status_null, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EFAULT" },
	{ "not in a container", status_fresh, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "viable" },
	{ "in a container", status_in, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "viable in container" },
	{ "after SET_IOMMU", status_in, .types = ST_ONCE,
	  .type1 = "viable in container" },
	{ "device open", status_in, .from = ST_FROM_DEVICE, .types = ST_ONCE,
	  .type1 = "viable in container" },
	{ "after UNSET_CONTAINER", status_after, .types = ST_ONCE,
	  .type1 = "0, viable" },
};

static void join_fd(struct st_trial *t)
{
	open_group(t);
	st_say_rc(t, st_group_join(&t->c.group, t->arg));
	say_status(t);
}

static void join_null(struct st_trial *t)
{
	open_group(t);
	st_say_rc(t, st_call(t->c.group.fd, VFIO_GROUP_SET_CONTAINER, NULL));
}

static void join_foreign(struct st_trial *t)
{
	open_group(t);
	st_say_rc(t, st_group_join(&t->c.group, open("/dev/null", O_RDWR | O_CLOEXEC)));
	st_say_rc(t, st_group_join(&t->c.group, t->c.group.fd));
	say_status(t);
}

static void join_again(struct st_trial *t)
{
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
}

static void join_another(struct st_trial *t)
{
	struct st_container other;

	st_say_rc(t, st_container_open(&other, t->node));
	st_say_rc(t, st_group_join(&t->c.group, other.fd));
	say_status(t);
}

/* Opened for reading only, or not for writing: it makes no difference. */
static void join_read_only(struct st_trial *t)
{
	open_group(t);
	st_say_rc(t, st_group_join(&t->c.group, open(t->node, O_RDONLY | O_CLOEXEC)));
}

static void leave_first(struct st_trial *t)
{
	open_group(t);
	st_say_rc(t, st_group_leave(&t->c.group));
}

static void leave(struct st_trial *t)
{
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_group_leave(&t->c.group));
}

static void leave_with_device(struct st_trial *t)
{
	st_say_rc(t, st_group_leave(&t->c.group));
	say_status(t);
	close(t->c.env.dev.fd);
	st_say_rc(t, st_group_leave(&t->c.group));
}

static void leave_and_join(struct st_trial *t)
{
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_rc(t, st_container_device(&t->c));
}

/* Into one of the other kind of node, at once. */
static void leave_for_another(struct st_trial *t)
{
	struct st_container other;

	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_container_open(&other, t->node));
	st_say_rc(t, st_group_join(&t->c.group, other.fd));
	st_say_rc(t, st_container_set(&other, t->type));
}

static const struct st_row container_rows[] = {
	{ "SET_CONTAINER of -1", join_fd, .arg = -1ul, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EBADF, viable" },
	{ "SET_CONTAINER of a closed fd", join_fd, .arg = 999, .from = ST_FROM_NOTHING,
	  .types = ST_ONCE,
	  .type1 = "EBADF, viable" },
	{ "SET_CONTAINER of NULL", join_null, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EFAULT" },
	{ "SET_CONTAINER of /dev/null, of the group itself", join_foreign,
	  .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EBADFD, EBADFD, viable" },
	{ "SET_CONTAINER of a file open for reading", join_read_only, .from = ST_FROM_NOTHING,
	  .types = ST_ONCE,
	  .type1 = "0" },
	{ "SET_CONTAINER again", join_again, .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "SET_CONTAINER of another container", join_another, .types = ST_ONCE,
	  .type1 = "0, EINVAL, viable in container" },
	{ "UNSET_CONTAINER of a group in none", leave_first, .from = ST_FROM_NOTHING,
	  .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "UNSET_CONTAINER, again", leave, .types = ST_ONCE,
	  .type1 = "0, EINVAL" },
	{ "UNSET_CONTAINER before SET_IOMMU, again", leave, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "0, EINVAL" },
	{ "UNSET_CONTAINER with a device open, status, without", leave_with_device,
	  .from = ST_FROM_DEVICE,
	  .type1 = "EBUSY, viable in container, 0", .shim = "0, not viable, EINVAL" },
	{ "UNSET_CONTAINER, SET_CONTAINER, SET_IOMMU, GET_DEVICE_FD", leave_and_join,
	  .type1 = "0, 0, 0, 0" },
	{ "UNSET_CONTAINER, SET_CONTAINER of another, SET_IOMMU", leave_for_another,
	  .type1 = "0, 0, 0, 0" },
};

static void device(struct st_trial *t)
{
	int fd = st_group_device(&t->c.group, t->c.group.bdf);

	st_say_rc(t, fd < 0 ? fd : 0);
	if (fd >= 0)
		st_say(t, "%s", fcntl(fd, F_GETFD) & FD_CLOEXEC ? "close-on-exec" : "inherited");
}

static void device_no_container(struct st_trial *t)
{
	open_group(t);
	device(t);
}

static void device_named(struct st_trial *t)
{
	static const char *const names[] = { "", "0000:ff:1f.7", "edu", NULL };

	st_say_rc(t, st_group_device(&t->c.group, names[t->arg]));
}

/* Longer than any name, and longer than a page. */
static void device_long_name(struct st_trial *t)
{
	char *name = st_memory(3 * st_page);

	memset(name, 'x', t->arg);
	st_say_rc(t, st_group_device(&t->c.group, name));
}

/* Its name and some more. */
static void device_named_longer(struct st_trial *t)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s ", t->c.group.bdf);
	fd = st_group_device(&t->c.group, name);
	st_say_rc(t, fd < 0 ? fd : 0);
	snprintf(name, sizeof(name), "%.*s", (int)strlen(t->c.group.bdf) - 1, t->c.group.bdf);
	st_say_rc(t, st_group_device(&t->c.group, name));
}

static void device_of_another_group(struct st_trial *t)
{
	struct st_group second;

	open_second(t, &second);
	st_say_rc(t, st_group_device(&t->c.group, second.bdf));
}

/* Every fd of a device is as good as the other one, until the last is closed. */
static void device_twice(struct st_trial *t)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int a = st_group_device(&t->c.group, t->c.group.bdf);
	int b = st_group_device(&t->c.group, t->c.group.bdf);

	st_say_rc(t, a < 0 ? a : 0);
	st_say_rc(t, b < 0 ? b : 0);
	close(a);
	st_say_rc(t, st_call(b, VFIO_DEVICE_GET_INFO, &info));
	st_say_rc(t, st_group_leave(&t->c.group));
	close(b);
	st_say_rc(t, st_group_leave(&t->c.group));
}

/* The group's file is closed; the device keeps it. */
static void device_outlives_group(struct st_trial *t)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int fd = st_group_device(&t->c.group, t->c.group.bdf);

	st_group_close(&t->c.group);
	st_say_rc(t, st_call(fd, VFIO_DEVICE_GET_INFO, &info));
	st_say_rc(t, open_again(t));
	close(fd);
	st_say_rc(t, open_again(t));
}

/* Both devices of one group. */
static void device_pair(struct st_trial *t)
{
	char second[PCI_BDF_SIZE];
	struct st_group pair;
	int a, b, rc = st_group_find_pair(&pair, second);

	if (rc)
		st_give_up(t, "no two devices in a group", rc);
	rc = st_group_open(&pair) ?: st_group_join(&pair, t->c.fd);
	st_say_rc(t, rc);
	a = st_group_device(&pair, pair.bdf);
	b = st_group_device(&pair, second);
	st_say_rc(t, a < 0 ? a : 0);
	st_say_rc(t, b < 0 ? b : 0);
	st_say_rc(t, st_group_leave(&pair));
	close(a);
	st_say_rc(t, st_group_leave(&pair));
	close(b);
	st_say_rc(t, st_group_leave(&pair));
}

static const struct st_row device_rows[] = {
	{ "in no container", device_no_container, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "before SET_IOMMU", device, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "0, close-on-exec", .native = "0, close-on-exec",
	  .why = WHY_NO_SET_IOMMU },
	{ "after SET_IOMMU", device,
	  .type1 = "0, close-on-exec" },
	{ "no name", device_named, .types = ST_ONCE,
	  .type1 = "ENODEV" },
	{ "name of no device", device_named, .arg = 1, .types = ST_ONCE,
	  .type1 = "ENODEV" },
	{ "name of another kind", device_named, .arg = 2, .types = ST_ONCE,
	  .type1 = "ENODEV" },
	{ "NULL", device_named, .arg = 3, .types = ST_ONCE,
	  .type1 = "EFAULT" },
	{ "name of 4095 characters", device_long_name, .arg = 4095, .types = ST_ONCE,
	  .type1 = "ENODEV" },
	{ "name of 5000 characters", device_long_name, .arg = 5000, .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "its name and a blank, its name without the end", device_named_longer,
	  .types = ST_ONCE,
	  .type1 = "0, ENODEV" },
	{ "device of another group", device_of_another_group, .types = ST_ONCE,
	  .type1 = "ENODEV" },
	{ "two fds, one closed, GET_INFO, UNSET_CONTAINER, closed, UNSET_CONTAINER",
	  device_twice,
	  .type1 = "0, 0, 0, EBUSY, 0", .shim = "0, 0, 0, 0, EINVAL" },
	{ "group closed, GET_INFO, open the group, device closed, open the group",
	  device_outlives_group,
	  .type1 = "0, EBUSY, 0", .shim = "0, 0, 0" },
	{ "group of two: in, fd, fd, UNSET_CONTAINER, one closed, again, both closed, again",
	  device_pair,
	  .type1 = "0, 0, 0, EBUSY, EBUSY, 0", .shim = "0, 0, 0, 0, EINVAL, EINVAL" },
};

/* What is mapped goes with the last group, and the container is as new. */
static void last_leaves(struct st_trial *t)
{
	struct st_info info;

	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_dma_info(t->c.fd, &info));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), 0));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void last_closed(struct st_trial *t)
{
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_group_close(&t->c.group);
	open_group(t);
	say_status(t);
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

static void other_type_after(struct st_trial *t)
{
	bool is_v1 = t->type == VFIO_TYPE1_IOMMU;

	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, is_v1 ? VFIO_TYPE1v2_IOMMU : VFIO_TYPE1_IOMMU));
	/* The answer to a cut tells which version it is. */
	st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA);
	st_say(t, "%s", st_dma_unmap(t->c.fd, 0, ST_IOVA, &(__u64){ PAGES(2) }) ? "v2" : "v1");
}

static void not_the_last_leaves(struct st_trial *t)
{
	struct st_group second;

	open_second(t, &second);
	st_say_rc(t, st_group_join(&second, t->c.fd));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(PAGES(4)), PAGES(4), ST_IOVA));
	st_say_rc(t, st_group_leave(&second));
	st_say_rc(t, st_group_join(&second, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
}

/* A second group needs no SET_IOMMU of its own, and no second one is possible. */
static void second_joins(struct st_trial *t)
{
	struct st_group second;
	int fd;

	open_second(t, &second);
	st_say_rc(t, st_group_join(&second, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	fd = st_group_device(&second, second.bdf);
	st_say_rc(t, fd < 0 ? fd : 0);
}

static void second_with_own_container(struct st_trial *t)
{
	struct st_container other;
	struct st_group second;

	open_second(t, &second);
	st_say_rc(t, st_container_open(&other, t->node));
	st_say_rc(t, st_group_join(&second, other.fd));
	st_say_rc(t, st_container_set(&other, t->type));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	st_say_rc(t, st_dma_map(other.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	st_say_size(t, "mapped", st_dma_mapped(t->c.fd));
	st_say_size(t, "mapped", st_dma_mapped(other.fd));
}

/* The log of dirty pages starts anew with the container. */
static void log_starts_anew(struct st_trial *t)
{
	st_say_rc(t, st_dma_dirty(t->c.fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_set(&t->c, t->type));
	st_say_rc(t, st_dma_dirty_get(t->c.fd, ST_IOVA, st_page, st_memory(st_page), 8));
}

static const struct st_row life_rows[] = {
	{ "4 pages, last group leaves, GET_INFO, MAP, joins, SET_IOMMU", last_leaves,
	  .type1 = "0, 0, EINVAL, EINVAL, 0, 0, mapped 0", .shim = "0, 0, 0, 0, 0, 0, mapped 8p",
	  .native = "0, 0, ENODEV, ENODEV, 0, 0, mapped 0",
	  .why = WHY_NO_IOAS },
	{ "4 pages, last group closed, opened, joins, SET_IOMMU", last_closed,
	  .type1 = "0, viable, 0, 0, mapped 0", .shim = "0, viable, 0, 0, mapped 4p" },
	{ "last group leaves, joins, SET_IOMMU of the other version", other_type_after,
	  .types = ST_V1,
	  .type1 = "0, 0, 0, v2", .shim = "0, 0, 0, v1" },
	{ "last group leaves, joins, SET_IOMMU of the other version", other_type_after,
	  .types = ST_V2,
	  .type1 = "0, 0, 0, v1" },
	{ "two groups, 4 pages, one leaves, MAP, the other one leaves and joins",
	  not_the_last_leaves,
	  .type1 = "0, 0, 0, mapped 4p, 0, 0, 0, 0, mapped 0",
	  .shim = "0, 0, 0, mapped 4p, 0, 0, 0, 0, mapped 4p" },
	{ "a second group: in, SET_IOMMU, GET_DEVICE_FD", second_joins,
	  .type1 = "0, EINVAL, 0", .shim = "0, 0, 0" },
	{ "a second group in a container of its own, MAP in both", second_with_own_container,
	  .type1 = "0, 0, 0, 0, 0, mapped 1p, mapped 1p" },
	{ "DIRTY_PAGES START, last group leaves, joins, SET_IOMMU, GET_BITMAP", log_starts_anew,
	  .types = ST_V1,
	  .type1 = "EACCES, 0, 0, 0, EACCES", .shim = "ENOTTY, 0, 0, 0, ENOTTY" },
	{ "DIRTY_PAGES START, last group leaves, joins, SET_IOMMU, GET_BITMAP", log_starts_anew,
	  .types = ST_V2,
	  .type1 = "0, 0, 0, 0, EINVAL", .shim = "ENOTTY, 0, 0, 0, ENOTTY" },
};

static const struct st_section sections[] = {
	ST_SECTION("Opening a group", open_rows),
	ST_SECTION("GROUP_GET_STATUS", status_rows),
	ST_SECTION("A group and its container", container_rows),
	ST_SECTION("GROUP_GET_DEVICE_FD", device_rows),
	ST_SECTION("Groups come and go", life_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
