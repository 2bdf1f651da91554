/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Eventfds that call into a driver when they are signalled.
 *
 * What drivers call (enable, disable, flush) is declared in <linux/vfio.h>.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_VIRQFD_H
#define VFIO_VIRQFD_H

#include <linux/kconfig.h>

int vfio_virqfd_start(void);
void vfio_virqfd_stop(void);

/**
 * vfio_virqfd_init - Get ready for drivers that enable virqfds, if any can
 *
 * Context: Module initialisation, before any device can be registered.
 * Return: 0; -ENOMEM.
 */
static inline int vfio_virqfd_init(void)
{
	return IS_ENABLED(CONFIG_VFIO_VIRQFD) ? vfio_virqfd_start() : 0;
}

/**
 * vfio_virqfd_exit - Undo vfio_virqfd_init()
 *
 * Context: Module exit; no virqfd is enabled any more.
 */
static inline void vfio_virqfd_exit(void)
{
	if (IS_ENABLED(CONFIG_VFIO_VIRQFD))
		vfio_virqfd_stop();
}

#endif /* VFIO_VIRQFD_H */
