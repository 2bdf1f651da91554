// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * VFIO_UPDATE_VADDR: the memory of mappings gets another user address while a device goes
 * on to use it. On an IOAS chosen with IOMMU_VFIO_IOAS, accounted by process.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/capability.h>

#include "st_dma.h"
#include "kselftest_harness.h"

#define SIZE	(256 * ST_KIB)
#define UNMAP_ALL_VADDR	(VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR)

FIXTURE(vaddr)
{
	struct st_env env;
	int fd;
	int file;
	unsigned char *old, *new;
};

FIXTURE_VARIANT(vaddr)
{
	bool attached;
};

FIXTURE_VARIANT_ADD(vaddr, attached)
{
	.attached = true,
};

FIXTURE_VARIANT_ADD(vaddr, no_device)
{
	.attached = false,
};

static unsigned char *show(int file)
{
	void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	return at == MAP_FAILED ? NULL : at;
}

static int map(int fd, const void *va, __u64 iova, __u64 size)
{
	return st_dma_map(fd, ST_DMA_RW, va, size, iova);
}

static int update(int fd, const void *va, __u64 iova, __u64 size)
{
	return st_dma_map(fd, VFIO_DMA_MAP_FLAG_VADDR, va, size, iova);
}

static int invalidate(int fd, __u64 iova, __u64 size)
{
	return st_dma_unmap(fd, VFIO_DMA_UNMAP_FLAG_VADDR, iova, &size);
}

FIXTURE_SETUP(vaddr)
{
	struct iommu_vfio_ioas choose = {
		.size = sizeof(choose),
		.op = IOMMU_VFIO_IOAS_SET,
	};
	int rc;

	self->file = st_memfd(SIZE, 0);
	ASSERT_LE(0, self->file);
	self->old = show(self->file);
	self->new = show(self->file);
	ASSERT_NE(NULL, self->old);
	ASSERT_NE(NULL, self->new);
	rc = st_env_open(&self->env);
	if (!rc)
		rc = st_option_set(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0, 1);
	/* The mode cannot be changed with an object alive. */
	if (rc == -EBUSY) {
		close(self->env.iommufd);
		self->env.iommufd = iommufd_open();
		ASSERT_LE(0, self->env.iommufd);
		ASSERT_EQ(0, st_option_set(self->env.iommufd, IOMMU_OPTION_RLIMIT_MODE, 0, 1));
		rc = ioas_alloc(self->env.iommufd, &self->env.ioas);
	}
	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	if (variant->attached) {
		rc = st_env_add_device(&self->env, ST_EDU);
		if (rc == -ENODEV)
			SKIP(return, "the machine has no edu device");
		ASSERT_EQ(0, rc);
		ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
		ASSERT_EQ(0, st_edu_start(&self->env));
	}
	choose.ioas_id = self->env.ioas;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_VFIO_IOAS, &choose));
}

FIXTURE_TEARDOWN(vaddr)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/* The device writes one page of the mapping, and the program sees that at @va. */
static int device_reaches(struct st_env *env, unsigned char *va, unsigned char seed)
{
	int rc = st_device_fills(env, ST_IOVA + 5 * st_page, seed, st_page);

	if (rc)
		return rc;
	return st_filled(va + 5 * st_page, seed, st_page) ? 0 : -EBADMSG;
}

TEST_F(vaddr, extension)
{
	EXPECT_EQ(1, st_call(self->fd, VFIO_CHECK_EXTENSION, (void *)VFIO_UPDATE_VADDR));
}

