// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Interrupts that a device really sends, while its page table is made, changed and
 * taken away. Where MSIs pass through the IOMMU like any other write (ARM), the kernel
 * has to map the interrupt controller's page in every table that the device gets.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"
#include "mmio.h"

#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64

#define ONE		0x1u
#define WAIT_MS		60000

FIXTURE(irq)
{
	struct st_env env;	/* with an edu device that is attached to a table */
	__u32 table;
	int event;
};

static int alloc(const struct st_env *env, __u32 *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = env->dev.id,
		.pt_id = env->ioas,
	};
	int rc = st_call(env->iommufd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

/* event -1: switch the device's MSI off. */
static int set_msi(int fd, int event)
{
	struct {
		struct vfio_irq_set set;
		__s32 event;
	} irq = { .set.argsz = sizeof(irq), .event = event };

	irq.set.index = VFIO_PCI_MSI_IRQ_INDEX;
	irq.set.flags = VFIO_IRQ_SET_ACTION_TRIGGER;
	irq.set.flags |= event < 0 ? VFIO_IRQ_SET_DATA_NONE : VFIO_IRQ_SET_DATA_EVENTFD;
	irq.set.count = event < 0 ? 0 : 1;
	return st_call(fd, VFIO_DEVICE_SET_IRQS, &irq);
}

FIXTURE_SETUP(irq)
{
	struct st_env *env = &self->env;
	int rc;

	ASSERT_EQ(0, st_env_open(env));
	rc = st_env_add_device(env, ST_EDU);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, alloc(env, &self->table));
	ASSERT_EQ(0, st_attach(env->dev.fd, self->table));
	ASSERT_EQ(0, st_edu_start(env));
	self->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->event);
	ASSERT_EQ(0, set_msi(env->dev.fd, self->event));
}

FIXTURE_TEARDOWN(irq)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static void raise_irq(struct st_env *env)
{
	mmio_write32(env->edu.bar.base, EDU_IRQ_RAISE, ONE);
	mmio_write32(env->edu.bar.base, EDU_IRQ_ACK, ONE);
}

/* How many interrupts arrived, after one was waited for; 0 if none came. */
static unsigned int arrived(int event)
{
	struct pollfd pollfd = { .fd = event, .events = POLLIN };
	eventfd_t count = 0;

	if (poll(&pollfd, 1, WAIT_MS) == 1)
		eventfd_read(event, &count);
	return count;
}

static bool rings(struct st_env *env, int event)
{
	raise_irq(env);
	return arrived(event) == 1;
}

TEST_F(irq, arrives)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		ASSERT_TRUE(rings(&self->env, self->event));
}

/* It is no mapping of the IOAS: it is not unmapped, and has no place for another. */
TEST_F(irq, is_no_mapping)
{
	struct st_env *env = &self->env;
	struct iommu_iova_range window;
	unsigned char *memory = st_memory(ST_MIB);

	ASSERT_EQ(0, st_map_at(env->iommufd, env->ioas, memory, ST_MIB, ST_IOVA));
	EXPECT_TRUE(rings(env, self->event));
	ASSERT_EQ(0, st_unmap_all(env->iommufd, env->ioas, NULL));
	EXPECT_TRUE(rings(env, self->event));
	ASSERT_EQ(0, st_msi_window(env, &window));
	EXPECT_EQ(-EINVAL, st_map_at(env->iommufd, env->ioas, memory, st_page, window.start));
	EXPECT_TRUE(rings(env, self->event));
}

/* Another table of the same IOAS, one of another, one that the kernel makes. */
TEST_F(irq, follows_the_device)
{
	struct st_env *env = &self->env;
	__u32 first = env->ioas, other;

	ASSERT_EQ(0, alloc(env, &other));
	ASSERT_EQ(0, st_attach(env->dev.fd, other));
	EXPECT_TRUE(rings(env, self->event));
	EXPECT_EQ(0, iommufd_destroy(env->iommufd, self->table));
	EXPECT_TRUE(rings(env, self->event));

	ASSERT_EQ(0, ioas_alloc(env->iommufd, &env->ioas));
	ASSERT_EQ(0, alloc(env, &other));
	ASSERT_EQ(0, st_attach(env->dev.fd, other));
	EXPECT_TRUE(rings(env, self->event));
	ASSERT_EQ(0, st_attach(env->dev.fd, first));
	EXPECT_TRUE(rings(env, self->event));
}

TEST_F(irq, survives_a_detach)
{
	struct st_env *env = &self->env;

	EXPECT_TRUE(rings(env, self->event));
	ASSERT_EQ(0, st_detach(env->dev.fd));
	ASSERT_EQ(0, st_attach(env->dev.fd, self->table));
	EXPECT_TRUE(rings(env, self->event));

	/* Switched off and on again, in a table that knows the page already. */
	ASSERT_EQ(0, set_msi(env->dev.fd, -1));
	ASSERT_EQ(0, set_msi(env->dev.fd, self->event));
	EXPECT_TRUE(rings(env, self->event));
}

/* DMA and interrupts pass through the same table. */
TEST_F(irq, with_dma)
{
	struct st_env *env = &self->env;
	unsigned char *memory = st_memory(st_page);

	st_fill(memory, 11, st_page);
	ASSERT_EQ(0, st_map_at(env->iommufd, env->ioas, memory, st_page, ST_IOVA));
	EXPECT_TRUE(rings(env, self->event));
	EXPECT_EQ(0, st_device_sees(env, ST_IOVA, memory, EDU_BUFFER_SIZE));
	EXPECT_TRUE(rings(env, self->event));
}

/* The second of two devices needs the page that the first one has. */
TEST_F(irq, two_devices)
{
	struct st_env *env = &self->env;
	struct vfio_device disk;
	int event;

	if (st_device_open(&disk, ST_NVME))
		SKIP(return, "the machine has no NVMe controller for tests");
	ASSERT_EQ(0, vfio_bind(disk.fd, env->iommufd, &disk.id));
	ASSERT_EQ(0, st_attach(disk.fd, self->table));
	event = eventfd(0, EFD_CLOEXEC);
	EXPECT_EQ(0, st_set_irq(disk.fd, VFIO_PCI_MSIX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER,
				event));
	EXPECT_TRUE(rings(env, self->event));
	vfio_close(&disk);
	EXPECT_TRUE(rings(env, self->event));
	close(event);
}

TEST_HARNESS_MAIN
