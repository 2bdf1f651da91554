/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * What kernels with CONFIG_IOMMUFD_TEST offer to the selftests: one more call on an
 * iommufd, IOMMU_TEST_CMD, and a mock IOMMU whose data formats stand here.
 *
 * Numbers and layouts are those of the iommufd selftests of Linux 7.3, whose binaries
 * run unchanged; syzkaller uses the call, too.
 */
#ifndef _UAPI_IOMMUFD_TEST_H
#define _UAPI_IOMMUFD_TEST_H

#include <linux/iommufd.h>
#include <linux/types.h>

#define IOMMU_TEST_CMD _IO(IOMMUFD_TYPE, IOMMUFD_CMD_BASE + 32)

/* What the call shall do; "id" is what stands in iommu_test_cmd.id. */
enum {
	/* Reserve a range of an IOAS (id) until it is destroyed */
	IOMMU_TEST_OP_ADD_RESERVED = 1,
	/* Make a mock device and attach it to an IOAS or HWPT (id) */
	IOMMU_TEST_OP_MOCK_DOMAIN = 2,
	/* Does the domain of a paging HWPT (id) show this memory? */
	IOMMU_TEST_OP_MD_CHECK_MAP = 3,
	/* Is each page of this memory pinned so many times? */
	IOMMU_TEST_OP_MD_CHECK_REFS = 4,
	/* Make an in-kernel access to an IOAS (id), represented by a file descriptor */
	IOMMU_TEST_OP_CREATE_ACCESS = 5,
	/* Unpin what an access (id, the descriptor) has pinned */
	IOMMU_TEST_OP_DESTROY_ACCESS_PAGES = 6,
	/* Let an access (id, the descriptor) pin */
	IOMMU_TEST_OP_ACCESS_PAGES = 7,
	/* Let an access (id, the descriptor) read or write */
	IOMMU_TEST_OP_ACCESS_RW = 8,
	/* Limit the size of temporary allocations, for all files */
	IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT = 9,
	/* Attach a mock device (id) to something else */
	IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE = 10,
	/* Connect an access (id, the descriptor) to another IOAS */
	IOMMU_TEST_OP_ACCESS_REPLACE_IOAS = 11,
	/* As MOCK_DOMAIN, for a device with MOCK_FLAGS_DEVICE_* */
	IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS = 12,
	/* Mark pages of a paging HWPT (id) as written by a device */
	IOMMU_TEST_OP_DIRTY = 13,
	/* What does the IOTLB of a nested HWPT (id) hold? */
	IOMMU_TEST_OP_MD_CHECK_IOTLB = 14,
	/* Let a device send a page request */
	IOMMU_TEST_OP_TRIGGER_IOPF = 15,
	/* What does the cache of a bound device (id) hold? */
	IOMMU_TEST_OP_DEV_CHECK_CACHE = 16,
	/* Let a vIOMMU send an event about a device */
	IOMMU_TEST_OP_TRIGGER_VEVENT = 17,
	/* The same as for a device, for one PASID of a mock device (id) */
	IOMMU_TEST_OP_PASID_ATTACH = 18,
	IOMMU_TEST_OP_PASID_REPLACE = 19,
	IOMMU_TEST_OP_PASID_DETACH = 20,
	/* Is this HWPT attached to a PASID of a mock device (id)? */
	IOMMU_TEST_OP_PASID_CHECK_HWPT = 21,
	/* Make a dma-buf; the call returns its descriptor */
	IOMMU_TEST_OP_DMABUF_GET = 22,
	/* Take the memory of such a dma-buf away, or give it back */
	IOMMU_TEST_OP_DMABUF_REVOKE = 23,
};

/* IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS */
enum {
	MOCK_FLAGS_DEVICE_NO_DIRTY = 1 << 0,
	MOCK_FLAGS_DEVICE_PASID = 1 << 2,
};

/* IOMMU_TEST_OP_CREATE_ACCESS */
enum {
	MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES = 1 << 0,
};

/*
 * IOMMU_TEST_OP_ACCESS_PAGES.  With SYZ, here and for IOMMU_IOAS_COPY, the IOVA is
 * that of an area: its number in the low half, an offset into it in the high half.
 */
enum {
	MOCK_FLAGS_ACCESS_WRITE = 1 << 0,
	MOCK_FLAGS_ACCESS_SYZ = 1 << 16,
};

/* IOMMU_TEST_OP_ACCESS_RW, with SYZ as above */
enum {
	MOCK_ACCESS_RW_WRITE = 1 << 0,
	MOCK_ACCESS_RW_SLOW_PATH = 1 << 2,
};