TEST_F(vaddr, unmap_flags)
{
	__u64 size = SIZE;

	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA + 2 * SIZE, SIZE));
	EXPECT_EQ(-EINVAL, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_VADDR |
				 VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP, ST_IOVA, &size));
	EXPECT_EQ(-EINVAL, st_dma_unmap(self->fd, UNMAP_ALL_VADDR, ST_IOVA, &size));
	size = 0;
	EXPECT_EQ(-EINVAL, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_VADDR, ST_IOVA, &size));
	EXPECT_EQ(-ENOENT, invalidate(self->fd, ST_IOVA, SIZE / 2));
	size = st_page;
	EXPECT_EQ(0, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_VADDR, ST_IOVA + SIZE, &size));
	EXPECT_EQ(0, size);
	size = 3 * SIZE;
	EXPECT_EQ(0, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_VADDR, ST_IOVA, &size));
	EXPECT_EQ(2 * SIZE, size);

	/* Once is enough, and a call that meets such a mapping changes nothing. */
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA + SIZE, SIZE));
	EXPECT_EQ(-EINVAL, invalidate(self->fd, ST_IOVA, 3 * SIZE));
	size = 0;
	EXPECT_EQ(-EINVAL, st_dma_unmap(self->fd, UNMAP_ALL_VADDR, 0, &size));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, ST_IOVA + SIZE, SIZE));
	EXPECT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	EXPECT_EQ(0, update(self->fd, self->new, ST_IOVA + 2 * SIZE, SIZE));
	size = 0;
	EXPECT_EQ(0, st_dma_unmap(self->fd, UNMAP_ALL_VADDR, 0, &size));
	EXPECT_EQ(3 * SIZE, size);

	/* Mappings without an address can go. */
	size = 0;
	EXPECT_EQ(0, st_dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, &size));
	EXPECT_EQ(3 * SIZE, size);
	size = 0;
	EXPECT_EQ(0, st_dma_unmap(self->fd, UNMAP_ALL_VADDR, 0, &size));
	EXPECT_EQ(0, size);
}

TEST_F(vaddr, map_flags)
{
	const __u32 vaddr = VFIO_DMA_MAP_FLAG_VADDR;

	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, ST_IOVA, SIZE));
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, SIZE));
	EXPECT_EQ(-EINVAL, st_dma_map(self->fd, vaddr | ST_DMA_R, self->new, SIZE, ST_IOVA));
	EXPECT_EQ(-EINVAL, st_dma_map(self->fd, vaddr | ST_DMA_W, self->new, SIZE, ST_IOVA));
	EXPECT_EQ(-ENOENT, update(self->fd, self->new, ST_IOVA + SIZE, SIZE));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, ST_IOVA, SIZE - st_page));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, ST_IOVA + st_page, SIZE - st_page));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, ST_IOVA, SIZE + st_page));
	EXPECT_EQ(-EEXIST, map(self->fd, self->new, ST_IOVA, SIZE));
	EXPECT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, ST_IOVA, SIZE));
}

/* The old address may be gone before the new one is told; the device goes on. */
TEST_F(vaddr, device_goes_on)
{
	if (!variant->attached)
		SKIP(return, "needs the device");
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	ASSERT_EQ(0, device_reaches(&self->env, self->old, 1));
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, SIZE));
	EXPECT_EQ(0, device_reaches(&self->env, self->old, 2));
	munmap(self->old, SIZE);
	EXPECT_EQ(0, device_reaches(&self->env, self->new, 3));
	ASSERT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	EXPECT_EQ(0, device_reaches(&self->env, self->new, 4));
	EXPECT_EQ(SIZE / ST_KIB, st_vm_pin() - self->env.before.vm_pin);
}

