// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_FAULT_QUEUE_ALLOC, and the file through which user space reads page requests and
 * answers them.
 *
 * A group is told with all its requests at once, under a cookie.  It moves from @waiting
 * to @told before it is copied out, without the lock; if that fails it goes back, unless
 * it was answered meanwhile because its device went.
 *
 * Locks: &iommufd_fault.lock, never held while user memory is copied.
 */
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ctx.h"
#include "device.h"
#include "event_file.h"
#include "fault.h"
#include "ucmd.h"

#define RECORD_SIZE sizeof(struct iommu_hwpt_pgfault)
#define COOKIES XA_LIMIT(1, UINT_MAX)

/* The bits of the kernel are those of user space. */
static_assert((int)IOMMU_FAULT_PAGE_REQUEST_PASID_VALID ==
	      (int)IOMMU_PGFAULT_FLAGS_PASID_VALID);
static_assert((int)IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE ==
	      (int)IOMMU_PGFAULT_FLAGS_LAST_PAGE);
static_assert((int)IOMMU_FAULT_PERM_READ == (int)IOMMU_PGFAULT_PERM_READ);
static_assert((int)IOMMU_FAULT_PERM_WRITE == (int)IOMMU_PGFAULT_PERM_WRITE);
static_assert((int)IOMMU_FAULT_PERM_EXEC == (int)IOMMU_PGFAULT_PERM_EXEC);
static_assert((int)IOMMU_FAULT_PERM_PRIV == (int)IOMMU_PGFAULT_PERM_PRIV);

/**
 * struct told_group - a group on its way out
 * @cookie: names it
 * @size: bytes of @records
 * @records: what user space reads
 */
struct told_group {
	u32 cookie;
	size_t size;
	struct iommu_hwpt_pgfault *records;
};

static void fill_record(struct iommu_hwpt_pgfault *record,
			const struct iommu_fault_page_request *request,
			const struct iopf_group *group)
{
	const struct iommufd_attach_handle *handle =
		container_of(group->attach_handle, struct iommufd_attach_handle, handle);

	*record = (struct iommu_hwpt_pgfault){
		.flags = request->flags & (IOMMU_FAULT_PAGE_REQUEST_PASID_VALID |
					   IOMMU_FAULT_PAGE_REQUEST_LAST_PAGE),
		.dev_id = READ_ONCE(handle->dev_id),
		.pasid = request->pasid,
		.grpid = request->grpid,
		.perm = request->perm,
		.addr = request->addr,
		.cookie = group->cookie,
	};
}

static void fill_records(struct iommu_hwpt_pgfault *record,
			 const struct iopf_group *group)
{
	const struct iopf_fault *request;

	list_for_each_entry(request, &group->faults, list)
		fill_record(record++, &request->fault.prm, group);
}

/*
 * Move the oldest group from @waiting to @told.  1: done, @told has it; 0: there is none,
 * or it needs more than @room; that is -EINVAL if @first.
 */
static int take_group(struct iommufd_fault *fault, size_t room, bool first,
		      struct told_group *told)
{
	struct iommu_hwpt_pgfault *records __free(kvfree) = NULL;
	struct iopf_group *group;
	int rc;

	guard(mutex)(&fault->lock);
	group = list_first_entry_or_null(&fault->waiting, struct iopf_group, node);
	if (!group)
		return 0;
	if (group->fault_count > room / RECORD_SIZE)
		return first ? -EINVAL : 0;
	records = kvmalloc_array(group->fault_count, RECORD_SIZE, GFP_KERNEL_ACCOUNT);
	if (!records)
		return -ENOMEM;
	rc = xa_alloc_cyclic(&fault->told, &group->cookie, group, COOKIES,
			     &fault->next_cookie, GFP_KERNEL_ACCOUNT);
	if (rc < 0)
		return rc;
	list_del(&group->node);
	fill_records(records, group);
	told->cookie = group->cookie;
	told->size = group->fault_count * RECORD_SIZE;
	told->records = no_free_ptr(records);
	return 1;
}

/* User space could not be told after all. */
static void give_back(struct iommufd_fault *fault, u32 cookie)
{
	struct iopf_group *group;

	guard(mutex)(&fault->lock);
	group = xa_erase(&fault->told, cookie);
	if (!group)
		return;
	list_add(&group->node, &fault->waiting);
	/* Who polled meanwhile saw none. */
	wake_up_interruptible(&fault->wait);
}

