// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What a group does to its devices: attached before they are opened, all of them; kept
 * from drivers of the kernel; given up when their driver goes; reset together.
 *
 * Some tests need two edu devices behind one conventional PCI bridge.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "st_dma.h"
#include "st_group.h"
#include "kselftest_harness.h"

/*
 * A /dev/iommu is the container, so that a test can look at the address space, too.
 */
FIXTURE(gdev)
{
	struct st_env env;	/* env.ioas is the container's, once there is one */
	char a[PCI_BDF_SIZE], b[PCI_BDF_SIZE];	/* b: of the same group, "" if none */
	int group;
};

FIXTURE_SETUP(gdev)
{
	int rc;

	self->group = -1;
	ASSERT_EQ(0, st_env_open(&self->env));
	if (st_find_pair(self->a, self->b)) {
		*self->b = 0;
		rc = st_device_open(&self->env.dev, ST_QUICK);
		if (rc == -ENODEV)
			SKIP(return, "the machine has no device for this");
		ASSERT_EQ(0, rc);
		memcpy(self->a, self->env.dev.bdf, PCI_BDF_SIZE);
		vfio_close(&self->env.dev);
		self->env.dev.fd = -1;
	}
	ASSERT_EQ(0, pci_give_to_vfio(self->a));
	if (*self->b)
		ASSERT_EQ(0, pci_give_to_vfio(self->b));
	self->group = st_open_group(self->a);
	ASSERT_LE(0, self->group);
}

FIXTURE_TEARDOWN(gdev)
{
	if (self->env.edu.bar.base) {
		st_unmap_bar(&self->env.dev, self->env.edu.bar.base);
		self->env.edu.bar.base = NULL;
	}
	if (self->env.dev.fd >= 0)
		close(self->env.dev.fd);
	self->env.dev.fd = -1;
	if (self->group >= 0)
		close(self->group);
	EXPECT_EQ(0, st_env_close(&self->env));
	pci_give_to_vfio(self->a);
	if (*self->b)
		pci_give_to_vfio(self->b);
}

static int get_ioas(int iommufd, __u32 *ioas)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_GET };
	int rc = st_call(iommufd, IOMMU_VFIO_IOAS, &cmd);

	*ioas = cmd.ioas_id;
	return rc;
}

static int set_up(struct _test_data_gdev *self)
{
	int rc = st_set_container(self->group, self->env.iommufd);

	rc = rc ?: st_set_iommu(self->env.iommufd, VFIO_TYPE1v2_IOMMU);
	return rc ?: get_ioas(self->env.iommufd, &self->env.ioas);
}

static int open_device(struct _test_data_gdev *self, const char *bdf)
{
	self->env.dev.fd = st_get_group_device(self->group, bdf);
	snprintf(self->env.dev.bdf, PCI_BDF_SIZE, "%s", bdf);
	return self->env.dev.fd < 0 ? self->env.dev.fd : 0;
}

static bool is_attached(struct _test_data_gdev *self, const char *bdf)
{
	return st_fdinfo_shows(self->group, "vfio-group-device: %s attached\n", bdf);
}

/* A device that is attached has made its reserved ranges holes of the space. */
static unsigned int holes(struct _test_data_gdev *self)
{
	struct iova_ranges ranges;

	if (ioas_iova_ranges(self->env.iommufd, self->env.ioas, &ranges))
		return 99;
	return ranges.count - 1;
}

