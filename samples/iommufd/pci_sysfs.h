/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Finding PCI devices in sysfs and giving them to the vfio-pci driver.
 */
#ifndef PCI_SYSFS_H
#define PCI_SYSFS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define PCI_BDF_SIZE	16	/* "0000:00:03.0" */
#define PCI_NAME_SIZE	64	/* a driver, a device node */

#define PCI_ANY		(~0u)

/* What to look for; PCI_ANY where it does not matter. */
struct pci_match {
	unsigned int class;	/* class and subclass: 0x0108 is NVMe */
	unsigned int vendor;
	unsigned int device;
};

int pci_find(const struct pci_match *match, char bdf[PCI_BDF_SIZE]);
void pci_driver(const char *bdf, char name[PCI_NAME_SIZE]);
bool pci_disk_is_in_use(const char *bdf, char node[PCI_NAME_SIZE]);
int pci_give_to_vfio(const char *bdf);
int pci_vfio_name(const char *bdf, char name[PCI_NAME_SIZE]);
int pci_iommu_group(const char *bdf);
int pci_msi_window(const char *bdf, __u64 *first, __u64 *last);

#endif
