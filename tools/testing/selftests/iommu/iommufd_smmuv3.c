// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Nested translation on a real SMMUv3: this program plays the guest. It writes context
 * descriptors and a stage-1 table into memory that the IOAS maps as guest memory, and
 * the device's DMA has to pass through both stages.
 *
 * Three kinds of address: a VA is what the device uses, stage 1 makes a guest physical
 * address (GPA) of it, and the IOAS tells which page of this process that is.
 */
#include <errno.h>
#include <endian.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/const.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"
#include "mmio.h"

#define SIZE		4096u		/* a page of the guest */
#define GPA		(64 * ST_MIB)	/* where the guest's memory begins */
#define VA		(16 * ST_MIB)	/* where the guest's stage 1 shows its pages */
#define VSID		0x42u		/* what the guest calls the device */
#define ASID		7ull

#define MSI_SPAN	(2 * ST_MIB)	/* what one third-level table covers */

#define EDU_IRQ_RAISE	0x60
#define EDU_IRQ_ACK	0x64

/* The guest's memory, page by page. */
enum page {
	CONTEXT,	/* the context descriptor */
	LEVEL1,
	LEVEL2,
	LEVEL3,
	LEVEL3_MSI,
	OTHER_LEVEL1,	/* of another address space of the guest */
	OTHER_LEVEL2,
	OTHER_LEVEL3,
	DATA0,
	DATA1,
	DATA2,
	WIPE,		/* what the device's buffer is wiped with */
	PAGES = 16,
};

/* Chapter 5 of the SMMUv3 architecture. */
#define STE_VALID	_BITULL(0)
#define STE_ABORT	(0ull << 1)
#define STE_BYPASS	(4ull << 1)
#define STE_STAGE1	(5ull << 1)
/* Walks are cacheable, write-back, inner shareable. */
#define STE_WALKS	(_BITULL(2) | _BITULL(4) | 3ull << 6)

/* 39 bits of address in pages of 4 KiB, walks as above, no second table. */
#define CD_TABLE	(25ull | _BITULL(8) | _BITULL(10) | 3ull << 12 | _BITULL(30))
#define CD_VALID	_BITULL(31)
#define CD_IPS_40	(2ull << 32)
#define CD_AARCH64	_BITULL(41)
/* Faults are recorded and end the access; ASIDs are of the guest alone. */
#define CD_FAULTS	(_BITULL(45) | _BITULL(46) | _BITULL(47))
#define CD_MAIR		0xffull		/* attribute 0: normal memory, write-back */

/* The CPU's format of page tables. */
#define PTE_TABLE	0x3ull
/* User, inner shareable, accessed, not global. */
#define PTE_PAGE	(0x3ull | _BITULL(6) | 3ull << 8 | _BITULL(10) | _BITULL(11))
#define PTE_READ_ONLY	_BITULL(7)

#define CMD_CFGI_CD	0x5ull
#define CMD_NH_ASID	0x11ull
#define CMD_NH_VA	0x12ull
#define CMD_CFGI_STE	0x3ull
#define CMD_LEAF	1ull

#define EVENT_TRANSLATION	0x10
#define EVENT_PERMISSION	0x13

FIXTURE(smmuv3)
{
	struct st_env env;	/* with an edu device that is bound, not attached */
	int fd;
	unsigned char *guest;	/* its memory */
	__u32 parent, viommu, vdevice, nested;
};

static __u64 gpa_of(enum page page)
{
	return GPA + page * SIZE;
}

static __u64 *words(unsigned char *guest, enum page page)
{
	return (__u64 *)(guest + page * SIZE);
}

/* Which VA shows a page of data when the guest has changed nothing. */
static __u64 va_of(enum page page)
{
	return VA + page * SIZE;
}

static void set_pte(unsigned char *guest, enum page table, unsigned int index, __u64 entry)
{
	__atomic_store_n(&words(guest, table)[index], htole64(entry), __ATOMIC_RELEASE);
}

static void link_tables(unsigned char *guest, enum page level1, enum page level2,
			enum page level3)
{
	set_pte(guest, level1, 0, gpa_of(level2) | PTE_TABLE);
	set_pte(guest, level2, VA / ST_HUGE, gpa_of(level3) | PTE_TABLE);
}

