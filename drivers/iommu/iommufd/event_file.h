/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Files that user space reads events from.
 */
#ifndef __IOMMUFD_EVENT_FILE_H
#define __IOMMUFD_EVENT_FILE_H

struct file;
struct file_operations;
struct iommufd_ctx;
struct iommufd_object;

/**
 * struct iommufd_event_file - a file in the making
 * @file: the file; its private data is NULL until it is published
 * @fd: number that nobody else gets
 */
struct iommufd_event_file {
	struct file *file;
	int fd;
};

int iommufd_event_file_open(struct iommufd_event_file *ef, const char *name,
			    const struct file_operations *fops, int flags);
void iommufd_event_file_abort(struct iommufd_event_file *ef);
void iommufd_event_file_publish(struct iommufd_event_file *ef,
				struct iommufd_ctx *ictx,
				struct iommufd_object *obj, void *private);
void iommufd_event_file_release(struct iommufd_ctx *ictx,
				struct iommufd_object *obj);
#endif
