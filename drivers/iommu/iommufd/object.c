// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Objects that user space knows by an ID: see object.h for the life of one.
 *
 * An object ends in steps, each of which makes the next one safe:
 *
 *  1. the ID reads as reserved: no call can find the object any more;
 *  2. the table's short reference goes, and the short ones of calls that found it
 *     before are waited for: no call uses the object any more;
 *  3. long references can be taken only under a short or another long one, so
 *     @users is final now: one means that the table alone holds the object;
 *  4. the type's destroy callback, then the ID is free or burnt.
 *
 * A reserved slot stays in the table from 1 to 4, so giving the ID back in 3 needs
 * no memory.  The lock is the xarray's; the waiting is done without it.
 */
#define pr_fmt(fmt) "iommufd: " fmt

#include <linux/err.h>
#include <linux/iommufd_report.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include "object.h"
#include "test_hooks.h"

#define ID_LIMIT XA_LIMIT(1, INT_MAX)

/* How long DESTROY waits for calls that are running. */
#define DRAIN_TIMEOUT secs_to_jiffies(60)

/* What becomes of an ID. */
enum id_fate {
	ID_FREE,
	ID_BURNT,
};

static const struct iommufd_object_ops *ops_of(struct iommufd_objects *objs,
					       enum iommufd_object_type type)
{
	return objs->ops[type];
}

static const char *type_name(struct iommufd_objects *objs,
			     enum iommufd_object_type type)
{
	const struct iommufd_object_ops *ops = ops_of(objs, type);

	return ops ? ops->name : "object";
}

/**
 * iommufd_objects_init - make the empty table of a file
 * @objs: the table
 * @ops: by type, complete; a type that is never made may be NULL
 * @log: where refusals are told, or NULL
 */
void iommufd_objects_init(struct iommufd_objects *objs,
			  const struct iommufd_object_ops *const *ops,
			  struct iommufd_log *log)
{
	xa_init_flags(&objs->table, XA_FLAGS_ALLOC1);
	objs->recent = NULL;
	objs->burnt.count = 0;
	init_waitqueue_head(&objs->drained);
	objs->ops = ops;
	objs->log = log;
	atomic_set(&objs->live, 0);
}

/**
 * _iommufd_object_new - allocate an object and reserve an ID
 * @objs: the table
 * @size: bytes, with the &struct iommufd_object at the start
 * @type: what it is
 *
 * Context: may sleep.
 * Return: the object, zeroed but for its head; ERR_PTR(-ENOMEM), or
 * ERR_PTR(-EBUSY) when all IDs are taken.
 */
struct iommufd_object *_iommufd_object_new(struct iommufd_objects *objs,
					   size_t size,
					   enum iommufd_object_type type)
{
	struct iommufd_object *obj __free(kfree) =
		kzalloc(size, GFP_KERNEL_ACCOUNT);
	int rc;

	if (!obj)
		return ERR_PTR(-ENOMEM);
	rc = xa_alloc(&objs->table, &obj->id, NULL, ID_LIMIT,
		      GFP_KERNEL_ACCOUNT);
	if (rc)
		return ERR_PTR(rc);
	atomic_inc(&objs->live);

	refcount_set(&obj->users, 1);
	refcount_set(&obj->wait_cnt, 1);
	obj->type = type;
	return no_free_ptr(obj);
}

/* Write to a slot that exists, which needs no memory. */
static void *set_slot(struct iommufd_objects *objs, u32 id, void *entry)
{
	lockdep_assert_held(&objs->table.xa_lock);
	objs->recent = NULL;
	return __xa_store(&objs->table, id, entry, 0);
}

/**
 * iommufd_object_finalize - let lookups find an object
 * @objs: the table
 * @obj: complete, from _iommufd_object_new()
 *
 * From here on another thread may destroy it.
 */
void iommufd_object_finalize(struct iommufd_objects *objs,
			     struct iommufd_object *obj)
{
	xa_lock(&objs->table);
	WARN_ON(set_slot(objs, obj->id, obj));
	xa_unlock(&objs->table);
}

static void burn_id(struct iommufd_objects *objs, u32 id)
{
	u32 oldest;

	xa_lock(&objs->table);
	oldest = iommufd_burnt_add(&objs->burnt, id);
	if (oldest)
		__xa_erase(&objs->table, oldest);
	xa_unlock(&objs->table);
}

