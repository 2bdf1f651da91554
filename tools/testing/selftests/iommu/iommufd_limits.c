// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What the IOMMU in front of a device says that it can do, held against what the calls
 * that need it do: nested tables, PASIDs, dirty tracking.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <linux/const.h>

#include "iommu_selftest.h"
#include "kselftest_harness.h"

#define VTD_ECAP_NEST		_BITULL(26)
#define VTD_ECAP_PASID		_BITULL(40)
#define VTD_ECAP_SMTS		_BITULL(43)
#define VTD_ECAP_SSTS		_BITULL(46)
#define VTD_ECAP_FSTS		_BITULL(47)

#define AMD_EFR_GT		_BITULL(4)
#define AMD_EFR_GIOSUP		_BITULL(48)
#define AMD_EFR2_GCR3TRPMODE	_BITULL(3)

#define SMMU_IDR0_S2P		_BITUL(0)
#define SMMU_IDR0_S1P		_BITUL(1)
#define SMMU_IDR0_HTTU(idr0)	((idr0) >> 6 & 0x3)
#define SMMU_IDR1_SSIDSIZE(idr1) ((idr1) >> 6 & 0x1f)
#define SMMU_IDR3_FWB		_BITUL(8)

FIXTURE(limits)
{
	struct st_env env;	/* with a device that is bound, not attached */
	struct iommu_hw hw;
	int fd;
};

FIXTURE_SETUP(limits)
{
	int rc;

	ASSERT_EQ(0, st_env_open(&self->env));
	rc = st_env_add_device(&self->env, ST_QUICK);
	if (rc == -ENODEV)
		SKIP(return, "the machine has no device for this");
	ASSERT_EQ(0, rc);
	self->fd = self->env.iommufd;
	ASSERT_EQ(0, iommufd_hw_info(self->fd, self->env.dev.id, &self->hw));
}

FIXTURE_TEARDOWN(limits)
{
	EXPECT_EQ(0, st_env_close(&self->env));
}

static int alloc(const struct st_env *env, __u32 flags, __u32 *id)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = env->dev.id,
		.pt_id = env->ioas,
	};
	int rc = st_call(env->iommufd, IOMMU_HWPT_ALLOC, &cmd);

	*id = cmd.out_hwpt_id;
	return rc;
}

static int pasid_attach(int fd, __u32 pasid, __u32 pt_id)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_ATTACH_PASID,
		.pt_id = pt_id,
		.pasid = pasid,
	};

	return st_call(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd);
}

static int pasid_detach(int fd, __u32 pasid)
{
	struct vfio_device_detach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_DETACH_PASID,
		.pasid = pasid,
	};

	return st_call(fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd);
}

TEST_F(limits, nested_vtd)
{
	struct iommu_hwpt_vtd_s1 s1 = { .pgtbl_addr = ST_IOVA, .addr_width = 48 };
	struct iommu_hwpt_alloc nested = {
		.size = sizeof(nested),
		.dev_id = self->env.dev.id,
		.data_type = IOMMU_HWPT_DATA_VTD_S1,
		.data_len = sizeof(s1),
		.data_uptr = (uintptr_t)&s1,
	};
	__u64 ecap = self->hw.data.vtd.ecap_reg;
	__u32 parent;
	int rc;

	if (self->hw.type != IOMMU_HW_INFO_TYPE_INTEL_VTD)
		SKIP(return, "the device is not behind VT-d");
	TH_LOG("ECAP %#llx: scalable %d first-stage %d second-stage %d nested %d PASID %d",
	       (unsigned long long)ecap, !!(ecap & VTD_ECAP_SMTS), !!(ecap & VTD_ECAP_FSTS),
	       !!(ecap & VTD_ECAP_SSTS), !!(ecap & VTD_ECAP_NEST), !!(ecap & VTD_ECAP_PASID));

	rc = alloc(&self->env, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	if (!(ecap & VTD_ECAP_NEST)) {
		ASSERT_EQ(-EOPNOTSUPP, rc);
		SKIP(return, "this VT-d unit has no nested translation");
	}
	ASSERT_EQ(0, rc);
	nested.pt_id = parent;
	ASSERT_EQ(0, st_call(self->fd, IOMMU_HWPT_ALLOC, &nested));
	ASSERT_EQ(0, st_attach(self->env.dev.fd, nested.out_hwpt_id));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, parent));
}

