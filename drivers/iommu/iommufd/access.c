// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * In-kernel accesses: drivers of emulated devices pin memory through an IOAS, or read and
 * write it.
 *
 * An access leaves an IOAS in two steps.  First no new pin can be made there, and the
 * driver is asked, without a lock held, to give back all it has; it does so by
 * iommufd_access_unpin_pages(), which goes to the IOAS that is being left.  Then the
 * IOAS is forgotten.  A replace joins the new IOAS before the first step, because only
 * that can fail.  A detach that comes during the first step makes it forget the new one.
 *
 * Drivers were written for ranges that user space had mapped, and some look at every page
 * of what they are asked for.  So they are told the mappings with pins, one by one, and
 * never of the whole space.
 *
 * The driver is also asked when user space unmaps something.  That comes from the page
 * table, through the ops below, with a short reference on the access and nothing else
 * held; so iommufd_access_destroy() waits for it, and the driver must not call that from
 * its callback.  A call that makes the access leave has such a reference too, while the
 * lock is dropped for the driver.
 *
 * Whoever pins or copies holds the space lock of the table for reading, which also keeps
 * the access attached to it.  To find the table without another lock, it looks under RCU
 * and once more when it has the lock; that is why IOASes are freed by RCU.
 *
 * Locks: &iommufd_access.lock, outside all locks of the page table.
 */
#include <linux/cleanup.h>
#include <linux/iommufd.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "access.h"
#include "ctx.h"
#include "ioas.h"

DEFINE_LOCK_GUARD_0(rcu_sched, rcu_read_lock_sched(), rcu_read_unlock_sched())

static struct iommufd_access_link *link_of(struct iopt_access *entry)
{
	return container_of(entry, struct iommufd_access_link, entry);
}

static bool link_tryget(struct iopt_access *entry)
{
	return iommufd_object_tryget(&link_of(entry)->access->obj);
}

static void link_put(struct iopt_access *entry)
{
	struct iommufd_access *access = link_of(entry)->access;

	iommufd_object_put(&access->ictx->objects, &access->obj);
}

static void link_unmap(struct iopt_access *entry, unsigned long iova,
		       unsigned long length)
{
	struct iommufd_access *access = link_of(entry)->access;

	access->ops->unmap(access->data, iova, length);
}

static const struct iopt_access_ops notified_ops = {
	.tryget = link_tryget,
	.put = link_put,
	.unmap = link_unmap,
};

/* For a driver that never pins and so has nothing to give back. */
static const struct iopt_access_ops silent_ops = {
	.tryget = link_tryget,
	.put = link_put,
};

/* Whatever an access held is given back before it is destroyed. */
static void access_destroy(struct iommufd_object *obj)
{
	struct iommufd_access *access = container_of(obj, struct iommufd_access, obj);

	WARN_ON(access->current_link || access->leaving);
}

const struct iommufd_object_ops iommufd_access_object_ops = {
	.name = "access",
	.destroy = access_destroy,
};

static void link_init(struct iommufd_access *access,
		      struct iommufd_access_link *link)
{
	link->access = access;
	link->entry.ops = access->ops->unmap ? &notified_ops : &silent_ops;
	link->entry.alignment = access->ops->needs_pin_pages ? PAGE_SIZE : 1;
}

/**
 * iommufd_access_create - make a way into IOASes for a kernel driver
 * @ictx: context that it shall belong to
 * @ops: the driver's callbacks
 * @data: given to them
 * @id: returns the ID of the access object
 *
 * Context: process context, may sleep.
 * Return: the access, attached to nothing, with a reference on the file; ERR_PTR(-ENOMEM),
 * ERR_PTR(-EBUSY) when no ID is left.
 */
struct iommufd_access *
iommufd_access_create(struct iommufd_ctx *ictx,
		      const struct iommufd_access_ops *ops, void *data, u32 *id)
{
	struct iommufd_access *access;

	access = iommufd_object_new(&ictx->objects, access, IOMMUFD_OBJ_ACCESS, obj);
	if (IS_ERR(access)) {
		iommufd_report_result(&ictx->log, "ACCESS_CREATE", PTR_ERR(access));
		return access;
	}
	access->ictx = ictx;
	access->ops = ops;
	access->data = data;
	init_rwsem(&access->lock);
	link_init(access, &access->links[0]);
	link_init(access, &access->links[1]);

	/* The driver's reference on the object, and the one on the file. */
	iommufd_object_hold(&access->obj);
	iommufd_ctx_get(ictx);
	*id = access->obj.id;
	iommufd_object_finalize(&ictx->objects, &access->obj);
	return access;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_create, "IOMMUFD");

