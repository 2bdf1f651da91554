// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_OPTION: how pinned memory is accounted, and whether page tables may use large
 * pages.
 *
 * Locks: none of its own.
 */
#include <linux/capability.h>

#include "ioas.h"
#include "ucmd.h"

static int check_boolean(const struct iommufd_ucmd *ucmd, u64 value)
{
	if (value <= 1)
		return 0;
	return iommufd_refuse(&ucmd->ictx->log, -EINVAL, WHY_BAD_ARGUMENT,
			      "val64 0x%llx is neither 0 nor 1", value);
}

/*
 * The mode is looked at when a payer is made, so an object that another thread makes
 * right now does no harm; the check is there to tell the caller of a mistake.
 */
static int set_rlimit_mode(const struct iommufd_ucmd *ucmd, u64 value)
{
	struct iommufd_ctx *ictx = ucmd->ictx;
	int nobjects = atomic_read(&ictx->objects.live);
	int rc;

	if (!capable(CAP_SYS_RESOURCE))
		return iommufd_refuse(&ictx->log, -EPERM, WHY_PERMISSION,
				      "the accounting mode needs CAP_SYS_RESOURCE");
	if (nobjects)
		return iommufd_refuse(&ictx->log, -EBUSY, WHY_BUSY,
				      "the accounting mode is fixed, the file holds %d objects",
				      nobjects);
	rc = check_boolean(ucmd, value);
	if (rc)
		return rc;
	WRITE_ONCE(ictx->accounts.mode,
		   value ? IOMMUFD_ACCOUNT_MM : IOMMUFD_ACCOUNT_USER);
	return 0;
}

static int option_rlimit_mode(const struct iommufd_ucmd *ucmd,
			      struct iommu_option *cmd)
{
	if (cmd->object_id)
		return iommufd_refuse(&ucmd->ictx->log, -EOPNOTSUPP,
				      WHY_NOT_SUPPORTED,
				      "the accounting mode is an option of the file, not of object %u",
				      cmd->object_id);
	if (cmd->op == IOMMU_OPTION_OP_SET)
		return set_rlimit_mode(ucmd, cmd->val64);
	cmd->val64 = READ_ONCE(ucmd->ictx->accounts.mode) == IOMMUFD_ACCOUNT_MM;
	return 0;
}

static int option_huge_pages(const struct iommufd_ucmd *ucmd,
			     struct iommu_option *cmd)
{
	struct iommufd_ioas *ioas __free(ioas_put) =
		iommufd_ioas_get(ucmd->ictx, cmd->object_id);
	int rc;

	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	if (cmd->op == IOMMU_OPTION_OP_GET) {
		cmd->val64 = READ_ONCE(ioas->iopt.huge_pages);
		return 0;
	}
	rc = check_boolean(ucmd, cmd->val64);
	if (rc)
		return rc;
	rc = iopt_set_huge_pages(&ioas->iopt, cmd->val64);
	/* The program has said it itself: a container does not put it back. */
	if (!rc)
		WRITE_ONCE(ioas->small_for_type1, false);
	return rc;
}

static int run_option(const struct iommufd_ucmd *ucmd, struct iommu_option *cmd)
{
	switch (cmd->option_id) {
	case IOMMU_OPTION_RLIMIT_MODE:
		return option_rlimit_mode(ucmd, cmd);
	case IOMMU_OPTION_HUGE_PAGES:
		return option_huge_pages(ucmd, cmd);
	default:
		return iommufd_refuse_unknown(ucmd, "option_id", cmd->option_id);
	}
}

/**
 * iommufd_call_option - IOMMU_OPTION
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP, -ENOENT, -EINVAL, -EPERM, -EBUSY, -EADDRINUSE as the user
 * API says; -EFAULT.
 */
int iommufd_call_option(struct iommufd_ucmd *ucmd)
{
	struct iommu_option *cmd = ucmd->cmd;
	struct iommu_option __user *ucopy = ucmd->ubuffer;
	int rc;

	if (cmd->__reserved)
		return iommufd_refuse_unknown(ucmd, "__reserved", cmd->__reserved);
	if (cmd->op != IOMMU_OPTION_OP_SET && cmd->op != IOMMU_OPTION_OP_GET)
		return iommufd_refuse_unknown(ucmd, "op", cmd->op);
	rc = run_option(ucmd, cmd);
	if (rc)
		return rc;
	/* Only the value is a result, and for SET it is written back as well. */
	if (copy_to_user(&ucopy->val64, &cmd->val64, sizeof(cmd->val64)))
		return iommufd_refuse(&ucmd->ictx->log, -EFAULT, WHY_FAULT,
				      "val64 cannot be written");
	return 0;
}
