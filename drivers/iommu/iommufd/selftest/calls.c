// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * The selftest's call: which operation it asks for, those that need no more than a few
 * lines, and the beginning and the end of all that the selftest consists of.
 *
 * Locks: none.
 */
#include "../ioas.h"
#include "../test_hooks.h"
#include "calls.h"
#include "fail.h"
#include "mock_device.h"
#include "mock_iommu.h"

static int add_reserved(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iova_span span;
	int rc;

	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ucmd->ictx, cmd->id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	rc = iova_span_make(&span, cmd->add_reserved.start,
			    cmd->add_reserved.length);
	if (rc)
		return rc;
	/* Nobody is its owner, so it stays as long as the IOAS. */
	return iopt_reserve(&ioas->iopt, &span, NULL, "selftest");
}

/* Less would not even be enough for a single page of the smallest batch. */
#define MEMORY_LIMIT_MIN 12

static int set_memory_limit(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;

	if (cmd->memory_limit.limit < MEMORY_LIMIT_MIN)
		return -EINVAL;
	WRITE_ONCE(iommufd_test_memory_limit, cmd->memory_limit.limit);
	return 0;
}

static int (*const operations[])(struct iommufd_ucmd *ucmd) = {
	[IOMMU_TEST_OP_ADD_RESERVED] = add_reserved,
	[IOMMU_TEST_OP_MOCK_DOMAIN] = test_mock_domain,
	[IOMMU_TEST_OP_MD_CHECK_MAP] = test_check_map,
	[IOMMU_TEST_OP_MD_CHECK_REFS] = test_check_refs,
	[IOMMU_TEST_OP_CREATE_ACCESS] = test_create_access,
	[IOMMU_TEST_OP_DESTROY_ACCESS_PAGES] = test_destroy_access_pages,
	[IOMMU_TEST_OP_ACCESS_PAGES] = test_access_pages,
	[IOMMU_TEST_OP_ACCESS_RW] = test_access_rw,
	[IOMMU_TEST_OP_SET_TEMP_MEMORY_LIMIT] = set_memory_limit,
	[IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE] = test_mock_domain_replace,
	[IOMMU_TEST_OP_ACCESS_REPLACE_IOAS] = test_access_replace_ioas,
	[IOMMU_TEST_OP_MOCK_DOMAIN_FLAGS] = test_mock_domain_flags,
	[IOMMU_TEST_OP_DIRTY] = test_dirty,
	[IOMMU_TEST_OP_MD_CHECK_IOTLB] = test_check_iotlb,
	[IOMMU_TEST_OP_TRIGGER_IOPF] = test_trigger_iopf,
	[IOMMU_TEST_OP_DEV_CHECK_CACHE] = test_check_cache,
	[IOMMU_TEST_OP_TRIGGER_VEVENT] = test_trigger_vevent,
	[IOMMU_TEST_OP_PASID_ATTACH] = test_pasid_attach,
	[IOMMU_TEST_OP_PASID_REPLACE] = test_pasid_replace,
	[IOMMU_TEST_OP_PASID_DETACH] = test_pasid_detach,
	[IOMMU_TEST_OP_PASID_CHECK_HWPT] = test_pasid_check_hwpt,
	[IOMMU_TEST_OP_DMABUF_GET] = test_dmabuf_get,
	[IOMMU_TEST_OP_DMABUF_REVOKE] = test_dmabuf_revoke,
};

/**
 * iommufd_call_test - IOMMU_TEST_CMD
 * @ucmd: the call
 *
 * Return: what the operation says; -EOPNOTSUPP for one that this kernel does not know.
 */
int iommufd_call_test(struct iommufd_ucmd *ucmd)
{
	const struct iommu_test_cmd *cmd = ucmd->cmd;

	if (cmd->op >= ARRAY_SIZE(operations) || !operations[cmd->op])
		return iommufd_refuse_unknown(ucmd, "op", cmd->op);
	return operations[cmd->op](ucmd);
}

/**
 * iommufd_test_init - bring the selftest into being
 *
 * Context: process context, may sleep.
 * Return: 0; the errnos of mock_iommu_init().
 */
int iommufd_test_init(void)
{
	int rc;

	rc = mock_device_init();
	if (rc)
		return rc;
	rc = mock_iommu_init();
	if (rc) {
		mock_device_exit();
		return rc;
	}
	iommufd_test_fail_init();
	return 0;
}

/**
 * iommufd_test_exit - undo iommufd_test_init()
 *
 * Context: process context, may sleep; no iommufd is open any more.
 */
void iommufd_test_exit(void)
{
	iommufd_test_fail_exit();
	mock_iommu_exit();
	mock_device_exit();
}
