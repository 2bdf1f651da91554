/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What /proc/PID/fdinfo/FD shows of an iommufd.
 */
#ifndef __IOMMUFD_FDINFO_H
#define __IOMMUFD_FDINFO_H

struct file;
struct iommufd_object;
struct seq_file;

void iommufd_show_fdinfo(struct seq_file *m, struct file *file);
/* fdinfo_guest.c */
bool iommufd_show_guest_object(struct seq_file *m, struct iommufd_object *obj);
#endif
