/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * In-kernel accesses.
 */
#ifndef __IOMMUFD_ACCESS_H
#define __IOMMUFD_ACCESS_H

#include <linux/iommufd.h>
#include <linux/rwsem.h>
#include "object.h"
#include "pgtable/iopt.h"

struct iommufd_ctx;
struct iommufd_ioas;

/**
 * struct iommufd_access_link - an access as one IOAS knows it
 * @entry: in the IOAS's table
 * @access: the access; constant
 * @ioas: the IOAS, a long reference; NULL while the link is not used
 */
struct iommufd_access_link {
	struct iopt_access entry;
	struct iommufd_access *access;
	struct iommufd_ioas *ioas;
};

/**
 * struct iommufd_access - a kernel driver's way into IOASes
 * @obj: ID and lifetime; the driver holds a long reference
 * @ictx: context, holds its file
 * @ops: the driver's callbacks
 * @data: for them
 * @lock: protects @current_link, @leaving and @next
 * @current_link: where new pins go; NULL when not attached
 * @iopt: the table of @current_link, or NULL.  Set with @lock held for writing, and taken
 *	  away with the table's space lock held for writing, too: either keeps it
 * @leaving: pins are still given back there, set while the driver is asked for them
 * @next: joined already, becomes current when @leaving is done with; or NULL
 * @links: storage of the two
 */
struct iommufd_access {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	const struct iommufd_access_ops *ops;
	void *data;
	struct rw_semaphore lock;
	struct iommufd_access_link *current_link;
	struct iommufd_iopt __rcu *iopt;
	struct iommufd_access_link *leaving;
	struct iommufd_access_link *next;
	struct iommufd_access_link links[2];
};

extern const struct iommufd_object_ops iommufd_access_object_ops;
#endif