TEST_F(limits, nested_smmuv3)
{
	struct iommu_viommu_alloc viommu = {
		.size = sizeof(viommu),
		.type = IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
		.dev_id = self->env.dev.id,
	};
	const __u32 both = SMMU_IDR0_S1P | SMMU_IDR0_S2P;
	struct iommu_hw_info_arm_smmuv3 info;
	int rc;

	if (self->hw.type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3)
		SKIP(return, "the device is not behind an SMMUv3");
	memcpy(&info, self->hw.data.raw, sizeof(info));
	TH_LOG("IDR0 %#x: stage 1 %d stage 2 %d, updates of flags %u", info.idr[0],
	       !!(info.idr[0] & SMMU_IDR0_S1P), !!(info.idr[0] & SMMU_IDR0_S2P),
	       SMMU_IDR0_HTTU(info.idr[0]));
	TH_LOG("IDR1 %#x: bits of a PASID %u; IDR3 %#x: forced write-back %d", info.idr[1],
	       SMMU_IDR1_SSIDSIZE(info.idr[1]), info.idr[3],
	       !!(info.idr[3] & SMMU_IDR3_FWB));

	rc = alloc(&self->env, IOMMU_HWPT_ALLOC_NEST_PARENT, &viommu.hwpt_id);
	if ((info.idr[0] & both) != both) {
		ASSERT_EQ(-EOPNOTSUPP, rc);
		SKIP(return, "this SMMUv3 has no nested translation");
	}
	ASSERT_EQ(0, rc);
	rc = st_call(self->fd, IOMMU_VIOMMU_ALLOC, &viommu);
	if (rc == -EOPNOTSUPP && !(info.idr[3] & SMMU_IDR3_FWB))
		SKIP(return, "the firmware does not promise that DMA is always coherent");
	EXPECT_EQ(0, rc);
}

TEST_F(limits, nested_amd)
{
	__u64 efr = self->hw.data.amd.efr, efr2 = self->hw.data.amd.efr2;
	__u32 parent;
	int rc;

	if (self->hw.type != IOMMU_HW_INFO_TYPE_AMD)
		SKIP(return, "the device is not behind an AMD IOMMU");
	TH_LOG("EFR %#llx: guest tables %d, I/O %d; EFR2 %#llx: GCR3 of the guest %d",
	       (unsigned long long)efr, !!(efr & AMD_EFR_GT), !!(efr & AMD_EFR_GIOSUP),
	       (unsigned long long)efr2, !!(efr2 & AMD_EFR2_GCR3TRPMODE));

	rc = alloc(&self->env, IOMMU_HWPT_ALLOC_NEST_PARENT, &parent);
	if (!(efr & AMD_EFR_GT) || !(efr & AMD_EFR_GIOSUP) ||
	    !(efr2 & AMD_EFR2_GCR3TRPMODE)) {
		ASSERT_EQ(-EOPNOTSUPP, rc);
		SKIP(return, "this AMD IOMMU has no nested translation");
	}
	EXPECT_EQ(0, rc);
}

TEST_F(limits, pasid)
{
	int device = self->env.dev.fd;
	__u32 one, two;

	TH_LOG("PASID bits %u", self->hw.pasid_bits);
	if (!self->hw.pasid_bits) {
		ASSERT_EQ(0, alloc(&self->env, 0, &one));
		ASSERT_EQ(-EINVAL, pasid_attach(device, 1, one));
		ASSERT_EQ(-EINVAL, pasid_attach(device, 1, self->env.ioas));
		ASSERT_EQ(0, pasid_detach(device, 1));
		ASSERT_EQ(0, st_attach(device, one));
		SKIP(return, "the device has no PASIDs here");
	}
	ASSERT_EQ(0, alloc(&self->env, IOMMU_HWPT_ALLOC_PASID, &one));
	ASSERT_EQ(0, alloc(&self->env, IOMMU_HWPT_ALLOC_PASID, &two));
	ASSERT_EQ(0, pasid_attach(device, 1, one));
	EXPECT_EQ(-EBUSY, iommufd_destroy(self->fd, one));
	ASSERT_EQ(0, pasid_attach(device, 1, two));
	EXPECT_EQ(0, iommufd_destroy(self->fd, one));
	EXPECT_EQ(0, pasid_detach(device, 1));
	EXPECT_EQ(0, iommufd_destroy(self->fd, two));
}

TEST_F(limits, dirty_tracking)
{
	struct iommu_hwpt_set_dirty_tracking set = { .size = sizeof(set) };
	const bool offered = self->hw.capabilities & IOMMU_HW_CAP_DIRTY_TRACKING;
	int rc = alloc(&self->env, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &set.hwpt_id);

	if (!offered) {
		ASSERT_EQ(-EOPNOTSUPP, rc);
		SKIP(return, "the IOMMU tracks no dirty pages");
	}
	ASSERT_EQ(0, rc);
	ASSERT_EQ(0, st_attach(self->env.dev.fd, set.hwpt_id));
	set.flags = IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	EXPECT_EQ(0, st_call(self->fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &set));
}

TEST_HARNESS_MAIN