/* One context with a table that shows the data pages, each at its number. */
static void write_guest(unsigned char *guest)
{
	__u64 *cd = words(guest, CONTEXT);
	unsigned int page;

	memset(guest, 0, PAGES * SIZE);
	cd[0] = htole64(CD_TABLE | CD_VALID | CD_IPS_40 | CD_AARCH64 | CD_FAULTS | ASID << 48);
	cd[1] = htole64(gpa_of(LEVEL1));
	cd[3] = htole64(CD_MAIR);
	link_tables(guest, LEVEL1, LEVEL2, LEVEL3);
	for (page = DATA0; page < PAGES; page++) {
		set_pte(guest, LEVEL3, page, gpa_of(page) | PTE_PAGE);
		st_fill(guest + page * SIZE, page, SIZE);
	}
}

static int alloc_nested(const struct st_env *env, __u32 viommu, __u64 ste0, __u32 *id)
{
	struct iommu_hwpt_arm_smmuv3 data = {
		.ste = { htole64(ste0), htole64(STE_WALKS) },
	};
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.dev_id = env->dev.id,
		.pt_id = viommu,
		.data_type = IOMMU_HWPT_DATA_ARM_SMMUV3,
		.data_len = sizeof(data),
		.data_uptr = (uintptr_t)&data,
	};
	int rc = st_call(env->iommufd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

static int alloc_vdevice(const struct st_env *env, __u32 viommu, __u32 *id)
{
	struct iommu_vdevice_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = viommu,
		.dev_id = env->dev.id,
		.virt_id = VSID,
	};
	int rc = st_call(env->iommufd, IOMMU_VDEVICE_ALLOC, &cmd);

	*id = cmd.out_vdevice_id;
	return rc;
}

/* Commands as a guest would write them into its queue; @count: out: how many were done. */
static int invalidate(int fd, __u32 viommu, const __u64 (*cmds)[2], __u32 *count)
{
	struct iommu_hwpt_invalidate cmd = {
		.size = sizeof(cmd),
		.hwpt_id = viommu,
		.data_uptr = (uintptr_t)cmds,
		.data_type = IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
		.entry_len = sizeof(struct iommu_viommu_arm_smmuv3_invalidate),
		.entry_num = *count,
	};
	int rc = st_call(fd, IOMMU_HWPT_INVALIDATE, &cmd);

	*count = cmd.entry_num;
	return rc;
}

static int invalidate_va(int fd, __u32 viommu, __u64 va)
{
	const __u64 cmds[][2] = { { htole64(CMD_NH_VA | ASID << 48), htole64(va | CMD_LEAF) } };
	__u32 count = 1;

	return invalidate(fd, viommu, cmds, &count);
}

FIXTURE_SETUP(smmuv3)
{
	struct iommu_hwpt_alloc parent = {
		.size = sizeof(parent),
		.flags = IOMMU_HWPT_ALLOC_NEST_PARENT,
	};
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
	};
	struct st_env *env = &self->env;
	struct iommu_hw hw;
	int rc;

	ASSERT_EQ(0, st_env_open(env));
	rc = st_env_add_device(env, ST_EDU);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no edu device");
	ASSERT_EQ(0, rc);
	self->fd = env->iommufd;
	ASSERT_EQ(0, iommufd_hw_info(self->fd, env->dev.id, &hw));
	if (hw.type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3)
		SKIP(return, "the device is not behind an SMMUv3");

	parent.dev_id = env->dev.id;
	parent.pt_id = env->ioas;
	rc = st_call(self->fd, IOMMU_HWPT_ALLOC, &parent);
	if (rc == -EOPNOTSUPP)
		SKIP(return, "this SMMUv3 has no nested translation");
	ASSERT_EQ(0, rc);
	self->parent = parent.out_hwpt_id;
	viommu.dev_id = env->dev.id;
	viommu.hwpt_id = self->parent;
	rc = st_call(self->fd, IOMMU_VIOMMU_ALLOC, &viommu);
	if (rc == -EOPNOTSUPP)
		SKIP(return, "the firmware does not promise that DMA is always coherent");
	ASSERT_EQ(0, rc);
	self->viommu = viommu.out_viommu_id;

	self->guest = st_memory(PAGES * SIZE);
	write_guest(self->guest);
	ASSERT_EQ(0, st_map_at(self->fd, env->ioas, self->guest, PAGES * SIZE, GPA));
	ASSERT_EQ(0, alloc_nested(env, self->viommu, STE_VALID | STE_STAGE1 | gpa_of(CONTEXT),
				  &self->nested));
	ASSERT_EQ(0, alloc_vdevice(env, self->viommu, &self->vdevice));
	ASSERT_EQ(0, st_attach(env->dev.fd, self->nested));
	ASSERT_EQ(0, edu_start(&env->edu, &env->dev));
}