/* Free an object that nobody can find. */
static void object_free(struct iommufd_objects *objs,
			struct iommufd_object *obj, enum id_fate fate)
{
	const struct iommufd_object_ops *ops = ops_of(objs, obj->type);

	if (fate == ID_FREE)
		xa_erase(&objs->table, obj->id);
	else
		burn_id(objs, obj->id);
	atomic_dec(&objs->live);
	if (ops && ops->free)
		ops->free(obj);
	else
		kfree(obj);
}

/**
 * iommufd_object_abort - undo _iommufd_object_new()
 * @objs: the table
 * @obj: never published
 */
void iommufd_object_abort(struct iommufd_objects *objs,
			  struct iommufd_object *obj)
{
	WARN_ON(refcount_read(&obj->users) != 1);
	object_free(objs, obj, ID_FREE);
}

/**
 * iommufd_object_abort_and_destroy - undo the making of an object
 * @objs: the table
 * @obj: never published; its destroy callback copes with what is made of it
 *
 * Context: as the callback.
 */
void iommufd_object_abort_and_destroy(struct iommufd_objects *objs,
				      struct iommufd_object *obj)
{
	ops_of(objs, obj->type)->destroy(obj);
	iommufd_object_abort(objs, obj);
}

/* References */

/**
 * iommufd_object_tryget - take a short reference on an object
 * @obj: the caller knows that its memory is there
 *
 * Return: true; false if the object is going.
 */
bool iommufd_object_tryget(struct iommufd_object *obj)
{
	return refcount_inc_not_zero(&obj->wait_cnt);
}

static struct iommufd_object *no_object(struct iommufd_objects *objs, u32 id,
					enum iommufd_object_type wanted,
					enum iommufd_object_type found)
{
	if (found == IOMMUFD_OBJ_NONE)
		iommufd_refuse(objs->log, -ENOENT, WHY_NO_OBJECT,
			       "there is no object with ID %u", id);
	else
		iommufd_refuse(objs->log, -ENOENT, WHY_NO_OBJECT,
			       "ID %u is of type %s, not %s", id,
			       type_name(objs, found), type_name(objs, wanted));
	return ERR_PTR(-ENOENT);
}

static noinline struct iommufd_object *look_up(struct iommufd_objects *objs, u32 id)
{
	struct iommufd_object *obj = xa_load(&objs->table, id);

	if (obj)
		objs->recent = obj;
	return obj;
}

/* The published object with this ID, or NULL.  Most calls name the same IOAS again. */
static struct iommufd_object *find_object(struct iommufd_objects *objs, u32 id)
{
	struct iommufd_object *recent = objs->recent;

	lockdep_assert_held(&objs->table.xa_lock);
	return likely(recent && recent->id == id) ? recent : look_up(objs, id);
}

/**
 * iommufd_object_get - look up an ID
 * @objs: the table
 * @id: the ID, from user space
 * @type: what it has to be, or IOMMUFD_OBJ_ANY
 *
 * Return: the object with a short reference; ERR_PTR(-ENOENT) for an ID that is
 * unknown, reserved, burnt or of another type.
 */
struct iommufd_object *iommufd_object_get(struct iommufd_objects *objs, u32 id,
					  enum iommufd_object_type type)
{
	enum iommufd_object_type found = IOMMUFD_OBJ_NONE;
	struct iommufd_object *obj;

	if (iommufd_should_fail())
		return ERR_PTR(-ENOENT);
	xa_lock(&objs->table);
	obj = find_object(objs, id);
	if (obj) {
		found = obj->type;
		if ((type != IOMMUFD_OBJ_ANY && type != found) ||
		    !iommufd_object_tryget(obj))
			obj = NULL;
	}
	xa_unlock(&objs->table);
	return obj ?: no_object(objs, id, type, found);
}

/**
 * iommufd_object_put - give a short reference back
 * @objs: the table; the caller keeps the file alive
 * @obj: the object, which may be gone on return
 */
void iommufd_object_put(struct iommufd_objects *objs,
			struct iommufd_object *obj)
{
	/* Zero is reached only when somebody waits, see drain(). */
	if (refcount_dec_and_test(&obj->wait_cnt))
		wake_up_all(&objs->drained);
}

/* The end of an object */

static void unpublish(struct iommufd_objects *objs, struct iommufd_object *obj)
{
	set_slot(objs, obj->id, XA_ZERO_ENTRY);
}

