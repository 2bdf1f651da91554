// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright (C) 2026 The iommufd overlay authors
 *
 * /dev/iommu, and /dev/vfio/vfio, which differs only in what its files are at first: the
 * device nodes and the table of their calls.
 *
 * A call is found by its exact number.  Its structure is copied in by the rules for
 * structures that grow: what an older caller lacks reads as zero, what a newer one has
 * more must be zero.  Then its room runs it, and what went wrong is sealed in the file's
 * log.
 *
 * Locks: none.
 */
#include <linux/fs.h>
#include <linux/iommufd.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sizes.h>

#include "access.h"
#include "ctx.h"
#include "debugfs.h"
#include "device.h"
#include "fault.h"
#include "fdinfo.h"
#include "hwpt.h"
#include "ioas.h"
#include "iommufd_test.h"
#include "lib/page_words.h"
#include "memory/backing.h"
#include "memory/pin_helpers.h"
#include "mmap_area.h"
#include "test_hooks.h"
#include "ucmd.h"
#include "vfio_compat.h"
#include "veventq.h"
#include "viommu.h"

static const struct iommufd_object_ops *const object_ops[IOMMUFD_OBJ_MAX] = {
	[IOMMUFD_OBJ_DEVICE] = &iommufd_device_object_ops,
	[IOMMUFD_OBJ_HWPT_PAGING] = &iommufd_hwpt_paging_object_ops,
	[IOMMUFD_OBJ_HWPT_NESTED] = &iommufd_hwpt_nested_object_ops,
	[IOMMUFD_OBJ_IOAS] = &iommufd_ioas_object_ops,
	[IOMMUFD_OBJ_ACCESS] = &iommufd_access_object_ops,
	[IOMMUFD_OBJ_FAULT] = &iommufd_fault_object_ops,
	[IOMMUFD_OBJ_VIOMMU] = &iommufd_viommu_object_ops,
	[IOMMUFD_OBJ_VDEVICE] = &iommufd_vdevice_object_ops,
	[IOMMUFD_OBJ_VEVENTQ] = &iommufd_veventq_object_ops,
	[IOMMUFD_OBJ_HW_QUEUE] = &iommufd_hw_queue_object_ops,
#ifdef CONFIG_IOMMUFD_TEST
	[IOMMUFD_OBJ_SELFTEST] = &iommufd_selftest_object_ops,
#endif
};

static int run_destroy(struct iommufd_ucmd *ucmd)
{
	struct iommu_destroy *cmd = ucmd->cmd;

	return iommufd_object_destroy_by_id(&ucmd->ictx->objects, cmd->id);
}

/* Room for the structure of any call, on the stack of the dispatcher. */
union cmd_buffer {
	struct iommu_destroy destroy;
	struct iommu_fault_alloc fault_alloc;
	struct iommu_hw_info hw_info;
	struct iommu_hw_queue_alloc hw_queue_alloc;
	struct iommu_hwpt_alloc hwpt_alloc;
	struct iommu_hwpt_get_dirty_bitmap get_dirty_bitmap;
	struct iommu_hwpt_invalidate invalidate;
	struct iommu_hwpt_set_dirty_tracking set_dirty_tracking;
	struct iommu_ioas_alloc ioas_alloc;
	struct iommu_ioas_allow_iovas allow_iovas;
	struct iommu_ioas_change_process change_process;
	struct iommu_ioas_copy copy;
	struct iommu_ioas_iova_ranges iova_ranges;
	struct iommu_ioas_map map;
	struct iommu_ioas_map_file map_file;
	struct iommu_ioas_noiommu_get_pa noiommu_get_pa;
	struct iommu_ioas_unmap unmap;
	struct iommu_option option;
	struct iommu_vdevice_alloc vdevice_alloc;
	struct iommu_veventq_alloc veventq_alloc;
	struct iommu_vfio_ioas vfio_ioas;
	struct iommu_viommu_alloc viommu_alloc;
#ifdef CONFIG_IOMMUFD_TEST
	struct iommu_test_cmd test;
#endif
};

/**
 * struct call - a row of the call table
 * @name: as the log prints it
 * @cmd: full ioctl number
 * @size: bytes of the structure
 * @min_size: bytes that even the oldest caller has
 * @run: carries the call out
 */
struct call {
	const char *name;
	unsigned int cmd;
	u32 size;
	u32 min_size;
	int (*run)(struct iommufd_ucmd *ucmd);
};

