// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The table itself: how it begins and what is left of it at its end.
 *
 * Locks: see iopt.h.
 */
#include <linux/iommufd_report.h>

#include "../lib/xa_entries.h"
#include "iopt_private.h"

/**
 * iopt_init - make an empty table
 * @iopt: the table
 * @log: where refusals are told; outlives the table
 */
void iopt_init(struct iommufd_iopt *iopt, struct iommufd_log *log)
{
	init_rwsem(&iopt->domains_lock);
	init_rwsem(&iopt->space_lock);
	iova_set_init(&iopt->areas);
	iova_resv_init(&iopt->reserved);
	iova_set_init(&iopt->allowed);
	iopt->allowed_nodes = NULL;
	INIT_LIST_HEAD(&iopt->domains);
	xa_init_flags(&iopt->accesses, XA_FLAGS_ALLOC);
	iopt->alignment = 1;
	iopt->huge_pages = true;
	iopt->recording = false;
	xa_init_flags(&iopt->written, XA_FLAGS_ALLOC1);
	iopt->no_vaddr = 0;
	iopt->nareas = 0;
	iopt->nbytes = 0;
	iopt->log = log;
}

/**
 * iopt_destroy - free what is left of a table without areas, domains and accesses
 * @iopt: the table
 *
 * Ranges that nobody took back (reserved with the owner NULL, and the allowed set)
 * go with the table.
 */
void iopt_destroy(struct iommufd_iopt *iopt)
{
	iopt_unreserve(iopt, NULL);
	WARN_ON(iopt_set_allowed(iopt, NULL, 0));
	WARN_ON(iopt->nareas);
	WARN_ON(!list_empty(&iopt->domains));
	WARN_ON(xa_has_entries(&iopt->accesses));
	WARN_ON(xa_has_entries(&iopt->written));
	xa_destroy(&iopt->accesses);
	xa_destroy(&iopt->written);
}
