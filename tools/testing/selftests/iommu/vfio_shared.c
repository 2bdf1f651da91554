// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Several devices: two that the IOMMU cannot tell apart share every attachment, two
 * that it can share a page table only if they want the same address space.
 *
 * Needs two edu devices behind one conventional PCI bridge; the NVMe is the third.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "iommu_selftest.h"
#include "st_group.h"
#include "kselftest_harness.h"

FIXTURE(shared)
{
	struct st_env env;	/* env.dev is the first of the pair, bound */
	struct vfio_device second;	/* in its group, open, not bound */
	struct vfio_device other;	/* in another group, bound */
	__u32 ioas2;
};

FIXTURE_SETUP(shared)
{
	char a[PCI_BDF_SIZE], b[PCI_BDF_SIZE];

	self->second.fd = -1;
	self->other.fd = -1;
	ASSERT_EQ(0, st_env_open(&self->env));
	if (st_find_pair(a, b))
		SKIP(return, "no two edu devices in one group");
	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &self->ioas2));
	ASSERT_EQ(0, pci_give_to_vfio(a));
	ASSERT_EQ(0, pci_give_to_vfio(b));
	ASSERT_EQ(0, vfio_open(&self->env.dev, a));
	ASSERT_EQ(0, vfio_open(&self->second, b));
	ASSERT_EQ(0, vfio_bind(self->env.dev.fd, self->env.iommufd, &self->env.dev.id));
	ASSERT_EQ(0, st_device_open(&self->other, ST_NVME));
	ASSERT_EQ(0, vfio_bind(self->other.fd, self->env.iommufd, &self->other.id));
}

FIXTURE_TEARDOWN(shared)
{
	if (self->second.fd >= 0)
		vfio_close(&self->second);
	if (self->other.fd >= 0)
		vfio_close(&self->other);
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int bind_second(struct _test_data_shared *self)
{
	return vfio_bind(self->second.fd, self->env.iommufd, &self->second.id);
}

/* Who is attached has made its reserved ranges holes of the address space. */
static bool is_used(struct _test_data_shared *self, __u32 ioas)
{
	struct iova_ranges ranges;

	return !ioas_iova_ranges(self->env.iommufd, ioas, &ranges) && ranges.count > 1;
}

static int attach_to(struct vfio_device *dev, __u32 pt_id, __u32 *hwpt)
{
	struct vfio_device_attach_iommufd_pt cmd = { .argsz = sizeof(cmd), .pt_id = pt_id };
	int rc = st_call(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);

	*hwpt = cmd.pt_id;
	return rc;
}

/* A group belongs to one iommufd at a time, whole. */
TEST_F(shared, another_iommufd)
{
	int foreign = iommufd_open();
	__u32 id;

	ASSERT_LE(0, foreign);
	EXPECT_EQ(-EBUSY, vfio_bind(self->second.fd, foreign, &id));
	EXPECT_TRUE(st_told(foreign, "DEVICE_BIND", EBUSY, "owned", 0));
	EXPECT_EQ(0, bind_second(self));
	close(foreign);
}

TEST_F(shared, one_page_table_for_a_group)
{
	__u32 first, second;

	ASSERT_EQ(0, bind_second(self));
	EXPECT_NE(self->env.dev.id, self->second.id);
	ASSERT_EQ(0, attach_to(&self->env.dev, self->env.ioas, &first));

	/* Elsewhere it cannot go alone. */
	EXPECT_EQ(-EINVAL, attach_to(&self->second, self->ioas2, &second));
	EXPECT_FALSE(is_used(self, self->ioas2));
	EXPECT_EQ(0, attach_to(&self->second, self->env.ioas, &second));
	EXPECT_EQ(first, second);

	/* The page table stays with the last one. */
	EXPECT_EQ(0, st_detach(self->env.dev.fd));
	EXPECT_TRUE(is_used(self, self->env.ioas));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, first));
	EXPECT_EQ(0, st_detach(self->second.fd));
	EXPECT_FALSE(is_used(self, self->env.ioas));
	EXPECT_EQ(-ENOENT, iommufd_destroy(self->env.iommufd, first));
}