static bool is_drained(struct iommufd_object *obj)
{
	if (refcount_read(&obj->wait_cnt))
		return false;
	/* See what the last user did: the caller goes on to free the object. */
	smp_acquire__after_ctrl_dep();
	return true;
}

/*
 * Drop the table's short reference and wait for the others.  False if they do not
 * go in time; then the table has its reference back.
 */
static bool drain(struct iommufd_objects *objs, struct iommufd_object *obj)
{
	if (refcount_dec_and_test(&obj->wait_cnt) ||
	    wait_event_timeout(objs->drained, is_drained(obj), DRAIN_TIMEOUT))
		return true;
	return !iommufd_object_tryget(obj) && is_drained(obj);
}

/* The same for an end that cannot be put off: waits as long as it takes. */
static void drain_all(struct iommufd_objects *objs, struct iommufd_object *obj)
{
	if (refcount_dec_and_test(&obj->wait_cnt))
		return;
	while (!wait_event_timeout(objs->drained, is_drained(obj),
				   DRAIN_TIMEOUT))
		pr_err_ratelimited("waiting for a call that uses %s %u\n",
				   type_name(objs, obj->type), obj->id);
}

/*
 * Steps 2 to 4 for an object that is unpublished.  0; -EBUSY if a running call took
 * a long reference, -ETIME if one does not end: then it is published again.
 */
static int object_end(struct iommufd_objects *objs, struct iommufd_object *obj)
{
	const struct iommufd_object_ops *ops = ops_of(objs, obj->type);
	int rc = 0;

	if (ops->pre_destroy)
		ops->pre_destroy(obj);
	if (!drain(objs, obj)) {
		pr_err_ratelimited("%s %u is still used by a call, not destroyed\n",
				   ops->name, obj->id);
		rc = -ETIME;
	}

	/*
	 * Who drops the last reference has the lock too, and looks at the slot.  Who
	 * needs a short one to take a long one cannot come any more; a driver that
	 * wants one without finds zero, see _iommufd_object_depend().
	 */
	xa_lock(&objs->table);
	if (!rc && !refcount_dec_if_one(&obj->users)) {
		refcount_set(&obj->wait_cnt, 1);
		rc = -EBUSY;
	}
	if (rc) {
		set_slot(objs, obj->id, obj);
		if (ops->revive)
			ops->revive(obj);
	}
	xa_unlock(&objs->table);
	if (rc)
		return rc;

	ops->destroy(obj);
	object_free(objs, obj, ID_FREE);
	return 0;
}

/* User space names a burnt ID for the last time. */
static void forget_burnt(struct iommufd_objects *objs, u32 id)
{
	lockdep_assert_held(&objs->table.xa_lock);
	if (iommufd_burnt_remove(&objs->burnt, id))
		__xa_erase(&objs->table, id);
}

/**
 * iommufd_object_destroy_by_id - destroy what user space made
 * @objs: the table
 * @id: the ID, from user space
 *
 * A burnt ID is free afterwards, although there is no object.
 *
 * Context: may sleep, for a minute at most but for the destroy callback.
 * Return: 0; -ENOENT if there is no such object or another thread is destroying
 * it; -EBUSY if it has users, or a call that uses it does not end.
 */
int iommufd_object_destroy_by_id(struct iommufd_objects *objs, u32 id)
{
	struct iommufd_object *obj;
	const char *name = "";
	unsigned int users = 0;

	xa_lock(&objs->table);
	obj = xa_load(&objs->table, id);
	if (obj) {
		name = type_name(objs, obj->type);
		users = refcount_read(&obj->users);
		if (users == 1)
			unpublish(objs, obj);
	} else {
		forget_burnt(objs, id);
	}
	xa_unlock(&objs->table);

	if (!obj)
		return PTR_ERR(no_object(objs, id, IOMMUFD_OBJ_ANY,
					 IOMMUFD_OBJ_NONE));
	if (users > 1)
		return iommufd_refuse(objs->log, -EBUSY, WHY_BUSY,
				      "%s %u is held by %u others", name, id,
				      users - 1);
	switch (object_end(objs, obj)) {
	case 0:
		return 0;
	case -EBUSY:
		return iommufd_refuse(objs->log, -EBUSY, WHY_BUSY,
				      "%s %u was taken by a call that ran",
				      name, id);
	default:
		return iommufd_refuse(objs->log, -EBUSY, WHY_IN_PROGRESS,
				      "%s %u is used by a call that does not end",
				      name, id);
	}
}

