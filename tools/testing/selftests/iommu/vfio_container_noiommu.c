// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups without an IOMMU and the container for them, which opens devices and
 * has no mapping service.
 *
 * Needs a machine without an IOMMU, vfio.enable_unsafe_noiommu_mode=1 and a
 * device bound to vfio-pci. See st_table.h for how the tables are read.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <unistd.h>

#include "st_table.h"

#define NOIOMMU		VFIO_NOIOMMU_IOMMU
#define PARAMETER	"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define UUID		"b7c0de1a-0001-4e5f-8a9b-000000000001"

static void node(struct st_trial *t)
{
	st_say(t, "%s", t->c.group.is_noiommu ? "noiommu-N" : "N");
}

static int open_without_rawio(void *argument)
{
	struct st_trial *t = argument;

	st_drop_capability(CAP_SYS_RAWIO);
	return -st_group_open(&t->c.group);
}

static int device_without_rawio(void *argument)
{
	struct st_trial *t = argument;

	st_drop_capability(CAP_SYS_RAWIO);
	return st_container_device(&t->c) ? -st_container_device(&t->c) : 0;
}

static void group_without_rawio(struct st_trial *t)
{
	st_say_rc(t, -st_in_child(open_without_rawio, t));
}

static void status(struct st_trial *t)
{
	if (t->c.group.fd < 0)
		st_group_open(&t->c.group);
	st_say_rc(t, st_group_status(&t->c.group));
}

static void extensions(struct st_trial *t)
{
	unsigned long i;

	for (i = 0; i <= 11; i++)
		if (st_container_extension(&t->c, i) > 0)
			st_say(t, "%lu", i);
}

static void extension(struct st_trial *t)
{
	st_say_rc(t, st_container_extension(&t->c, t->arg));
}

static void set_type(struct st_trial *t)
{
	st_say_rc(t, st_container_set(&t->c, t->arg));
}

/* As DPDK tries one type after the other. */
static void set_in_turn(struct st_trial *t)
{
	st_say_rc(t, st_container_set(&t->c, VFIO_TYPE1_IOMMU));
	st_say_rc(t, st_container_set(&t->c, VFIO_SPAPR_TCE_v2_IOMMU));
	st_say_rc(t, st_container_set(&t->c, NOIOMMU));
	st_say_rc(t, st_container_set(&t->c, NOIOMMU));
	st_say_rc(t, st_container_device(&t->c));
}

static void device_before(struct st_trial *t)
{
	st_say_rc(t, st_container_device(&t->c));
}

static void set_noiommu(struct st_trial *t)
{
	int rc = st_container_set(&t->c, NOIOMMU);

	if (rc)
		st_give_up(t, "cannot set", rc);
}

static void without_rawio(struct st_trial *t)
{
	set_noiommu(t);
	st_say_rc(t, -st_in_child(device_without_rawio, t));
}

static void extensions_after(struct st_trial *t)
{
	set_noiommu(t);
	extensions(t);
}

