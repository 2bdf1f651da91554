// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * One device DMAs into the memory of another: by the BAR's address in the program, through
 * /dev/iommu and through a container, and by a dma-buf of it.  The edu device does the
 * DMA; what it is aimed at is BAR 2 of an ivshmem device, plain memory that can be
 * compared, or the controller memory buffer of an NVMe, which can be reset.
 *
 * Whether a DMA reached a BAR that is switched off is told by a decoy: a second ivshmem
 * whose BAR is moved to the very same physical addresses while the first one does not
 * decode them.  A mapping that is left over finds the decoy's data there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "st_dma.h"
#include "kselftest_harness.h"
#include "mmio.h"

#define P2P_USER_VA	"/sys/module/iommufd/parameters/p2p_user_va"
#define SYS_DEVICE	"/sys/bus/pci/devices/"

#define IVSHMEM_VENDOR	0x1af4
#define IVSHMEM_DEVICE	0x1110
#define MEMORY_BAR	2	/* of both targets */

#define CHUNK		EDU_BUFFER_SIZE
#define SIGHT		(CHUNK - 8)	/* bytes that are looked at */
#define AT		(8 * CHUNK)	/* where in the BAR the tests work */

/* Each takes the edu device a third of a second. */
#define LOOKS		60

#define SEED_TARGET	0x21
#define SEED_DECOY	0x73
#define SEED_EDU	0x5a

static int set_p2p_user_va(bool on)
{
	int fd = open(P2P_USER_VA, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, on ? "1" : "0", 1);
	close(fd);
	return n == 1 ? 0 : -EIO;
}

/* The device that is aimed at, and how. */
struct target {
	struct st_env *env;	/* has the edu device */
	struct vfio_device dev;
	struct vfio_bar bar;
	bool container;		/* map by the ioctls of a container */
	bool is_ram;		/* for the emulation */
	int dmabuf;		/* -1: none */
	off_t config;
	unsigned char expected[CHUNK];	/* any chunk of the BAR */
};

static int target_config(struct target *target)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	int rc = st_call(target->dev.fd, VFIO_DEVICE_GET_REGION_INFO, &info);

	target->config = info.offset;
	return rc;
}

/* Does the device decode its memory?  Switch it on or off, as a guest would. */
static int target_decode(struct target *target, bool on)
{
	off_t at = target->config + PCI_COMMAND;
	__u16 command;

	if (pread(target->dev.fd, &command, sizeof(command), at) != sizeof(command))
		return -EIO;
	command &= ~PCI_COMMAND_MEMORY;
	if (on)
		command |= PCI_COMMAND_MEMORY;
	if (pwrite(target->dev.fd, &command, sizeof(command), at) != sizeof(command))
		return -EIO;
	return 0;
}

/* All of the BAR as a dma-buf. */
static int target_export(struct target *target)
{
	char buffer[sizeof(struct vfio_device_feature) +
		    sizeof(struct vfio_device_feature_dma_buf) +
		    sizeof(struct vfio_region_dma_range)] = {};
	struct vfio_device_feature *feature = (void *)buffer;
	struct vfio_device_feature_dma_buf *get = (void *)feature->data;

	feature->argsz = sizeof(buffer);
	feature->flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF;
	get->region_index = MEMORY_BAR;
	get->open_flags = O_RDWR | O_CLOEXEC;
	get->nr_ranges = 1;
	get->dma_ranges[0].length = target->bar.size;
	return st_call(target->dev.fd, VFIO_DEVICE_FEATURE, feature);
}

static int target_open(struct target *target, const struct pci_match *match)
{
	char bdf[PCI_BDF_SIZE], node[PCI_NAME_SIZE];
	int rc = pci_find(match, bdf);

	target->dev.fd = -1;
	target->dmabuf = -1;
	target->is_ram = match->vendor == IVSHMEM_VENDOR;
	if (rc)
		return rc;
	if (pci_disk_is_in_use(bdf, node))
		return -ENODEV;
	rc = pci_give_to_vfio(bdf);
	if (!rc)
		rc = vfio_open(&target->dev, bdf);
	if (!rc)
		rc = vfio_bind(target->dev.fd, target->env->iommufd, &target->dev.id);
	if (!rc)
		rc = target_config(target);
	if (!rc)
		rc = target_decode(target, true);
	if (!rc)
		rc = vfio_map_bar(&target->dev, MEMORY_BAR, &target->bar);
	return rc;
}

static void target_close(struct target *target)
{
	if (target->dmabuf >= 0)
		close(target->dmabuf);
	if (target->bar.base)
		munmap(target->bar.base, target->bar.size);
	if (target->dev.fd >= 0)
		vfio_close(&target->dev);
}

/* All chunks alike. */
static void bar_fill(void *bar, unsigned char seed, size_t size)
{
	__u64 data[CHUNK / 8];
	size_t at;

	st_fill(data, seed, CHUNK);
	for (at = 0; at < size; at += 8)
		mmio_write64(bar, at, data[at % CHUNK / 8]);
}

static bool bar_filled(void *bar, unsigned char seed)
{
	__u64 data[CHUNK / 8];
	size_t at;

	for (at = 0; at < CHUNK; at += 8)
		data[at / 8] = mmio_read64(bar, at);
	return st_filled(data, seed, CHUNK);
}

