// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Files that user space reads events from: what fault queues and the event queues of
 * vIOMMUs have in common.
 *
 * Such a file belongs to an object with an ID.  It holds the object and the iommufd, so
 * neither goes before it.  All that can fail is done by open; until publish the file is
 * empty, and its release operation, which runs after an abort as well, finds NULL in
 * file->private_data.
 *
 * Locks: none.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "ctx.h"
#include "event_file.h"

/**
 * iommufd_event_file_open - prepare a file
 * @ef: filled in
 * @name: as /proc shows it
 * @fops: its operations
 * @flags: O_RDONLY or O_RDWR
 *
 * Context: may sleep.
 * Return: 0; -EMFILE, -ENFILE, -ENOMEM.
 */
int iommufd_event_file_open(struct iommufd_event_file *ef, const char *name,
			    const struct file_operations *fops, int flags)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	ef->file = anon_inode_getfile(name, fops, NULL, flags);
	if (IS_ERR(ef->file)) {
		put_unused_fd(fd);
		return PTR_ERR(ef->file);
	}
	ef->fd = fd;
	return 0;
}

/**
 * iommufd_event_file_abort - undo iommufd_event_file_open()
 * @ef: not published
 *
 * Context: process context.
 */
void iommufd_event_file_abort(struct iommufd_event_file *ef)
{
	put_unused_fd(ef->fd);
	fput(ef->file);
}

/**
 * iommufd_event_file_publish - let the process have the file, and the ID the object
 * @ef: prepared
 * @ictx: context
 * @obj: complete and not published
 * @private: for file->private_data
 *
 * Context: process context.  Cannot fail.  Both may be gone on return.
 */
void iommufd_event_file_publish(struct iommufd_event_file *ef,
				struct iommufd_ctx *ictx,
				struct iommufd_object *obj, void *private)
{
	iommufd_object_hold(obj);
	iommufd_ctx_get(ictx);
	ef->file->private_data = private;
	iommufd_object_finalize(&ictx->objects, obj);
	fd_install(ef->fd, ef->file);
}

/**
 * iommufd_event_file_release - the file is gone
 * @ictx: context; may be gone on return
 * @obj: object; may be gone on return
 *
 * Context: process context.
 */
void iommufd_event_file_release(struct iommufd_ctx *ictx,
				struct iommufd_object *obj)
{
	iommufd_object_release(obj);
	iommufd_ctx_put(ictx);
}
