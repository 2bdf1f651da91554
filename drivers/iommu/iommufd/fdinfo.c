// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What /proc/PID/fdinfo/FD shows of an iommufd, after the lines that every file has.
 *
 * Each line is a key, a colon, a tab, and either one value or words of the form
 * name=value; no value contains a blank.  Numbers are decimal and sizes are bytes.  New
 * keys and new words at the end of a line may come, so read what is known and skip the
 * rest.
 *
 *	iommufd:	N
 *	mode:	user|process
 *	pinned:	BYTES
 *	charged:	BYTES
 *	objects:	NUMBER
 *	container:	node=vfio|iommu type=none|type1|type1v2|noiommu ioas=N|none groups=N
 *	ioas:	id=N areas=N mapped=BYTES hwpts=N alignment=BYTES hugepages=0|1 recording=0|1
 *		voidaddr=N
 *	hwpt:	id=N ioas=N auto=0|1 coherency=0|1 users=N
 *	device:	id=N name=NAME group=N|none
 *	attach:	device=N pasid=N|none hwpt=N ioas=N
 *	access:	id=N ioas=N|none
 *	refused:	SEQ CALL errno=N reason=CODE TEXT
 *
 * iommufd is a number that no other iommufd has had since the module was loaded.
 * mode tells whose limit counts pinned memory: that of the user or of each process.
 * pinned is all memory the file holds now, charged the part that counts against a limit.
 * The container line is there for a file that is used as a container of VFIO, or was opened
 * as one: what VFIO_SET_IOMMU chose, the ioas that the container's calls work on, and how
 * many groups are in.
 * recording tells that VFIO_IOMMU_DIRTY_PAGES was started, voidaddr how many mappings wait
 * for a new address of their memory.
 * There is an ioas, hwpt, device and access line for each object, in the order of their
 * IDs, and after a device one attach line for what it and each of its PASIDs are attached
 * to.  users are the attached devices and other objects that need the page table; an
 * automatic one (auto=1) has devices only.
 * refused lines are the last refusals, oldest first; see iommufd_report.h.
 *
 * Objects for the IOMMU of a guest have the lines of fdinfo_guest.c.  Other types have a
 * line of the type's name with their ID.
 *
 * Locks: an object is kept by a short reference while its line is printed.  Reading this
 * must not wait for a call that pins memory, so locks are only tried, and numbers are
 * read without one: each is right, but two need not be of the same moment.
 */
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "access.h"
#include "ctx.h"
#include "device.h"
#include "fdinfo.h"
#include "hwpt.h"
#include "igroup.h"
#include "ioas.h"

static void show_ioas(struct seq_file *m, struct iommufd_ioas *ioas)
{
	struct iommufd_iopt *iopt = &ioas->iopt;
	/* On 32 bit a half-updated number is possible, and does no harm. */
	u64 nbytes = data_race(iopt->nbytes);
	unsigned int nhwpts = 0;
	bool known;

	known = mutex_trylock(&ioas->mutex);
	if (known) {
		nhwpts = list_count_nodes(&ioas->hwpts);
		mutex_unlock(&ioas->mutex);
	}
	seq_printf(m, "ioas:\tid=%u areas=%lu mapped=%llu hwpts=", ioas->obj.id,
		   READ_ONCE(iopt->nareas), nbytes);
	if (known)
		seq_printf(m, "%u", nhwpts);
	else
		seq_puts(m, "busy");
	seq_printf(m, " alignment=%lu hugepages=%u recording=%u voidaddr=%lu\n",
		   READ_ONCE(iopt->alignment), READ_ONCE(iopt->huge_pages),
		   READ_ONCE(iopt->recording), READ_ONCE(iopt->no_vaddr));
}

static void show_hwpt(struct seq_file *m, struct iommufd_hwpt_paging *paging)
{
	const struct iommufd_object *obj = &paging->common.obj;

	seq_printf(m, "hwpt:\tid=%u ioas=%u auto=%u coherency=%u users=%u\n",
		   obj->id, paging->ioas->obj.id, paging->auto_domain,
		   paging->enforce_cache_coherency,
		   refcount_read(&obj->users) - 1);
}

static void show_attach(struct seq_file *m, struct iommufd_device *idev,
			unsigned long pasid, struct iommufd_hw_pagetable *hwpt)
{
	lockdep_assert_held(&idev->igroup->lock);
	seq_printf(m, "attach:\tdevice=%u pasid=", idev->obj.id);
	if (pasid == IOMMU_NO_PASID)
		seq_puts(m, "none");
	else
		seq_printf(m, "%lu", pasid);
	seq_printf(m, " hwpt=%u ioas=%u\n", hwpt->obj.id,
		   iommufd_hwpt_last_stage(hwpt)->ioas->obj.id);
}