enum way {
	BY_ADDRESS,	/* IOMMU_IOAS_MAP, with the parameter */
	BY_DMABUF,	/* IOMMU_IOAS_MAP_FILE */
	BY_CONTAINER,	/* VFIO_IOMMU_MAP_DMA of a /dev/vfio/vfio, without */
};

FIXTURE(p2p)
{
	struct st_env env;
	struct target target;
};

FIXTURE_VARIANT(p2p)
{
	enum way way;
	struct pci_match match;
};

#define IVSHMEM { PCI_ANY, IVSHMEM_VENDOR, IVSHMEM_DEVICE }
#define NVME { 0x0108, PCI_ANY, PCI_ANY }

FIXTURE_VARIANT_ADD(p2p, ivshmem_address) { .way = BY_ADDRESS, .match = IVSHMEM };
FIXTURE_VARIANT_ADD(p2p, ivshmem_dmabuf) { .way = BY_DMABUF, .match = IVSHMEM };
FIXTURE_VARIANT_ADD(p2p, ivshmem_container) { .way = BY_CONTAINER, .match = IVSHMEM };
FIXTURE_VARIANT_ADD(p2p, nvme_address) { .way = BY_ADDRESS, .match = NVME };
FIXTURE_VARIANT_ADD(p2p, nvme_dmabuf) { .way = BY_DMABUF, .match = NVME };
FIXTURE_VARIANT_ADD(p2p, nvme_container) { .way = BY_CONTAINER, .match = NVME };

/* The IOAS becomes what the container's calls work on. */
static int choose_ioas(struct st_env *env)
{
	struct iommu_vfio_ioas cmd = {
		.size = sizeof(cmd),
		.ioas_id = env->ioas,
		.op = IOMMU_VFIO_IOAS_SET,
	};

	return st_call(env->iommufd, IOMMU_VFIO_IOAS, &cmd);
}

static int env_open(struct st_env *env, bool container)
{
	int rc = container ? st_env_open_node(env, "/dev/vfio/vfio") : st_env_open(env);

	if (!rc && container)
		rc = choose_ioas(env);
	if (!rc)
		rc = st_env_add_device(env, ST_EDU);
	return rc ?: vfio_attach(&env->dev, env->ioas);
}

FIXTURE_SETUP(p2p)
{
	int rc;

	self->target.dev.fd = -1;
	self->target.dmabuf = -1;
	self->target.env = &self->env;
	self->target.container = variant->way == BY_CONTAINER;
	ASSERT_EQ(0, set_p2p_user_va(variant->way == BY_ADDRESS));
	rc = env_open(&self->env, self->target.container);
	if (rc == -ENOENT && self->target.container)
		SKIP(return, "the kernel has no /dev/vfio/vfio");
	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_edu_start(&self->env));
	rc = target_open(&self->target, &variant->match);
	if (rc == -ENODEV || rc == -ENOTSUP)
		SKIP(return, "the machine has no device with memory in its BAR 2");
	ASSERT_EQ(0, rc);
	if (variant->way == BY_DMABUF) {
		self->target.dmabuf = target_export(&self->target);
		ASSERT_LE(0, self->target.dmabuf);
	}
	bar_fill(self->target.bar.base, SEED_TARGET, self->target.bar.size);
	st_fill(self->target.expected, SEED_TARGET, CHUNK);
}

FIXTURE_TEARDOWN(p2p)
{
	target_close(&self->target);
	EXPECT_EQ(0, st_env_close(&self->env));
	EXPECT_EQ(0, set_p2p_user_va(false));
}

static int container_map(int container, __u32 flags, void *va, size_t length, __u64 iova)
{
	return st_dma_map(container, (flags & ST_R ? ST_DMA_R : 0) | (flags & ST_W ? ST_DMA_W : 0),
			  va, length, iova);
}

/* Map @length bytes of the target's BAR from @offset. */
static int p2p_map(struct target *target, __u32 flags, size_t offset, size_t length,
		   __u64 iova)
{
	struct st_env *env = target->env;
	void *va = target->bar.base + offset;

	if (target->container)
		return container_map(env->iommufd, flags, va, length, iova);
	flags |= ST_FIXED;
	if (target->dmabuf >= 0)
		return st_map_file(env->iommufd, env->ioas, flags, target->dmabuf, offset, length,
				   &iova);
	return st_map(env->iommufd, env->ioas, flags, va, length, &iova);
}

static int p2p_map_all(struct target *target)
{
	return p2p_map(target, ST_RW, 0, target->bar.size, ST_IOVA);
}

/*
 * What the edu device finds at @iova: 0 the target's data, else -EBADMSG.  The first word of
 * a chunk is left out, so that what its buffer is wiped with is neither 0 nor 0xff.
 */
static int sees_target(struct target *target, __u64 iova)
{
	return st_device_sees(target->env, iova + 8, target->expected + 8, SIGHT);
}

/* After a read that was stopped, the device's buffer has nothing that came from a BAR. */
static bool saw_nothing(struct target *target)
{
	const unsigned char *desk = target->env->desk;
	size_t i;

	for (i = 1; i < SIGHT; i++)
		if (desk[i] != desk[0])
			return false;
	return desk[0] != 0xff;
}

#define EXPECT_TARGET(iova)	EXPECT_EQ(0, sees_target(&self->target, iova))
#define EXPECT_HOLE(iova)						\
	do {								\
		EXPECT_EQ(-EBADMSG, sees_target(&self->target, iova));		\
		EXPECT_TRUE(saw_nothing(&self->target));				\
	} while (0)