FIXTURE_TEARDOWN(smmuv3)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

/*
 * Does the device find the pattern of @seed at @from? It brings what it finds to the page
 * DATA1 at @to. Its buffer is wiped before, from @wipe, so that an access that is stopped
 * cannot look like one that worked.
 */
static bool finds(struct st_env *env, unsigned char *guest, const __u64 wipe_from_to[3],
		  unsigned char seed)
{
	st_fill(guest + WIPE * SIZE, WIPE, SIZE);
	st_fill(guest + DATA1 * SIZE, DATA1, SIZE);
	return !edu_read_memory(&env->edu, wipe_from_to[0], SIZE) &&
	       !edu_read_memory(&env->edu, wipe_from_to[1], SIZE) &&
	       !edu_write_memory(&env->edu, wipe_from_to[2], SIZE) &&
	       st_filled(guest + DATA1 * SIZE, seed, SIZE);
}

/* By VAs, of which the guest's tables have to show WIPE and DATA1 where they were. */
static bool finds_at_va(struct st_env *env, unsigned char *guest, __u64 va, unsigned char seed)
{
	return finds(env, guest, (__u64[]) { va_of(WIPE), va, va_of(DATA1) }, seed);
}

/* By GPAs, where stage 1 is left out. */
static bool finds_at_gpa(struct st_env *env, unsigned char *guest, __u64 gpa,
			 unsigned char seed)
{
	return finds(env, guest, (__u64[]) { gpa_of(WIPE), gpa, gpa_of(DATA1) }, seed);
}

TEST_F(smmuv3, translates)
{
	struct st_env *env = &self->env;

	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA0));
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA2), DATA2));
	/* Neither stage alone is what the device sees. */
	EXPECT_FALSE(finds_at_va(env, self->guest, gpa_of(DATA0), DATA0));
	EXPECT_FALSE(finds_at_gpa(env, self->guest, gpa_of(DATA0), DATA0));
}

TEST_F(smmuv3, obeys_the_guests_permissions)
{
	struct st_env *env = &self->env;

	set_pte(self->guest, LEVEL3, DATA2, gpa_of(DATA2) | PTE_PAGE | PTE_READ_ONLY);
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA2), DATA2));
	ASSERT_EQ(0, edu_read_memory(&env->edu, va_of(DATA0), SIZE));
	ASSERT_EQ(0, edu_write_memory(&env->edu, va_of(DATA2), SIZE));
	EXPECT_TRUE(st_filled(self->guest + DATA2 * SIZE, DATA2, SIZE));
}

/* The guest changes its table, and says so. */
TEST_F(smmuv3, invalidates_stage_1)
{
	struct st_env *env = &self->env;

	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA0));
	set_pte(self->guest, LEVEL3, DATA0, gpa_of(DATA2) | PTE_PAGE);
	ASSERT_EQ(0, invalidate_va(self->fd, self->viommu, va_of(DATA0)));
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA2));

	set_pte(self->guest, LEVEL3, DATA0, 0);
	ASSERT_EQ(0, invalidate_va(self->fd, self->viommu, va_of(DATA0)));
	EXPECT_FALSE(finds_at_va(env, self->guest, va_of(DATA0), DATA2));
}

/* The guest puts another address space in the context. */
TEST_F(smmuv3, invalidates_the_context)
{
	const __u64 cmds[][2] = {
		{ htole64(CMD_CFGI_CD | (__u64)VSID << 32), htole64(CMD_LEAF) },
		{ htole64(CMD_NH_ASID | ASID << 48), 0 },
	};
	struct st_env *env = &self->env;
	__u32 count = 2;
	enum page page;

	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA0));
	link_tables(self->guest, OTHER_LEVEL1, OTHER_LEVEL2, OTHER_LEVEL3);
	for (page = DATA0; page < PAGES; page++)
		set_pte(self->guest, OTHER_LEVEL3, page, gpa_of(page) | PTE_PAGE);
	set_pte(self->guest, OTHER_LEVEL3, DATA0, gpa_of(DATA2) | PTE_PAGE);
	words(self->guest, CONTEXT)[1] = htole64(gpa_of(OTHER_LEVEL1));
	ASSERT_EQ(0, invalidate(self->fd, self->viommu, cmds, &count));
	EXPECT_EQ(2, count);
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA2));
}

