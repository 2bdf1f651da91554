// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * GROUP_GET_DEVICE_FD: the way from a group to a device, and who keeps whom open.
 *
 * See st_table.h for how the tables are read.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "st_table.h"

static void device(struct st_trial *t)
{
	int fd = st_group_device(&t->c.group, t->c.group.bdf);

	st_say_rc(t, fd < 0 ? fd : 0);
	if (fd >= 0)
		st_say(t, "%s", fcntl(fd, F_GETFD) & FD_CLOEXEC ? "close-on-exec" : "inherited");
}

static void device_no_container(struct st_trial *t)
{
	st_open_first(t);
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

	st_open_second(t, &second);
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
	st_say_rc(t, st_open_again(t));
	close(fd);
	st_say_rc(t, st_open_again(t));
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

static const struct st_section sections[] = {
	ST_SECTION("GROUP_GET_DEVICE_FD", device_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
