// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Eventfds that act on a device without a way through this program: one unmasks its
 * interrupt, one writes to a register.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"
#include "mmio.h"

/* edu's registers for its interrupt line. */
#define EDU_RAISE	0x60
#define EDU_ACK		0x64

FIXTURE(virqfd)
{
	struct st_env env;
	int fd;
	int irq;	/* what its interrupt signals */
};

static int set_irq(int fd, __u32 action, int event)
{
	return st_set_irq(fd, VFIO_PCI_INTX_IRQ_INDEX, action, event);
}

static int new_event(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static int signal_event(int event)
{
	return eventfd_write(event, 1);
}

/* Wait for a signal and take it; the test's own time runs out if none comes. */
static int take_event(int event)
{
	struct pollfd pfd = { .fd = event, .events = POLLIN };
	eventfd_t count;

	if (poll(&pfd, 1, -1) != 1)
		return -errno;
	return eventfd_read(event, &count);
}

static void edu_raise(struct st_env *env)
{
	mmio_write32(env->edu.bar.base, EDU_RAISE, 1);
}

static void edu_ack(struct st_env *env)
{
	mmio_write32(env->edu.bar.base, EDU_ACK, 1);
}

FIXTURE_SETUP(virqfd)
{
	int rc = st_env_open_attached(&self->env, ST_EDU);

	if (rc == -ENODEV || rc == -EBUSY)
		SKIP(return, "the machine has no free edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_edu_start(&self->env));
	self->fd = self->env.dev.fd;
	self->irq = new_event();
	ASSERT_LE(0, self->irq);
	ASSERT_EQ(0, set_irq(self->fd, VFIO_IRQ_SET_ACTION_TRIGGER, self->irq));
}

FIXTURE_TEARDOWN(virqfd)
{
	edu_ack(&self->env);
	close(self->irq);
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* An interrupt masks itself; the eventfd unmasks it, and tells of one that waits. */
TEST_F(virqfd, unmask)
{
	int unmask = new_event();

	ASSERT_LE(0, unmask);
	ASSERT_EQ(0, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, unmask));
	edu_raise(&self->env);
	ASSERT_EQ(0, take_event(self->irq));

	/* Not acknowledged, so it comes again, each time. */
	ASSERT_EQ(0, signal_event(unmask));
	ASSERT_EQ(0, take_event(self->irq));
	ASSERT_EQ(0, signal_event(unmask));
	ASSERT_EQ(0, take_event(self->irq));

	edu_ack(&self->env);
	ASSERT_EQ(0, signal_event(unmask));
	edu_raise(&self->env);
	ASSERT_EQ(0, take_event(self->irq));
	edu_ack(&self->env);
	close(unmask);
}

/* An eventfd that is signalled already acts at once. */
TEST_F(virqfd, signalled_before)
{
	int unmask = new_event();

	ASSERT_LE(0, unmask);
	edu_raise(&self->env);
	ASSERT_EQ(0, take_event(self->irq));
	ASSERT_EQ(0, signal_event(unmask));
	ASSERT_EQ(0, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, unmask));
	ASSERT_EQ(0, take_event(self->irq));
	close(unmask);
}

/* One at a time, until the driver lets go or the last file is closed. */
TEST_F(virqfd, one_at_a_time)
{
	int first = new_event(), second = new_event();

	ASSERT_LE(0, first);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, first));
	EXPECT_EQ(-EBUSY, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, second));
	EXPECT_EQ(0, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, -1));
	EXPECT_EQ(0, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, second));
	close(second);
	EXPECT_EQ(0, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, first));

	edu_raise(&self->env);
	ASSERT_EQ(0, take_event(self->irq));
	ASSERT_EQ(0, signal_event(first));
	ASSERT_EQ(0, take_event(self->irq));
	close(first);
}

TEST_F(virqfd, not_an_eventfd)
{
	int closed = dup(self->irq);

	close(closed);
	EXPECT_EQ(-EBADF, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, closed));
	EXPECT_EQ(-EINVAL, set_irq(self->fd, VFIO_IRQ_SET_ACTION_UNMASK, self->fd));
}

/* A signal writes to the register that raises the interrupt. */
TEST_F(virqfd, writes_a_register)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX,
	};
	struct vfio_device_ioeventfd doorbell = {
		.argsz = sizeof(doorbell),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.data = 1,
		.fd = new_event(),
	};

	ASSERT_LE(0, doorbell.fd);
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_GET_REGION_INFO, &bar));
	doorbell.offset = bar.offset + EDU_RAISE;
	ASSERT_EQ(0, st_call(self->fd, VFIO_DEVICE_IOEVENTFD, &doorbell));
	EXPECT_EQ(-EEXIST, st_call(self->fd, VFIO_DEVICE_IOEVENTFD, &doorbell));
	ASSERT_EQ(0, signal_event(doorbell.fd));
	ASSERT_EQ(0, take_event(self->irq));
	edu_ack(&self->env);

	close(doorbell.fd);
	doorbell.fd = -1;
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_IOEVENTFD, &doorbell));
	EXPECT_EQ(-ENODEV, st_call(self->fd, VFIO_DEVICE_IOEVENTFD, &doorbell));
}

TEST_HARNESS_MAIN
