/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Groups and containers as programs for type1 use them.
 *
 * The same calls go to the type1 driver, to upstream's emulation of it and to
 * ours, so nothing here depends on who answers.
 */
#ifndef ST_CONTAINER_H
#define ST_CONTAINER_H

#include "st_dma.h"
#include "st_group.h"

#define ST_IOMMUFD_NODE		"/dev/iommu"

struct st_group {
	int fd;
	int number;
	bool is_noiommu;
	char bdf[PCI_BDF_SIZE];	/* its first device that VFIO has */
};

struct st_container {
	int fd;
	struct st_group group;
	struct st_env env;	/* for DMA; env.dev is the device when it is open */
};

int st_group_find(struct st_group *group, enum st_device kind);
int st_group_find_pair(struct st_group *group, char second[PCI_BDF_SIZE]);
int st_group_of_mdev(struct st_group *group, const struct st_mdev *mdev);
int st_group_open(struct st_group *group);
void st_group_close(struct st_group *group);
int st_group_join(const struct st_group *group, int container);
int st_group_leave(const struct st_group *group);
int st_group_device(const struct st_group *group, const char *name);
int st_group_status(const struct st_group *group);

int st_container_open(struct st_container *c, const char *node);
int st_container_join(struct st_container *c, enum st_device kind);
int st_container_set(const struct st_container *c, unsigned long type);
int st_container_extension(const struct st_container *c, unsigned long extension);
int st_container_device(struct st_container *c);
int st_container_edu(struct st_container *c);

#endif
