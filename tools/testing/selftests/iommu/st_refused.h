/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Calls that are refused: each is one that works, with one or two members spoiled. A row
 * says which, with what errno, and what reason fdinfo gives.
 *
 * Whatever is refused changes nothing: fdinfo stays as it is, no descriptor is left, and
 * when all rows have been refused the call that works does work.
 */
#ifndef ST_REFUSED_H
#define ST_REFUSED_H

#include "st_world.h"

/* Where rows find IDs and addresses. Everything exists. */
struct st_scene {
	struct st_world w;	/* @table, @nested of @parent, queues, @id of the event queue */
	struct st_mock plain;	/* tracks no dirty pages, has no vDEVICE */
	__u32 viommu_nested, dirty, second_viommu;
	__u32 no_id;
	__u64 data, odd_data, read_only;	/* of the mock driver; ones follow */
	__u64 scattered;	/* two pages there are no neighbours in memory */
};

union st_command {
	__u32 size;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hwpt_invalidate invalidate;
	struct iommu_hwpt_set_dirty_tracking set_dirty;
	struct iommu_hwpt_get_dirty_bitmap get_dirty;
	struct iommu_hw_info hw_info;
	struct iommu_viommu_alloc viommu_alloc;
	struct iommu_vdevice_alloc vdevice_alloc;
	struct iommu_veventq_alloc veventq_alloc;
	struct iommu_hw_queue_alloc hw_queue_alloc;
	struct iommu_fault_alloc fault_alloc;
	struct iommu_option option;
	struct iommu_vfio_ioas vfio_ioas;
	struct iommu_ioas_change_process change_process;
};

/* A member that gets another value: @value, or what the scene has at @from. */
struct st_spoil {
	unsigned short at, size;
	unsigned short from;	/* offset into the scene, plus 1; 0: none */
	__u64 value;
};

#define ST_SET(_member, _value)						\
	{ .at = offsetof(union st_command, _member),			\
	  .size = sizeof(((union st_command *)0)->_member), .value = (_value) }
#define ST_FROM(_member, _scene)					\
	{ .at = offsetof(union st_command, _member),			\
	  .size = sizeof(((union st_command *)0)->_member),		\
	  .from = offsetof(struct st_scene, _scene) + 1 }

struct st_refused_row {
	int error;
	const char *reason;
	struct st_spoil spoil[3];
};

/* A call, as it works, and its rows. */
struct st_refused {
	const char *name;	/* as fdinfo has it */
	unsigned long request;
	void (*good)(const struct st_scene *s, union st_command *cmd);
	const struct st_refused_row *rows;
	unsigned int count;
	bool no_reply;	/* nothing is told that could be undone */
};

#define ST_REFUSED(_name, _good, _rows, ...)				\
	{ .name = #_name, .request = IOMMU_##_name, .good = (_good),	\
	  .rows = (_rows), .count = ARRAY_SIZE(_rows), ##__VA_ARGS__ }

int st_scene_open(struct st_scene *s);
int st_scene_close(struct st_scene *s);
int st_refused_each(struct st_scene *s, const struct st_refused *call);

#endif
