// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The selftest's look into domains: do they show the memory that they should, is that
 * pinned once, and what would a device have written?
 *
 * Locks: the domains lock of the IOAS, for writing, so that nothing is mapped or unmapped
 * while a page table is walked; not while user memory is touched.
 */
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../hwpt.h"
#include "../ioas.h"
#include "calls.h"
#include "mock_domain.h"

static void paging_put(struct iommufd_hwpt_paging *paging)
{
	if (!IS_ERR_OR_NULL(paging))
		iommufd_object_put(&paging->ioas->ictx->objects, &paging->common.obj);
}

DEFINE_FREE(paging_put, struct iommufd_hwpt_paging *, paging_put(_T))

/* A paging HWPT of the mock IOMMU. */
static struct iommufd_hwpt_paging *paging_get(const struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iommufd_hwpt_paging *paging;
	struct iommufd_object *obj;

	obj = iommufd_object_get(&ucmd->ictx->objects, cmd->id,
				 IOMMUFD_OBJ_HWPT_PAGING);
	if (IS_ERR(obj))
		return ERR_CAST(obj);
	paging = container_of(obj, struct iommufd_hwpt_paging, common.obj);
	if (mock_domain_of(paging->common.domain))
		return paging;
	iommufd_object_put(&ucmd->ictx->objects, obj);
	return ERR_PTR(iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "HWPT %u is not of the mock IOMMU", cmd->id));
}

/* Where the memory at a user address is now; it may be faulted in for that. */
static int user_phys(unsigned long addr, phys_addr_t *phys)
{
	struct page *page;
	int n;

	n = get_user_pages_fast(addr & PAGE_MASK, 1, 0, &page);
	if (n != 1)
		return n < 0 ? n : -EFAULT;
	*phys = page_to_phys(page) + offset_in_page(addr);
	put_page(page);
	return 0;
}

static phys_addr_t translate(struct iommufd_hwpt_paging *paging, unsigned long iova)
{
	guard(rwsem_write)(&paging->ioas->iopt.domains_lock);
	return iommu_iova_to_phys(paging->common.domain, iova);
}

static int compare_map(const struct iommufd_ucmd *ucmd,
		       struct iommufd_hwpt_paging *paging,
		       const struct iova_span *span, unsigned long addr)
{
	unsigned long step = 1UL << __ffs(paging->common.domain->pgsize_bitmap);
	unsigned long offset = 0;
	phys_addr_t want, have;
	int rc;

	do {
		rc = user_phys(addr + offset, &want);
		if (rc)
			return rc;
		have = translate(paging, span->first + offset);
		if (have != want)
			return iommufd_refuse(&ucmd->ictx->log, -EINVAL,
					      WHY_BAD_ARGUMENT,
					      "iova 0x%lx shows %pa, not %pa",
					      span->first + offset, &have, &want);
		offset += step;
		cond_resched();
	} while (offset <= span->last - span->first);
	return 0;
}

/**
 * test_check_map - IOMMU_TEST_OP_MD_CHECK_MAP
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such HWPT; -EINVAL the domain shows something else, or a value is
 * not aligned to its smallest page; -EOVERFLOW; -EFAULT.
 */
int test_check_map(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iova_span span;
	int rc;

	struct iommufd_hwpt_paging *paging __free(paging_put) = paging_get(ucmd);
	if (IS_ERR(paging))
		return PTR_ERR(paging);
	rc = iova_span_make(&span, cmd->check_map.iova, cmd->check_map.length);
	if (rc)
		return rc;
	if ((cmd->check_map.iova | cmd->check_map.length | cmd->check_map.uptr) &
	    ((1UL << __ffs(paging->common.domain->pgsize_bitmap)) - 1))
		return -EINVAL;
	return compare_map(ucmd, paging, &span, cmd->check_map.uptr);
}

static int compare_refs(const struct iommufd_ucmd *ucmd, unsigned long addr, u32 want)
{
	struct page *page;
	u32 have = want;
	int n;

	n = get_user_pages_fast(addr, 1, 0, &page);
	if (n != 1)
		return n < 0 ? n : -EFAULT;
	/* Pages of a large folio share one count. */
	if (!PageCompound(page))
		have = page_ref_count(page) / GUP_PIN_COUNTING_BIAS;
	put_page(page);
	if (have == want)
		return 0;
	return iommufd_refuse(&ucmd->ictx->log, -EIO, WHY_BAD_ARGUMENT,
			      "the page at 0x%lx has %u pins, not %u", addr, have, want);
}

/**
 * test_check_refs - IOMMU_TEST_OP_MD_CHECK_REFS
 * @ucmd: the call
 *
 * Return: 0; -EIO a page is pinned more or less often; -EINVAL not aligned to pages;
 * -EOVERFLOW; -EFAULT.
 */
int test_check_refs(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	u64 addr = cmd->check_refs.uptr, end;
	int rc;

	if (check_add_overflow(addr, cmd->check_refs.length, &end) || end > ULONG_MAX)
		return -EOVERFLOW;
	if (!PAGE_ALIGNED(addr | end))
		return -EINVAL;
	for (; addr < end; addr += PAGE_SIZE) {
		rc = compare_refs(ucmd, addr, cmd->check_refs.refs);
		if (rc)
			return rc;
		cond_resched();
	}
	return 0;
}