#define CALL(number, function, type, last)                                     \
	[_IOC_NR(IOMMU_##number) - IOMMUFD_CMD_BASE] = {                       \
		.name = #number,                                               \
		.cmd = IOMMU_##number,                                         \
		.size = sizeof(type) +                                         \
			BUILD_BUG_ON_ZERO(sizeof(type) >                       \
					  sizeof(union cmd_buffer)),           \
		.min_size = offsetofend(type, last),                           \
		.run = function,                                               \
	}

static const struct call calls[] = {
	CALL(DESTROY, run_destroy, struct iommu_destroy, id),
	CALL(FAULT_QUEUE_ALLOC, iommufd_call_fault_alloc, struct iommu_fault_alloc,
	     out_fault_fd),
	CALL(GET_HW_INFO, iommufd_call_get_hw_info, struct iommu_hw_info, __reserved),
	CALL(HW_QUEUE_ALLOC, iommufd_call_hw_queue_alloc,
	     struct iommu_hw_queue_alloc, length),
	CALL(HWPT_ALLOC, iommufd_call_hwpt_alloc, struct iommu_hwpt_alloc, __reserved),
	CALL(HWPT_GET_DIRTY_BITMAP, iommufd_call_hwpt_get_dirty_bitmap,
	     struct iommu_hwpt_get_dirty_bitmap, data),
	CALL(HWPT_INVALIDATE, iommufd_call_hwpt_invalidate,
	     struct iommu_hwpt_invalidate, __reserved),
	CALL(HWPT_SET_DIRTY_TRACKING, iommufd_call_hwpt_set_dirty_tracking,
	     struct iommu_hwpt_set_dirty_tracking, __reserved),
	CALL(IOAS_ALLOC, iommufd_call_ioas_alloc, struct iommu_ioas_alloc, out_ioas_id),
	CALL(IOAS_ALLOW_IOVAS, iommufd_call_ioas_allow_iovas,
	     struct iommu_ioas_allow_iovas, allowed_iovas),
	CALL(IOAS_CHANGE_PROCESS, iommufd_call_ioas_change_process,
	     struct iommu_ioas_change_process, __reserved),
	CALL(IOAS_COPY, iommufd_call_ioas_copy, struct iommu_ioas_copy, src_iova),
	CALL(IOAS_IOVA_RANGES, iommufd_call_ioas_iova_ranges,
	     struct iommu_ioas_iova_ranges, out_iova_alignment),
	CALL(IOAS_MAP, iommufd_call_ioas_map, struct iommu_ioas_map, iova),
	CALL(IOAS_MAP_FILE, iommufd_call_ioas_map_file, struct iommu_ioas_map_file, iova),
	CALL(IOAS_NOIOMMU_GET_PA, iommufd_call_ioas_noiommu_get_pa,
	     struct iommu_ioas_noiommu_get_pa, out_phys),
	CALL(IOAS_UNMAP, iommufd_call_ioas_unmap, struct iommu_ioas_unmap, length),
	CALL(OPTION, iommufd_call_option, struct iommu_option, val64),
	CALL(VDEVICE_ALLOC, iommufd_call_vdevice_alloc, struct iommu_vdevice_alloc,
	     virt_id),
	CALL(VEVENTQ_ALLOC, iommufd_call_veventq_alloc, struct iommu_veventq_alloc,
	     out_veventq_fd),
	CALL(VFIO_IOAS, iommufd_call_vfio_ioas, struct iommu_vfio_ioas, __reserved),
	CALL(VIOMMU_ALLOC, iommufd_call_viommu_alloc, struct iommu_viommu_alloc,
	     out_viommu_id),
#ifdef CONFIG_IOMMUFD_TEST
	CALL(TEST_CMD, iommufd_call_test, struct iommu_test_cmd, last),
#endif
};

/* A slot that no row fills has the number 0, which no ioctl of this type has. */
static const struct call *find_call(unsigned int cmd)
{
	unsigned int slot = _IOC_NR(cmd) - IOMMUFD_CMD_BASE;

	if (slot >= ARRAY_SIZE(calls) || calls[slot].cmd != cmd)
		return NULL;
	return &calls[slot];
}

/* No structure will ever come near; keeps the look at a long tail short. */
#define CALL_MAX_SIZE SZ_64K

static int copy_in(struct iommufd_ucmd *ucmd, union cmd_buffer *buffer,
		   const struct call *call)
{
	struct iommufd_log *log = &ucmd->ictx->log;
	u32 __user *usize = ucmd->ubuffer;
	int rc;

	if (get_user(ucmd->user_size, usize))
		return iommufd_refuse(log, -EFAULT, WHY_FAULT,
				      "the structure cannot be read");
	if (ucmd->user_size < call->min_size)
		return iommufd_refuse(log, -EINVAL, WHY_BAD_SIZE,
				      "size is %u, at least %u is needed",
				      ucmd->user_size, call->min_size);
	rc = ucmd->user_size > CALL_MAX_SIZE ? -E2BIG :
	     copy_struct_from_user(buffer, call->size, ucmd->ubuffer,
				   ucmd->user_size);
	if (rc == -E2BIG)
		return iommufd_refuse(log, rc, WHY_BAD_SIZE,
				      "size is %u, this kernel knows %u and the rest is too long or not zero",
				      ucmd->user_size, call->size);
	if (rc)
		return iommufd_refuse(log, rc, WHY_FAULT,
				      "the %u bytes of the structure cannot be read",
				      ucmd->user_size);
	return 0;
}

static long iommufd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct call *call = find_call(cmd);
	/* Copied in as far as the call knows it. */
	union cmd_buffer buffer __uninitialized;
	struct iommufd_ucmd ucmd = {
		.ictx = file->private_data,
		.ubuffer = (void __user *)arg,
		.cmd = &buffer,
	};
	int rc;

	if (!call)
		return iommufd_container_call(file->private_data, cmd, arg);
	rc = copy_in(&ucmd, &buffer, call);
	if (!rc)
		rc = call->run(&ucmd);
	iommufd_report_result(&ucmd.ictx->log, call->name, rc);
	return rc;
}

