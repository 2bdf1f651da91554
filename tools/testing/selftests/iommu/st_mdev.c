// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Mediated devices of the kernel's samples mtty and mdpy.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "iommu_selftest.h"

#define SYS_PARENTS	"/sys/class/mdev_bus"
#define SYS_MDEVS	"/sys/bus/mdev/devices"

/* Load NAME.ko from wherever the guest keeps its modules. */
static void load_module(const char *name)
{
	static const char *const places[] = {
		"/vm/modules/%s.ko",
		"/lib/modules/%s.ko",
		"/lib/modules/*/kernel/drivers/vfio/mdev/%s.ko",
		"/lib/modules/*/kernel/samples/vfio-mdev/%s.ko",
	};
	glob_t found = {};
	char pattern[PATH_MAX];
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(pattern, sizeof(pattern), places[i], name);
		glob(pattern, i ? GLOB_APPEND : 0, NULL, &found);
	}
	for (i = 0; i < found.gl_pathc; i++) {
		int fd = open(found.gl_pathv[i], O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		syscall(SYS_finit_module, fd, "", 0);
		close(fd);
	}
	globfree(&found);
}

/* The first type of device that the parent offers. */
static int find_type(const char *parent, char type[PATH_MAX])
{
	char path[PATH_MAX];
	struct dirent *entry;
	int rc = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), SYS_PARENTS "/%s/mdev_supported_types", parent);
	dir = opendir(path);
	if (!dir)
		return -ENODEV;
	while (rc && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (snprintf(type, PATH_MAX, "%s/%s", path, entry->d_name) < PATH_MAX)
			rc = 0;
	}
	closedir(dir);
	return rc;
}

/**
 * st_mdev_create() - Make a mediated device
 * @mdev: filled in
 * @parent: "mtty" or "mdpy"
 * @uuid: its name
 *
 * Return: 0; -ENODEV when the kernel has no such parent.
 */
int st_mdev_create(struct st_mdev *mdev, const char *parent, const char *uuid)
{
	char type[PATH_MAX], path[PATH_MAX + 16];

	mdev->dev.fd = -1;
	snprintf(mdev->uuid, sizeof(mdev->uuid), "%s", uuid);
	if (find_type(parent, type)) {
		load_module("mdev");
		load_module(parent);
		if (find_type(parent, type))
			return -ENODEV;
	}
	snprintf(path, sizeof(path), "%s/create", type);
	return st_write_text(path, uuid);
}

/* Open the device's node, once more if need be; @mdev->dev holds the result. */
int st_mdev_open(struct st_mdev *mdev)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), SYS_MDEVS "/%s/vfio-dev", mdev->uuid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir)) && entry->d_name[0] == '.')
		;
	if (entry)
		snprintf(mdev->dev.node, sizeof(mdev->dev.node), "/dev/vfio/devices/%.64s",
			 entry->d_name);
	closedir(dir);
	if (!entry)
		return -ENODEV;
	mdev->dev.fd = open(mdev->dev.node, O_RDWR | O_CLOEXEC);
	return mdev->dev.fd < 0 ? -errno : 0;
}

/* Blocks while the device is open. */
int st_mdev_remove(struct st_mdev *mdev)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), SYS_MDEVS "/%s/remove", mdev->uuid);
	return st_write_text(path, "1");
}