/**
 * iommufd_access_destroy - remove an access
 * @access: gone on return
 *
 * Context: process context; waits for callbacks that are running.  Not from one.
 */
void iommufd_access_destroy(struct iommufd_access *access)
{
	struct iommufd_ctx *ictx = access->ictx;

	iommufd_access_detach(access);
	iommufd_object_destroy_user(&ictx->objects, &access->obj);
	iommufd_ctx_put(ictx);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_destroy, "IOMMUFD");

/* Join an IOAS through the link that is free. */
static struct iommufd_access_link *join(struct iommufd_access *access,
					struct iommufd_ioas *ioas)
{
	struct iommufd_access_link *link =
		&access->links[access->current_link == &access->links[0]];
	int rc;

	lockdep_assert_held_write(&access->lock);
	rc = iopt_add_access(&ioas->iopt, &link->entry);
	if (rc)
		return ERR_PTR(rc);
	link->ioas = ioas;
	iommufd_object_hold(&ioas->obj);
	return link;
}

/* From now on pins go there. */
static void open_table(struct iommufd_access *access, struct iommufd_access_link *link)
{
	lockdep_assert_held_write(&access->lock);
	access->current_link = link;
	rcu_assign_pointer(access->iopt, link ? &link->ioas->iopt : NULL);
}

/* Nobody pins or copies any more when this returns. */
static void close_table(struct iommufd_access *access)
{
	lockdep_assert_held_write(&access->lock);
	guard(rwsem_write)(&access->current_link->ioas->iopt.space_lock);
	RCU_INIT_POINTER(access->iopt, NULL);
	access->current_link = NULL;
}

static void forget(struct iommufd_access_link *link)
{
	struct iommufd_ioas *ioas = link->ioas;

	lockdep_assert_held_write(&link->access->lock);
	iopt_remove_access(&ioas->iopt, &link->entry);
	link->ioas = NULL;
	iommufd_object_release(&ioas->obj);
}

/*
 * Leave the IOAS that is current and make @next current.  The lock is dropped while the
 * driver is asked; what it sees then is an access that is attached to nothing.
 */
static void leave(struct iommufd_access *access, struct iommufd_access_link *next)
{
	struct iommufd_access_link *link = access->current_link;

	lockdep_assert_held_write(&access->lock);
	access->leaving = link;
	access->next = next;
	close_table(access);

	up_write(&access->lock);
	iopt_ask_access(&link->ioas->iopt, &link->entry);
	down_write(&access->lock);

	forget(link);
	access->leaving = NULL;
	open_table(access, access->next);
	access->next = NULL;
}

static void detach_locked(struct iommufd_access *access)
{
	lockdep_assert_held_write(&access->lock);
	if (access->current_link) {
		leave(access, NULL);
	} else if (access->next) {
		/* A replace is asking the driver: it shall end attached to nothing. */
		forget(access->next);
		access->next = NULL;
	}
}

static int attach_locked(struct iommufd_access *access, struct iommufd_ioas *ioas)
{
	struct iommufd_access_link *link;

	guard(rwsem_write)(&access->lock);
	if (access->current_link || access->leaving)
		return iommufd_refuse(&access->ictx->log, -EINVAL, WHY_BUSY,
				      "access %u is attached to an IOAS already",
				      access->obj.id);
	link = join(access, ioas);
	if (IS_ERR(link))
		return PTR_ERR(link);
	open_table(access, link);
	return 0;
}

static int replace_locked(struct iommufd_access *access, struct iommufd_ioas *ioas)
{
	struct iommufd_access_link *link;

	guard(rwsem_write)(&access->lock);
	if (access->leaving)
		return iommufd_refuse(&access->ictx->log, -EBUSY, WHY_BUSY,
				      "access %u is being detached",
				      access->obj.id);
	if (!access->current_link)
		return iommufd_refuse(&access->ictx->log, -ENOENT, WHY_NO_OBJECT,
				      "access %u is attached to nothing",
				      access->obj.id);
	if (access->current_link->ioas == ioas)
		return 0;
	link = join(access, ioas);
	if (IS_ERR(link))
		return PTR_ERR(link);
	leave(access, link);
	return 0;
}