TEST_F_TIMEOUT(p2p, read_and_write, ST_TIMEOUT)
{
	void *at = self->target.bar.base + AT;

	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
	EXPECT_TARGET(ST_IOVA + self->target.bar.size - CHUNK);
	ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA + AT, SEED_EDU, CHUNK));
	EXPECT_TRUE(bar_filled(at, SEED_EDU));
	EXPECT_TRUE(bar_filled(at - CHUNK, SEED_TARGET));
	EXPECT_TRUE(bar_filled(at + CHUNK, SEED_TARGET));
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA,
			      self->target.bar.size));
	EXPECT_HOLE(ST_IOVA);
}

TEST_F(p2p, read_only)
{
	ASSERT_EQ(0, p2p_map(&self->target, ST_R, 0, self->target.bar.size, ST_IOVA));
	EXPECT_TARGET(ST_IOVA);
	ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA, SEED_EDU, CHUNK));
	EXPECT_TRUE(bar_filled(self->target.bar.base, SEED_TARGET));
}

/* Device memory costs nothing. */
TEST_F(p2p, is_free)
{
	ASSERT_EQ(0, st_limit_memlock(0));
	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_EQ(0, st_fdinfo(self->env.iommufd, "pinned"));
	EXPECT_EQ(0, st_fdinfo(self->env.iommufd, "charged"));
	EXPECT_EQ(self->env.before.vm_pin, st_vm_pin());
	EXPECT_EQ(0, st_unmap_all(self->env.iommufd, self->env.ioas, NULL));
}

/* Gone when the write that switches it off returns, back when the other one does. */
TEST_F_TIMEOUT(p2p, switched_off_and_on, ST_TIMEOUT)
{
	int i;

	ASSERT_EQ(0, p2p_map_all(&self->target));
	for (i = 0; i < 4; i++) {
		EXPECT_TARGET(ST_IOVA + AT);
		ASSERT_EQ(0, target_decode(&self->target, false));
		EXPECT_HOLE(ST_IOVA + AT);
		ASSERT_EQ(0, st_device_fills(&self->env, ST_IOVA + AT, SEED_EDU, CHUNK));
		ASSERT_EQ(0, target_decode(&self->target, true));
	}
	EXPECT_TARGET(ST_IOVA + AT);
}

TEST_F(p2p, map_while_off)
{
	ASSERT_EQ(0, target_decode(&self->target, false));
	EXPECT_EQ(variant->way == BY_DMABUF ? -ENODEV : -EFAULT, p2p_map_all(&self->target));
	EXPECT_EQ(-ENOENT, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA,
				    self->target.bar.size));
	ASSERT_EQ(0, target_decode(&self->target, true));
	EXPECT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
}

static int container_void(int container, __u64 iova, __u64 length)
{
	return st_dma_unmap(container, VFIO_DMA_UNMAP_FLAG_VADDR, iova, &length);
}

/* VFIO_UPDATE_VADDR: only the same BAR will do, from the same place on. */
static int container_update(int container, void *va, size_t length, __u64 iova)
{
	return st_dma_map(container, VFIO_DMA_MAP_FLAG_VADDR, va, length, iova);
}

TEST_F_TIMEOUT(p2p, new_address, ST_TIMEOUT)
{
	struct target *target = &self->target;
	const size_t size = target->bar.size / 2;
	struct vfio_bar again = {};
	int fd = self->env.iommufd;

	if (variant->way != BY_CONTAINER)
		SKIP(return, "only containers know this");
	ASSERT_EQ(0, vfio_map_bar(&target->dev, MEMORY_BAR, &again));
	ASSERT_EQ(0, p2p_map(target, ST_RW, 0, size, ST_IOVA));
	ASSERT_EQ(0, container_void(fd, ST_IOVA, size));
	EXPECT_TARGET(ST_IOVA + AT);
	EXPECT_EQ(-EINVAL, container_update(fd, again.base + size, size, ST_IOVA));
	EXPECT_EQ(-EINVAL, container_update(fd, self->env.desk, size, ST_IOVA));
	EXPECT_TARGET(ST_IOVA + AT);
	ASSERT_EQ(0, container_update(fd, again.base, size, ST_IOVA));
	EXPECT_TARGET(ST_IOVA + AT);

	/* The old address does not matter any more, the new one does. */
	munmap(target->bar.base, target->bar.size);
	target->bar.base = NULL;
	EXPECT_TARGET(ST_IOVA + AT);
	ASSERT_EQ(0, target_decode(target, false));
	EXPECT_HOLE(ST_IOVA + AT);
	ASSERT_EQ(0, container_void(fd, ST_IOVA, size));
	ASSERT_EQ(0, vfio_map_bar(&target->dev, MEMORY_BAR, &target->bar));
	ASSERT_EQ(0, container_update(fd, target->bar.base, size, ST_IOVA));
	munmap(again.base, again.size);
	EXPECT_HOLE(ST_IOVA + AT);
	ASSERT_EQ(0, target_decode(target, true));
	EXPECT_TARGET(ST_IOVA + AT);
}

/* A page table made while the BAR is off has a hole, which is filled later. */
TEST_F_TIMEOUT(p2p, attach_while_off, ST_TIMEOUT)
{
	ASSERT_EQ(0, p2p_map_all(&self->target));
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, target_decode(&self->target, false));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_HOLE(ST_IOVA);
	ASSERT_EQ(0, target_decode(&self->target, true));
	EXPECT_TARGET(ST_IOVA);
}