TEST_F(gdev, attached_by_set_iommu)
{
	ASSERT_EQ(0, st_set_container(self->group, self->env.iommufd));
	EXPECT_FALSE(is_attached(self, self->a));
	ASSERT_EQ(0, get_ioas(self->env.iommufd, &self->env.ioas));
	EXPECT_EQ(0, holes(self));
	ASSERT_EQ(0, st_set_iommu(self->env.iommufd, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(is_attached(self, self->a));
	if (*self->b)
		EXPECT_TRUE(is_attached(self, self->b));
	EXPECT_LT(0, holes(self));
	/* It stays so without being open. */
	ASSERT_EQ(0, open_device(self, self->a));
	close(self->env.dev.fd);
	self->env.dev.fd = -1;
	EXPECT_TRUE(is_attached(self, self->a));

	ASSERT_EQ(0, st_unset_container(self->group));
	EXPECT_FALSE(is_attached(self, self->a));
}

/* A group that comes late finds the mappings, and is attached to them. */
TEST_F(gdev, joins_a_container_in_use)
{
	struct st_env *env = &self->env;
	struct vfio_device other;
	int group;

	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, st_dma_map(env->iommufd, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	if (st_device_open(&other, ST_NVME))
		SKIP(return, "no second group");
	vfio_close(&other);
	group = st_open_group(other.bdf);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, st_set_container(group, env->iommufd));
	EXPECT_TRUE(st_fdinfo_shows(group, "vfio-group-device: %s attached\n", other.bdf));

	/* The first one goes, the mappings stay until the second goes. */
	ASSERT_EQ(0, st_unset_container(self->group));
	EXPECT_EQ(0, st_dma_unmap(env->iommufd, 0, ST_IOVA, &(__u64){ ST_MIB }));
	ASSERT_EQ(0, st_dma_map(env->iommufd, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	EXPECT_FALSE(st_counters_are_now(&env->before));
	close(group);
	EXPECT_TRUE(st_counters_are(&env->before));
}

/* What is in the way of a device fails SET_IOMMU, and nothing is attached. */
TEST_F(gdev, attach_fails)
{
	__u64 iova, last;

	ASSERT_EQ(0, pci_msi_window(self->a, &iova, &last));
	ASSERT_EQ(0, st_set_container(self->group, self->env.iommufd));
	ASSERT_EQ(0, get_ioas(self->env.iommufd, &self->env.ioas));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->env.ioas, st_memory(st_page), st_page,
			       iova));
	EXPECT_EQ(-EINVAL, st_set_iommu(self->env.iommufd, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(st_told(self->group, "VFIO_GROUP_ATTACH", EADDRINUSE, "driver", 0));
	EXPECT_FALSE(is_attached(self, self->a));
	EXPECT_EQ(-EADDRINUSE, open_device(self, self->a));
	EXPECT_TRUE(st_told(self->group, "VFIO_GET_DEVICE_FD", EADDRINUSE, "driver", 0));

	ASSERT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, iova, st_page));
	EXPECT_EQ(0, st_set_iommu(self->env.iommufd, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, open_device(self, self->a));
}

/* A /dev/iommu needs no SET_IOMMU: the device is attached when it is opened. */
TEST_F(gdev, without_set_iommu)
{
	ASSERT_EQ(0, st_set_container(self->group, self->env.iommufd));
	ASSERT_EQ(0, get_ioas(self->env.iommufd, &self->env.ioas));
	ASSERT_EQ(0, open_device(self, self->a));
	EXPECT_TRUE(is_attached(self, self->a));
	EXPECT_LT(0, holes(self));
	if (*self->b)
		EXPECT_FALSE(is_attached(self, self->b));
	/* Those that are open are in the right place already. */
	EXPECT_EQ(0, st_set_iommu(self->env.iommufd, VFIO_TYPE1v2_IOMMU));
	if (*self->b)
		EXPECT_TRUE(is_attached(self, self->b));
	close(self->env.dev.fd);
	self->env.dev.fd = -1;
	EXPECT_EQ(0, st_unset_container(self->group));
}

/* Opened in one IOAS, the group does not go into another behind its back. */
TEST_F(gdev, set_iommu_with_another_ioas)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_SET };

	ASSERT_EQ(0, st_set_container(self->group, self->env.iommufd));
	ASSERT_EQ(0, open_device(self, self->a));
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &cmd.ioas_id));
	ASSERT_EQ(0, st_call(self->env.iommufd, IOMMU_VFIO_IOAS, &cmd));
	EXPECT_EQ(-EBUSY, st_set_iommu(self->env.iommufd, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(is_attached(self, self->a));
	if (*self->b)
		EXPECT_FALSE(is_attached(self, self->b));
}

static int choose_ioas(struct _test_data_gdev *self)
{
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_SET };
	int rc = ioas_alloc(self->env.iommufd, &cmd.ioas_id);

	self->env.ioas = cmd.ioas_id;
	return rc ?: st_call(self->env.iommufd, IOMMU_VFIO_IOAS, &cmd);
}

