// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Step 3: what is unmapped is out of the devices' reach.
 *
 * A page is mapped, a device writes a known content to it, and the content
 * arrives. Then the page is unmapped, every byte in it is set to the complement
 * of that content, and the device is told to write there again. A single byte
 * that came through would show. The IOMMU must have reported the fault to the
 * kernel, and after mapping the page again the same write must work.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"
#include "iommufd_util.h"
#include "klog.h"
#include "say.h"

#define VICTIM_SIZE	4096

static_assert(VICTIM_IOVA < EDU_IOVA_LIMIT, "edu must reach the page");

/* A device, and how to make it write a page of known content to VICTIM_IOVA. */
struct writer {
	const char *name;
	const char *bdf;
	void *device;
	unsigned char content[VICTIM_SIZE];
	/* Fills in how the device itself saw it. Returns 0 or -errno. */
	int (*write)(void *device, char *outcome, size_t size);
};

static int write_by_nvme(void *device, char *outcome, size_t size)
{
	struct nvme *nvme = device;
	unsigned int status;
	int rc = nvme_read_page(nvme, 0, VICTIM_IOVA, &status);

	if (rc == -ETIMEDOUT) {
		snprintf(outcome, size, "no answer, so it was reset");
		return nvme_restart(nvme);
	}
	snprintf(outcome, size, "status 0x%03x%s", status, status ? "" : ", as if all were well");
	return rc;
}

static int write_by_edu(void *device, char *outcome, size_t size)
{
	snprintf(outcome, size, "nothing, it has no way to");
	return edu_write_memory(device, VICTIM_IOVA, VICTIM_SIZE);
}

static void map_victim(struct demo *demo, void *page)
{
	must(ioas_map_at(demo->iommufd, demo->ioas, page, VICTIM_SIZE, VICTIM_IOVA),
	     "cannot map a page at %#llx", VICTIM_IOVA);
}

static void unmap_victim(struct demo *demo)
{
	must(ioas_unmap(demo->iommufd, demo->ioas, VICTIM_IOVA, VICTIM_SIZE),
	     "cannot unmap the page at %#llx", VICTIM_IOVA);
}

static void fill_with_complement(const struct writer *writer, unsigned char *page)
{
	size_t i;

	for (i = 0; i < VICTIM_SIZE; i++)
		page[i] = ~writer->content[i];
}

/* The device writes with the page mapped: the content must arrive. */
static void write_mapped(struct demo *demo, struct writer *writer, unsigned char *page,
			 const char *where)
{
	char outcome[64], fact[64];

	map_victim(demo, page);
	fill_with_complement(writer, page);
	must(writer->write(writer->device, outcome, sizeof(outcome)),
	     "%s did not write to %s", writer->name, where);
	if (memcmp(page, writer->content, VICTIM_SIZE))
		fail("%s wrote to a mapped page, but the data did not arrive", writer->name);
	snprintf(fact, sizeof(fact), "%s writes to %s", writer->name, where);
	say_ok(fact, "all %u bytes arrived", VICTIM_SIZE);
	unmap_victim(demo);
}

/* The device writes with the page unmapped: nothing may arrive. */
static void write_unmapped(struct writer *writer, unsigned char *page)
{
	unsigned char before[VICTIM_SIZE];
	char outcome[64], fact[64], line[256];
	int log = klog_open();

	must(log, "cannot read the kernel log");
	fill_with_complement(writer, page);
	memcpy(before, page, VICTIM_SIZE);
	must(writer->write(writer->device, outcome, sizeof(outcome)),
	     "%s did not survive its write to an unmapped page", writer->name);
	if (memcmp(page, before, VICTIM_SIZE))
		fail("%s reached memory that was unmapped: no isolation", writer->name);
	if (klog_wait_fault(log, writer->bdf, VICTIM_IOVA, line, sizeof(line)))
		fail("the kernel log tells of no fault of %s at %#llx", writer->name,
		     VICTIM_IOVA);
	close(log);

	snprintf(fact, sizeof(fact), "%s writes to it, unmapped", writer->name);
	say_ok(fact, "not one byte changed, the IOMMU faulted");
	say_wrapped("the kernel's log:", line);
	say_detail("the device itself reported", "%s", outcome);
}

static void isolate(struct demo *demo, struct writer *writer, unsigned char *page)
{
	write_mapped(demo, writer, page, "a mapped page");
	write_unmapped(writer, page);
	write_mapped(demo, writer, page, "it, mapped again");
	demo->isolated++;
}

static void isolate_nvme(struct demo *demo, unsigned char *page)
{
	struct writer writer = {
		.name = "NVMe",
		.bdf = demo->nvme_bdf,
		.device = &demo->nvme,
		.write = write_by_nvme,
	};

	memcpy(writer.content, demo->data, VICTIM_SIZE);	/* the disk's first page */
	isolate(demo, &writer, page);
}

static void isolate_edu(struct demo *demo, unsigned char *page)
{
	struct edu edu;
	struct writer writer = {
		.name = "edu",
		.bdf = demo->edu_bdf,
		.device = &edu,
		.write = write_by_edu,
	};
	size_t i;

	must(edu_start(&edu, &demo->edu_dev), "the edu device does not come up");

	/* Put the content into the device: it reads our page. */
	for (i = 0; i < VICTIM_SIZE; i++)
		writer.content[i] = i * 7 + (i >> 8);
	memcpy(page, writer.content, VICTIM_SIZE);
	map_victim(demo, page);
	must(edu_read_memory(&edu, VICTIM_IOVA, VICTIM_SIZE), "edu does not read memory");
	unmap_victim(demo);

	isolate(demo, &writer, page);
}

/**
 * demo_isolation() - Show that devices do not reach what is unmapped
 * @demo: the state
 */
void demo_isolation(struct demo *demo)
{
	unsigned char *page = demo_memory(VICTIM_SIZE);

	say_heading(3, "Isolation: devices do not reach what is unmapped");
	isolate_nvme(demo, page);
	if (demo->with_edu)
		isolate_edu(demo, page);
}