/* Only the same pages will do, each of them. */
TEST_F(vaddr, other_memory)
{
	unsigned char *other = st_memory(SIZE);
	int file = st_memfd(SIZE, 0);
	unsigned char *other_file = show(file);

	ASSERT_NE(NULL, other);
	ASSERT_NE(NULL, other_file);
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, SIZE));
	EXPECT_EQ(-EINVAL, update(self->fd, other, ST_IOVA, SIZE));
	EXPECT_TRUE(st_told(self->fd, "VFIO_IOMMU_MAP_DMA", EINVAL, "bad-argument", ST_IOVA));
	if (variant->attached) {
		EXPECT_EQ(-EINVAL, update(self->fd, other_file, ST_IOVA, SIZE));
		/* All but the last page. */
		ASSERT_EQ(other, mmap(other, SIZE, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_FIXED, self->file, 0));
		ASSERT_EQ(other + SIZE - st_page,
			  mmap(other + SIZE - st_page, st_page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		EXPECT_EQ(-EINVAL, update(self->fd, other, ST_IOVA, SIZE));
		munmap(other, SIZE);
		EXPECT_EQ(-EFAULT, update(self->fd, other, ST_IOVA, SIZE));
		EXPECT_EQ(SIZE / ST_KIB, st_vm_pin() - self->env.before.vm_pin);
	}
	EXPECT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	close(file);
}

/* With an address missing no device comes, and all is well when it is told. */
TEST_F(vaddr, attach_has_to_wait)
{
	struct st_mdev mdev;

	if (!variant->attached)
		SKIP(return, "needs the device");
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA + SIZE, SIZE));
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, 2 * SIZE));
	ASSERT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA + SIZE, SIZE));
	ASSERT_EQ(0, st_detach(self->env.dev.fd));
	EXPECT_EQ(-EBUSY, vfio_attach(&self->env.dev, self->env.ioas));
	if (!st_mdev_create(&mdev, "mtty", "83b8f4f2-509f-382f-3c1e-e6bfe0fa1101")) {
		ASSERT_EQ(0, st_mdev_open(&mdev));
		ASSERT_EQ(0, vfio_bind(mdev.dev.fd, self->fd, &mdev.dev.id));
		EXPECT_EQ(-EBUSY, vfio_attach(&mdev.dev, self->env.ioas));
		ASSERT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
		EXPECT_EQ(0, vfio_attach(&mdev.dev, self->env.ioas));
		EXPECT_EQ(-EBUSY, invalidate(self->fd, ST_IOVA, SIZE));
		close(mdev.dev.fd);
		EXPECT_EQ(0, st_mdev_remove(&mdev));
	} else {
		ASSERT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	}
	munmap(self->old, SIZE);
	EXPECT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_EQ(0, device_reaches(&self->env, self->new, 9));
}

/* Another mapping of the same memory keeps what it has. */
TEST_F(vaddr, copies)
{
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = ST_RW | ST_FIXED,
		.src_ioas_id = self->env.ioas,
		.src_iova = ST_IOVA,
		.length = SIZE,
		.dst_iova = ST_IOVA,
	};

	ASSERT_EQ(0, ioas_alloc(self->fd, &copy.dst_ioas_id));
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	ASSERT_EQ(0, st_copy(self->fd, &copy));
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, SIZE));
	copy.dst_iova = ST_IOVA + SIZE;
	EXPECT_EQ(-EBUSY, st_copy(self->fd, &copy));
	EXPECT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	EXPECT_EQ(0, st_copy(self->fd, &copy));
	EXPECT_EQ(0, st_unmap(self->fd, copy.dst_ioas_id, ST_IOVA + SIZE, SIZE));
	EXPECT_EQ(0, st_unmap(self->fd, copy.dst_ioas_id, ST_IOVA, SIZE));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE));
}

/* A part of the memory is compared with that part. */
TEST_F(vaddr, copy_of_a_half)
{
	const __u64 half = SIZE / 2;
	struct iommu_ioas_copy copy = {
		.size = sizeof(copy),
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->env.ioas,
		.src_ioas_id = self->env.ioas,
		.src_iova = ST_IOVA + half,
		.length = half,
		.dst_iova = ST_IOVA + 2 * SIZE,
	};

	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	ASSERT_EQ(0, st_copy(self->fd, &copy));
	ASSERT_EQ(0, invalidate(self->fd, copy.dst_iova, half));
	if (variant->attached)
		EXPECT_EQ(-EINVAL, update(self->fd, self->new, copy.dst_iova, half));
	EXPECT_EQ(0, update(self->fd, self->new + half, copy.dst_iova, half));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE));
	EXPECT_EQ(0, st_unmap(self->fd, self->env.ioas, copy.dst_iova, half));
}