/* A device that was closed goes where the container's mappings go now. */
TEST_F(gdev, opened_again_in_another_ioas)
{
	unsigned char *memory = st_memory(st_page);
	struct st_env *env = &self->env;

	ASSERT_EQ(0, st_set_container(self->group, env->iommufd));
	ASSERT_EQ(0, open_device(self, self->a));
	/* Not as long as it is open. */
	ASSERT_EQ(0, choose_ioas(self));
	EXPECT_EQ(-EBUSY, st_get_group_device(self->group, self->a));
	EXPECT_TRUE(st_told(self->group, "VFIO_GET_DEVICE_FD", EBUSY, "busy", 0));
	EXPECT_EQ(0, holes(self));
	close(env->dev.fd);

	ASSERT_EQ(0, open_device(self, self->a));
	EXPECT_LT(0, holes(self));
	st_fill(memory, 1, st_page);
	ASSERT_EQ(0, st_dma_map(env->iommufd, ST_DMA_RW, memory, st_page, ST_IOVA));
	ASSERT_EQ(0, st_edu_start(env));
	EXPECT_EQ(0, st_device_sees(env, ST_IOVA, memory, 256));
}

TEST_F(gdev, dma)
{
	unsigned char *memory = st_memory(st_page);
	struct st_env *env = &self->env;
	int round;

	ASSERT_EQ(0, set_up(self));
	st_fill(memory, 1, st_page);
	/* Mapped before the device is opened, as DPDK does it. */
	ASSERT_EQ(0, st_dma_map(env->iommufd, ST_DMA_RW, memory, st_page, ST_IOVA));
	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, open_device(self, self->a));
		ASSERT_EQ(0, st_edu_start(env));
		EXPECT_EQ(0, st_device_sees(env, ST_IOVA, memory, 256));
		EXPECT_EQ(0, st_device_fills(env, ST_IOVA, 7 + round, 256));
		EXPECT_TRUE(st_filled(memory, 7 + round, 256));
		ASSERT_EQ(0, st_unmap_bar(&env->dev, env->edu.bar.base));
		env->edu.bar.base = NULL;
		close(env->dev.fd);
		env->dev.fd = -1;
	}
}

static int child_unbinds(void *argument)
{
	return st_driver_unbind(argument) ? 1 : 0;
}

/* A driver does not wait for a device that nobody has open, attached or not. */
TEST_F_TIMEOUT(gdev, unplugged_while_attached, ST_TIMEOUT)
{
	int again;

	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, st_dma_map(self->env.iommufd, ST_DMA_RW, st_memory(ST_MIB), ST_MIB, ST_IOVA));
	EXPECT_EQ(0, st_in_child(child_unbinds, self->a));
	EXPECT_FALSE(is_attached(self, self->a));
	EXPECT_EQ(-ENODEV, open_device(self, self->a));
	if (*self->b) {
		/* The other one is not touched. */
		EXPECT_TRUE(is_attached(self, self->b));
		EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
			  st_get_group_status(self->group));
		EXPECT_EQ(0, st_in_child(child_unbinds, self->b));
	}

	/* The group is gone, and with it the container's last user. */
	EXPECT_EQ(-ENODEV, st_get_group_status(self->group));
	EXPECT_TRUE(st_told(self->group, "VFIO_GET_STATUS", ENODEV, "no-object", 0));
	EXPECT_EQ(-ENODEV, st_set_container(self->group, self->env.iommufd));
	EXPECT_EQ(-ENODEV, st_unset_container(self->group));
	EXPECT_TRUE(st_counters_are(&self->env.before));

	/* It comes back while the former file is still open. */
	ASSERT_EQ(0, pci_give_to_vfio(self->a));
	again = st_open_group(self->a);
	ASSERT_LE(0, again);
	EXPECT_EQ(-ENODEV, st_get_group_status(self->group));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(again));
	EXPECT_EQ(0, st_set_container(again, self->env.iommufd));
	close(self->group);
	self->group = again;
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET,
		  st_get_group_status(self->group));
}

