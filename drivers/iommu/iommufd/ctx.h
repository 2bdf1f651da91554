/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What belongs to one open /dev/iommu.
 */
#ifndef __IOMMUFD_CTX_H
#define __IOMMUFD_CTX_H

#include <linux/atomic.h>
#include <linux/iommufd_report.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/xarray.h>
#include "container.h"
#include "memory/memlock.h"
#include "object.h"

struct device;
struct file;
struct inode;

/**
 * struct iommufd_ctx - an open /dev/iommu
 * @dev: the node it was opened on; stands for it before the exporter of a dma-buf
 * @p2p_user_va: a BAR may be mapped by its user address; constant
 * @serial: number among all that were opened, from 1
 * @item: in the list of those that are open
 * @file: its file; bound devices, accesses and event fds hold a reference, so the
 *	  context lives as long as they do
 * @objects: everything with an ID
 * @log: refusals
 * @accounts: who pays for pinned memory
 * @creation_lock: read: an IOAS appears or goes; write: CHANGE_PROCESS, which must see
 *		   all of them
 * @nioases: how many have appeared and not gone, with an ID or without; changes under
 *	     @creation_lock
 * @groups_lock: protects @groups and the last reference of each group
 * @groups: &struct iommufd_group by iommu_group ID
 * @mt_mmap: &struct iommufd_mmap_area by file offset; see mmap_area.h
 * @sw_msi_lock: protects @sw_msi_list, @sw_msi_id and the maps of groups and HWPTs
 * @sw_msi_list: &struct iommufd_sw_msi_map; see sw_msi.h
 * @sw_msi_id: next ID on @sw_msi_list
 * @from_vfio_node: opened as /dev/vfio/vfio; fixed at open
 * @container: what the file is as a container of VFIO
 */
struct iommufd_ctx {
	struct device *dev;
	bool p2p_user_va;
	u64 serial;
	struct list_head item;
	struct file *file;
	struct iommufd_objects objects;
	struct iommufd_log log;
	struct iommufd_accounts accounts;
	struct rw_semaphore creation_lock;
	atomic_t nioases;
	struct mutex groups_lock; /* protects groups */
	struct xarray groups;
	struct maple_tree mt_mmap;
	struct mutex sw_msi_lock; /* MSI pages of the file */
	struct list_head sw_msi_list;
	unsigned int sw_msi_id;
	bool from_vfio_node;
	struct iommufd_container container;
};

/*
 * A file is one of ours when its release is iommufd_ctx_release(), whatever node it
 * was opened on.
 */
int iommufd_ctx_create(struct file *file,
		       const struct iommufd_object_ops *const *ops,
		       bool from_vfio_node);
int iommufd_ctx_release(struct inode *inode, struct file *file);
struct iommufd_ctx *iommufd_ctx_next(u64 serial);
#endif
