// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO device nodes: open, bind to an iommufd, and what an unbound one refuses.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define BIND_MIN	16u	/* bytes, before the token came */

FIXTURE(bind)
{
	struct st_env env;	/* with a device that is open, not bound */
	struct vfio_device_bind_iommufd bind;
	int fd;
};

FIXTURE_SETUP(bind)
{
	int rc = st_env_open(&self->env);

	ASSERT_EQ(0, rc);
	rc = st_device_open(&self->env.dev, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.dev.fd;
	self->bind.argsz = sizeof(self->bind);
	self->bind.iommufd = self->env.iommufd;
}

FIXTURE_TEARDOWN(bind)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int bind_as(struct _test_data_bind *self, const struct vfio_device_bind_iommufd *bind)
{
	struct vfio_device_bind_iommufd cmd = *bind;

	return st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &cmd);
}

/* Every call but the bind, and the other file operations. */
TEST_F(bind, unbound_does_nothing)
{
	static const unsigned long calls[] = {
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO,
		VFIO_DEVICE_SET_IRQS, VFIO_DEVICE_RESET, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
		VFIO_DEVICE_PCI_HOT_RESET, VFIO_DEVICE_FEATURE, VFIO_DEVICE_ATTACH_IOMMUFD_PT,
		VFIO_DEVICE_DETACH_IOMMUFD_PT, VFIO_DEVICE_IOEVENTFD, 0, ~0ul,
		VFIO_GROUP_GET_STATUS, IOMMU_IOAS_ALLOC,
	};
	__u32 argument[64] = { sizeof(argument) };
	char byte;
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		EXPECT_EQ(-EINVAL, st_call(self->fd, calls[i], argument)) {
			TH_LOG("call 0x%lx", calls[i]);
		}
		EXPECT_EQ(-EINVAL, st_call(self->fd, calls[i], NULL));
	}
	EXPECT_EQ(-1, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pwrite(self->fd, &byte, 1, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, st_page, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(bind, sizes)
{
	struct {
		struct vfio_device_bind_iommufd bind;
		__u64 tail;
	} longer = { self->bind, 1 };
	unsigned char *page = st_memory(2 * st_page);

	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, NULL));
	longer.bind.argsz = 0;
	EXPECT_EQ(-EINVAL, bind_as(self, &longer.bind));
	longer.bind.argsz = BIND_MIN - 1;
	EXPECT_EQ(-EINVAL, bind_as(self, &longer.bind));
	longer.bind.argsz = sizeof(longer);
	EXPECT_EQ(-E2BIG, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &longer));

	/* Right in itself, but the end cannot be read. */
	ASSERT_EQ(0, mprotect(page + st_page, st_page, PROT_NONE));
	self->bind.argsz = BIND_MIN + 8;
	memcpy(page + st_page - BIND_MIN, &self->bind, BIND_MIN);
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD,
				   page + st_page - BIND_MIN));

	longer.tail = 0;
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &longer));
	EXPECT_NE(0, longer.bind.out_devid);
}

TEST_F(bind, shortest)
{
	self->bind.argsz = BIND_MIN;
	self->bind.token_uuid_ptr = ST_MAX;
	EXPECT_EQ(0, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, &self->bind));
	EXPECT_NE(0, self->bind.out_devid);
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, self->bind.out_devid));
}

TEST_F(bind, flags)
{
	unsigned int bit;

	for (bit = 1; bit < 32; bit++) {
		self->bind.flags = 1u << bit;
		EXPECT_EQ(-EINVAL, bind_as(self, &self->bind));
	}
	/* A token for a device that has none, or one that cannot be read. */
	self->bind.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
	EXPECT_EQ(-EFAULT, bind_as(self, &self->bind));
	self->bind.token_uuid_ptr = (uintptr_t)"0123456789abcdef";
	EXPECT_EQ(-EINVAL, bind_as(self, &self->bind));
	self->bind.flags = 0;
	EXPECT_EQ(0, bind_as(self, &self->bind));
}

TEST_F(bind, file_descriptors)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	self->bind.iommufd = -1;
	EXPECT_EQ(-EINVAL, bind_as(self, &self->bind));
	self->bind.iommufd = -100;
	EXPECT_EQ(-EINVAL, bind_as(self, &self->bind));
	self->bind.iommufd = 9999;
	EXPECT_EQ(-EBADF, bind_as(self, &self->bind));
	self->bind.iommufd = null;
	EXPECT_EQ(-EBADFD, bind_as(self, &self->bind));
	self->bind.iommufd = self->fd;
	EXPECT_EQ(-EBADFD, bind_as(self, &self->bind));
	close(null);

	/* None of it took the device. */
	self->bind.iommufd = self->env.iommufd;
	EXPECT_EQ(0, bind_as(self, &self->bind));
}