/* Mapped when no page table was there to show it. */
TEST_F(p2p, attach_later)
{
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, p2p_map_all(&self->target));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_TARGET(ST_IOVA);
	EXPECT_TARGET(ST_IOVA + self->target.bar.size - CHUNK);
}

TEST_F(p2p, without_large_pages)
{
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	ASSERT_EQ(0, st_option_set(self->env.iommufd, IOMMU_OPTION_HUGE_PAGES, self->env.ioas,
				   0));
	ASSERT_EQ(0, p2p_map_all(&self->target));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
	EXPECT_TARGET(ST_IOVA + AT);
	ASSERT_EQ(0, target_decode(&self->target, false));
	EXPECT_HOLE(ST_IOVA + AT);
}

/* As QEMU maps a BAR: around a page that is cut out. */
TEST_F_TIMEOUT(p2p, in_pieces, ST_TIMEOUT)
{
	const size_t end = self->target.bar.size, hole = 4 * st_page, behind = hole + st_page;

	ASSERT_EQ(0, p2p_map(&self->target, ST_RW, 0, hole, ST_IOVA));
	ASSERT_EQ(0, p2p_map(&self->target, ST_RW, behind, end - behind, ST_IOVA + behind));
	EXPECT_TARGET(ST_IOVA + hole - CHUNK);
	EXPECT_HOLE(ST_IOVA + hole);
	EXPECT_TARGET(ST_IOVA + behind);
	ASSERT_EQ(0, target_decode(&self->target, false));
	EXPECT_HOLE(ST_IOVA);
	EXPECT_HOLE(ST_IOVA + behind);
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, hole));
	ASSERT_EQ(0, target_decode(&self->target, true));
	EXPECT_HOLE(ST_IOVA);
	EXPECT_TARGET(ST_IOVA + behind);
	EXPECT_EQ(0, p2p_map(&self->target, ST_RW, 0, hole, ST_IOVA));
	EXPECT_TARGET(ST_IOVA);
}

TEST_F_TIMEOUT(p2p, copied, ST_TIMEOUT)
{
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.dst_ioas_id = self->env.ioas,
		.src_ioas_id = self->env.ioas,
		.length = self->target.bar.size - AT,
		.dst_iova = 4 * ST_IOVA,
		.src_iova = ST_IOVA + AT,
	};
	const __u64 there = copy.dst_iova;

	ASSERT_EQ(0, p2p_map_all(&self->target));
	ASSERT_EQ(0, st_copy(self->env.iommufd, &copy));
	EXPECT_TARGET(there);
	ASSERT_EQ(0, target_decode(&self->target, false));
	EXPECT_HOLE(there);
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA,
			      self->target.bar.size));
	copy.src_iova = there;
	copy.dst_iova = ST_IOVA;
	EXPECT_EQ(0, st_copy(self->env.iommufd, &copy));
	ASSERT_EQ(0, target_decode(&self->target, true));
	EXPECT_TARGET(there);
	EXPECT_TARGET(ST_IOVA);
}

/* In another address space, too, and whether the BAR is there or not. */
TEST_F_TIMEOUT(p2p, copied_elsewhere, ST_TIMEOUT)
{
	const __u64 first = 4 * ST_IOVA, second = 8 * ST_IOVA, third = 12 * ST_IOVA;
	struct iommu_ioas_copy copy = {
		.flags = ST_RW | ST_FIXED,
		.src_ioas_id = self->env.ioas,
		.length = self->target.bar.size - AT,
		.dst_iova = first,
		.src_iova = ST_IOVA + AT,
	};

	ASSERT_EQ(0, ioas_alloc(self->env.iommufd, &copy.dst_ioas_id));
	ASSERT_EQ(0, p2p_map_all(&self->target));
	ASSERT_EQ(0, st_copy(self->env.iommufd, &copy));
	ASSERT_EQ(0, target_decode(&self->target, false));
	copy.dst_iova = second;
	ASSERT_EQ(0, st_copy(self->env.iommufd, &copy));
	/* With what the device needs to tell what it sees. */
	self->env.ioas = copy.dst_ioas_id;
	ASSERT_EQ(0, vfio_attach(&self->env.dev, copy.dst_ioas_id));
	copy.dst_iova = third;
	ASSERT_EQ(0, st_copy(self->env.iommufd, &copy));
	EXPECT_HOLE(first);
	EXPECT_HOLE(second);
	EXPECT_HOLE(third);
	ASSERT_EQ(0, target_decode(&self->target, true));
	EXPECT_TARGET(first);
	EXPECT_TARGET(second);
	EXPECT_TARGET(third);

	/* What they were copied from is not missed. */
	EXPECT_EQ(0, st_unmap_all(self->env.iommufd, copy.src_ioas_id, NULL));
	ASSERT_EQ(0, target_decode(&self->target, false));
	EXPECT_HOLE(first);
	EXPECT_HOLE(third);
	ASSERT_EQ(0, target_decode(&self->target, true));
	EXPECT_TARGET(first);
	EXPECT_TARGET(third);
}

/* Another process may take a dma-buf over, not what belongs to this one's memory. */
TEST_F(p2p, change_process)
{
	int rc = variant->way == BY_DMABUF ? 0 : -EINVAL;

	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_EQ(rc, st_change_process(self->env.iommufd));
	EXPECT_TARGET(ST_IOVA);
}

