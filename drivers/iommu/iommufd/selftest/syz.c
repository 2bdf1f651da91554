// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * Addresses for a fuzzer.  A random address hits a mapping hardly ever, so a flag makes
 * an IOVA mean a place in the IOAS's areas: the low half is the number of an area, the
 * high half an offset into it.
 *
 * Locks: the space lock of the IOAS, which is taken here.
 */
#include "../ioas.h"
#include "../iommufd_test.h"
#include "../test_hooks.h"

static unsigned long area_address(struct iommufd_iopt *iopt, u32 number, u32 offset)
{
	struct iova_node *node;

	guard(rwsem_read)(&iopt->space_lock);
	iova_set_for_each_in(node, &iopt->areas, &IOVA_SPAN_ALL) {
		if (!iova_node_is_cover(node) && !number--)
			return node->span.first + offset;
	}
	/* Nothing is mapped at the end of the address space. */
	return ULONG_MAX;
}

/**
 * iommufd_test_syz_conv_iova_id - make an IOVA out of the place in an area
 * @ictx: context
 * @ioas_id: IOAS; if there is none, the call will find that out by itself
 * @iova: in: the place, out: the IOVA
 * @flags: MOCK_FLAGS_ACCESS_SYZ is removed; without it nothing is done
 *
 * Context: process context, may sleep.
 */
void iommufd_test_syz_conv_iova_id(struct iommufd_ctx *ictx, u32 ioas_id,
				   u64 *iova, u32 *flags)
{
	if (!(*flags & MOCK_FLAGS_ACCESS_SYZ))
		return;
	*flags &= ~MOCK_FLAGS_ACCESS_SYZ;
	struct iommufd_ioas *ioas __free(ioas_put) = iommufd_ioas_get(ictx, ioas_id);
	if (!IS_ERR(ioas))
		*iova = area_address(&ioas->iopt, lower_32_bits(*iova),
				     upper_32_bits(*iova));
}
