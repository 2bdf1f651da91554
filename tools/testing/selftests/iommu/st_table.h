/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A table of what type1 answers, and what we answer.
 *
 * Each row is a call in some state of a container, and the answers to it: those
 * of the type1 driver, of upstream's emulation by iommufd ("shim"), and ours.
 * The first two were measured by these programs. Where ours differs from type1's
 * the row says why, so that a difference is a decision.
 *
 * A program with such tables runs on any kernel. It finds out who serves the
 * container and compares with that column; the answers are in its output.
 */
#ifndef ST_TABLE_H
#define ST_TABLE_H

#include "st_container.h"

/* Who answers: a column of the table. */
enum st_server {
	ST_TYPE1,	/* /dev/vfio/vfio with the type1 driver */
	ST_SHIM,	/* upstream's iommufd, by either node */
	ST_OURS,	/* our /dev/vfio/vfio */
	ST_NATIVE,	/* our /dev/iommu, used as a container */
};

/* How far a container is when a row begins. */
enum st_from {
	ST_FROM_SET,	/* SET_IOMMU was called, no device is open; what most rows need */
	ST_FROM_NOTHING,	/* the edu device's group is known, nothing is open */
	ST_FROM_OPEN,	/* the container is open, no group is in */
	ST_FROM_JOINED,	/* the group is in */
	ST_FROM_DEVICE,	/* and its device is open */
	ST_FROM_DMA,	/* and ready for DMA */
};

/* For which types of container a row holds. */
enum st_types {
	ST_BOTH,	/* TYPE1 and TYPE1v2 answer the same */
	ST_V1,
	ST_V2,
	ST_ONCE,	/* the type is of no interest; run with TYPE1v2 */
};

/* A row being run, in a process of its own. */
struct st_trial {
	struct st_container c;
	const char *node;
	enum st_server server;
	unsigned long type;
	unsigned long arg;	/* the row's */
	char answer[200];
};

struct st_row {
	const char *name;
	void (*run)(struct st_trial *t);
	unsigned long arg;
	enum st_from from;
	enum st_types types;
	const char *type1;
	const char *shim;	/* NULL: as type1 */
	const char *ours;	/* NULL: as type1 */
	const char *native;	/* NULL: as ours; "-": not for this node */
	const char *why;	/* why ours or native differ from type1 */
};

struct st_section {
	const char *title;
	const struct st_row *rows;
	unsigned int count;
};

/* An answer to 32-bit programs, and that to all others. */
#define IF_32(_narrow, _wide) (sizeof(void *) == 4 ? (_narrow) : (_wide))

/* Reasons that several rows have. */
#define WHY_NO_IOAS \
	"without an IOAS it is ENODEV, as upstream's kselftest of iommufd asserts"
#define WHY_NO_SET_IOMMU \
	"an iommufd opened by its own node does not need SET_IOMMU, as ever"
#define WHY_NO_LIMIT \
	"the number of mappings is not limited"
#define WHY_IPC_LOCK \
	"with CAP_IPC_LOCK nothing is counted, as everywhere in iommufd"

#define ST_SECTION(_title, _rows) \
	{ .title = (_title), .rows = (_rows), .count = ARRAY_SIZE(_rows) }

[[gnu::format(printf, 2, 3)]]
void st_say(struct st_trial *t, const char *format, ...);
void st_say_rc(struct st_trial *t, long long rc);
void st_say_size(struct st_trial *t, const char *what, long long size);
void st_be_limited(struct st_trial *t, __u64 memlock);
[[gnu::noreturn]] void st_give_up(struct st_trial *t, const char *what, int rc);

/* st_trial.c: what rows of several tables do. */
void st_say_status(struct st_trial *t);
void st_open_first(struct st_trial *t);
int st_open_again(struct st_trial *t);
void st_open_second(struct st_trial *t, struct st_group *second);
void st_map_and_log(struct st_trial *t);

int st_find_server(const char *node);
int st_table_main(int argc, char **argv, const struct st_section *sections,
		  unsigned int count);

#endif