/* The BAR may only be used as far as it goes, and with RAM not in one mapping. */
TEST_F(p2p, beyond_the_end)
{
	size_t size = self->target.bar.size;
	char *room, *bar;

	if (variant->way == BY_DMABUF) {
		EXPECT_EQ(-EINVAL, p2p_map(&self->target, ST_RW, st_page, size, ST_IOVA));
		EXPECT_EQ(-EOVERFLOW, p2p_map(&self->target, ST_RW, -st_page, size, ST_IOVA));
		return;
	}
	room = st_memory(2 * size);
	bar = mremap(self->target.bar.base, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(room, bar);
	self->target.bar.base = bar;
	EXPECT_EQ(-EFAULT, p2p_map(&self->target, ST_RW, 0, size + st_page, ST_IOVA));
	EXPECT_EQ(0, munmap(room + size, size));
	EXPECT_EQ(-EFAULT, p2p_map(&self->target, ST_RW, 0, size + st_page, ST_IOVA));
	EXPECT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
}

/* What holds the program's mapping holds the device's. */
TEST_F_TIMEOUT(p2p, unmapped_by_the_program, ST_TIMEOUT)
{
	struct vfio_bar *bar = &self->target.bar;
	void *base = bar->base;

	if (variant->way == BY_DMABUF)
		SKIP(return, "only of mappings by address");
	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
	ASSERT_EQ(0, munmap(base + AT, st_page));
	EXPECT_HOLE(ST_IOVA);

	/* The same mapping in its old place does not bring it back. */
	ASSERT_EQ(0, munmap(base, bar->size));
	ASSERT_EQ(0, vfio_map_bar(&self->target.dev, MEMORY_BAR, bar));
	if (bar->base != base) {
		bar->base = mremap(bar->base, bar->size, bar->size,
				   MREMAP_MAYMOVE | MREMAP_FIXED, base);
		ASSERT_EQ(base, bar->base);
	}
	EXPECT_TRUE(bar_filled(bar->base, SEED_TARGET));
	EXPECT_EQ(0, target_decode(&self->target, true));
	st_sleep_ms(100);
	EXPECT_HOLE(ST_IOVA);
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, bar->size));
	EXPECT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
}

/* Nobody tells when rights come back: they are looked for. */
TEST_F_TIMEOUT(p2p, comes_back_by_itself, ST_TIMEOUT)
{
	struct vfio_bar *bar = &self->target.bar;
	int rc;

	if (variant->way == BY_DMABUF)
		SKIP(return, "only of mappings by address");
	ASSERT_EQ(0, p2p_map_all(&self->target));
	ASSERT_EQ(0, mprotect(bar->base, bar->size, PROT_READ));
	EXPECT_HOLE(ST_IOVA);
	ASSERT_EQ(0, mprotect(bar->base, bar->size, PROT_READ | PROT_WRITE));
	do {
		rc = sees_target(&self->target, ST_IOVA);
	} while (rc == -EBADMSG);
	EXPECT_EQ(0, rc);
}

static int map_in_child(void *argument)
{
	int rc = p2p_map_all(argument);

	return rc ?: sees_target(argument, ST_IOVA);
}

/* A mapping by address ends with its process, one by dma-buf does not. */
TEST_F_TIMEOUT(p2p, process_gone, ST_TIMEOUT)
{
	ASSERT_EQ(0, st_in_child(map_in_child, &self->target));
	EXPECT_EQ(variant->way == BY_DMABUF ? 0 : -EBADMSG, sees_target(&self->target, ST_IOVA));
	EXPECT_EQ(0, st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA,
			      self->target.bar.size));
	EXPECT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
}

/* The target is closed under its mapping; opened again it has to be mapped again. */
TEST_F_TIMEOUT(p2p, target_closed, ST_TIMEOUT)
{
	int dmabuf = variant->way == BY_DMABUF ? dup(self->target.dmabuf) : -1;

	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
	target_close(&self->target);
	self->target.bar.base = NULL;
	EXPECT_HOLE(ST_IOVA);
	ASSERT_EQ(0, target_open(&self->target, &variant->match));
	EXPECT_HOLE(ST_IOVA);
	if (variant->way == BY_DMABUF) {
		/* Of a device that was another's. */
		self->target.dmabuf = dmabuf;
		EXPECT_EQ(0, st_unmap_all(self->env.iommufd, self->env.ioas, NULL));
		EXPECT_EQ(-ENODEV, p2p_map_all(&self->target));
		close(dmabuf);
		self->target.dmabuf = target_export(&self->target);
		ASSERT_LE(0, self->target.dmabuf);
	} else {
		EXPECT_EQ(0, st_unmap_all(self->env.iommufd, self->env.ioas, NULL));
	}
	bar_fill(self->target.bar.base, SEED_TARGET, self->target.bar.size);
	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
}

static int target_reset(struct target *target)
{
	return st_call(target->dev.fd, VFIO_DEVICE_RESET, NULL);
}

TEST_F_TIMEOUT(p2p, reset, ST_TIMEOUT)
{
	int i, rc;

	ASSERT_EQ(0, p2p_map_all(&self->target));
	for (i = 0; i < 3; i++) {
		rc = target_reset(&self->target);
		if (rc == -EINVAL || rc == -ENOTTY)
			SKIP(return, "the device has no reset");
		ASSERT_EQ(0, rc);
		EXPECT_TARGET(ST_IOVA + AT);
	}
}

