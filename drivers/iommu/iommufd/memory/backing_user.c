// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Backings out of a process's memory.
 *
 * Pages are looked up in the address space of the process that made the mapping,
 * whoever calls; once that process is gone nothing more can be pinned.
 *
 * Locks: the mmap lock is taken inside.  Called by backing.c with the backing's lock
 * held, by backing_rw.c without it; @uva and @payer of these backings are constant.
 */
#include <linux/err.h>
#include <linux/iommufd.h>
#include <linux/iommufd_report.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "memlock.h"
#include "origin.h"
#include "user_pin.h"

static inline bool copy_bytes(void __user *uptr, void *data, unsigned long length,
			      bool write)
{
	if (write)
		return !copy_to_user(uptr, data, length);
	return !copy_from_user(data, uptr, length);
}

/* A thread of the kernel's own takes the process's page tables for the time of the copy. */
static noinline bool copy_remote(struct mm_struct *mm, void __user *uptr, void *data,
				 unsigned long length, unsigned int flags)
{
	bool done;

	if (current->mm || !(current->flags & PF_KTHREAD) ||
	    !(flags & IOMMUFD_ACCESS_RW_KTHREAD) || !mmget_not_zero(mm))
		return false;
	kthread_use_mm(mm);
	done = copy_bytes(uptr, data, length, flags & IOMMUFD_ACCESS_RW_WRITE);
	kthread_unuse_mm(mm);
	mmput_async(mm);
	return done;
}

/*
 * The direct way: through the page tables of the process, if they are loaded or may
 * be.  What it cannot do is tried again by pages.
 */
static bool user_copy(struct iommufd_backing *backing, unsigned long offset,
		      void *data, unsigned long length, unsigned int flags)
{
	void __user *uptr = (void __user *)(backing->uva + offset);
	bool write = flags & IOMMUFD_ACCESS_RW_WRITE;
	struct mm_struct *mm = backing->payer->mm;

	/* Nobody but the selftest asks for it. */
	if (IS_ENABLED(CONFIG_IOMMUFD_TEST) && (flags & __IOMMUFD_ACCESS_RW_SLOW_PATH))
		return false;
	if (unlikely(current->mm != mm))
		return copy_remote(mm, uptr, data, length, flags);
	return copy_bytes(uptr, data, length, write);
}

/**
 * struct user_backing - a backing out of a process's memory
 * @backing: has room behind it
 * @room: the room
 */
struct user_backing {
	struct iommufd_backing backing;
	u64 room[IOMMUFD_BACKING_ROOM / sizeof(u64)];
};

static_assert(offsetof(struct user_backing, room) == sizeof(struct iommufd_backing));
/* Programs have very many of them.  lockdep may take what it likes. */
static_assert(IS_ENABLED(CONFIG_DEBUG_LOCK_ALLOC) || sizeof(struct user_backing) <= 128);

static struct kmem_cache *user_backings;

static const struct iommufd_backing_ops user_ops = {
	.name = "user",
	.has_room = true,
	.pin = iommufd_user_pin,
	.copy = user_copy,
};

/**
 * iommufd_backing_user - make a backing out of the running process's memory
 * @accounts: accounting of the file the call was made on
 * @uptr: first byte
 * @length: bytes
 * @writable: devices may write
 * @log: where a refusal is told
 *
 * Covers whole pages.  Nothing is looked up or pinned yet.
 *
 * Context: may sleep.
 * Return: one reference; ERR_PTR: -EINVAL for length 0, -EOVERFLOW when the end wraps,
 * -ENOMEM.
 */
struct iommufd_backing *iommufd_backing_user(struct iommufd_accounts *accounts,
					     unsigned long uptr,
					     unsigned long length,
					     bool writable,
					     struct iommufd_log *log)
{
	unsigned long first = untagged_addr(uptr);
	struct iommufd_backing *backing;
	unsigned long end;
	int rc;

	if (!length)
		return ERR_PTR(iommufd_refuse(log, -EINVAL, WHY_BAD_SIZE,
					      "length is 0"));
	if (check_add_overflow(first, length, &end))
		return ERR_PTR(iommufd_refuse(log, -EOVERFLOW, WHY_OVERFLOW,
					      "va 0x%lx + 0x%lx wraps",
					      first, length));

	backing = kmem_cache_alloc(user_backings, GFP_KERNEL_ACCOUNT);
	if (!backing)
		return ERR_PTR(-ENOMEM);
	rc = iommufd_backing_init(backing, &user_ops, accounts,
				  ((end - 1) >> PAGE_SHIFT) -
				  (first >> PAGE_SHIFT) + 1, writable, log);
	if (rc) {
		kfree(backing);
		return ERR_PTR(rc);
	}
	backing->uva = first & PAGE_MASK;
	return backing;
}

/**
 * iommufd_backing_is_user - has iommufd_backing_user() made it?
 * @backing: the backing
 *
 * Return: true if it has.
 */
bool iommufd_backing_is_user(const struct iommufd_backing *backing)
{
	return backing->ops == &user_ops;
}

/**
 * iommufd_backing_user_free - free memory of backings
 * @backings: made by iommufd_backing_user()
 * @n: how many, not zero
 *
 * Context: any.
 */
void iommufd_backing_user_free(void **backings, unsigned int n)
{
	if (n == 1)
		kmem_cache_free(user_backings, backings[0]);
	else
		kmem_cache_free_bulk(user_backings, n, backings);
}

/**
 * iommufd_backing_user_init - get ready to make backings out of memory
 *
 * Return: 0; -ENOMEM.
 */
int iommufd_backing_user_init(void)
{
	user_backings = kmem_cache_create("iommufd_mapping", sizeof(struct user_backing),
					  0, SLAB_ACCOUNT, NULL);
	return user_backings ? 0 : -ENOMEM;
}

/**
 * iommufd_backing_user_exit - free what iommufd_backing_user_init() has made
 */
void iommufd_backing_user_exit(void)
{
	kmem_cache_destroy(user_backings);
}