/* Memory of a file has no address that could become void. */
TEST_F(vaddr, mapped_by_file)
{
	__u64 iova = ST_IOVA + SIZE, size = 0;

	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	ASSERT_EQ(0, st_map_file(self->fd, self->env.ioas, ST_RW | ST_FIXED, self->file, 0, SIZE,
				 &iova));
	EXPECT_EQ(0, st_dma_unmap(self->fd, UNMAP_ALL_VADDR, 0, &size));
	EXPECT_EQ(SIZE, size);
	EXPECT_EQ(1, st_fdinfo_ioas(self->fd, self->env.ioas, " voidaddr="));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, iova, SIZE));
	EXPECT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	EXPECT_EQ(0, st_fdinfo_ioas(self->fd, self->env.ioas, " voidaddr="));
}

/* The new address lies as far into its page as the old one did. */
TEST_F(vaddr, offset_in_page)
{
	if (variant->attached)
		SKIP(return, "a device has whole pages");
	ASSERT_EQ(0, map(self->fd, self->old + 512, ST_IOVA, SIZE / 2));
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, SIZE / 2));
	EXPECT_EQ(-EINVAL, update(self->fd, self->new, ST_IOVA, SIZE / 2));
	EXPECT_EQ(0, update(self->fd, self->new + 512, ST_IOVA, SIZE / 2));
}

/* A process that has all that it may lock can still tell a new address. */
static int at_the_limit(void *argument)
{
	struct _test_data_vaddr *self = argument;

	if (st_limit_memlock(SIZE) || st_drop_capability(CAP_IPC_LOCK))
		return 1;
	if (map(self->fd, self->old, ST_IOVA, SIZE))
		return 2;
	if (map(self->fd, self->new, ST_IOVA + SIZE, st_page) != -ENOMEM)
		return 3;
	if (invalidate(self->fd, ST_IOVA, SIZE) || update(self->fd, self->new, ST_IOVA, SIZE))
		return 4;
	if (st_vm_lck() != SIZE / ST_KIB || st_vm_pin() != SIZE / ST_KIB)
		return 5;
	if (st_unmap(self->fd, self->env.ioas, ST_IOVA, SIZE))
		return 6;
	return st_vm_lck() || st_vm_pin() ? 7 : 0;
}

TEST_F(vaddr, limit)
{
	if (!variant->attached)
		SKIP(return, "needs the device");
	EXPECT_EQ(0, st_in_child(at_the_limit, self));
}

/* A new process takes over, and pays. */
static int take_over(void *argument)
{
	struct _test_data_vaddr *self = argument;
	unsigned char *mine = show(self->file);

	munmap(self->old, SIZE);
	munmap(self->new, SIZE);
	if (!mine || st_vm_pin())
		return 1;
	if (update(self->fd, mine, ST_IOVA, SIZE))
		return 2;
	return st_vm_pin() == SIZE / ST_KIB ? 0 : 3;
}

TEST_F(vaddr, other_process)
{
	__u64 size = SIZE;

	if (!variant->attached)
		SKIP(return, "needs the device");
	ASSERT_EQ(0, map(self->fd, self->old, ST_IOVA, SIZE));
	EXPECT_EQ(SIZE / ST_KIB, st_vm_pin() - self->env.before.vm_pin);
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, SIZE));
	ASSERT_EQ(0, st_in_child(take_over, self));
	EXPECT_EQ(0, st_vm_pin() - self->env.before.vm_pin);
	EXPECT_EQ(0, device_reaches(&self->env, self->new, 6));

	/* It is gone, and its memory with it; this one can have it back. */
	ASSERT_EQ(0, invalidate(self->fd, ST_IOVA, SIZE));
	ASSERT_EQ(0, update(self->fd, self->new, ST_IOVA, SIZE));
	EXPECT_EQ(SIZE / ST_KIB, st_vm_pin() - self->env.before.vm_pin);
	EXPECT_EQ(0, st_dma_unmap(self->fd, 0, ST_IOVA, &size));
}

TEST_HARNESS_MAIN