/* With all that resets with it. */
TEST_F_TIMEOUT(p2p, hot_reset, ST_TIMEOUT)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	int i, rc;

	ASSERT_EQ(0, p2p_map_all(&self->target));
	for (i = 0; i < 3; i++) {
		rc = st_call(self->target.dev.fd, VFIO_DEVICE_PCI_HOT_RESET, &reset);
		if (rc == -ENODEV || rc == -ENOTTY)
			SKIP(return, "no hot reset (%d), and the BAR is %s", rc,
			     sees_target(&self->target, ST_IOVA + AT) ? "gone" : "there");
		ASSERT_EQ(0, rc);
		EXPECT_TARGET(ST_IOVA + AT);
	}
}

/* Without the parameter an address is refused as before, and the log says why. */
TEST_F(p2p, needs_the_parameter)
{
	struct st_refusal why;
	__u64 iova = ST_IOVA;
	__u32 ioas;
	int fd;

	if (variant->way != BY_ADDRESS)
		SKIP(return, "only of mappings by address");
	ASSERT_EQ(0, vfio_detach(&self->env.dev));
	vfio_close(&self->env.dev);
	ASSERT_EQ(0, set_p2p_user_va(false));
	fd = iommufd_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioas_alloc(fd, &ioas));
	/* The device's registers keep it open. */
	ASSERT_EQ(0, munmap(self->env.edu.bar.base, self->env.edu.bar.size));
	self->env.edu.bar.base = NULL;
	ASSERT_EQ(0, st_device_open(&self->env.dev, ST_EDU));
	ASSERT_EQ(0, vfio_bind(self->env.dev.fd, fd, &self->env.dev.id));
	ASSERT_EQ(0, vfio_attach(&self->env.dev, ioas));
	EXPECT_EQ(-EFAULT, st_map(fd, ioas, ST_RW | ST_FIXED, self->target.bar.base,
				  self->target.bar.size, &iova));
	ASSERT_EQ(0, st_refusal(fd, &why));
	EXPECT_TRUE(!!strstr(why.text, "p2p_user_va"));
	close(fd);
}

/* A device whose BAR can stand in the target's place. */
struct decoy {
	int config;
	unsigned char own[8], targets[8];	/* BAR 2 and 3: addresses */
};

static int bar_address(const char *bdf, unsigned char address[8])
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), SYS_DEVICE "%s/config", bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = pread(fd, address, 8, PCI_BASE_ADDRESS_2);
	if (n == 8)
		return fd;
	close(fd);
	return -EIO;
}

static int decoy_enable(struct decoy *decoy, bool on)
{
	__u16 command = on ? PCI_COMMAND_MEMORY : 0;

	return pwrite(decoy->config, &command, 2, PCI_COMMAND) == 2 ? 0 : -EIO;
}

/* Move the decoy's BAR to where the target's is, and let it decode; or back. */
static int decoy_stand_in(struct decoy *decoy, bool in)
{
	const unsigned char *address = in ? decoy->targets : decoy->own;
	int rc = decoy_enable(decoy, false);

	if (rc)
		return rc;
	if (pwrite(decoy->config, address, 4, PCI_BASE_ADDRESS_2) != 4 ||
	    pwrite(decoy->config, address + 4, 4, PCI_BASE_ADDRESS_3) != 4)
		return -EIO;
	return in ? decoy_enable(decoy, true) : 0;
}

static int decoy_fill(const char *bdf, size_t size)
{
	char path[128];
	void *bar;
	int fd;

	snprintf(path, sizeof(path), SYS_DEVICE "%s/resource%d", bdf, MEMORY_BAR);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	bar = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (bar == MAP_FAILED)
		return -errno;
	bar_fill(bar, SEED_DECOY, size);
	munmap(bar, size);
	return 0;
}

/* The second ivshmem: the one that the target is not. */
static int decoy_open(struct decoy *decoy, const struct target *target)
{
	unsigned int slot;
	char bdf[PCI_BDF_SIZE];
	int fd, rc;

	if (sscanf(target->dev.bdf, "0000:00:%x.0", &slot) != 1)
		return -ENODEV;
	snprintf(bdf, sizeof(bdf), "0000:00:%02x.0", slot + 1);
	decoy->config = bar_address(bdf, decoy->own);
	if (decoy->config < 0)
		return decoy->config;
	fd = bar_address(target->dev.bdf, decoy->targets);
	if (fd < 0)
		return fd;
	close(fd);
	rc = decoy_enable(decoy, true);
	if (!rc)
		rc = decoy_fill(bdf, target->bar.size);
	return rc ?: decoy_enable(decoy, false);
}

static void decoy_close(struct decoy *decoy)
{
	decoy_stand_in(decoy, false);
	close(decoy->config);
}

/* What a DMA found. */
enum sight {
	SAW_NOTHING,
	SAW_TARGET,
	SAW_BOTH,
	SAW_DECOY,
	SAW_ELSE,
};

/* Where what was seen stops to be the target's. */
static void describe(struct target *target)
{
	const unsigned char *desk = target->env->desk;
	size_t i;

	for (i = 0; i < SIGHT && desk[i] == target->expected[8 + i]; i++)
		;
	printf("# %zu bytes of the target, then 0x%02x 0x%02x ... 0x%02x\n", i, desk[i],
	       desk[i + 1], desk[SIGHT - 1]);
}