/* What vfio-pci shows of the device in debugfs. */
static int read_debugfs(const char *bdf)
{
	char path[128], byte;
	int fd, rc;

	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/pci/nointxmask", bdf);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = read(fd, &byte, 1) == 1 ? 0 : -errno;
	close(fd);
	return rc;
}

/* One that is open is waited for. */
TEST_F_TIMEOUT(gdev, unplugged_while_open, ST_TIMEOUT)
{
	int status = -1, again;
	pid_t pid;

	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, open_device(self, self->a));
	EXPECT_EQ(0, read_debugfs(self->a));
	pid = fork();
	if (!pid) {
		close(self->env.dev.fd);
		_exit(child_unbinds(self->a));
	}
	ASSERT_LT(0, pid);
	/* The removal takes the device out of the group, and waits. */
	while ((again = st_get_group_device(self->group, self->a)) >= 0) {
		close(again);
		st_sleep_ms(20);
	}
	EXPECT_EQ(-ENODEV, again);
	/* These files use memory that is gone by now. */
	EXPECT_EQ(-ENOENT, read_debugfs(self->a));
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	/* Still attached; the child has a copy of the group's file, too. */
	EXPECT_LT(0, holes(self));
	close(self->env.dev.fd);
	self->env.dev.fd = -1;
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(*self->b ? VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET : -ENODEV,
		  st_get_group_status(self->group));
}

/* A device that comes to a group in use is attached when it is opened. */
TEST_F_TIMEOUT(gdev, device_comes_late, ST_TIMEOUT)
{
	if (!*self->b)
		SKIP(return, "no two devices in one group");
	ASSERT_EQ(0, st_driver_unbind(self->b));
	ASSERT_EQ(0, set_up(self));
	EXPECT_EQ(-ENODEV, st_get_group_device(self->group, self->b));
	ASSERT_EQ(0, pci_give_to_vfio(self->b));
	EXPECT_TRUE(is_attached(self, self->a));
	EXPECT_FALSE(is_attached(self, self->b));
	ASSERT_EQ(0, open_device(self, self->b));
	EXPECT_TRUE(is_attached(self, self->b));
	close(self->env.dev.fd);
	self->env.dev.fd = -1;
	EXPECT_EQ(0, st_unset_container(self->group));
	EXPECT_FALSE(is_attached(self, self->b));
}

/* A driver of the kernel has a device: the group cannot be used. */
TEST_F_TIMEOUT(gdev, not_viable, ST_TIMEOUT)
{
	if (!*self->b)
		SKIP(return, "no two devices in one group");
	ASSERT_EQ(0, st_driver_unbind(self->b));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(self->group));
	if (st_driver_bind(self->b, "pci-pf-stub"))
		SKIP(return, "the kernel has no pci-pf-stub");
	EXPECT_EQ(0, st_get_group_status(self->group));
	EXPECT_EQ(-EBUSY, st_set_container(self->group, self->env.iommufd));
	EXPECT_TRUE(st_told(self->group, "VFIO_SET_CONTAINER", EBUSY, "owned",
			    pci_iommu_group(self->a)));
	EXPECT_EQ(0, st_get_group_status(self->group));

	ASSERT_EQ(0, st_driver_unbind(self->b));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, st_get_group_status(self->group));
	EXPECT_EQ(0, st_set_container(self->group, self->env.iommufd));
}

