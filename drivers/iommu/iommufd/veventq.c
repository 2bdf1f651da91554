// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_VEVENTQ_ALLOC, and the file through which user space reads the events of a
 * vIOMMU.  The writer and the rules of the queue stand in veventq.h.
 *
 * An event is taken off the queue before it is copied out, without the lock; if that
 * fails it goes back.
 *
 * Locks: &iommufd_viommu.veventqs_rwsem for writing when a queue comes or goes;
 * &iommufd_veventq.lock.
 */
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/memcontrol.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ctx.h"
#include "event_file.h"
#include "ucmd.h"
#include "veventq.h"
#include "viommu.h"

#define DEPTH_MAX BIT(19)
/* Far more than there are types of events; each event looks for its queue. */
#define QUEUES_MAX 16
#define HEADER_SIZE sizeof(struct iommufd_vevent_header)

static void veventq_destroy(struct iommufd_object *obj)
{
	struct iommufd_veventq *veventq =
		container_of(obj, struct iommufd_veventq, obj);
	struct iommufd_vevent *event, *next;

	/* No event comes any more after this. */
	scoped_guard(rwsem_write, &veventq->viommu->veventqs_rwsem)
		list_del_init(&veventq->item);
	list_for_each_entry_safe(event, next, &veventq->events, item)
		if (event != &veventq->lost)
			kfree(event);
	mem_cgroup_put(veventq->memcg);
	iommufd_object_release(&veventq->viommu->obj);
}

const struct iommufd_object_ops iommufd_veventq_object_ops = {
	.name = "veventq",
	.destroy = veventq_destroy,
};

/* Needs more room than a reader has left? */
static bool is_too_long(const struct iommufd_vevent *event, size_t room)
{
	return room < HEADER_SIZE || event->data_len > room - HEADER_SIZE;
}

/*
 * Take the oldest event off the queue; NULL when there is none, or when it needs more
 * than @room, which is -EINVAL if @first.  The header of a loss can change as soon as
 * the lock is dropped, so *@header is a copy.
 */
static struct iommufd_vevent *take_event(struct iommufd_veventq *veventq,
					 size_t room, bool first,
					 struct iommufd_vevent_header *header)
{
	struct iommufd_vevent *event;

	guard(spinlock)(&veventq->lock);
	event = list_first_entry_or_null(&veventq->events, struct iommufd_vevent, item);
	if (!event)
		return NULL;
	if (is_too_long(event, room))
		return first ? ERR_PTR(-EINVAL) : NULL;
	list_del_init(&event->item);
	if (event != &veventq->lost)
		veventq->num_events--;
	*header = event->header;
	return event;
}

/*
 * A loss is the last of a queue or not in it: if another event or another loss came
 * meanwhile the gap in the numbers tells as much.
 */
static void give_back(struct iommufd_veventq *veventq, struct iommufd_vevent *event)
{
	guard(spinlock)(&veventq->lock);
	if (event != &veventq->lost)
		veventq->num_events++;
	else if (!list_empty(&veventq->events))
		return;
	list_add(&event->item, &veventq->events);
	/* Who polled meanwhile saw none. */
	wake_up_interruptible(&veventq->wait);
}

static int copy_event(char __user *to, const struct iommufd_vevent_header *header,
		      const struct iommufd_vevent *event)
{
	if (copy_to_user(to, header, HEADER_SIZE) ||
	    copy_to_user(to + HEADER_SIZE, event->data, event->data_len))
		return -EFAULT;
	return 0;
}

static ssize_t veventq_read(struct file *file, char __user *to, size_t size,
			    loff_t *pos)
{
	struct iommufd_veventq *veventq = file->private_data;
	struct iommufd_vevent_header header;
	struct iommufd_vevent *event;
	size_t done = 0;
	int rc = 0;

	if (*pos)
		return -ESPIPE;
	if (size < HEADER_SIZE)
		return -EINVAL;
	while (!rc) {
		event = take_event(veventq, size - done, !done, &header);
		if (IS_ERR_OR_NULL(event)) {
			rc = PTR_ERR_OR_ZERO(event);
			break;
		}
		rc = copy_event(to + done, &header, event);
		if (rc) {
			give_back(veventq, event);
			break;
		}
		done += HEADER_SIZE + event->data_len;
		if (event != &veventq->lost)
			kfree(event);
	}
	return done ?: rc;
}