/*
 * The mapping came back, or went, in the midst of a DMA.  QEMU's edu reads by one
 * pci_dma_read(), whose loop (flatview_read_continue() in system/physmem.c) translates an
 * address, reads a piece and translates what is left anew.  Memory that does not answer reads
 * as zero, 4 or 8 bytes at a time, and so does an NVMe's buffer, which has functions for that:
 * each piece is the target's or zero.  RAM, which ivshmem's BAR is, is copied in one piece to
 * the end of the IOMMU's page: nothing at first, then all of the target.
 */
static bool saw_both(const struct target *target)
{
	const unsigned char *desk = target->env->desk, *expected = target->expected + 8;
	size_t i = 0;

	if (target->is_ram) {
		while (i < SIGHT && !desk[i])
			i++;
		return !memcmp(desk + i, expected + i, SIGHT - i);
	}
	while (i < SIGHT && (!desk[i] || desk[i] == expected[i]))
		i++;
	return i == SIGHT;
}

static enum sight look(struct target *target, __u64 iova)
{
	int rc = sees_target(target, iova);
	__u64 decoy[CHUNK / 8];

	if (!rc)
		return SAW_TARGET;
	if (rc != -EBADMSG)
		return SAW_ELSE;
	if (saw_nothing(target))
		return SAW_NOTHING;
	st_fill(decoy, SEED_DECOY, CHUNK);
	if (!memcmp(target->env->desk, decoy + 1, SIGHT))
		return SAW_DECOY;
	if (saw_both(target))
		return SAW_BOTH;
	describe(target);
	return SAW_ELSE;
}

/*
 * The target goes off, the decoy stands in for it, and back again.  Mostly as fast as that
 * goes, but now and then either stays until the test has had two turns, so that a DMA meets
 * each of them however busy the machine is.
 */
struct swapper {
	pthread_t thread;
	struct target *target;
	struct decoy decoy;
	bool stop;
	unsigned int rounds;
	unsigned int turns;	/* of the test: a DMA, or a MAP that was refused */
	int rc;
};

#define ROUNDS_TO_STAY	64

static bool swapper_stops(const struct swapper *swapper)
{
	return __atomic_load_n(&swapper->stop, __ATOMIC_RELAXED);
}

static void swapper_take_turn(struct swapper *swapper)
{
	__atomic_fetch_add(&swapper->turns, 1, __ATOMIC_RELAXED);
}

static void swapper_stay(const struct swapper *swapper)
{
	unsigned int first = __atomic_load_n(&swapper->turns, __ATOMIC_RELAXED);

	while (!swapper_stops(swapper) &&
	       __atomic_load_n(&swapper->turns, __ATOMIC_RELAXED) - first < 2)
		st_sleep_ms(5);
}

static int swap_once(struct swapper *swapper)
{
	int rc = target_decode(swapper->target, false);

	if (!rc)
		rc = decoy_stand_in(&swapper->decoy, true);
	if (swapper->rounds % ROUNDS_TO_STAY == ROUNDS_TO_STAY / 2)
		swapper_stay(swapper);
	if (!rc)
		rc = decoy_stand_in(&swapper->decoy, false);
	return rc ?: target_decode(swapper->target, true);
}

static void *swap(void *argument)
{
	struct swapper *swapper = argument;

	while (!swapper_stops(swapper) && !swapper->rc) {
		swapper->rc = swap_once(swapper);
		swapper->rounds++;
		if (swapper->rounds % ROUNDS_TO_STAY == 0)
			swapper_stay(swapper);
		else
			st_sleep_ms(swapper->rounds % 8);
	}
	return NULL;
}

static int swapper_start(struct swapper *swapper, struct target *target)
{
	int rc;

	memset(swapper, 0, sizeof(*swapper));
	swapper->target = target;
	rc = decoy_open(&swapper->decoy, target);
	if (rc)
		return rc;
	return -pthread_create(&swapper->thread, NULL, swap, swapper);
}

static int swapper_stop(struct swapper *swapper)
{
	__atomic_store_n(&swapper->stop, true, __ATOMIC_RELAXED);
	pthread_join(swapper->thread, NULL);
	decoy_close(&swapper->decoy);
	return swapper->rc;
}

/* The proof needs its proof: with the decoy in place, a mapping made anew finds it. */
TEST_F(p2p, decoy_works)
{
	struct decoy decoy;

	if (variant->match.vendor != IVSHMEM_VENDOR)
		SKIP(return, "needs two of a kind");
	if (decoy_open(&decoy, &self->target))
		SKIP(return, "the machine has no second ivshmem");
	ASSERT_EQ(0, p2p_map_all(&self->target));
	/* Behind the back of VFIO. */
	ASSERT_EQ(0, decoy_stand_in(&decoy, true));
	EXPECT_EQ(0, st_unmap_all(self->env.iommufd, self->env.ioas, NULL));
	EXPECT_EQ(0, decoy_stand_in(&decoy, false));
	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_EQ(SAW_TARGET, look(&self->target, ST_IOVA));
	decoy_close(&decoy);
}