/* The other way round: in a container, before and after SET_IOMMU. */
TEST_F_TIMEOUT(gdev, kept_from_drivers, ST_TIMEOUT)
{
	if (!*self->b)
		SKIP(return, "no two devices in one group");
	ASSERT_EQ(0, st_driver_unbind(self->b));
	if (st_driver_bind(self->b, "pci-pf-stub"))
		SKIP(return, "the kernel has no pci-pf-stub");
	ASSERT_EQ(0, st_driver_unbind(self->b));

	ASSERT_EQ(0, st_set_container(self->group, self->env.iommufd));
	EXPECT_EQ(-EBUSY, st_driver_bind(self->b, "pci-pf-stub"));
	ASSERT_EQ(0, st_set_iommu(self->env.iommufd, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(-EBUSY, st_driver_bind(self->b, "pci-pf-stub"));
	ASSERT_EQ(0, open_device(self, self->a));
	EXPECT_EQ(-EBUSY, st_driver_bind(self->b, "pci-pf-stub"));
	close(self->env.dev.fd);
	self->env.dev.fd = -1;
	EXPECT_EQ(-EBUSY, st_driver_bind(self->b, "pci-pf-stub"));
	ASSERT_EQ(0, st_unset_container(self->group));
	EXPECT_EQ(0, st_driver_bind(self->b, "pci-pf-stub"));
	EXPECT_EQ(0, st_get_group_status(self->group));
	ASSERT_EQ(0, st_driver_unbind(self->b));
}

/* The node of a device whose group is open by way of another device. */
TEST_F(gdev, excludes_the_other_node)
{
	struct vfio_device second;
	__u32 id;

	if (!*self->b)
		SKIP(return, "no two devices in one group");
	ASSERT_EQ(0, vfio_open(&second, self->b));
	EXPECT_EQ(-EBUSY, vfio_bind(second.fd, self->env.iommufd, &id));
	close(self->group);
	ASSERT_EQ(0, vfio_bind(second.fd, self->env.iommufd, &id));
	EXPECT_EQ(-EBUSY, st_open_group(self->a));
	vfio_close(&second);
	self->group = st_open_group(self->a);
	EXPECT_LE(0, self->group);
}

static int hot_reset(int device, int group)
{
	struct {
		struct vfio_pci_hot_reset reset;
		__s32 group;
	} cmd = {
		.reset = { .argsz = sizeof(cmd), .count = 1 },
		.group = group,
	};

	return st_call(device, VFIO_DEVICE_PCI_HOT_RESET, &cmd);
}

/* A reset that affects several devices: their groups' files prove the ownership. */
TEST_F_TIMEOUT(gdev, hot_reset, ST_TIMEOUT)
{
	struct {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_dependent_device device[8];
	} cmd = { .info = { .argsz = sizeof(cmd) } };
	struct vfio_device nvme;
	int group, device, rc;
	__u32 i;

	if (st_device_open(&nvme, ST_NVME))
		SKIP(return, "no device behind a port of its own");
	vfio_close(&nvme);
	group = st_open_group(nvme.bdf);
	ASSERT_LE(0, group);
	ASSERT_EQ(0, set_up(self));
	ASSERT_EQ(0, st_set_container(group, self->env.iommufd));
	device = st_get_group_device(group, nvme.bdf);
	ASSERT_LE(0, device);

	ASSERT_EQ(0, st_call(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &cmd));
	EXPECT_EQ(0, cmd.info.flags);
	ASSERT_LT(0, cmd.info.count);
	for (i = 0; i < cmd.info.count; i++)
		EXPECT_EQ(pci_iommu_group(nvme.bdf), cmd.device[i].group_id);

	EXPECT_EQ(-EBADF, hot_reset(device, 9999));
	EXPECT_EQ(-EINVAL, hot_reset(device, device));
	EXPECT_EQ(-EINVAL, hot_reset(device, self->env.iommufd));
	EXPECT_EQ(-EINVAL, hot_reset(device, self->group));
	/* QEMU's port never reports the link as up again. */
	rc = hot_reset(device, group);
	EXPECT_TRUE(!rc || rc == -ENOTTY) {
		TH_LOG("%d", rc);
	}
	close(device);
	close(group);
}

TEST_HARNESS_MAIN