TEST_F(smmuv3, invalidations_refused)
{
	__u64 cmds[][2] = {
		{ htole64(CMD_NH_ASID | ASID << 48), 0 },
		{ htole64(CMD_CFGI_CD | (__u64)(VSID + 1) << 32), htole64(CMD_LEAF) },
		{ htole64(CMD_NH_ASID | ASID << 48), 0 },
	};
	__u32 count = 3;

	/* A stream ID that the guest does not have, a command that is not for guests. */
	EXPECT_EQ(-EIO, invalidate(self->fd, self->viommu, cmds, &count));
	EXPECT_GE(1, count);
	count = 3;
	cmds[1][0] = htole64(CMD_CFGI_STE | (__u64)VSID << 32);
	EXPECT_EQ(-EIO, invalidate(self->fd, self->viommu, cmds, &count));
	EXPECT_GE(1, count);
	EXPECT_TRUE(finds_at_va(&self->env, self->guest, va_of(DATA0), DATA0));
}

/* What is taken from the IOAS is gone for the guest's device, whatever stage 1 says. */
TEST_F(smmuv3, follows_the_ioas)
{
	const __u64 extra = GPA + ST_MIB;
	unsigned char *memory = st_memory(st_page), *other = st_memory(st_page);
	struct st_env *env = &self->env;

	st_fill(memory, 101, st_page);
	st_fill(other, 102, st_page);
	ASSERT_EQ(0, st_map_at(self->fd, env->ioas, memory, st_page, extra));
	set_pte(self->guest, LEVEL3, DATA0, extra | PTE_PAGE);
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), 101));
	ASSERT_EQ(0, st_unmap(self->fd, env->ioas, extra, st_page));
	EXPECT_FALSE(finds_at_va(env, self->guest, va_of(DATA0), 101));
	ASSERT_EQ(0, st_map_at(self->fd, env->ioas, other, st_page, extra));
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), 102));
}

/* An SMMU that the guest has not switched on yet, and one that stops everything. */
TEST_F(smmuv3, bypass_and_abort)
{
	struct st_env *env = &self->env;
	__u32 bypass, abort, invalid;

	ASSERT_EQ(0, alloc_nested(env, self->viommu, STE_VALID | STE_BYPASS, &bypass));
	ASSERT_EQ(0, alloc_nested(env, self->viommu, STE_VALID | STE_ABORT, &abort));
	ASSERT_EQ(0, alloc_nested(env, self->viommu, 0, &invalid));

	ASSERT_EQ(0, st_attach(env->dev.fd, bypass));
	EXPECT_TRUE(finds_at_gpa(env, self->guest, gpa_of(DATA0), DATA0));
	ASSERT_EQ(0, st_attach(env->dev.fd, abort));
	EXPECT_TRUE(finds_at_gpa(env, self->guest, gpa_of(DATA0), DATA1));
	ASSERT_EQ(0, st_attach(env->dev.fd, self->nested));
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA0));
	ASSERT_EQ(0, st_attach(env->dev.fd, invalid));
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA1));

	/* Without a vIOMMU: the parent, then the IOAS. */
	ASSERT_EQ(0, st_attach(env->dev.fd, self->parent));
	EXPECT_TRUE(finds_at_gpa(env, self->guest, gpa_of(DATA0), DATA0));
	ASSERT_EQ(0, st_attach(env->dev.fd, env->ioas));
	EXPECT_TRUE(finds_at_gpa(env, self->guest, gpa_of(DATA0), DATA0));
}

TEST_F(smmuv3, needs_a_vdevice)
{
	struct st_env *env = &self->env;

	ASSERT_EQ(0, st_detach(env->dev.fd));
	ASSERT_EQ(0, iommufd_destroy(self->fd, self->vdevice));
	EXPECT_EQ(-ENOENT, st_attach(env->dev.fd, self->nested));
	ASSERT_EQ(0, alloc_vdevice(env, self->viommu, &self->vdevice));
	ASSERT_EQ(0, st_attach(env->dev.fd, self->nested));
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA0));
}

