// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Finding PCI devices in sysfs and giving them to the vfio-pci driver.
 *
 * A device that user space shall drive has to be bound to vfio-pci first, so
 * that no other driver of the kernel touches it. driver_override says which
 * driver may have this one device, then a probe of the bus binds it.
 *
 * Functions return 0 or a negative errno and print nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pci_sysfs.h"

#define SYS_PCI		"/sys/bus/pci"
#define SYS_DEVICES	SYS_PCI "/devices"

static unsigned int read_hex(const char *bdf, const char *attribute)
{
	char path[PATH_MAX];
	unsigned int value = PCI_ANY;
	FILE *f;

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/%s", bdf, attribute);
	f = fopen(path, "re");
	if (!f)
		return PCI_ANY;
	if (fscanf(f, "%x", &value) != 1)
		value = PCI_ANY;
	fclose(f);
	return value;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t written;
	int rc = 0;

	if (fd < 0)
		return -errno;
	written = write(fd, text, strlen(text));
	if (written < 0)
		rc = -errno;
	close(fd);
	return rc;
}

/* The last component of the symbolic link @attribute of the device; "" if none. */
static void link_name(const char *bdf, const char *attribute, char name[PCI_NAME_SIZE])
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *slash;
	ssize_t length;

	*name = 0;
	snprintf(path, sizeof(path), SYS_DEVICES "/%s/%s", bdf, attribute);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return;
	target[length] = 0;
	slash = strrchr(target, '/');
	snprintf(name, PCI_NAME_SIZE, "%.*s", PCI_NAME_SIZE - 1, slash ? slash + 1 : target);
}

static bool matches(const char *bdf, const struct pci_match *match)
{
	if (match->class != PCI_ANY && read_hex(bdf, "class") >> 8 != match->class)
		return false;
	if (match->vendor != PCI_ANY && read_hex(bdf, "vendor") != match->vendor)
		return false;
	return match->device == PCI_ANY || read_hex(bdf, "device") == match->device;
}

/**
 * pci_find() - Find a PCI device
 * @match: what to look for
 * @bdf: set to its address, the lowest when there are several
 *
 * Return: 0; -ENODEV when there is none.
 */
int pci_find(const struct pci_match *match, char bdf[PCI_BDF_SIZE])
{
	struct dirent **entries;
	int count = scandir(SYS_DEVICES, &entries, NULL, alphasort);
	int rc = -ENODEV;
	int i;

	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;

		if (rc && name[0] != '.' && strlen(name) < PCI_BDF_SIZE && matches(name, match)) {
			snprintf(bdf, PCI_BDF_SIZE, "%.*s", PCI_BDF_SIZE - 1, name);
			rc = 0;
		}
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/**
 * pci_driver() - Tell which driver of the kernel has the device
 * @bdf: PCI address
 * @name: set to the driver's name, "" when there is none
 */
void pci_driver(const char *bdf, char name[PCI_NAME_SIZE])
{
	link_name(bdf, "driver", name);
}

/*
 * Ask by opening the disk exclusively: the kernel refuses that while a file
 * system, swap, RAID and the like hold it or one of its partitions.
 */
static bool node_is_in_use(const char *node)
{
	int fd = open(node, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd < 0)
		return errno == EBUSY;
	close(fd);
	return false;
}

/* Look at the namespaces of one controller, such as .../nvme/nvme0. */
static bool namespaces_in_use(const char *controller, char node[PCI_NAME_SIZE])
{
	unsigned int subsystem, path, nsid;
	struct dirent *entry;
	bool busy = false;
	DIR *dir = opendir(controller);

	if (!dir)
		return false;
	while (!busy && (entry = readdir(dir))) {
		/* With multipath the node belongs to the subsystem, not to the path. */
		if (sscanf(entry->d_name, "nvme%uc%un%u", &subsystem, &path, &nsid) != 3 &&
		    sscanf(entry->d_name, "nvme%un%u", &subsystem, &nsid) != 2)
			continue;
		snprintf(node, PCI_NAME_SIZE, "/dev/nvme%un%u", subsystem, nsid);
		busy = node_is_in_use(node);
	}
	closedir(dir);
	return busy;
}

/**
 * pci_disk_is_in_use() - Ask whether this machine works with a disk of the device
 * @bdf: PCI address of an NVMe controller
 * @node: set to the busy disk's device node
 *
 * To be asked before the device is taken away from its driver.
 *
 * Return: true when a disk of the controller is mounted or held otherwise.
 */
bool pci_disk_is_in_use(const char *bdf, char node[PCI_NAME_SIZE])
{
	char path[PATH_MAX], controller[PATH_MAX * 2];
	struct dirent *entry;
	bool busy = false;
	DIR *dir;

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/nvme", bdf);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!busy && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(controller, sizeof(controller), "%s/%s", path, entry->d_name);
		busy = namespaces_in_use(controller, node);
	}
	closedir(dir);
	return busy;
}

