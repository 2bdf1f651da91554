// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The context: from open to the last reference on the file.
 *
 * A context has no counter of its own, it lives as long as its file.  What needs it
 * longer than a call (a bound device, an access, an event fd) holds the file, so
 * nothing of that kind is left when the file is released and the objects that
 * remain are user space's own.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "ctx.h"
#include "lib/xa_entries.h"
#include "sw_msi.h"

/* Ascending numbers. */
static LIST_HEAD(contexts);
static DEFINE_MUTEX(contexts_lock);
static u64 last_serial;

static void list_ctx(struct iommufd_ctx *ictx)
{
	guard(mutex)(&contexts_lock);
	ictx->serial = ++last_serial;
	list_add_tail(&ictx->item, &contexts);
}

static void unlist_ctx(struct iommufd_ctx *ictx)
{
	guard(mutex)(&contexts_lock);
	list_del(&ictx->item);
}

/**
 * iommufd_ctx_create - make the context of a file that is being opened
 * @file: the file
 * @ops: what each type of object does at its end
 * @from_vfio_node: it is /dev/vfio/vfio.  Programs that open that expect memory to be
 *		    accounted as VFIO always did, by process
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOMEM.
 */
int iommufd_ctx_create(struct file *file,
		       const struct iommufd_object_ops *const *ops,
		       bool from_vfio_node)
{
	struct iommufd_ctx *ictx = kzalloc_obj(*ictx, GFP_KERNEL_ACCOUNT);

	if (!ictx)
		return -ENOMEM;
	ictx->file = file;
	iommufd_log_init(&ictx->log);
	iommufd_objects_init(&ictx->objects, ops, &ictx->log);
	iommufd_accounts_init(&ictx->accounts,
			      from_vfio_node ? IOMMUFD_ACCOUNT_MM :
					       IOMMUFD_ACCOUNT_USER);
	init_rwsem(&ictx->creation_lock);
	mutex_init(&ictx->groups_lock);
	xa_init(&ictx->groups);
	mt_init_flags(&ictx->mt_mmap, MT_FLAGS_ALLOC_RANGE);
	mutex_init(&ictx->sw_msi_lock);
	INIT_LIST_HEAD(&ictx->sw_msi_list);
	ictx->from_vfio_node = from_vfio_node;
	iommufd_container_init(&ictx->container);
	file->private_data = ictx;
	list_ctx(ictx);
	return 0;
}

/**
 * iommufd_ctx_release - the file is gone, and with it all that is left
 * @inode: unused
 * @file: the file
 *
 * Context: process context, may sleep.
 * Return: 0.
 */
int iommufd_ctx_release(struct inode *inode, struct file *file)
{
	struct iommufd_ctx *ictx = file->private_data;

	unlist_ctx(ictx);
	iommufd_objects_destroy_all(&ictx->objects);
	iommufd_sw_msi_free_maps(ictx);
	WARN_ON(!mtree_empty(&ictx->mt_mmap));
	mtree_destroy(&ictx->mt_mmap);
	WARN_ON(xa_has_entries(&ictx->groups));
	xa_destroy(&ictx->groups);
	iommufd_accounts_destroy(&ictx->accounts);
	kfree(ictx);
	return 0;
}

/**
 * iommufd_ctx_next - find an open iommufd by its number
 * @serial: number
 *
 * Context: process context, may sleep.
 * Return: the context with the lowest number from @serial on, with a reference; or NULL.
 */
struct iommufd_ctx *iommufd_ctx_next(u64 serial)
{
	struct iommufd_ctx *ictx;

	guard(mutex)(&contexts_lock);
	list_for_each_entry(ictx, &contexts, item)
		if (ictx->serial >= serial && get_file_active(&ictx->file))
			return ictx;
	return NULL;
}

/**
 * iommufd_ctx_put - give a reference back
 * @ictx: context; may be gone on return
 *
 * Context: process context; the release itself runs later, without the caller's locks.
 */
void iommufd_ctx_put(struct iommufd_ctx *ictx)
{
	struct file *file = ictx->file;

	fput(file);
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_put, "IOMMUFD");

/**
 * iommufd_ctx_from_file - the context of an open file
 * @file: any file
 *
 * Context: any.
 * Return: the context with a reference; ERR_PTR(-EBADFD) when the file is not an
 * iommufd.
 */
struct iommufd_ctx *iommufd_ctx_from_file(struct file *file)
{
	bool ours = file->f_op->release == iommufd_ctx_release;

	return ours ? get_file(file)->private_data : ERR_PTR(-EBADFD);
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_from_file, "IOMMUFD");

/**
 * iommufd_ctx_get - one more reference on the file
 * @ictx: context, known to be open
 *
 * Context: any.
 */
void iommufd_ctx_get(struct iommufd_ctx *ictx)
{
	get_file(ictx->file);
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_get, "IOMMUFD");

/**
 * iommufd_ctx_from_fd - the context behind a file descriptor of this process
 * @fd: any number
 *
 * Context: process context.
 * Return: the context with a reference; ERR_PTR(-EBADF) when nothing is open there,
 * ERR_PTR(-EBADFD) when it is not an iommufd.
 */
struct iommufd_ctx *iommufd_ctx_from_fd(int fd)
{
	CLASS(fd, held)(fd);

	return fd_empty(held) ? ERR_PTR(-EBADF) :
				iommufd_ctx_from_file(fd_file(held));
}
EXPORT_SYMBOL_NS_GPL(iommufd_ctx_from_fd, "IOMMUFD");
