// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the calls on options of address spaces and of the file refuse, and that it changes
 * nothing. iommufd_option.c has what they do, and who may.
 */
#include <errno.h>

#include "st_refused.h"

#define OPTION(_member, _value)	ST_SET(option._member, _value)
#define OPTION_ID(_scene)	ST_FROM(option.object_id, _scene)

static void good_get(const struct st_scene *s, union st_command *cmd)
{
	cmd->option = (struct iommu_option) {
		.size = sizeof(cmd->option),
		.option_id = IOMMU_OPTION_HUGE_PAGES,
		.op = IOMMU_OPTION_OP_GET,
		.object_id = s->w.other_ioas,
	};
}

static const struct st_refused_row get_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { OPTION(__reserved, 1) } },
	{ EOPNOTSUPP, "bad-flags", { OPTION(option_id, 2) } },
	{ EOPNOTSUPP, "bad-flags", { OPTION(op, 2) } },
	{ EOPNOTSUPP, "bad-flags", { OPTION(op, 2), OPTION_ID(no_id) } },
	{ ENOENT, "no-object", { OPTION_ID(no_id) } },
	{ ENOENT, "no-object", { OPTION_ID(w.dev.id) } },
	{ EOPNOTSUPP, "not-supported", { OPTION(option_id, IOMMU_OPTION_RLIMIT_MODE) } },
};

static void good_set(const struct st_scene *s, union st_command *cmd)
{
	good_get(s, cmd);
	cmd->option.op = IOMMU_OPTION_OP_SET;
}

static const struct st_refused_row set_rows[] = {
	{ EINVAL, "bad-argument", { OPTION(val64, 2) } },
	{ EINVAL, "bad-argument", { OPTION(val64, 1ull << 32) } },
	{ ENOENT, "no-object", { OPTION(val64, 2), OPTION_ID(no_id) } },
	/* A table shows what is mapped there. */
	{ EINVAL, "busy", { OPTION_ID(w.env.ioas) } },
	{ EOPNOTSUPP, "not-supported", { OPTION(option_id, IOMMU_OPTION_RLIMIT_MODE) } },
	{ EBUSY, "busy", { OPTION(option_id, IOMMU_OPTION_RLIMIT_MODE), OPTION(object_id, 0) } },
};

static void good_vfio_ioas(const struct st_scene *s, union st_command *cmd)
{
	cmd->vfio_ioas = (struct iommu_vfio_ioas) {
		.size = sizeof(cmd->vfio_ioas),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = s->w.env.ioas,
	};
}

static const struct st_refused_row vfio_ioas_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { ST_SET(vfio_ioas.__reserved, 1) } },
	{ EOPNOTSUPP, "bad-flags", { ST_SET(vfio_ioas.op, 3) } },
	{ ENOENT, "no-object", { ST_FROM(vfio_ioas.ioas_id, no_id) } },
	{ ENOENT, "no-object", { ST_FROM(vfio_ioas.ioas_id, w.table) } },
	{ ENODEV, "no-object", { ST_SET(vfio_ioas.op, IOMMU_VFIO_IOAS_GET) } },
};

/* Without memory of the program, which cannot go: iommufd_process.c has that. */
static void good_change_process(const struct st_scene *s, union st_command *cmd)
{
	st_unmap_all(s->w.fd, s->w.env.ioas, NULL);
	st_unmap_all(s->w.fd, s->w.other_ioas, NULL);
	cmd->change_process = (struct iommu_ioas_change_process) {
		.size = sizeof(cmd->change_process),
	};
}

static const struct st_refused_row change_process_rows[] = {
	{ EOPNOTSUPP, "bad-flags", { ST_SET(change_process.__reserved, 1) } },
};

static const struct st_refused calls[] = {
	ST_REFUSED(OPTION, good_get, get_rows),
	ST_REFUSED(OPTION, good_set, set_rows, .no_reply = true),
	ST_REFUSED(IOAS_CHANGE_PROCESS, good_change_process, change_process_rows,
		   .no_reply = true),
	ST_REFUSED(VFIO_IOAS, good_vfio_ioas, vfio_ioas_rows, .no_reply = true),
};

#include "st_refused_test.h"