TEST_F(bind, only_once)
{
	struct vfio_device again;
	__u32 id;

	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	EXPECT_EQ(-EINVAL, bind_as(self, &self->bind));

	/* Opening it once more is fine, a second owner is not. */
	ASSERT_EQ(0, st_device_open(&again, ST_QUICK));
	EXPECT_EQ(-EINVAL, vfio_bind(again.fd, self->env.iommufd, &id));
	EXPECT_EQ(-EINVAL, st_call(again.fd, VFIO_DEVICE_GET_INFO, &id));
	close(self->fd);
	EXPECT_EQ(0, vfio_bind(again.fd, self->env.iommufd, &id));
	self->env.dev.fd = again.fd;
}

TEST_F(bind, id_goes_with_the_bind)
{
	__u32 id, next;

	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, id));
	vfio_close(&self->env.dev);
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, id));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &next));
	EXPECT_EQ(id, next);
}

/* An ID that cannot be told leaves nothing bound. */
TEST_F(bind, copy_out_fails)
{
	struct vfio_device_bind_iommufd *bind = st_memory(st_page);
	__u32 id;

	*bind = self->bind;
	ASSERT_EQ(0, mprotect(bind, st_page, PROT_READ));
	EXPECT_EQ(-EFAULT, st_call(self->fd, VFIO_DEVICE_BIND_IOMMUFD, bind));
	EXPECT_EQ(-EINVAL, st_call(self->fd, VFIO_DEVICE_RESET, NULL));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, self->env.ioas + 1));
	EXPECT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
}

/* To another iommufd, after the first one was given up. */
TEST_F(bind, moves_to_another_iommufd)
{
	int other = iommufd_open();
	__u32 id;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	vfio_close(&self->env.dev);
	ASSERT_EQ(0, st_device_open(&self->env.dev, ST_QUICK));
	EXPECT_EQ(0, vfio_bind(self->env.dev.fd, other, &id));
	EXPECT_EQ(1, id);
	close(other);
}

static int child_opens(void *argument)
{
	struct _test_data_bind *self = argument;
	__u32 id;
	int fd = open(self->env.dev.node, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return 1;
	return vfio_bind(fd, self->env.iommufd, &id) == -EINVAL ? 0 : 2;
}

TEST_F(bind, by_another_process)
{
	__u32 id;

	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	EXPECT_EQ(0, st_in_child(child_opens, self));
}

static int write_sysfs(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;

	close(fd);
	return rc;
}

static int child_unplugs(void *argument)
{
	const char *bdf = argument;

	if (write_sysfs("/sys/bus/pci/drivers/vfio-pci/unbind", bdf))
		return 1;
	return write_sysfs("/sys/bus/pci/drivers_probe", bdf) ? 2 : 0;
}

/* The request for the device, as its holder gets it. */
static int listen_for_request(int device)
{
	int event = eventfd(0, EFD_CLOEXEC);
	int rc = st_set_irq(device, VFIO_PCI_REQ_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, event);

	return rc ?: event;
}

/* The driver is taken away from a device in use: its holder is asked to go. */
TEST_F_TIMEOUT(bind, unplugged_in_use, ST_TIMEOUT)
{
	struct pollfd wait = { .events = POLLIN };
	struct vfio_device again;
	int status = -1;
	pid_t pid;
	__u32 id;

	ASSERT_EQ(0, vfio_bind(self->fd, self->env.iommufd, &id));
	ASSERT_EQ(0, st_attach(self->fd, self->env.ioas));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, st_memory(ST_MIB), ST_MIB,
			       ST_IOVA));
	wait.fd = listen_for_request(self->fd);
	ASSERT_LE(0, wait.fd);

	pid = fork();
	if (!pid) {
		close(self->fd);
		_exit(child_unplugs(self->env.dev.bdf));
	}
	ASSERT_LT(0, pid);
	EXPECT_EQ(1, poll(&wait, 1, -1));

	/* Still ours, and still at work, until we let go. */
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	EXPECT_EQ(0, st_detach(self->fd));
	EXPECT_EQ(0, st_attach(self->fd, self->env.ioas));
	vfio_close(&self->env.dev);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, id));

	/* And it comes back. */
	ASSERT_EQ(0, st_device_open(&again, ST_QUICK));
	EXPECT_EQ(0, vfio_bind(again.fd, self->env.iommufd, &id));
	vfio_close(&again);
}

/* Open, but not bound: an unplug waits for the file to be closed as well. */
TEST_F_TIMEOUT(bind, unplugged_while_open, ST_TIMEOUT)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		close(self->fd);
		_exit(child_unplugs(self->env.dev.bdf));
	}
	ASSERT_LT(0, pid);
	st_sleep_ms(300);
	vfio_close(&self->env.dev);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, st_device_open(&self->env.dev, ST_QUICK));
}

TEST_HARNESS_MAIN