/* The end of an object that is unpublished and cannot be kept. */
static void end_now(struct iommufd_objects *objs, struct iommufd_object *obj,
		    enum id_fate fate)
{
	const struct iommufd_object_ops *ops = ops_of(objs, obj->type);

	if (ops->pre_destroy)
		ops->pre_destroy(obj);
	drain_all(objs, obj);
	/* Somebody forgot a reference: to leak the object is the lesser evil. */
	if (WARN_ON(!refcount_dec_if_one(&obj->users)))
		return;
	ops->destroy(obj);
	object_free(objs, obj, fate);
}

/**
 * iommufd_object_destroy_user - destroy what a kernel driver made
 * @objs: the table
 * @obj: published; the caller's is the only long reference beside the table's
 *
 * Context: may sleep until running calls let go of the object.
 */
void iommufd_object_destroy_user(struct iommufd_objects *objs,
				 struct iommufd_object *obj)
{
	/* First the ID, so that DESTROY never sees the reference gone. */
	xa_lock(&objs->table);
	unpublish(objs, obj);
	refcount_dec(&obj->users);
	xa_unlock(&objs->table);
	end_now(objs, obj, ID_FREE);
}

/**
 * iommufd_object_claim - take the end of an object out of user space's hands
 * @objs: the table
 * @obj: in memory until the caller drops a lock that its destroy callback takes
 *
 * Context: any.
 * Return: true: the caller has to call iommufd_object_burn(), soon; false: it is not
 * published, because it is new or because a DESTROY has begun.
 */
bool iommufd_object_claim(struct iommufd_objects *objs, struct iommufd_object *obj)
{
	bool mine;

	xa_lock(&objs->table);
	mine = xa_load(&objs->table, obj->id) == obj;
	if (mine)
		unpublish(objs, obj);
	xa_unlock(&objs->table);
	return mine;
}

/**
 * iommufd_object_burn - destroy what was claimed, burn its ID
 * @objs: the table
 * @obj: from iommufd_object_claim()
 *
 * Context: may sleep until running calls let go of the object.
 */
void iommufd_object_burn(struct iommufd_objects *objs, struct iommufd_object *obj)
{
	end_now(objs, obj, ID_BURNT);
}

/**
 * iommufd_object_put_and_try_destroy - drop a long reference, destroy if unused
 * @objs: the table
 * @obj: the object, not to be touched any more
 *
 * The object lives on if it has other users, gets one while this waits for short
 * references, or if those do not go; then user space has to destroy it.
 *
 * Context: may sleep until running calls let go of the object, for a minute at
 * most.  The caller holds no short reference on it.
 */
void iommufd_object_put_and_try_destroy(struct iommufd_objects *objs,
					struct iommufd_object *obj)
{
	bool last;

	/*
	 * The lock lets one of several droppers see the last reference go; the
	 * object may be freed by another as soon as it is released.  It may be
	 * unpublished already, if DESTROY is waiting; it will see the rest.
	 */
	xa_lock(&objs->table);
	refcount_dec(&obj->users);
	last = refcount_read(&obj->users) == 1 &&
	       xa_load(&objs->table, obj->id) == obj;
	if (last)
		unpublish(objs, obj);
	xa_unlock(&objs->table);
	if (last)
		object_end(objs, obj);
}

/* Destroy every object that no other holds.  Returns how many went. */
static unsigned long destroy_leaves(struct iommufd_objects *objs)
{
	struct iommufd_object *obj;
	unsigned long id, n = 0;

	xa_for_each(&objs->table, id, obj) {
		if (refcount_read(&obj->users) != 1)
			continue;
		xa_lock(&objs->table);
		unpublish(objs, obj);
		xa_unlock(&objs->table);
		n += !object_end(objs, obj);
	}
	return n;
}

/**
 * iommufd_objects_destroy_all - destroy everything, at the end of the file
 * @objs: the table; no call on the file is running or can begin
 *
 * What holds others goes first, then what it held, in as many rounds as needed.
 *
 * Context: may sleep.
 */
void iommufd_objects_destroy_all(struct iommufd_objects *objs)
{
	while (destroy_leaves(objs))
		;
	WARN_ON_ONCE(atomic_read(&objs->live));
	xa_destroy(&objs->table);
}