static void show_attachments(struct seq_file *m, struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;
	struct iommufd_attach *attach;
	unsigned long pasid;

	if (!mutex_trylock(&igroup->lock)) {
		seq_printf(m, "attach:\tdevice=%u busy\n", idev->obj.id);
		return;
	}
	xa_for_each(&igroup->attachments, pasid, attach)
		if (xa_load(&attach->devices, idev->obj.id))
			show_attach(m, idev, pasid, attach->hwpt);
	mutex_unlock(&igroup->lock);
}

static void show_device(struct seq_file *m, struct iommufd_device *idev)
{
	seq_printf(m, "device:\tid=%u name=%s group=", idev->obj.id,
		   dev_name(idev->dev));
	if (iommufd_device_has_iommu(idev))
		seq_printf(m, "%d\n", iommu_group_id(idev->igroup->group));
	else
		seq_puts(m, "none\n");
	show_attachments(m, idev);
}

static void show_access(struct seq_file *m, struct iommufd_access *access)
{
	seq_printf(m, "access:\tid=%u ioas=", access->obj.id);
	if (!down_read_trylock(&access->lock)) {
		seq_puts(m, "busy\n");
		return;
	}
	if (access->current_link)
		seq_printf(m, "%u\n", access->current_link->ioas->obj.id);
	else
		seq_puts(m, "none\n");
	up_read(&access->lock);
}

static void show_object(struct seq_file *m, struct iommufd_ctx *ictx,
			struct iommufd_object *obj)
{
	switch (obj->type) {
	case IOMMUFD_OBJ_IOAS:
		show_ioas(m, container_of(obj, struct iommufd_ioas, obj));
		break;
	case IOMMUFD_OBJ_HWPT_PAGING:
		show_hwpt(m, container_of(obj, struct iommufd_hwpt_paging,
					  common.obj));
		break;
	case IOMMUFD_OBJ_DEVICE:
		show_device(m, container_of(obj, struct iommufd_device, obj));
		break;
	case IOMMUFD_OBJ_ACCESS:
		show_access(m, container_of(obj, struct iommufd_access, obj));
		break;
	default:
		if (!iommufd_show_guest_object(m, obj))
			seq_printf(m, "%s:\tid=%u\n",
				   ictx->objects.ops[obj->type]->name, obj->id);
	}
}

/* The object with the lowest ID from *@id on, with a short reference. */
static struct iommufd_object *next_object(struct iommufd_objects *objs,
					  unsigned long *id)
{
	struct iommufd_object *obj;

	xa_lock(&objs->table);
	obj = xa_find(&objs->table, id, ULONG_MAX, XA_PRESENT);
	while (obj && !iommufd_object_tryget(obj))
		obj = xa_find_after(&objs->table, id, ULONG_MAX, XA_PRESENT);
	xa_unlock(&objs->table);
	return obj;
}

/**
 * iommufd_show_fdinfo - print what a file holds and what it was refused
 * @m: where to
 * @file: an iommufd
 *
 * Context: process context; does not wait for running calls.
 */
void iommufd_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct iommufd_ctx *ictx = file->private_data;
	struct iommufd_accounts *accounts = &ictx->accounts;
	struct iommufd_object *obj;
	unsigned long id = 0;

	seq_printf(m, "iommufd:\t%llu\n", ictx->serial);
	seq_printf(m, "mode:\t%s\n",
		   READ_ONCE(accounts->mode) == IOMMUFD_ACCOUNT_MM ? "process" : "user");
	seq_printf(m, "pinned:\t%llu\n",
		   (u64)atomic_long_read(&accounts->pinned) << PAGE_SHIFT);
	seq_printf(m, "charged:\t%llu\n",
		   (u64)atomic_long_read(&accounts->charged) << PAGE_SHIFT);
	seq_printf(m, "objects:\t%d\n", atomic_read(&ictx->objects.live));
	iommufd_container_show(ictx, m);
	/* What does not fit any more is asked for again, with more room. */
	while (!seq_has_overflowed(m) && (obj = next_object(&ictx->objects, &id))) {
		show_object(m, ictx, obj);
		iommufd_object_put(&ictx->objects, obj);
		id++;
		cond_resched();
	}
	iommufd_log_show(&ictx->log, m);
}