static __poll_t veventq_poll(struct file *file, poll_table *wait)
{
	struct iommufd_veventq *veventq = file->private_data;

	poll_wait(file, &veventq->wait, wait);
	guard(spinlock)(&veventq->lock);
	return list_empty(&veventq->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static int veventq_release(struct inode *inode, struct file *file)
{
	struct iommufd_veventq *veventq = file->private_data;

	if (veventq)
		iommufd_event_file_release(veventq->ictx, &veventq->obj);
	return 0;
}

static const struct file_operations veventq_fops = {
	.owner = THIS_MODULE,
	.read = veventq_read,
	.poll = veventq_poll,
	.release = veventq_release,
};

static int check_cmd(const struct iommufd_ucmd *ucmd,
		     const struct iommu_veventq_alloc *cmd)
{
	if (cmd->flags)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->flags);
	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	if (cmd->type == IOMMU_VEVENTQ_TYPE_DEFAULT)
		return iommufd_refuse_unknown(ucmd, "type", cmd->type);
	if (!cmd->veventq_depth || cmd->veventq_depth > DEPTH_MAX)
		return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "a queue of %u events, from 1 to %lu are possible",
				      cmd->veventq_depth, DEPTH_MAX);
	return 0;
}

/* Not known to its vIOMMU yet. */
static struct iommufd_veventq *veventq_new(const struct iommufd_ucmd *ucmd,
					   const struct iommu_veventq_alloc *cmd)
{
	struct iommufd_viommu *viommu __free(viommu_put) =
		iommufd_viommu_get(ucmd->ictx, cmd->viommu_id);
	struct iommufd_veventq *veventq;

	if (IS_ERR(viommu))
		return ERR_CAST(viommu);
	veventq = iommufd_object_new(&ucmd->ictx->objects, veventq,
				     IOMMUFD_OBJ_VEVENTQ, obj);
	if (IS_ERR(veventq))
		return veventq;
	veventq->ictx = ucmd->ictx;
	veventq->viommu = viommu;
	veventq->memcg = get_mem_cgroup_from_mm(current->mm);
	veventq->type = cmd->type;
	INIT_LIST_HEAD(&veventq->item);
	iommufd_veventq_init_events(veventq, cmd->veventq_depth);
	iommufd_object_hold(&viommu->obj);
	return veventq;
}

/* Events can come from here on. */
static int join(struct iommufd_veventq *veventq)
{
	struct iommufd_viommu *viommu = veventq->viommu;

	guard(rwsem_write)(&viommu->veventqs_rwsem);
	if (iommufd_viommu_find_veventq(viommu, veventq->type))
		return iommufd_refuse(&viommu->ictx->log, -EEXIST, WHY_BUSY,
				      "vIOMMU %u has a queue of type %u already",
				      viommu->obj.id, veventq->type);
	if (list_count_nodes(&viommu->veventqs) >= QUEUES_MAX)
		return iommufd_refuse(&viommu->ictx->log, -ENOSPC, WHY_BUSY,
				      "vIOMMU %u has %u queues already",
				      viommu->obj.id, QUEUES_MAX);
	list_add_tail(&veventq->item, &viommu->veventqs);
	return 0;
}

static int give_file(const struct iommufd_ucmd *ucmd, struct iommufd_veventq *veventq)
{
	struct iommu_veventq_alloc *cmd = ucmd->cmd;
	struct iommufd_event_file ef;
	int rc;

	rc = iommufd_event_file_open(&ef, "[iommufd-viommu-event]", &veventq_fops,
				     O_RDONLY);
	if (rc)
		return rc;
	cmd->out_veventq_id = veventq->obj.id;
	cmd->out_veventq_fd = ef.fd;
	rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	if (!rc)
		rc = join(veventq);
	if (rc) {
		iommufd_event_file_abort(&ef);
		return rc;
	}
	iommufd_event_file_publish(&ef, ucmd->ictx, &veventq->obj, veventq);
	return 0;
}

/**
 * iommufd_call_veventq_alloc - IOMMU_VEVENTQ_ALLOC
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP a flag, a reserved member, or a type that is not in use; -EINVAL
 * the depth; -ENOENT no such vIOMMU; -EEXIST it has a queue of this type; -ENOSPC
 * it has 16 queues; -EMFILE, -ENFILE no descriptor left; -EFAULT; -ENOMEM.
 */
int iommufd_call_veventq_alloc(struct iommufd_ucmd *ucmd)
{
	struct iommufd_veventq *veventq;
	int rc;

	rc = check_cmd(ucmd, ucmd->cmd);
	if (rc)
		return rc;
	veventq = veventq_new(ucmd, ucmd->cmd);
	if (IS_ERR(veventq))
		return PTR_ERR(veventq);
	rc = give_file(ucmd, veventq);
	if (rc)
		iommufd_object_abort_and_destroy(&ucmd->ictx->objects, &veventq->obj);
	return rc;
}
