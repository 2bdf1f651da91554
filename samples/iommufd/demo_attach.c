// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Step 1: an address space, a device, and the two together.
 *
 *   open("/dev/iommu")               a context: all IDs belong to it
 *   IOMMU_IOAS_ALLOC                 an I/O address space, empty
 *   open("/dev/vfio/devices/vfioN")  a device that vfio-pci has
 *   VFIO_DEVICE_BIND_IOMMUFD         the context owns the device now
 *   VFIO_DEVICE_ATTACH_IOMMUFD_PT    the device sees the address space
 *
 * Several devices may be attached to one address space: edu comes to the same.
 */
#include <stdio.h>

#include "demo.h"
#include "iommufd_util.h"
#include "say.h"

static void find_device(char bdf[PCI_BDF_SIZE], const struct pci_match *match, const char *what)
{
	char driver[PCI_NAME_SIZE], node[PCI_NAME_SIZE];

	if (!*bdf)
		must(pci_find(match, bdf), "this machine has no %s", what);
	pci_driver(bdf, driver);
	if (pci_disk_is_in_use(bdf, node))
		fail("%s is in use, so %s stays with its driver '%s'", node, bdf, driver);
	must(pci_give_to_vfio(bdf), "cannot bind %s %s to vfio-pci", what, bdf);
}

static void open_bind_attach(struct demo *demo, struct vfio_device *dev, const char *bdf,
			     const char *name)
{
	char fact[64];

	must(vfio_open(dev, bdf), "cannot open the VFIO device of %s %s", name, bdf);
	snprintf(fact, sizeof(fact), "%s at %s opened", name, bdf);
	say_ok(fact, "%s, group %d", dev->node, pci_iommu_group(bdf));

	must(vfio_bind(dev->fd, demo->iommufd, &dev->id), "cannot bind %s to the iommufd", name);
	must(vfio_reset(dev), "cannot reset %s", name);
	must(vfio_attach(dev, demo->ioas), "cannot attach %s to the IOAS", name);
	snprintf(fact, sizeof(fact), "%s bound and attached", name);
	say_ok(fact, "device ID %u, page table ID %u", dev->id, dev->pt_id);
}

/* The device narrows the address space: compare the holes before and after. */
static void show_iova_ranges(struct demo *demo, const char *when)
{
	struct iova_ranges ranges;
	unsigned int i;

	must(ioas_iova_ranges(demo->iommufd, demo->ioas, &ranges), "cannot ask for IOVA ranges");
	for (i = 0; i < ranges.count; i++)
		say_detail(i ? "" : when, "%#llx - %#llx",
			   ranges.range[i].start, ranges.range[i].last);
	say_detail("", "aligned to %llu", ranges.alignment);
}

/* The registers are described in chapter 11.4 of Intel's VT-d specification. */
static void show_vtd(const struct iommu_hw_info_vtd *vtd)
{
	__u64 cap = vtd->cap_reg, ecap = vtd->ecap_reg;

	say_detail("capability registers", "%#llx, %#llx", cap, ecap);
	say_detail("", "%u bits, pages of 4 KiB%s%s",
		   (unsigned int)(cap >> 16 & 0x3f) + 1,
		   cap >> 34 & 1 ? ", 2 MiB" : "", cap >> 35 & 1 ? ", 1 GiB" : "");
	say_detail("", "interrupt remapping %s", ecap >> 3 & 1 ? "yes" : "no");
}

static const char *hw_name(__u32 type)
{
	switch (type) {
	case IOMMU_HW_INFO_TYPE_NONE:
		return "tells nothing about itself";
	case IOMMU_HW_INFO_TYPE_INTEL_VTD:
		return "Intel VT-d";
	case IOMMU_HW_INFO_TYPE_ARM_SMMUV3:
		return "Arm SMMUv3";
	case IOMMU_HW_INFO_TYPE_AMD:
		return "AMD-Vi";
	default:
		return "of an unknown type";
	}
}

static void show_hw_info(struct demo *demo)
{
	struct iommu_hw hw = { 0 };

	must(iommufd_hw_info(demo->iommufd, demo->nvme_dev.id, &hw),
	     "cannot ask about the IOMMU");
	say_detail("IOMMU", "%s", hw_name(hw.type));
	if (hw.type == IOMMU_HW_INFO_TYPE_INTEL_VTD)
		show_vtd(&hw.data.vtd);
	say_detail("", "dirty tracking %s, PASID %s",
		   hw.capabilities & IOMMU_HW_CAP_DIRTY_TRACKING ? "yes" : "no",
		   hw.pasid_bits ? "yes" : "no");
}

/**
 * demo_attach() - Set up an address space with the devices attached to it
 * @demo: the state
 */
void demo_attach(struct demo *demo)
{
	static const struct pci_match nvme = { 0x0108, PCI_ANY, PCI_ANY };
	static const struct pci_match edu = { PCI_ANY, EDU_VENDOR, EDU_DEVICE };

	say_heading(1, "An address space with devices attached");
	find_device(demo->nvme_bdf, &nvme, "NVMe controller");
	if (demo->with_edu)
		find_device(demo->edu_bdf, &edu, "edu device");

	demo->iommufd = iommufd_open();
	must(demo->iommufd, "cannot open /dev/iommu");
	must(ioas_alloc(demo->iommufd, &demo->ioas), "cannot make an I/O address space");
	say_ok("/dev/iommu opened, IOAS made", "fd %d, IOAS %u", demo->iommufd, demo->ioas);
	show_iova_ranges(demo, "I/O addresses, no device yet");

	open_bind_attach(demo, &demo->nvme_dev, demo->nvme_bdf, "NVMe");
	if (demo->with_edu)
		open_bind_attach(demo, &demo->edu_dev, demo->edu_bdf, "edu");
	show_iova_ranges(demo, "I/O addresses with the devices");
	show_hw_info(demo);
}
