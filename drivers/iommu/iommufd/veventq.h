/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Queues of events that a vIOMMU sends to user space.
 *
 * The writer is iommufd_viommu_report_event() in driver.c, called by IOMMU
 * drivers; the reader is the queue's file. Every event takes the next sequence
 * number, whether it finds room or not. If it does not, the queue's own @lost
 * node is put at the tail, or stays there, with the number of the event; the next
 * event that finds room takes its place, and the gap in the numbers tells of the
 * loss. So @lost is the last entry or is not queued.
 *
 * A reader takes entries from the head under the lock: list_del_init(), and
 * @num_events less 1 unless it is @lost. To put one back after a failed copy it
 * uses list_add(), but drops @lost if that is queued again or if events have come
 * after it.
 *
 * Locks: &iommufd_veventq.lock, a leaf, protects the list and the counters. It is
 * taken under &iommufd_viommu.veventqs_rwsem by the writer.
 */
#ifndef __IOMMUFD_VEVENTQ_H
#define __IOMMUFD_VEVENTQ_H

#include <linux/iommufd.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/overflow.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

struct iommufd_ctx;
struct mem_cgroup;

/**
 * struct iommufd_vevent - one event
 * @item: in &iommufd_veventq.events
 * @header: what user space reads first
 * @data_len: bytes of @data; 0 for a loss
 * @data: the event, in the format of the queue's type
 */
struct iommufd_vevent {
	struct list_head item;
	struct iommufd_vevent_header header;
	size_t data_len;
	u8 data[] __counted_by(data_len);
};

/**
 * struct iommufd_veventq - a queue of events
 * @obj: ID and lifetime; the open file holds a long reference
 * @ictx: context; the open file holds its file
 * @viommu: the vIOMMU; a long reference
 * @memcg: who pays for the events; a reference, may be NULL
 * @item: in &iommufd_viommu.veventqs
 * @wait: woken when an event comes
 * @lock: protects the members below
 * @events: &struct iommufd_vevent, oldest first
 * @num_events: entries of @events without @lost
 * @sequence: number of the next event
 * @depth: events that fit; constant
 * @type: which events; constant
 * @lost: entry that announces a loss and bears the number of the last event lost;
 *	  an empty list node while it is not queued. Part of the queue, so that
 *	  there is always memory for it
 */
struct iommufd_veventq {
	struct iommufd_object obj;
	struct iommufd_ctx *ictx;
	struct iommufd_viommu *viommu;
	struct mem_cgroup *memcg;
	struct list_head item;
	wait_queue_head_t wait;

	spinlock_t lock; /* events, num_events, sequence, lost */
	struct list_head events;
	unsigned int num_events;
	unsigned int sequence;

	unsigned int depth;
	enum iommu_veventq_type type;

	/* Last, for it ends in a flexible array. */
	struct iommufd_vevent lost;
};

extern const struct iommufd_object_ops iommufd_veventq_object_ops;

/* Set up the part that events need. The caller sets the rest. */
static inline void iommufd_veventq_init_events(struct iommufd_veventq *veventq,
					       unsigned int depth)
{
	init_waitqueue_head(&veventq->wait);
	spin_lock_init(&veventq->lock);
	INIT_LIST_HEAD(&veventq->events);
	INIT_LIST_HEAD(&veventq->lost.item);
	veventq->lost.header.flags = IOMMU_VEVENTQ_FLAG_LOST_EVENTS;
	veventq->depth = depth;
}

/* The vIOMMU's queue of a type, or NULL. */
static inline struct iommufd_veventq *
iommufd_viommu_find_veventq(struct iommufd_viommu *viommu,
			    enum iommu_veventq_type type)
{
	struct iommufd_veventq *veventq;

	lockdep_assert_held(&viommu->veventqs_rwsem);

	list_for_each_entry(veventq, &viommu->veventqs, item) {
		if (veventq->type == type)
			return veventq;
	}
	return NULL;
}
#endif