TEST_F(smmuv3, what_holds_what)
{
	__u32 id;

	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->nested));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->viommu));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->parent));
	EXPECT_EQ(-EIO, alloc_nested(&self->env, self->viommu, STE_VALID | 3ull << 1, &id));
	EXPECT_EQ(-EIO, alloc_nested(&self->env, self->viommu, STE_VALID | STE_BYPASS |
				     _BITULL(52), &id));
	/* Nothing nests on the parent itself: the driver needs the vIOMMU. */
	EXPECT_EQ(-EOPNOTSUPP, alloc_nested(&self->env, self->parent, STE_VALID | STE_BYPASS,
					    &id));
	ASSERT_EQ(0, st_detach(self->env.dev.fd));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->nested));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, self->viommu));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->vdevice));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->viommu));
	EXPECT_EQ(0, iommufd_destroy(self->fd, self->parent));
}

struct event {
	struct iommufd_vevent_header header;
	struct iommu_vevent_arm_smmuv3 record;
};

static int event_queue(int fd, __u32 viommu, int *queue)
{
	struct iommu_veventq_alloc cmd = {
		.size = sizeof(cmd),
		.viommu_id = viommu,
		.type = IOMMU_VEVENTQ_TYPE_ARM_SMMUV3,
		.veventq_depth = 64,
	};
	int rc = st_call(fd, IOMMU_VEVENTQ_ALLOC, &cmd);

	*queue = cmd.out_veventq_fd;
	return rc;
}

static int wait_event(int queue, struct event *event)
{
	struct pollfd pollfd = { .fd = queue, .events = POLLIN };

	if (poll(&pollfd, 1, 60000) != 1)
		return -ETIMEDOUT;
	return read(queue, event, sizeof(*event)) == sizeof(*event) ? 0 : -EIO;
}

/* The guest is told what its device did wrong, in its own numbers. */
TEST_F(smmuv3, events)
{
	struct st_env *env = &self->env;
	struct event event;
	int queue;

	ASSERT_EQ(0, event_queue(self->fd, self->viommu, &queue));
	ASSERT_EQ(0, edu_read_memory(&env->edu, VA + ST_MIB, SIZE));
	ASSERT_EQ(0, wait_event(queue, &event));
	EXPECT_EQ(0, event.header.flags);
	EXPECT_EQ(EVENT_TRANSLATION, le64toh(event.record.evt[0]) & 0xff);
	EXPECT_EQ(VSID, le64toh(event.record.evt[0]) >> 32);
	EXPECT_EQ(VA + ST_MIB, le64toh(event.record.evt[2]) & ~(SIZE - 1ull));
	close(queue);
}

/* The device's interrupts pass both stages; the guest leaves the window as it is. */
TEST_F(smmuv3, interrupts)
{
	struct pollfd pollfd = { .events = POLLIN };
	struct st_env *env = &self->env;
	struct iommu_iova_range window;
	eventfd_t count = 0;
	unsigned int i;

	ASSERT_EQ(0, st_msi_window(env, &window));
	ASSERT_EQ(0, window.start % MSI_SPAN);
	set_pte(self->guest, LEVEL2, window.start / MSI_SPAN, gpa_of(LEVEL3_MSI) | PTE_TABLE);
	for (i = 0; i < MSI_SPAN / SIZE; i++)
		set_pte(self->guest, LEVEL3_MSI, i, (window.start + i * SIZE) | PTE_PAGE);
	pollfd.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_EQ(0, st_set_irq(env->dev.fd, VFIO_PCI_MSI_IRQ_INDEX,
				VFIO_IRQ_SET_ACTION_TRIGGER, pollfd.fd));
	mmio_write32(env->edu.bar.base, EDU_IRQ_RAISE, 1);
	mmio_write32(env->edu.bar.base, EDU_IRQ_ACK, 1);
	EXPECT_EQ(1, poll(&pollfd, 1, 60000));
	EXPECT_EQ(0, eventfd_read(pollfd.fd, &count));
	EXPECT_EQ(1, count);
	EXPECT_TRUE(finds_at_va(env, self->guest, va_of(DATA0), DATA0));
}

TEST_HARNESS_MAIN
