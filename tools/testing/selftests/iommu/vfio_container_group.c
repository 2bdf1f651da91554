// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups: who may open one, what it says about itself, into and out of a container.
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
	st_open_first(t);
	st_say_rc(t, st_open_again(t));
}

static void opened_after_close(struct st_trial *t)
{
	st_open_first(t);
	st_group_close(&t->c.group);
	st_say_rc(t, st_open_again(t));
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
	st_say_rc(t, st_open_again(t));
	vfio_close(&dev);
	st_say_rc(t, st_open_again(t));
}

static void cdev_open_unbound(struct st_trial *t)
{
	struct vfio_device dev;

	open_cdev(t, &dev);
	st_say_rc(t, st_open_again(t));
}

/* The group is open, and somebody binds the device by its node. */
static void cdev_while_open(struct st_trial *t)
{
	int iommufd = iommufd_open();
	struct vfio_device dev;
	__u32 id;

	st_open_first(t);
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

	st_open_first(t);
	st_say_rc(t, st_call(t->c.group.fd, VFIO_GROUP_GET_STATUS, &status));
	st_say(t, "flags %u", status.flags);
	st_say(t, "argsz %u", status.argsz);
}

static void status_null(struct st_trial *t)
{
	st_open_first(t);
	st_say_rc(t, st_call(t->c.group.fd, VFIO_GROUP_GET_STATUS, NULL));
}

static void status_fresh(struct st_trial *t)
{
	st_open_first(t);
	st_say_status(t);
}

static void status_in(struct st_trial *t)
{
	st_say_status(t);
}

static void status_after(struct st_trial *t)
{
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_status(t);
}

static void other_call(struct st_trial *t)
{
	__u32 argument[16] = { sizeof(argument) };

	st_open_first(t);
	st_say_rc(t, st_call(t->c.group.fd, t->arg, argument));
}

static void file_calls(struct st_trial *t)
{
	char byte = 0;
	void *at;

	st_open_first(t);
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
	st_open_first(t);
	st_say_rc(t, st_group_join(&t->c.group, t->arg));
	st_say_status(t);
}

static void join_null(struct st_trial *t)
{
	st_open_first(t);
	st_say_rc(t, st_call(t->c.group.fd, VFIO_GROUP_SET_CONTAINER, NULL));
}

static void join_foreign(struct st_trial *t)
{
	st_open_first(t);
	st_say_rc(t, st_group_join(&t->c.group, open("/dev/null", O_RDWR | O_CLOEXEC)));
	st_say_rc(t, st_group_join(&t->c.group, t->c.group.fd));
	st_say_status(t);
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
	st_say_status(t);
}

/* Opened for reading only, or not for writing: it makes no difference. */
static void join_read_only(struct st_trial *t)
{
	st_open_first(t);
	st_say_rc(t, st_group_join(&t->c.group, open(t->node, O_RDONLY | O_CLOEXEC)));
}

static void leave_first(struct st_trial *t)
{
	st_open_first(t);
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
	st_say_status(t);
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

static const struct st_section sections[] = {
	ST_SECTION("Opening a group", open_rows),
	ST_SECTION("GROUP_GET_STATUS", status_rows),
	ST_SECTION("A group and its container", container_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