/* Replacing moves the whole group, data included. */
TEST_F(shared, replace_moves_the_group)
{
	unsigned char *page = st_memory(st_page);
	__u32 first, second;

	ASSERT_EQ(0, bind_second(self));
	ASSERT_EQ(0, attach_to(&self->env.dev, self->env.ioas, &first));
	ASSERT_EQ(0, attach_to(&self->second, self->env.ioas, &second));
	ASSERT_EQ(0, attach_to(&self->env.dev, self->ioas2, &first));
	EXPECT_NE(first, second);
	EXPECT_TRUE(is_used(self, self->ioas2));
	EXPECT_FALSE(is_used(self, self->env.ioas));

	/* The second one's DMA follows. */
	st_fill(page, 5, st_page);
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->ioas2, page, st_page, ST_IOVA));
	ASSERT_EQ(0, edu_start(&self->env.edu, &self->second));
	EXPECT_EQ(0, edu_read_memory(&self->env.edu, ST_IOVA, 64));
	memset(page, 0, st_page);
	EXPECT_EQ(0, edu_write_memory(&self->env.edu, ST_IOVA, 64));
	EXPECT_TRUE(st_filled(page, 5, 64));

	/* Each device counts, on whatever the group is attached to now. */
	EXPECT_EQ(0, st_detach(self->env.dev.fd));
	EXPECT_TRUE(is_used(self, self->ioas2));
	EXPECT_EQ(0, st_detach(self->second.fd));
	EXPECT_FALSE(is_used(self, self->ioas2));
}

/* A move that a reserved range forbids changes nothing. */
TEST_F(shared, failed_replace_changes_nothing)
{
	unsigned char *page = st_memory(st_page);
	struct iommu_iova_range window;
	__u32 first, second;

	ASSERT_EQ(0, bind_second(self));
	ASSERT_EQ(0, attach_to(&self->env.dev, self->env.ioas, &first));
	ASSERT_EQ(0, attach_to(&self->second, self->env.ioas, &second));
	ASSERT_EQ(0, st_msi_window(&self->env, &window));
	ASSERT_EQ(0, st_map_at(self->env.iommufd, self->ioas2, page, st_page, window.start));

	EXPECT_EQ(-EADDRINUSE, attach_to(&self->second, self->ioas2, &second));
	EXPECT_TRUE(st_told(self->env.iommufd, "DEVICE_REPLACE", EADDRINUSE, "reserved",
			    window.start));
	EXPECT_TRUE(is_used(self, self->env.ioas));
	/* The window is still kept free of mappings where the group is. */
	EXPECT_EQ(-EINVAL, st_map_at(self->env.iommufd, self->env.ioas, page, st_page,
				     window.start));
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->ioas2, window.start, st_page));
	EXPECT_EQ(0, attach_to(&self->second, self->ioas2, &second));
}

/* Devices of two groups in one address space share its page table. */
TEST_F(shared, two_groups_share_a_page_table)
{
	__u32 first, other;

	ASSERT_EQ(0, attach_to(&self->env.dev, self->env.ioas, &first));
	ASSERT_EQ(0, attach_to(&self->other, self->env.ioas, &other));
	EXPECT_EQ(first, other);

	/* One leaves for another address space, and the page table stays. */
	ASSERT_EQ(0, attach_to(&self->other, self->ioas2, &other));
	EXPECT_NE(first, other);
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->env.iommufd, first));

	/* By the number of the page table itself, too. */
	EXPECT_EQ(0, attach_to(&self->other, first, &other));
	EXPECT_EQ(first, other);
	EXPECT_FALSE(is_used(self, self->ioas2));
	EXPECT_EQ(0, st_detach(self->env.dev.fd));
	EXPECT_TRUE(is_used(self, self->env.ioas));
}

/* Closing in any order: the group's window stays as long as one is attached. */
TEST_F(shared, close_without_detach)
{
	__u32 first, second;

	ASSERT_EQ(0, bind_second(self));
	ASSERT_EQ(0, attach_to(&self->env.dev, self->env.ioas, &first));
	ASSERT_EQ(0, attach_to(&self->second, self->env.ioas, &second));
	vfio_close(&self->env.dev);
	self->env.dev.fd = -1;
	EXPECT_TRUE(is_used(self, self->env.ioas));
	vfio_close(&self->second);
	self->second.fd = -1;
	EXPECT_FALSE(is_used(self, self->env.ioas));
	EXPECT_EQ(0, iommufd_destroy(self->env.iommufd, self->env.ioas));
}

TEST_HARNESS_MAIN