static int with_ioas(struct iommufd_access *access, u32 ioas_id,
		     int (*fn)(struct iommufd_access *access,
			       struct iommufd_ioas *ioas))
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(access->ictx, ioas_id);

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	return fn(access, ioas);
}

/**
 * iommufd_access_attach - connect an access to an IOAS
 * @access: attached to nothing
 * @ioas_id: the IOAS
 *
 * Context: process context, may sleep.
 * Return: 0; -EINVAL attached already; -ENOENT no such IOAS; -EADDRINUSE mappings are not
 * aligned as the access needs; -ENOMEM.
 */
int iommufd_access_attach(struct iommufd_access *access, u32 ioas_id)
{
	int rc = with_ioas(access, ioas_id, attach_locked);

	iommufd_report_result(&access->ictx->log, "ACCESS_ATTACH", rc);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_attach, "IOMMUFD");

/**
 * iommufd_access_replace - connect an access to another IOAS
 * @access: attached
 * @ioas_id: the new IOAS
 *
 * Context: process context, may sleep; calls the driver's unmap callback.  Not from it.
 * Return: 0, also when it is attached there already; -ENOENT attached to nothing, or no
 * such IOAS; -EBUSY being detached; -EADDRINUSE; -ENOMEM.
 */
int iommufd_access_replace(struct iommufd_access *access, u32 ioas_id)
{
	int rc;

	if (!iommufd_object_tryget(&access->obj))
		return -EBUSY;
	rc = with_ioas(access, ioas_id, replace_locked);
	iommufd_object_put(&access->ictx->objects, &access->obj);
	iommufd_report_result(&access->ictx->log, "ACCESS_REPLACE", rc);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_replace, "IOMMUFD");

/**
 * iommufd_access_detach - disconnect an access from its IOAS
 * @access: access; nothing happens if it is attached to nothing
 *
 * If another thread is detaching or replacing it, the access is attached to nothing when
 * that is done, which may be after this returns.
 *
 * Context: process context, may sleep; calls the driver's unmap callback.  Not from it.
 */
void iommufd_access_detach(struct iommufd_access *access)
{
	/* A destroy that finds somebody else leaving waits for this reference. */
	if (!iommufd_object_tryget(&access->obj))
		return;
	scoped_guard(rwsem_write, &access->lock)
		detach_locked(access);
	iommufd_object_put(&access->ictx->objects, &access->obj);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_detach, "IOMMUFD");

/*
 * Hold the space lock of the table where pins go, if nobody has to be waited for: NULL then,
 * or when the access is attached to nothing.
 */
static inline struct iommufd_iopt *try_enter(struct iommufd_access *access)
{
	struct iommufd_iopt *iopt;

	guard(rcu_sched)();
	iopt = rcu_dereference_sched(access->iopt);
	if (unlikely(!iopt || !down_read_trylock(&iopt->space_lock)))
		return NULL;
	if (likely(iopt == rcu_access_pointer(access->iopt)))
		return iopt;
	/* It has left in between. */
	up_read(&iopt->space_lock);
	return NULL;
}

static noinline struct iommufd_iopt *enter_slowly(struct iommufd_access *access)
{
	struct iommufd_iopt *iopt;

	guard(rwsem_read)(&access->lock);
	iopt = rcu_dereference_protected(access->iopt, lockdep_is_held(&access->lock));
	if (iopt) {
		down_read(&iopt->space_lock);
		return iopt;
	}
	return ERR_PTR(iommufd_refuse(&access->ictx->log, -ENOENT, WHY_NO_OBJECT,
				      "access %u is attached to nothing",
				      access->obj.id));
}

static inline void leave_table(struct iommufd_iopt *iopt)
{
	/* The IOAS may go when the lock is free, before up_read() has returned. */
	guard(rcu_sched)();
	up_read(&iopt->space_lock);
}