/* No call of the mapping service reports success. */
static void no_mappings(struct st_trial *t)
{
	struct st_info info;
	__u64 size = st_page;

	set_noiommu(t);
	st_say_rc(t, st_dma_info(t->c.fd, &info));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
	st_say_rc(t, st_dma_dirty(t->c.fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
}

static void no_mappings_before(struct st_trial *t)
{
	struct st_info info;
	__u64 size = st_page;

	st_say_rc(t, st_dma_info(t->c.fd, &info));
	st_say_rc(t, st_dma_map(t->c.fd, ST_DMA_RW, st_memory(st_page), st_page, ST_IOVA));
	st_say_rc(t, st_dma_unmap(t->c.fd, 0, ST_IOVA, &size));
}

static void device_works(struct st_trial *t)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	set_noiommu(t);
	st_say_rc(t, st_container_device(&t->c));
	st_say_rc(t, st_call(t->c.env.dev.fd, VFIO_DEVICE_GET_INFO, &info));
	st_say_rc(t, vfio_enable_dma(&t->c.env.dev));
	st_say_rc(t, st_group_leave(&t->c.group));
	close(t->c.env.dev.fd);
	st_say_rc(t, st_group_leave(&t->c.group));
}

/* The container is free for another type after the last group left. */
static void rejoin(struct st_trial *t)
{
	set_noiommu(t);
	st_say_rc(t, st_group_leave(&t->c.group));
	st_say_rc(t, st_container_set(&t->c, NOIOMMU));
	st_say_rc(t, st_group_join(&t->c.group, t->c.fd));
	st_say_rc(t, st_container_device(&t->c));
	st_say_rc(t, st_container_set(&t->c, NOIOMMU));
	st_say_rc(t, st_container_device(&t->c));
}

/* The parameter decides about devices that come; these are here already. */
static void parameter_off(struct st_trial *t)
{
	int fd = open(PARAMETER, O_RDWR | O_CLOEXEC);

	if (fd < 0 || write(fd, "N", 1) != 1)
		st_give_up(t, "cannot write the parameter", -errno);
	st_say_rc(t, st_container_extension(&t->c, NOIOMMU));
	st_say_rc(t, st_container_set(&t->c, NOIOMMU));
	st_say_rc(t, st_container_device(&t->c));
	if (write(fd, "Y", 1) != 1)
		st_say_rc(t, -errno);
}

/* An emulated device has an address space of its own to be confined to. */
static void with_emulated(struct st_trial *t)
{
	struct st_mdev mdev;
	struct st_group group;
	int rc = st_mdev_create(&mdev, "mtty", UUID);

	if (rc)
		st_give_up(t, "no mdev", rc);
	rc = st_group_of_mdev(&group, &mdev) ?: st_group_open(&group);
	if (rc) {
		st_mdev_remove(&mdev);
		st_give_up(t, "no group of the mdev", rc);
	}
	st_say_rc(t, st_group_join(&group, t->c.fd));
	st_group_close(&group);
	st_say_rc(t, st_mdev_remove(&mdev));
}

static const struct st_row group_rows[] = {
	{ "name of the node", node, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "noiommu-N" },
	{ "open() without CAP_SYS_RAWIO", group_without_rawio, .from = ST_FROM_NOTHING,
	  .types = ST_ONCE,
	  .type1 = "EPERM" },
	{ "GET_STATUS", status, .from = ST_FROM_NOTHING, .types = ST_ONCE,
	  .type1 = "1" },
	{ "GET_STATUS in a container", status, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "3" },
	{ "GET_DEVICE_FD before SET_IOMMU", device_before, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "EINVAL", .shim = "0", .native = "0",
	  .why = WHY_NO_SET_IOMMU },
	{ "GET_DEVICE_FD without CAP_SYS_RAWIO", without_rawio, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "EPERM" },
	{ "GET_DEVICE_FD, GET_INFO, bus master, UNSET_CONTAINER, closed, again", device_works,
	  .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "0, 0, 0, EBUSY, 0", .shim = "0, 0, 0, 0, EINVAL" },
	{ "group of an mdev in the same container", with_emulated, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "EPERM, 0", .shim = "EINVAL, 0" },
};

static const struct st_row container_rows[] = {
	{ "extensions, no group", extensions, .from = ST_FROM_OPEN, .types = ST_ONCE,
	  .type1 = "1, 3, 8, 9" },
	{ "extensions, group in", extensions, .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "8" },
	{ "extensions, after SET_IOMMU", extensions_after, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "8" },
	{ "DMA_CC_IOMMU, group in", extension, .arg = VFIO_DMA_CC_IOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "0", .shim = "ENODEV" },
	{ "SET_IOMMU of NOIOMMU, no group", set_type, .arg = NOIOMMU, .from = ST_FROM_OPEN,
	  .types = ST_ONCE,
	  .type1 = "EINVAL" },
	{ "SET_IOMMU of TYPE1", set_type, .arg = VFIO_TYPE1_IOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "SET_IOMMU of TYPE1v2", set_type, .arg = VFIO_TYPE1v2_IOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "ENODEV", .shim = "EINVAL" },
	{ "SET_IOMMU of NOIOMMU", set_type, .arg = NOIOMMU, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "0" },
	{ "SET_IOMMU of TYPE1, SPAPR v2, NOIOMMU, again, GET_DEVICE_FD", set_in_turn,
	  .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "ENODEV, ENODEV, 0, EINVAL, 0", .shim = "EINVAL, EINVAL, 0, 0, 0" },
	{ "before SET_IOMMU: GET_INFO, MAP, UNMAP", no_mappings_before, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "EINVAL, EINVAL, EINVAL", .shim = "ENODEV, ENODEV, ENODEV",
	  .native = "ENOTTY, ENOTTY, ENOTTY",
	  .why = WHY_NO_SET_IOMMU },
	{ "after: GET_INFO, MAP, UNMAP, DIRTY_PAGES", no_mappings, .from = ST_FROM_JOINED,
	  .types = ST_ONCE,
	  .type1 = "ENOTTY, ENOTTY, ENOTTY, ENOTTY", .shim = "ENODEV, ENODEV, ENODEV, ENOTTY" },
	{ "group leaves, SET_IOMMU, joins, GET_DEVICE_FD, SET_IOMMU, GET_DEVICE_FD", rejoin,
	  .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "0, EINVAL, 0, EINVAL, 0, 0", .shim = "0, 0, 0, 0, 0, 0",
	  .native = "0, EINVAL, 0, 0, 0, 0",
	  .why = WHY_NO_SET_IOMMU },
	{ "parameter off: extension, SET_IOMMU, GET_DEVICE_FD", parameter_off,
	  .from = ST_FROM_JOINED, .types = ST_ONCE,
	  .type1 = "0, ENODEV, EINVAL", .shim = "1, 0, 0", .native = "0, ENODEV, 0",
	  .why = WHY_NO_SET_IOMMU },
};

static const struct st_section sections[] = {
	ST_SECTION("No IOMMU: groups", group_rows),
	ST_SECTION("No IOMMU: the container", container_rows),
};

int main(int argc, char **argv)
{
	return st_table_main(argc, argv, sections, ARRAY_SIZE(sections));
}
