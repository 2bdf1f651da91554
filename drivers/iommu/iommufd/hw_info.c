// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * IOMMU_GET_HW_INFO: what stands in front of a device, for a VMM that shows its guest
 * something similar.
 *
 * Locks: none; the device is held by a short reference while its driver is asked, and
 * by nothing while the answer is copied out.
 */
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/pci-ats.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "../iommu-priv.h"
#include "device.h"
#include "ucmd.h"

/**
 * struct hw_info - the IOMMU driver's answer
 * @data: allocated by the driver; NULL when there is none
 * @length: bytes of it
 */
struct hw_info {
	void *data;
	u32 length;
};

static int check_cmd(const struct iommufd_ucmd *ucmd,
		     const struct iommu_hw_info *cmd)
{
	size_t i;

	if (cmd->flags & ~IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		return iommufd_refuse_unknown(ucmd, "flags", cmd->flags);
	for (i = 0; i < ARRAY_SIZE(cmd->__reserved); i++)
		if (cmd->__reserved[i])
			return iommufd_refuse_unknown(ucmd, "__reserved",
						      cmd->__reserved[i]);
	return 0;
}

static int ask_driver(const struct iommufd_ucmd *ucmd, struct device *dev,
		      struct iommu_hw_info *cmd, struct hw_info *info)
{
	const struct iommu_ops *ops = dev_iommu_ops(dev);
	enum iommu_hw_info_type type = IOMMU_HW_INFO_TYPE_DEFAULT;
	void *data;

	if (!ops->hw_info) {
		cmd->out_data_type = IOMMU_HW_INFO_TYPE_NONE;
		return 0;
	}
	if (cmd->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE)
		type = cmd->in_data_type;
	data = ops->hw_info(dev, &info->length, &type);
	if (IS_ERR(data))
		return iommufd_refuse(&ucmd->ictx->log, PTR_ERR(data), WHY_DRIVER,
				      "the IOMMU driver of %s gives no information of type %u",
				      dev_name(dev), type);
	info->data = data;
	cmd->out_data_type = type;
	return 0;
}

static u64 pasid_capabilities(struct device *dev)
{
	int status;
	u64 caps = 0;

	if (!dev_is_pci(dev))
		return 0;
	status = pci_pasid_status(to_pci_dev(dev));
	if (status < 0)
		return 0;
	if (status & PCI_PASID_CTRL_EXEC)
		caps |= IOMMU_HW_CAP_PCI_PASID_EXEC;
	if (status & PCI_PASID_CTRL_PRIV)
		caps |= IOMMU_HW_CAP_PCI_PASID_PRIV;
	return caps;
}

static void fill_capabilities(struct device *dev, struct iommu_hw_info *cmd)
{
	u32 max_pasids = dev->iommu->max_pasids;

	cmd->out_capabilities = 0;
	if (device_iommu_capable(dev, IOMMU_CAP_DIRTY_TRACKING))
		cmd->out_capabilities |= IOMMU_HW_CAP_DIRTY_TRACKING;
	if (!device_iommu_capable(dev, IOMMU_CAP_PCI_ATS_SUPPORTED))
		cmd->out_capabilities |= IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED;

	cmd->out_max_pasid_log2 = max_pasids ? ilog2(max_pasids) : 0;
	if (cmd->out_max_pasid_log2)
		cmd->out_capabilities |= pasid_capabilities(dev);
}

static int collect(const struct iommufd_ucmd *ucmd, struct iommu_hw_info *cmd,
		   struct hw_info *info)
{
	struct iommufd_device *idev __free(idev_put) =
		iommufd_device_get(ucmd->ictx, cmd->dev_id);
	int rc;

	if (IS_ERR(idev))
		return PTR_ERR(idev);
	if (!iommufd_device_has_iommu(idev))
		return iommufd_refuse(&ucmd->ictx->log, -EOPNOTSUPP, WHY_NO_IOMMU,
				      "device %u (%s) is behind no IOMMU",
				      cmd->dev_id, dev_name(idev->dev));
	rc = ask_driver(ucmd, idev->dev, cmd, info);
	if (rc)
		return rc;
	fill_capabilities(idev->dev, cmd);
	return 0;
}

/* As much as fits of the answer, then zeroes up to the end of the caller's buffer. */
static int copy_out(const struct iommufd_ucmd *ucmd,
		    const struct iommu_hw_info *cmd, const struct hw_info *info)
{
	void __user *to = u64_to_user_ptr(cmd->data_uptr);
	u32 length = min(cmd->data_len, info->length);

	if ((length && copy_to_user(to, info->data, length)) ||
	    (cmd->data_len > length &&
	     clear_user(to + length, cmd->data_len - length)))
		return iommufd_refuse(&ucmd->ictx->log, -EFAULT, WHY_FAULT,
				      "the %u bytes at data_uptr cannot be written",
				      cmd->data_len);
	return 0;
}

/**
 * iommufd_call_get_hw_info - IOMMU_GET_HW_INFO
 * @ucmd: the call
 *
 * Return: 0; -EOPNOTSUPP unknown flag or type, or no IOMMU; -ENOENT no such device;
 * -EFAULT; -ENOMEM.
 */
int iommufd_call_get_hw_info(struct iommufd_ucmd *ucmd)
{
	struct iommu_hw_info *cmd = ucmd->cmd;
	struct hw_info info = {};
	int rc;

	rc = check_cmd(ucmd, cmd);
	if (rc)
		return rc;
	rc = collect(ucmd, cmd, &info);
	if (rc)
		return rc;
	rc = copy_out(ucmd, cmd, &info);
	kfree(info.data);
	if (rc)
		return rc;
	cmd->data_len = info.length;
	return iommufd_ucmd_reply(ucmd, sizeof(*cmd));
}