/**
 * test_check_iotlb - IOMMU_TEST_OP_MD_CHECK_IOTLB
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such HWPT; -EINVAL it is not of the mock IOMMU, has no such entry,
 * or another value there.
 */
int test_check_iotlb(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iommufd_objects *objs = &ucmd->ictx->objects;
	struct mock_nested_domain *nested;
	struct iommufd_object *obj;
	u32 id = cmd->check_iotlb.id;
	int rc = -EINVAL;

	obj = iommufd_object_get(objs, cmd->id, IOMMUFD_OBJ_HWPT_NESTED);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	nested = mock_nested_domain_of(container_of(obj, struct iommufd_hw_pagetable,
						    obj)->domain);
	if (nested && id <= MOCK_NESTED_DOMAIN_IOTLB_ID_MAX &&
	    READ_ONCE(nested->iotlb[id]) == cmd->check_iotlb.iotlb)
		rc = 0;
	iommufd_object_put(objs, obj);
	return rc;
}

/* Bits of one piece of user space's bitmap. */
#define DIRTY_CHUNK_BITS ((unsigned long)PAGE_SIZE * BITS_PER_BYTE)
#define DIRTY_MAX_BITS BIT(27)

/* -ENOENT means that nothing is mapped there, so no device can have written it. */
static int set_dirty(struct mock_domain *mock, unsigned long iova)
{
	int rc;

	do {
		rc = mock->iommu.ops->set_dirty(&mock->iommu, iova);
	} while (rc == -EAGAIN);
	return rc;
}

static int dirty_chunk(struct iommufd_hwpt_paging *paging,
		       const unsigned long *bitmap, unsigned long nbits,
		       unsigned long iova, u64 page_size, u64 *ndirty)
{
	struct mock_domain *mock = mock_domain_of(paging->common.domain);
	unsigned long bit;
	int rc;

	guard(rwsem_write)(&paging->ioas->iopt.domains_lock);
	if (!mock->tracking)
		return -EINVAL;
	for_each_set_bit(bit, bitmap, nbits) {
		rc = set_dirty(mock, iova + bit * page_size);
		if (!rc)
			++*ndirty;
		else if (rc != -ENOENT)
			return rc;
	}
	return 0;
}

static int dirty_all(struct iommufd_hwpt_paging *paging,
		     const struct iommu_test_cmd *cmd, u64 *ndirty)
{
	unsigned long nbits = cmd->dirty.length / cmd->dirty.page_size;
	const void __user *uptr = u64_to_user_ptr(cmd->dirty.uptr);
	unsigned long iova = cmd->dirty.iova;
	int rc = 0;

	unsigned long *bitmap __free(kfree) = kzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!bitmap)
		return -ENOMEM;
	while (nbits && !rc) {
		unsigned long n = min(nbits, DIRTY_CHUNK_BITS);
		unsigned long nbytes = DIV_ROUND_UP(n, BITS_PER_BYTE);

		if (copy_from_user(bitmap, uptr, nbytes))
			return -EFAULT;
		rc = dirty_chunk(paging, bitmap, n, iova, cmd->dirty.page_size,
				 ndirty);
		uptr += nbytes;
		iova += n * cmd->dirty.page_size;
		nbits -= n;
	}
	return rc;
}

static int check_dirty(const struct iommu_test_cmd *cmd, struct iova_span *span)
{
	u64 page_size = cmd->dirty.page_size;
	int rc;

	if (cmd->dirty.flags)
		return -EOPNOTSUPP;
	if (!page_size || !cmd->dirty.uptr)
		return -EINVAL;
	rc = iova_span_make(span, cmd->dirty.iova, cmd->dirty.length);
	if (rc)
		return rc;
	if (!is_power_of_2(page_size) ||
	    ((cmd->dirty.iova | cmd->dirty.length) & (page_size - 1)))
		return -EINVAL;
	if (cmd->dirty.length / page_size > DIRTY_MAX_BITS)
		return -EOVERFLOW;
	return 0;
}

/**
 * test_dirty - IOMMU_TEST_OP_DIRTY
 * @ucmd: the call
 *
 * Return: 0; -ENOENT no such HWPT; -EINVAL dirty tracking is off, or an argument zero or
 * misaligned; -EOVERFLOW the range wraps or has too many pages; -EFAULT; -ENOMEM.
 */
int test_dirty(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iova_span span;
	u64 ndirty = 0;
	int rc;

	rc = check_dirty(cmd, &span);
	if (rc)
		return rc;
	struct iommufd_hwpt_paging *paging __free(paging_put) = paging_get(ucmd);
	if (IS_ERR(paging))
		return PTR_ERR(paging);
	rc = dirty_all(paging, cmd, &ndirty);
	if (rc)
		return rc;
	cmd->dirty.out_nr_dirty = ndirty;
	return test_reply(ucmd);
}