/* No DMA ever reaches what stands in a switched-off BAR's place. */
TEST_F_TIMEOUT(p2p, never_stale, ST_TIMEOUT)
{
	unsigned int seen[SAW_ELSE + 1] = {};
	struct swapper swapper;
	int i;

	if (variant->match.vendor != IVSHMEM_VENDOR)
		SKIP(return, "needs two of a kind");
	/* While nobody switches it off: a MAP of a BAR that is off is refused. */
	ASSERT_EQ(0, p2p_map_all(&self->target));
	if (swapper_start(&swapper, &self->target))
		SKIP(return, "the machine has no second ivshmem");
	for (i = 0; i < LOOKS || !seen[SAW_TARGET] || !seen[SAW_NOTHING]; i++) {
		seen[look(&self->target, ST_IOVA + AT)]++;
		swapper_take_turn(&swapper);
	}
	ASSERT_EQ(0, swapper_stop(&swapper));
	TH_LOG("%u times off and on; target seen %u times, nothing %u times, both %u times",
	       swapper.rounds, seen[SAW_TARGET], seen[SAW_NOTHING], seen[SAW_BOTH]);
	EXPECT_EQ(0, seen[SAW_DECOY]);
	EXPECT_EQ(0, seen[SAW_ELSE]);
	EXPECT_LT(0, seen[SAW_TARGET]);
	EXPECT_LT(0, seen[SAW_NOTHING]);
	EXPECT_TARGET(ST_IOVA + AT);
}

/* A MAP of a BAR that is off is refused, unless there is one already. */
static int map_when_on(struct swapper *swapper, size_t offset, size_t length)
{
	int rc;

	for (;;) {
		rc = p2p_map(swapper->target, ST_RW, offset, length, ST_IOVA + offset);
		if (rc != -EFAULT && rc != -ENODEV)
			return rc == -EEXIST ? 0 : rc;
		swapper_take_turn(swapper);
	}
}

/* Maps, unmaps and page tables that come and go, while the BAR does. */
TEST_F_TIMEOUT(p2p, never_stale_while_remapped, ST_TIMEOUT)
{
	const __u64 half = self->target.bar.size / 2;
	unsigned int seen[SAW_ELSE + 1] = {};
	struct swapper swapper;
	int i;

	if (variant->match.vendor != IVSHMEM_VENDOR)
		SKIP(return, "needs two of a kind");
	if (swapper_start(&swapper, &self->target))
		SKIP(return, "the machine has no second ivshmem");
	for (i = 0; i < LOOKS / 2; i++) {
		ASSERT_EQ(0, map_when_on(&swapper, 0, half));
		ASSERT_EQ(0, map_when_on(&swapper, half, half));
		seen[look(&self->target, ST_IOVA + half)]++;
		swapper_take_turn(&swapper);
		if (i % 3 == 0) {
			ASSERT_EQ(0, vfio_detach(&self->env.dev));
			ASSERT_EQ(0, vfio_attach(&self->env.dev, self->env.ioas));
			seen[look(&self->target, ST_IOVA)]++;
			swapper_take_turn(&swapper);
		}
		st_unmap(self->env.iommufd, self->env.ioas, ST_IOVA, half);
		if (i % 2)
			st_unmap_all(self->env.iommufd, self->env.ioas, NULL);
	}
	ASSERT_EQ(0, swapper_stop(&swapper));
	TH_LOG("%u times off and on; target seen %u times, nothing %u times, both %u times",
	       swapper.rounds, seen[SAW_TARGET], seen[SAW_NOTHING], seen[SAW_BOTH]);
	EXPECT_EQ(0, seen[SAW_DECOY]);
	EXPECT_EQ(0, seen[SAW_ELSE]);
	st_unmap_all(self->env.iommufd, self->env.ioas, NULL);
	ASSERT_EQ(0, p2p_map_all(&self->target));
	EXPECT_TARGET(ST_IOVA);
}

struct resetter {
	pthread_t thread;
	struct target *target;
	bool stop;
	unsigned int rounds;
	int rc;
};

static void *reset_on_and_on(void *argument)
{
	struct resetter *resetter = argument;

	while (!__atomic_load_n(&resetter->stop, __ATOMIC_RELAXED) && !resetter->rc) {
		resetter->rc = target_reset(resetter->target);
		__atomic_fetch_add(&resetter->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* DMA goes on while the target is reset again and again. */
TEST_F_TIMEOUT(p2p, reset_under_dma, ST_TIMEOUT)
{
	struct resetter resetter = { .target = &self->target };
	unsigned int seen[SAW_ELSE + 1] = {};

	ASSERT_EQ(0, p2p_map_all(&self->target));
	resetter.rc = target_reset(&self->target);
	if (resetter.rc == -EINVAL || resetter.rc == -ENOTTY)
		SKIP(return, "the device has no reset");
	ASSERT_EQ(0, pthread_create(&resetter.thread, NULL, reset_on_and_on, &resetter));
	while (__atomic_load_n(&resetter.rounds, __ATOMIC_RELAXED) < 8 && !resetter.rc)
		seen[look(&self->target, ST_IOVA + AT)]++;
	__atomic_store_n(&resetter.stop, true, __ATOMIC_RELAXED);
	pthread_join(resetter.thread, NULL);
	TH_LOG("%u resets; target seen %u times, nothing %u times, both %u times",
	       resetter.rounds, seen[SAW_TARGET], seen[SAW_NOTHING], seen[SAW_BOTH]);
	EXPECT_EQ(0, resetter.rc);
	EXPECT_EQ(0, seen[SAW_ELSE]);
	EXPECT_TARGET(ST_IOVA + AT);
}

TEST_HARNESS_MAIN
