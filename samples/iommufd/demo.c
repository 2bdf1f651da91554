// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * A user-space NVMe driver on /dev/iommu, as an example of how to use the API.
 *
 * The story is told in four steps, a file for each; read them in this order:
 *
 *   demo_attach.c     an address space, a device, and the two together
 *   demo_disk.c       a disk is read by DMA into memory of this process
 *   demo_isolation.c  what is unmapped is out of the devices' reach
 *   demo_refusals.c   what the kernel refuses, and how to learn why
 *
 * The calls themselves are in iommufd_util.c (/dev/iommu) and vfio_util.c (the
 * device); nvme.c and edu.c are the drivers. This file has the options, the
 * tidying up and the last word. Exit status 0 means that all was proved.
 */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "demo.h"
#include "iommufd_util.h"
#include "say.h"
#include "sha256.h"

static const char usage[] =
"Usage: iommufd_demo [options]\n"
"Drives an NVMe controller from user space through /dev/iommu. It only reads.\n"
"\n"
"  --nvme BDF     the controller, such as 0000:00:03.0 (default: the first one)\n"
"  --edu BDF      QEMU's edu device (default: the first one); \"none\": do without\n"
"  --sha256 HEX   the SHA-256 that the data read must have\n"
"  --mib N        read the first N MiB of the disk (default: 64)\n"
"  --no-reasons   accept a kernel that gives no reasons for its refusals\n"
"\n"
"Devices are taken from their drivers and bound to vfio-pci, but not while one\n"
"of their disks is mounted or in use otherwise.\n";

enum option_id {
	OPT_NVME = 1,
	OPT_EDU,
	OPT_SHA256,
	OPT_MIB,
	OPT_NO_REASONS,
	OPT_HELP,
};

static const struct option options[] = {
	{ "nvme", required_argument, NULL, OPT_NVME },
	{ "edu", required_argument, NULL, OPT_EDU },
	{ "sha256", required_argument, NULL, OPT_SHA256 },
	{ "mib", required_argument, NULL, OPT_MIB },
	{ "no-reasons", no_argument, NULL, OPT_NO_REASONS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ 0 },
};

/**
 * demo_memory() - Get memory for DMA
 * @size: bytes, a multiple of the page size
 *
 * Any memory of the process will do. Large pages make it cheaper to map.
 *
 * Return: the memory, filled with zeros; ends the demo when there is none.
 */
void *demo_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(memory == MAP_FAILED ? -errno : 0, "cannot get %zu bytes of memory", size);
	madvise(memory, size, MADV_HUGEPAGE);
	return memory;
}

/* lspci leaves the segment out where there is but one. */
static void set_bdf(char bdf[PCI_BDF_SIZE], const char *text)
{
	const char *colon = strchr(text, ':');
	const char *segment = colon && strchr(colon + 1, ':') ? "" : "0000:";

	if (!colon || snprintf(bdf, PCI_BDF_SIZE, "%s%s", segment, text) >= PCI_BDF_SIZE)
		fail("'%s' is no PCI address such as 0000:00:03.0", text);
}

static void set_sha256(struct demo *demo, const char *text)
{
	if (strspn(text, "0123456789abcdefABCDEF") != SHA256_HEX_SIZE - 1 ||
	    strlen(text) != SHA256_HEX_SIZE - 1)
		fail("'%s' is no SHA-256: 64 hexadecimal digits are", text);
	demo->sha256 = text;
}

static void set_mib(struct demo *demo, const char *text)
{
	char *end;
	unsigned long mib = strtoul(text, &end, 10);

	if (!mib || *end || mib > SIZE_MAX / MIB / 2)
		fail("'%s' is no number of MiB to read", text);
	demo->mib = mib;
}

static void set_option(struct demo *demo, int id, const char *value)
{
	switch (id) {
	case OPT_NVME:
		set_bdf(demo->nvme_bdf, value);
		break;
	case OPT_EDU:
		demo->with_edu = strcmp(value, "none");
		if (demo->with_edu)
			set_bdf(demo->edu_bdf, value);
		break;
	case OPT_SHA256:
		set_sha256(demo, value);
		break;
	case OPT_MIB:
		set_mib(demo, value);
		break;
	case OPT_NO_REASONS:
		demo->with_reasons = false;
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(EXIT_SUCCESS);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

/*
 * Closing the file descriptors would do all this as well. Done by hand, in the
 * order opposite to that of setting up, each call must succeed.
 */
static void give_back(struct demo *demo)
{
	say_heading(5, "Give everything back");
	nvme_stop(&demo->nvme);
	must(ioas_unmap(demo->iommufd, demo->ioas, DATA_IOVA, demo->data_size),
	     "cannot unmap the data");
	must(ioas_unmap(demo->iommufd, demo->ioas, demo->queues_iova, NVME_MEMORY),
	     "cannot unmap the queues");
	must(vfio_detach(&demo->nvme_dev), "cannot detach the NVMe controller");
	vfio_close(&demo->nvme_dev);
	if (demo->with_edu) {
		must(vfio_detach(&demo->edu_dev), "cannot detach edu");
		vfio_close(&demo->edu_dev);
	}
	must(iommufd_destroy(demo->iommufd, demo->ioas), "cannot destroy the IOAS");
	say_ok("unmapped, detached, closed", "IOAS %u destroyed", demo->ioas);
}

/* One line: what was proved, or the first thing that was not. */
static void last_word(const struct demo *demo)
{
	if (!demo->matched)
		fail("no --sha256 was given, so nothing vouches for the data");
	if (demo->with_reasons && demo->explained < demo->refused)
		fail("the kernel gave reasons for %u of its %u refusals only",
		     demo->explained, demo->refused);
	printf("\nPROVED: %zu MiB by DMA match SHA-256; %u device%s isolated; %u refusals %s.\n",
	       demo->mib, demo->isolated, demo->isolated == 1 ? "" : "s", demo->refused,
	       demo->with_reasons ? "explained" : "seen");
}

int main(int argc, char **argv)
{
	struct demo demo = { .mib = 64, .with_edu = true, .with_reasons = true };
	struct utsname system;
	int id;

	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
		set_option(&demo, id, optarg);
	if (optind < argc)
		set_option(&demo, 0, NULL);

	uname(&system);
	printf("A user-space NVMe driver on /dev/iommu (%s %s, %s)\n",
	       system.sysname, system.release, system.machine);
	demo_attach(&demo);
	demo_disk(&demo);
	demo_isolation(&demo);
	demo_refusals(&demo);
	give_back(&demo);
	last_word(&demo);
	return EXIT_SUCCESS;
}
