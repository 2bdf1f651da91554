/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A dump of all mappings.
 */
#ifndef __IOMMUFD_DEBUGFS_H
#define __IOMMUFD_DEBUGFS_H

#ifdef CONFIG_DEBUG_FS
void iommufd_debugfs_init(void);
void iommufd_debugfs_exit(void);
#else
static inline void iommufd_debugfs_init(void)
{
}

static inline void iommufd_debugfs_exit(void)
{
}
#endif
#endif
