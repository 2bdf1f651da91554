// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What rows of several tables do, see st_table.h.  A row that cannot go on says so.
 */
#include "st_table.h"

/* What GET_STATUS tells of the group. */
void st_say_status(struct st_trial *t)
{
	int status = st_group_status(&t->c.group);

	if (status < 0) {
		st_say_rc(t, status);
		return;
	}
	st_say(t, "%s%s", status & VFIO_GROUP_FLAGS_VIABLE ? "viable" : "not viable",
	       status & VFIO_GROUP_FLAGS_CONTAINER_SET ? " in container" : "");
}

void st_open_first(struct st_trial *t)
{
	int rc = st_group_open(&t->c.group);

	if (rc)
		st_give_up(t, "cannot open the group", rc);
}

/* Is the group free to be opened? */
int st_open_again(struct st_trial *t)
{
	struct st_group again = t->c.group;
	int rc = st_group_open(&again);

	if (!rc)
		st_group_close(&again);
	return rc;
}

/* Another group, open. */
void st_open_second(struct st_trial *t, struct st_group *second)
{
	int rc = st_group_find(second, ST_NVME) ?: st_group_open(second);

	if (rc)
		st_give_up(t, "no second group", rc);
}

/* Pages 4 to 11 are mapped and the log of dirty pages is on. */
void st_map_and_log(struct st_trial *t)
{
	size_t size = 8 * st_page;
	int rc = st_dma_map(t->c.fd, ST_DMA_RW, st_memory(size), size, ST_IOVA + 4 * st_page);

	if (rc)
		st_give_up(t, "cannot map", rc);
	rc = st_dma_dirty(t->c.fd, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
	if (rc)
		st_give_up(t, "cannot start", rc);
}