struct iommu_test_cmd {
	__u32 size;
	__u32 op;
	__u32 id;
	__u32 __reserved;
	union {
		struct {
			__aligned_u64 start;
			__aligned_u64 length;
		} add_reserved;
		/* out_idev_id is the ID of the bound device */
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
		} mock_domain;
		struct {
			__u32 out_stdev_id;
			__u32 out_hwpt_id;
			__u32 out_idev_id;
			__u32 dev_flags;
		} mock_domain_flags;
		/* pt_id: what to attach; returns the HWPT */
		struct {
			__u32 pt_id;
		} mock_domain_replace;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} check_map;
		struct {
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 refs;
		} check_refs;
		struct {
			__u32 out_access_fd;
			__u32 flags;
		} create_access;
		struct {
			__u32 access_pages_id;
		} destroy_access_pages;
		/* uptr: the memory that the pages have to be; 0 for any */
		struct {
			__u32 flags;
			__u32 out_access_pages_id;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
		} access_pages;
		struct {
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 uptr;
			__u32 flags;
		} access_rw;
		struct {
			__u32 limit;
		} memory_limit;
		struct {
			__u32 ioas_id;
		} access_replace_ioas;
		/* uptr: a bitmap, a bit for page_size bytes from iova on */
		struct {
			__u32 flags;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 page_size;
			__aligned_u64 uptr;
			__aligned_u64 out_nr_dirty;
		} dirty;
		struct {
			__u32 id;
			__u32 iotlb;
		} check_iotlb;
		/* pasid 0: a request without one; more: others of its group follow */
		struct {
			__u32 dev_id;
			__u32 pasid;
			__u32 grpid;
			__u32 perm;
			__u64 addr;
			__u32 more;
		} trigger_iopf;
		struct {
			__u32 id;
			__u32 cache;
		} check_dev_cache;
		struct {
			__u32 dev_id;
		} trigger_vevent;
		struct {
			__u32 pasid;
			__u32 pt_id;
		} pasid_attach;
		struct {
			__u32 pasid;
			__u32 pt_id;
		} pasid_replace;
		struct {
			__u32 pasid;
		} pasid_detach;
		/* hwpt_id 0: nothing shall be attached */
		struct {
			__u32 pasid;
			__u32 hwpt_id;
		} pasid_check;
		struct {
			__u32 length;
			__u32 open_flags;
		} dmabuf_get;
		struct {
			__s32 dmabuf_fd;
			__u32 revoked;
		} dmabuf_revoke;
	};
	__u32 last;
};

/* The page table of the mock IOMMU, unless MOCK_IOMMUPT_HUGE was asked for. */
enum {
	MOCK_PAGE_SIZE = 2048,
	MOCK_HUGE_PAGE_SIZE = 512 * MOCK_PAGE_SIZE,
	MOCK_APERTURE_START = 1UL << 24,
	MOCK_APERTURE_LAST = (1UL << 31) - 1,
};

/* Bits of a PASID of a device with MOCK_FLAGS_DEVICE_PASID */
#define MOCK_PASID_WIDTH 20

/* A replace at this PASID fails, so that undoing one can be tested. */
#define IOMMU_TEST_PASID_RESERVED 1024

/* IOMMU_GET_HW_INFO */
#define IOMMU_HW_INFO_TYPE_SELFTEST 0xfeedbeef
#define IOMMU_HW_INFO_SELFTEST_REGVAL 0xdeadbeef

struct iommu_test_hw_info {
	__u32 flags;
	__u32 test_reg;
};

/* IOMMU_HWPT_ALLOC: iotlb for nested HWPTs, pagetable_type for paging ones */
#define IOMMU_HWPT_DATA_SELFTEST 0xdead
#define IOMMU_TEST_IOTLB_DEFAULT 0xbadbeef

enum {
	MOCK_IOMMUPT_DEFAULT = 0,
	MOCK_IOMMUPT_HUGE = 1,
};

struct iommu_hwpt_selftest {
	__u32 iotlb;
	__u32 pagetable_type;
};

/* IOMMU_HWPT_INVALIDATE of a nested HWPT: entries of its IOTLB become 0 */
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST 0xdeadbeef
#define IOMMU_HWPT_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeef

enum {
	IOMMU_TEST_INVALIDATE_FLAG_ALL = 1 << 0,
};

enum {
	MOCK_NESTED_DOMAIN_IOTLB_ID_MAX = 3,
	MOCK_NESTED_DOMAIN_IOTLB_NUM = 4,
};

struct iommu_hwpt_invalidate_selftest {
	__u32 flags;
	__u32 iotlb_id;
};

/*
 * IOMMU_VIOMMU_ALLOC: out_data becomes in_data, and is what the pages begin with that
 * can be mapped at the offset.
 */
#define IOMMU_VIOMMU_TYPE_SELFTEST 0xdeadbeef

struct iommu_viommu_selftest {
	__u32 in_data;
	__u32 out_data;
	__aligned_u64 out_mmap_offset;
	__aligned_u64 out_mmap_length;
};

/* IOMMU_HWPT_INVALIDATE of a vIOMMU: entries of a device's cache become 0 */
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST 0xdeadbeef
#define IOMMU_VIOMMU_INVALIDATE_DATA_SELFTEST_INVALID 0xdadbeef
#define IOMMU_TEST_DEV_CACHE_DEFAULT 0xbaddad

enum {
	MOCK_DEV_CACHE_ID_MAX = 3,
	MOCK_DEV_CACHE_NUM = 4,
};

struct iommu_viommu_invalidate_selftest {
	__u32 flags;
	__u32 vdev_id;
	__u32 cache_id;
};

/* IOMMU_VEVENTQ_ALLOC */
#define IOMMU_VEVENTQ_TYPE_SELFTEST 0xbeefbeef

struct iommu_viommu_event_selftest {
	__u32 virt_id;
};

/* IOMMU_HW_QUEUE_ALLOC */
#define IOMMU_HW_QUEUE_TYPE_SELFTEST 0xdeadbeef
#define IOMMU_TEST_HW_QUEUE_MAX 2

#endif