static ssize_t fault_read(struct file *file, char __user *to, size_t size,
			  loff_t *pos)
{
	struct iommufd_fault *fault = file->private_data;
	struct told_group told;
	size_t done = 0;
	int rc = 0;

	if (*pos || size % RECORD_SIZE)
		return -ESPIPE;
	while (done < size) {
		rc = take_group(fault, size - done, !done, &told);
		if (rc <= 0)
			break;
		rc = copy_to_user(to + done, told.records, told.size) ? -EFAULT : 0;
		kvfree(told.records);
		if (rc) {
			give_back(fault, told.cookie);
			break;
		}
		done += told.size;
	}
	return done ?: rc;
}

static int answer_group(struct iommufd_fault *fault,
			const struct iommu_hwpt_page_response *response)
{
	enum iommu_page_response_code code;
	struct iopf_group *group;

	switch (response->code) {
	case IOMMUFD_PAGE_RESP_SUCCESS:
		code = IOMMU_PAGE_RESP_SUCCESS;
		break;
	case IOMMUFD_PAGE_RESP_INVALID:
		code = IOMMU_PAGE_RESP_INVALID;
		break;
	default:
		return -EINVAL;
	}

	guard(mutex)(&fault->lock);
	group = xa_erase(&fault->told, response->cookie);
	if (!group)
		return -EINVAL;
	iopf_group_response(group, code);
	iopf_free_group(group);
	return 0;
}

static ssize_t fault_write(struct file *file, const char __user *from, size_t size,
			   loff_t *pos)
{
	struct iommufd_fault *fault = file->private_data;
	struct iommu_hwpt_page_response response;
	size_t done;
	int rc = 0;

	if (*pos || size % sizeof(response))
		return -ESPIPE;
	for (done = 0; done < size; done += sizeof(response)) {
		rc = -EFAULT;
		if (!copy_from_user(&response, from + done, sizeof(response)))
			rc = answer_group(fault, &response);
		if (rc)
			break;
	}
	return done ?: rc;
}

static __poll_t fault_poll(struct file *file, poll_table *wait)
{
	struct iommufd_fault *fault = file->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	poll_wait(file, &fault->wait, wait);
	if (!list_empty_careful(&fault->waiting))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

static int fault_release(struct inode *inode, struct file *file)
{
	struct iommufd_fault *fault = file->private_data;

	if (fault) {
		iommufd_fault_close(fault);
		iommufd_event_file_release(fault->ictx, &fault->obj);
	}
	return 0;
}

static const struct file_operations fault_fops = {
	.owner = THIS_MODULE,
	.read = fault_read,
	.write = fault_write,
	.poll = fault_poll,
	.release = fault_release,
};

static struct iommufd_fault *fault_new(struct iommufd_ctx *ictx)
{
	struct iommufd_fault *fault;

	fault = iommufd_object_new(&ictx->objects, fault, IOMMUFD_OBJ_FAULT, obj);
	if (IS_ERR(fault))
		return fault;
	fault->ictx = ictx;
	init_waitqueue_head(&fault->wait);
	mutex_init(&fault->lock);
	INIT_LIST_HEAD(&fault->waiting);
	xa_init_flags(&fault->told, XA_FLAGS_ALLOC1);
	return fault;
}

/* Uses up @fault, also when it fails. */
static int give_file(const struct iommufd_ucmd *ucmd, struct iommufd_fault *fault)
{
	struct iommufd_objects *objs = &ucmd->ictx->objects;
	struct iommu_fault_alloc *cmd = ucmd->cmd;
	struct iommufd_event_file ef;
	int rc;

	rc = iommufd_event_file_open(&ef, "[iommufd-fault]", &fault_fops, O_RDWR);
	if (rc) {
		iommufd_object_abort_and_destroy(objs, &fault->obj);
		return rc;
	}
	cmd->out_fault_id = fault->obj.id;
	cmd->out_fault_fd = ef.fd;
	rc = iommufd_ucmd_reply(ucmd, sizeof(*cmd));
	if (rc) {
		iommufd_event_file_abort(&ef);
		iommufd_object_abort_and_destroy(objs, &fault->obj);
		return rc;
	}
	iommufd_event_file_publish(&ef, ucmd->ictx, &fault->obj, fault);
	return 0;
}

/**
 * iommufd_call_fault_alloc - IOMMU_FAULT_QUEUE_ALLOC
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP unknown flag; -EMFILE, -ENFILE no descriptor left; -EFAULT;
 * -ENOMEM.
 */
int iommufd_call_fault_alloc(struct iommufd_ucmd *ucmd)
{
	const struct iommu_fault_alloc *cmd = ucmd->cmd;
	struct iommufd_fault *fault;

	if (cmd->flags)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->flags);
	fault = fault_new(ucmd->ictx);
	if (IS_ERR(fault))
		return PTR_ERR(fault);
	return give_file(ucmd, fault);
}