static int iommufd_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct iommufd_ctx *ictx = file->private_data;
	int rc = iommufd_mmap_area_map(ictx, vma);

	iommufd_report_result(&ictx->log, "MMAP", rc);
	return rc;
}

static bool p2p_user_va;
module_param(p2p_user_va, bool, 0644);
MODULE_PARM_DESC(p2p_user_va,
		 "Let /dev/iommu map the BAR of a VFIO device by its user address; /dev/vfio/vfio always may (default: N)");

/* The misc core left the node in @file. */
static int iommufd_open(struct inode *inode, struct file *file)
{
	const struct miscdevice *node = file->private_data;
	bool container = node->minor == VFIO_MINOR;
	struct iommufd_ctx *ictx;
	int rc;

	rc = iommufd_ctx_create(file, object_ops, container);
	if (rc)
		return rc;
	ictx = file->private_data;
	ictx->dev = node->this_device;
	ictx->p2p_user_va = container || READ_ONCE(p2p_user_va);
	return 0;
}

static const struct file_operations iommufd_fops = {
	.owner = THIS_MODULE,
	.open = iommufd_open,
	.release = iommufd_ctx_release,
	.unlocked_ioctl = iommufd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = iommufd_mmap,
	.show_fdinfo = iommufd_show_fdinfo,
};

static struct miscdevice iommufd_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "iommu",
	.nodename = "iommu",
	.mode = 0660,
	.fops = &iommufd_fops,
};

/* Everybody may open it: what counts is who has a group to put in. */
static struct miscdevice vfio_node = {
	.minor = VFIO_MINOR,
	.name = "vfio",
	.nodename = "vfio/vfio",
	.mode = 0666,
	.fops = &iommufd_fops,
};

static int __init register_nodes(void)
{
	int rc = misc_register(&iommufd_node);

	if (rc || !IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER))
		return rc;
	rc = misc_register(&vfio_node);
	if (rc)
		misc_deregister(&iommufd_node);
	return rc;
}

static void memory_exit(void)
{
	pin_helpers_exit();
	iommufd_backing_user_exit();
	page_words_cache_exit();
}

static int __init memory_init(void)
{
	int rc = page_words_cache_init();

	if (rc)
		return rc;
	rc = iommufd_backing_user_init();
	if (!rc) {
		rc = pin_helpers_init();
		if (!rc)
			return 0;
		iommufd_backing_user_exit();
	}
	page_words_cache_exit();
	return rc;
}

static int __init iommufd_init(void)
{
	int rc = memory_init();

	if (rc)
		return rc;
	rc = iommufd_test_init();
	if (!rc) {
		rc = register_nodes();
		if (!rc) {
			iommufd_debugfs_init();
			return 0;
		}
		iommufd_test_exit();
	}
	memory_exit();
	return rc;
}
module_init(iommufd_init);

static void __exit iommufd_exit(void)
{
	iommufd_debugfs_exit();
	if (IS_ENABLED(CONFIG_IOMMUFD_VFIO_CONTAINER))
		misc_deregister(&vfio_node);
	misc_deregister(&iommufd_node);
	iommufd_test_exit();
	memory_exit();
}
module_exit(iommufd_exit);

MODULE_IMPORT_NS("IOMMUFD");
MODULE_IMPORT_NS("IOMMUFD_INTERNAL");
MODULE_DESCRIPTION("User API to the IOMMU");
MODULE_LICENSE("GPL");