static int pin_entered(struct iommufd_access *access, unsigned long iova,
		       unsigned long length, struct page **out_pages,
		       unsigned int flags)
{
	struct iommufd_iopt *iopt = try_enter(access) ?: enter_slowly(access);
	int rc;

	if (IS_ERR(iopt))
		return PTR_ERR(iopt);
	rc = iopt_access_pin(iopt, iova, length, out_pages,
			     flags & IOMMUFD_ACCESS_RW_WRITE);
	leave_table(iopt);
	return rc;
}

/**
 * iommufd_access_pin_pages - pin what is mapped at a range of IOVA
 * @access: attached, of a driver with needs_pin_pages and an unmap callback
 * @iova: first byte
 * @length: bytes
 * @out_pages: filled with a page for each PAGE_SIZE that the range touches
 * @flags: IOMMUFD_ACCESS_RW_WRITE when the pages will be written
 *
 * Context: process context, may sleep and fault.
 * Return: 0; -ENOENT attached to nothing or a hole; -EINVAL, -EOVERFLOW, -EPERM, -EFAULT,
 * -ENOMEM of iopt_access_pin().  Nothing is pinned on failure.
 */
int iommufd_access_pin_pages(struct iommufd_access *access, unsigned long iova,
			     unsigned long length, struct page **out_pages,
			     unsigned int flags)
{
	int rc;

	/* Nobody could ask such a driver for the pages again. */
	if (!access->ops->needs_pin_pages || !access->ops->unmap)
		return -EINVAL;
	rc = pin_entered(access, iova, length, out_pages, flags);
	iommufd_report_result(&access->ictx->log, "ACCESS_PIN", rc);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_pin_pages, "IOMMUFD");

/* Also from a table that is being left. */
static noinline void unpin_slowly(struct iommufd_access *access, unsigned long iova,
				  unsigned long length)
{
	struct iommufd_access_link *link;

	guard(rwsem_read)(&access->lock);
	link = access->leaving ?: access->current_link;
	if (WARN_ON(!link))
		return;
	guard(rwsem_read)(&link->ioas->iopt.space_lock);
	iopt_access_unpin(&link->ioas->iopt, iova, length);
}

/**
 * iommufd_access_unpin_pages - give back what was pinned
 * @access: the same access
 * @iova: the same first byte
 * @length: the same length
 *
 * Context: process context, may sleep.  Also from the driver's unmap callback.
 */
void iommufd_access_unpin_pages(struct iommufd_access *access,
				unsigned long iova, unsigned long length)
{
	struct iommufd_iopt *iopt = try_enter(access);

	if (unlikely(!iopt)) {
		unpin_slowly(access, iova, length);
		return;
	}
	iopt_access_unpin(iopt, iova, length);
	leave_table(iopt);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_unpin_pages, "IOMMUFD");

static noinline int rw_slowly(struct iommufd_access *access, unsigned long iova,
			      void *data, size_t length, unsigned int flags)
{
	struct iommufd_iopt *iopt = enter_slowly(access);
	int rc = PTR_ERR_OR_ZERO(iopt);

	if (!rc) {
		rc = iopt_access_rw(iopt, iova, data, length, flags);
		leave_table(iopt);
	}
	iommufd_report_result(&access->ictx->log, "ACCESS_RW", rc);
	return rc;
}

/**
 * iommufd_access_rw - copy between a buffer and a range of IOVA
 * @access: attached
 * @iova: first byte
 * @data: kernel buffer
 * @length: bytes
 * @flags: IOMMUFD_ACCESS_RW_*
 *
 * Context: process context, may sleep and fault.
 * Return: 0; -ENOENT attached to nothing or a hole, what lies before it was copied;
 * -EINVAL, -EOVERFLOW, -EPERM, -EFAULT, -ENOMEM of iopt_access_rw().
 */
int iommufd_access_rw(struct iommufd_access *access, unsigned long iova,
		      void *data, size_t length, unsigned int flags)
{
	struct iommufd_iopt *iopt = try_enter(access);

	if (likely(iopt)) {
		if (likely(iopt_access_copy(iopt, iova, data, length, flags))) {
			leave_table(iopt);
			return 0;
		}
		leave_table(iopt);
	}
	return rw_slowly(access, iova, data, length, flags);
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_rw, "IOMMUFD");