/**
 * pci_give_to_vfio() - Bind a device to the vfio-pci driver
 * @bdf: PCI address
 *
 * Takes the device away from the driver that has it. Does nothing when
 * vfio-pci has it already.
 *
 * Return: 0; -ENODEV when vfio-pci did not take it (not loaded, or the device
 * stands behind no IOMMU); -errno of the write to sysfs that failed.
 */
int pci_give_to_vfio(const char *bdf)
{
	char path[PATH_MAX], driver[PCI_NAME_SIZE];
	int rc;

	pci_driver(bdf, driver);
	if (!strcmp(driver, "vfio-pci"))
		return 0;

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/driver_override", bdf);
	rc = write_text(path, "vfio-pci\n");
	if (rc)
		return rc;
	if (*driver) {
		snprintf(path, sizeof(path), SYS_DEVICES "/%s/driver/unbind", bdf);
		rc = write_text(path, bdf);
		if (rc)
			return rc;
	}
	rc = write_text(SYS_PCI "/drivers_probe", bdf);
	if (rc)
		return rc;
	pci_driver(bdf, driver);
	return strcmp(driver, "vfio-pci") ? -ENODEV : 0;
}

/**
 * pci_vfio_name() - Tell the name of a device's VFIO device node
 * @bdf: PCI address of a device bound to vfio-pci
 * @name: set to the name under /dev/vfio/devices
 *
 * Return: 0; -ENODEV when it has none.
 */
int pci_vfio_name(const char *bdf, char name[PCI_NAME_SIZE])
{
	char path[PATH_MAX];
	struct dirent *entry;
	int rc = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -ENODEV;
	while (rc && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, PCI_NAME_SIZE, "%.*s", PCI_NAME_SIZE - 1, entry->d_name);
		rc = 0;
	}
	closedir(dir);
	return rc;
}

/**
 * pci_iommu_group() - Tell which IOMMU group a device is in
 * @bdf: PCI address
 *
 * Return: the number; -ENODEV when the device stands behind no IOMMU.
 */
int pci_iommu_group(const char *bdf)
{
	char name[PCI_NAME_SIZE];

	link_name(bdf, "iommu_group", name);
	return *name ? atoi(name) : -ENODEV;
}

/**
 * pci_msi_window() - Tell where the device's interrupt messages go
 * @bdf: PCI address
 * @first: set to the window's first address
 * @last: set to its last address, inclusive
 *
 * A write by the device to this window raises an interrupt and does not reach
 * memory, so that no memory may be mapped there.
 *
 * Return: 0; -ENOENT when the IOMMU reserves no such window.
 */
int pci_msi_window(const char *bdf, __u64 *first, __u64 *last)
{
	char path[PATH_MAX], type[32];
	int rc = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), SYS_DEVICES "/%s/iommu_group/reserved_regions", bdf);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (rc && fscanf(f, "%llx %llx %31s", first, last, type) == 3)
		if (!strcmp(type, "msi"))
			rc = 0;
	fclose(f);
	return rc;
}
