/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The calls of /dev/iommu that a user-space driver needs, one function each.
 *
 * All functions return 0 (or what they say) on success and a negative errno on
 * failure; none of them prints. Addresses and lengths are in bytes.
 */
#ifndef IOMMUFD_UTIL_H
#define IOMMUFD_UTIL_H

#include <stddef.h>

#include <linux/iommufd.h>
#include <linux/types.h>

#define IOVA_RANGES_MAX	16

/* The I/O virtual addresses that an IOAS accepts, as the kernel tells them. */
struct iova_ranges {
	struct iommu_iova_range range[IOVA_RANGES_MAX];
	unsigned int count;
	__u64 alignment;
};

/* What GET_HW_INFO tells about the IOMMU in front of a device. */
struct iommu_hw {
	__u32 type;			/* enum iommu_hw_info_type */
	__u64 capabilities;		/* enum iommufd_hw_capabilities */
	unsigned int pasid_bits;
	union {
		struct iommu_hw_info_vtd vtd;
		struct iommu_hw_info_amd amd;
		unsigned char raw[64];
	} data;
};

/* A place in the list of refusals: the newest line when it was taken. */
struct refusal_mark {
	char line[512];
};

int iommufd_open(void);
int ioas_alloc(int iommufd, __u32 *ioas);
int ioas_iova_ranges(int iommufd, __u32 ioas, struct iova_ranges *out);
int ioas_map(int iommufd, __u32 ioas, void *va, size_t length, __u64 *iova);
int ioas_map_at(int iommufd, __u32 ioas, void *va, size_t length, __u64 iova);
int ioas_unmap(int iommufd, __u32 ioas, __u64 iova, __u64 length);
int iommufd_hw_info(int iommufd, __u32 device_id, struct iommu_hw *hw);
int iommufd_destroy(int iommufd, __u32 id);

void refusal_mark(int fd, struct refusal_mark *mark);
int refusal_reason(int fd, const struct refusal_mark *mark, char *out, size_t size);

#endif
