// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of what the core asks of a driver, on a device whose driver does nothing but
 * write down what it was asked.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "attachment.h"
#include "cdev.h"
#include "device_file.h"
#include "device_open.h"
#include "dma_logging.h"
#include "migration.h"

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET
#define PROBE	VFIO_DEVICE_FEATURE_PROBE

/* The state that the driver below says it is in. */
#define STATE	VFIO_DEVICE_STATE_STOP

/**
 * struct fake - a device and what its driver was asked
 * @vdev: for the core
 * @asked: one word for each call, in order
 * @rc: what the driver answers; 0 does it
 * @lose: where a user page is that gets lost while the driver is at work, or 0
 */
struct fake {
	struct vfio_device vdev;
	char asked[128];
	int rc;
	unsigned long lose;
};

/**
 * struct device_test - state of a case
 * @fake: the device
 * @ops: of its driver, to be changed by a case
 * @df: an open file of it
 * @user: a page of user memory; the page behind it is not there
 */
struct device_test {
	struct fake *fake;
	struct vfio_device_ops ops;
	struct vfio_device_file *df;
	unsigned long user;
};

__printf(2, 3)
static int fake_note(struct vfio_device *vdev, const char *format, ...)
{
	struct fake *fake = container_of(vdev, struct fake, vdev);
	size_t used = strlen(fake->asked);
	va_list args;

	va_start(args, format);
	vscnprintf(fake->asked + used, sizeof(fake->asked) - used, format, args);
	va_end(args);
	if (fake->lose)
		vm_munmap(fake->lose, PAGE_SIZE);
	fake->lose = 0;
	return fake->rc;
}

static int fake_attach(struct vfio_device *vdev, u32 *pt_id)
{
	int rc = fake_note(vdev, "attach-%u ", *pt_id);

	if (!rc)
		vfio_attachment_set(vdev, *pt_id, *pt_id + 1);
	*pt_id += 1;
	return rc;
}

static void fake_detach(struct vfio_device *vdev)
{
	fake_note(vdev, "detach ");
	vfio_attachment_set(vdev, 0, 0);
}

static int fake_pasid_attach(struct vfio_device *vdev, u32 pasid, u32 *pt_id)
{
	int rc = vfio_attachment_reserve_pasid(vdev, pasid);

	if (!rc)
		rc = fake_note(vdev, "attach-%u-pasid-%u ", *pt_id, pasid);
	vfio_attachment_set_pasid(vdev, pasid, rc ? 0 : *pt_id);
	return rc;
}

static void fake_pasid_detach(struct vfio_device *vdev, u32 pasid)
{
	fake_note(vdev, "detach-pasid-%u ", pasid);
	vfio_attachment_set_pasid(vdev, pasid, 0);
}

static int fake_init(struct vfio_device *vdev)
{
	return -EIO;
}

static const struct vfio_device_ops fake_ops = {
	.name = "fake",
	.attach_ioas = fake_attach,
	.detach_ioas = fake_detach,
	.pasid_attach_ioas = fake_pasid_attach,
	.pasid_detach_ioas = fake_pasid_detach,
};

static struct file *fake_set_state(struct vfio_device *vdev,
				   enum vfio_device_mig_state state)
{
	return ERR_PTR(fake_note(vdev, "set-state-%u ", state));
}

static int fake_get_state(struct vfio_device *vdev,
			  enum vfio_device_mig_state *state)
{
	*state = STATE;
	return fake_note(vdev, "get-state ");
}

static int fake_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	*length = 77;
	return fake_note(vdev, "get-data-size ");
}

static const struct vfio_migration_ops fake_mig_ops = {
	.migration_set_state = fake_set_state,
	.migration_get_state = fake_get_state,
	.migration_get_data_size = fake_get_data_size,
};

static int fake_log_start(struct vfio_device *vdev, struct rb_root_cached *ranges,
			  u32 count, u64 *page_size)
{
	*page_size *= 2;
	return fake_note(vdev, "log-start-%u ", count);
}

static int fake_log_stop(struct vfio_device *vdev)
{
	return fake_note(vdev, "log-stop ");
}

static int fake_log_read(struct vfio_device *vdev, unsigned long iova,
			 unsigned long length, struct iova_bitmap *dirty)
{
	return fake_note(vdev, "log-read-%lx-%lx ", iova, length);
}

static const struct vfio_log_ops fake_log_ops = {
	.log_start = fake_log_start,
	.log_stop = fake_log_stop,
	.log_read_and_clear = fake_log_read,
};

static void expect_asked(struct kunit *test, const char *words)
{
	struct device_test *dt = test->priv;

	KUNIT_EXPECT_STREQ(test, dt->fake->asked, words);
	dt->fake->asked[0] = '\0';
}

static void __user *user(struct device_test *dt)
{
	return (void __user *)dt->user;
}

/* The page that a case has lost. */
static void find_again(struct kunit *test)
{
	struct device_test *dt = test->priv;

	KUNIT_ASSERT_EQ(test, dt->user,
			kunit_vm_mmap(test, NULL, dt->user, PAGE_SIZE,
				      PROT_READ | PROT_WRITE,
				      MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0));
}

static int attach(struct device_test *dt, u32 argsz, u32 flags, u32 pt, u32 pasid)
{
	struct vfio_device_attach_iommufd_pt call = {
		.argsz = argsz, .flags = flags, .pt_id = pt, .pasid = pasid,
	};

	if (copy_to_user(user(dt), &call, sizeof(call)))
		return -EDOM;
	return vfio_cdev_attach(dt->df, user(dt));
}

static int detach(struct device_test *dt, u32 argsz, u32 flags, u32 pasid)
{
	struct vfio_device_detach_iommufd_pt call = {
		.argsz = argsz, .flags = flags, .pasid = pasid,
	};

	if (copy_to_user(user(dt), &call, sizeof(call)))
		return -EDOM;
	return vfio_cdev_detach(dt->df, user(dt));
}

static u32 pt_told(struct device_test *dt)
{
	struct vfio_device_attach_iommufd_pt __user *call = user(dt);
	u32 pt = 0;

	return get_user(pt, &call->pt_id) ? 0 : pt;
}

static void the_device(struct kunit *test)
{
	struct device_test *dt = test->priv;

	KUNIT_EXPECT_EQ(test, 0, attach(dt, 12, 0, 7, 0));
	KUNIT_EXPECT_EQ(test, 8, pt_told(dt));
	KUNIT_EXPECT_EQ(test, 0, detach(dt, 8, 0, 0));
	expect_asked(test, "attach-7 detach ");

	dt->fake->rc = -ENOSPC;
	KUNIT_EXPECT_EQ(test, -ENOSPC, attach(dt, 12, 0, 7, 0));
	KUNIT_EXPECT_EQ(test, 7, pt_told(dt));
	expect_asked(test, "attach-7 ");
}

static void its_pasids(struct kunit *test)
{
	struct device_test *dt = test->priv;

	KUNIT_EXPECT_EQ(test, 0, attach(dt, 16, VFIO_DEVICE_ATTACH_PASID, 7, 3));
	KUNIT_EXPECT_EQ(test, 0, attach(dt, 16, VFIO_DEVICE_ATTACH_PASID, 9, 3));
	KUNIT_EXPECT_EQ(test, 0, detach(dt, 12, VFIO_DEVICE_DETACH_PASID, 3));
	expect_asked(test, "attach-7-pasid-3 attach-9-pasid-3 detach-pasid-3 ");

	KUNIT_EXPECT_EQ(test, -EINVAL, attach(dt, 16, VFIO_DEVICE_ATTACH_PASID, 7, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, detach(dt, 12, VFIO_DEVICE_DETACH_PASID, 0));
	dt->ops.pasid_detach_ioas = NULL;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, attach(dt, 16, VFIO_DEVICE_ATTACH_PASID, 7, 3));
	dt->ops.pasid_attach_ioas = NULL;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, detach(dt, 12, VFIO_DEVICE_DETACH_PASID, 3));
	expect_asked(test, "");
}

static void odd_arguments(struct kunit *test)
{
	struct device_test *dt = test->priv;
	struct vfio_device_attach_iommufd_pt call = {
		.argsz = 16, .flags = VFIO_DEVICE_ATTACH_PASID,
	};
	void __user *end = user(dt) + PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, -EINVAL, attach(dt, 11, 0, 7, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, attach(dt, 15, VFIO_DEVICE_ATTACH_PASID, 7, 3));
	KUNIT_EXPECT_EQ(test, -EINVAL, attach(dt, 16, 2, 7, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, detach(dt, 7, 0, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, detach(dt, 11, VFIO_DEVICE_DETACH_PASID, 3));
	KUNIT_EXPECT_EQ(test, -EINVAL, detach(dt, 12, 2, 0));

	/* The structures do not end where the user's memory does. */
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_cdev_attach(dt->df, end));
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_cdev_detach(dt->df, end));
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(end - 12, &call, 12));
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_cdev_attach(dt->df, end - 12));
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(end - 8, &call, 8));
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_cdev_detach(dt->df, end - 8));

	dt->fake->vdev.noiommu = true;
	KUNIT_EXPECT_EQ(test, IS_ENABLED(CONFIG_VFIO_NOIOMMU) ? -EINVAL : 0,
			attach(dt, 12, 0, 7, 0));
	dt->fake->vdev.noiommu = false;
}

/* The user's memory is lost while the driver attaches: the device goes back. */
static void untold_attach(struct kunit *test)
{
	struct device_test *dt = test->priv;

	dt->fake->lose = dt->user;
	KUNIT_EXPECT_EQ(test, -EFAULT, attach(dt, 12, 0, 7, 0));
	expect_asked(test, "attach-7 detach ");
	find_again(test);

	KUNIT_EXPECT_EQ(test, 0, attach(dt, 12, 0, 5, 0));
	dt->fake->lose = dt->user;
	KUNIT_EXPECT_EQ(test, -EFAULT, attach(dt, 12, 0, 7, 0));
	expect_asked(test, "attach-5 attach-7 attach-5 ");
	find_again(test);

	dt->fake->lose = dt->user;
	KUNIT_EXPECT_EQ(test, -EFAULT, attach(dt, 16, VFIO_DEVICE_ATTACH_PASID, 7, 3));
	expect_asked(test, "attach-7-pasid-3 detach-pasid-3 ");
	find_again(test);
}

static void no_way_to_detach(struct kunit *test)
{
	struct device_test *dt = test->priv;

	dt->ops.detach_ioas = NULL;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, detach(dt, 8, 0, 0));

	/* Some drivers of physical devices leave it out; the core knows how. */
	dt->ops.attach_ioas = vfio_iommufd_physical_attach_ioas;
	KUNIT_EXPECT_EQ(test, 0, detach(dt, 8, 0, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, attach(dt, 12, 0, 7, 0));
	expect_asked(test, "");
}

static int bind(struct device_test *dt, const struct vfio_device_bind_iommufd *call,
		u64 behind)
{
	if (copy_to_user(user(dt), call, sizeof(*call)) ||
	    copy_to_user(user(dt) + sizeof(*call), &behind, sizeof(behind)))
		return -EDOM;
	return vfio_cdev_bind(dt->df, user(dt));
}

static void odd_binds(struct kunit *test)
{
	static const u32 least = offsetofend(struct vfio_device_bind_iommufd, out_devid);
	struct device_test *dt = test->priv;
	struct vfio_device_bind_iommufd call = { .argsz = least - 1 };

	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_cdev_bind(dt->df, user(dt) + PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, -EINVAL, bind(dt, &call, 0));
	call.argsz = PAGE_SIZE + 1;
	KUNIT_EXPECT_EQ(test, -E2BIG, bind(dt, &call, 0));
	call.argsz = sizeof(call) + sizeof(u64);
	KUNIT_EXPECT_EQ(test, -E2BIG, bind(dt, &call, 1));
	call.argsz = sizeof(call);
	call.flags = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, bind(dt, &call, 0));
	call.flags = 0;
	call.iommufd = -1;
	KUNIT_EXPECT_EQ(test, -EINVAL, bind(dt, &call, 0));

	call.iommufd = 0;
	call.flags = VFIO_DEVICE_BIND_FLAG_TOKEN;
	KUNIT_EXPECT_EQ(test, -EINVAL, bind(dt, &call, 0));
}

static void migration(struct kunit *test)
{
	struct vfio_device_feature_mig_state state = { .device_state = STATE };
	struct vfio_device_feature_mig_data_size size = {};
	struct device_test *dt = test->priv;
	struct vfio_device *vdev = &dt->fake->vdev;
	void __user *hole = user(dt) + PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, -ENOTTY, vfio_feature_migration(vdev, GET, user(dt), 8));
	KUNIT_EXPECT_EQ(test, -ENOTTY, vfio_feature_mig_state(vdev, GET, user(dt), 8));
	KUNIT_EXPECT_EQ(test, -ENOTTY, vfio_feature_mig_data_size(vdev, GET, user(dt), 8));
	vdev->mig_ops = &fake_mig_ops;
	vdev->migration_flags = VFIO_MIGRATION_STOP_COPY;

	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_feature_migration(vdev, GET, hole, 8));
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_feature_mig_state(vdev, GET, hole, 8));
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_feature_mig_data_size(vdev, GET, hole, 8));
	expect_asked(test, "get-data-size ");

	KUNIT_ASSERT_EQ(test, 0, copy_to_user(user(dt), &state, sizeof(state)));
	KUNIT_EXPECT_EQ(test, 0, vfio_feature_mig_state(vdev, SET, user(dt), 8));
	dt->fake->rc = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY, vfio_feature_mig_state(vdev, SET, user(dt), 8));
	KUNIT_EXPECT_EQ(test, -EBUSY, vfio_feature_mig_state(vdev, GET, user(dt), 8));
	KUNIT_EXPECT_EQ(test, -EBUSY, vfio_feature_mig_data_size(vdev, GET, user(dt), 8));
	expect_asked(test, "set-state-1 set-state-1 get-state get-data-size ");

	/* The state has changed, and nobody can be told. */
	dt->fake->rc = 0;
	dt->fake->lose = dt->user;
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_feature_mig_state(vdev, SET, user(dt), 8));
	find_again(test);

	KUNIT_EXPECT_EQ(test, 0, vfio_feature_mig_data_size(vdev, GET, user(dt), 8));
	KUNIT_ASSERT_EQ(test, 0, copy_from_user(&size, user(dt), sizeof(size)));
	KUNIT_EXPECT_EQ(test, 77, size.stop_copy_length);
}

static void precopy_info(struct kunit *test)
{
	struct device_test *dt = test->priv;
	struct vfio_device *vdev = &dt->fake->vdev;

	KUNIT_EXPECT_EQ(test, -ENOTTY, vfio_feature_precopy_info_v2(vdev, SET, NULL, 0));
	vdev->mig_ops = &fake_mig_ops;
	vdev->migration_flags = VFIO_MIGRATION_STOP_COPY;
	KUNIT_EXPECT_EQ(test, -ENOTTY, vfio_feature_precopy_info_v2(vdev, SET, NULL, 0));
	vdev->migration_flags |= VFIO_MIGRATION_PRE_COPY;
	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_feature_precopy_info_v2(vdev, GET, NULL, 0));
	KUNIT_EXPECT_EQ(test, 0, vfio_feature_precopy_info_v2(vdev, PROBE | SET, NULL, 0));
	KUNIT_EXPECT_EQ(test, 0, vdev->precopy_info_v2);
	KUNIT_EXPECT_EQ(test, 0, vfio_feature_precopy_info_v2(vdev, SET, NULL, 0));
	KUNIT_EXPECT_EQ(test, 1, vdev->precopy_info_v2);
	vfio_migration_forget_user(vdev);
	KUNIT_EXPECT_EQ(test, 0, vdev->precopy_info_v2);
}

static int log_start(struct device_test *dt, u64 page_size, u32 count,
		     const struct vfio_device_feature_dma_logging_range *range)
{
	struct vfio_device_feature_dma_logging_control call = {
		.page_size = page_size,
		.num_ranges = count,
		.ranges = dt->user + PAGE_SIZE / 2,
	};

	if (copy_to_user(user(dt), &call, sizeof(call)) ||
	    copy_to_user(user(dt) + PAGE_SIZE / 2, range,
			 min(count, 2u) * sizeof(*range)))
		return -EDOM;
	return vfio_feature_logging_start(&dt->fake->vdev, SET, user(dt), sizeof(call));
}

static void logging(struct kunit *test)
{
	struct vfio_device_feature_dma_logging_range range[] = {
		{ .iova = 0, .length = SZ_4K }, { .iova = SZ_8K, .length = SZ_4K },
	};
	struct device_test *dt = test->priv;
	struct vfio_device *vdev = &dt->fake->vdev;
	void __user *hole = user(dt) + PAGE_SIZE;

	KUNIT_EXPECT_EQ(test, -ENOTTY, log_start(dt, SZ_4K, 2, range));
	KUNIT_EXPECT_EQ(test, -ENOTTY, vfio_feature_logging_stop(vdev, SET, NULL, 0));
	KUNIT_EXPECT_EQ(test, -ENOTTY, vfio_feature_logging_report(vdev, GET, hole, 40));
	vdev->log_ops = &fake_log_ops;

	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_feature_logging_start(vdev, SET, hole, 40));
	KUNIT_EXPECT_EQ(test, -EFAULT, vfio_feature_logging_report(vdev, GET, hole, 40));
	KUNIT_EXPECT_EQ(test, -EINVAL, log_start(dt, SZ_4K + 1, 2, range));
	KUNIT_EXPECT_EQ(test, -EINVAL, log_start(dt, SZ_4K, 0, range));
	KUNIT_EXPECT_EQ(test, -E2BIG, log_start(dt, SZ_4K, PAGE_SIZE / 16 + 1, range));
	KUNIT_EXPECT_EQ(test, -EFAULT, log_start(dt, SZ_4K, PAGE_SIZE / 16, range));
	expect_asked(test, "");
	KUNIT_EXPECT_EQ(test, 0, log_start(dt, SZ_4K, 2, range));
	dt->fake->rc = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY, log_start(dt, SZ_4K, 2, range));
	KUNIT_EXPECT_EQ(test, -EBUSY, vfio_feature_logging_stop(vdev, SET, NULL, 0));
	expect_asked(test, "log-start-2 log-start-2 log-stop ");

	/* Nobody learns the page size, so nothing is logged. */
	dt->fake->rc = 0;
	dt->fake->lose = dt->user;
	KUNIT_EXPECT_EQ(test, -EFAULT, log_start(dt, SZ_4K, 2, range));
	expect_asked(test, "log-start-2 log-stop ");
	find_again(test);
}

static void odd_ranges(struct kunit *test)
{
	struct vfio_device_feature_dma_logging_range range = { .length = SZ_4K };
	struct vfio_device_feature_dma_logging_range twice[] = { range, range };
	struct device_test *dt = test->priv;

	dt->fake->vdev.log_ops = &fake_log_ops;
	KUNIT_EXPECT_EQ(test, -EINVAL, log_start(dt, SZ_4K, 2, twice));
	range.iova = 1;
	KUNIT_EXPECT_EQ(test, -EINVAL, log_start(dt, SZ_4K, 1, &range));
	range.iova = -SZ_4K;
	KUNIT_EXPECT_EQ(test, -EOVERFLOW, log_start(dt, SZ_4K, 1, &range));
	range.length = 0;
	KUNIT_EXPECT_EQ(test, -EINVAL, log_start(dt, SZ_4K, 1, &range));
	expect_asked(test, "");
}

static void registration(struct kunit *test)
{
	struct device_test *dt = test->priv;
	static const struct vfio_device_ops fails = { .init = fake_init };
	struct fake *fake;

	KUNIT_EXPECT_EQ(test, -EINVAL, vfio_register_group_dev(&dt->fake->vdev));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			vfio_register_emulated_iommu_dev(&dt->fake->vdev));
	fake = vfio_alloc_device(fake, vdev, dt->fake->vdev.dev, &fails);
	KUNIT_EXPECT_EQ(test, -EIO, PTR_ERR_OR_ZERO(fake));
}

/* vfio-cdx is such a driver, and its devices shall be usable. */
static void registration_without_detach(struct kunit *test)
{
	struct device_test *dt = test->priv;

	dt->ops.bind_iommufd = vfio_iommufd_physical_bind;
	dt->ops.unbind_iommufd = vfio_iommufd_physical_unbind;
	dt->ops.attach_ioas = vfio_iommufd_physical_attach_ioas;
	dt->ops.detach_ioas = NULL;
	KUNIT_ASSERT_EQ(test, 0, vfio_register_emulated_iommu_dev(&dt->fake->vdev));
	vfio_unregister_group_dev(&dt->fake->vdev);
}

/* The last user lets go when it is asked to. */
static void fake_request(struct vfio_device *vdev, unsigned int count)
{
	fake_note(vdev, "request-%s-debugfs ", vdev->debug_root ? "in" : "out-of");
	vfio_device_put_registration(vdev);
}

/* Memory behind a driver's files in debugfs goes with the node, not with the last user. */
static void unregistered_in_use(struct kunit *test)
{
	struct device_test *dt = test->priv;
	struct vfio_device *vdev = &dt->fake->vdev;

	if (!IS_ENABLED(CONFIG_VFIO_DEBUGFS))
		kunit_skip(test, "devices are not in debugfs");
	dt->ops.bind_iommufd = vfio_iommufd_emulated_bind;
	dt->ops.unbind_iommufd = vfio_iommufd_emulated_unbind;
	dt->ops.request = fake_request;
	KUNIT_ASSERT_EQ(test, 0, vfio_register_emulated_iommu_dev(vdev));
	KUNIT_EXPECT_NOT_NULL(test, vdev->debug_root);
	KUNIT_EXPECT_TRUE(test, vfio_device_try_get_registration(vdev));
	vfio_unregister_group_dev(vdev);
	expect_asked(test, "request-out-of-debugfs ");
}

static bool fdinfo_shows(struct kunit *test, const char *line)
{
	struct device_test *dt = test->priv;
	char *text = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	struct seq_file m = { .buf = text, .size = PAGE_SIZE };
	struct file file = { .private_data = dt->df };

	KUNIT_ASSERT_NOT_NULL(test, text);
	vfio_device_fops.show_fdinfo(&m, &file);
	return strstr(text, line);
}

/* An attach that waits for user memory holds the lock. */
static void fdinfo_does_not_wait(struct kunit *test)
{
	struct device_test *dt = test->priv;

	if (!IS_ENABLED(CONFIG_PROC_FS))
		kunit_skip(test, "there is no fdinfo");
	KUNIT_EXPECT_TRUE(test, fdinfo_shows(test, "vfio-device-opens: 0\n"));
	scoped_guard(mutex, &dt->fake->vdev.dev_set->lock)
		KUNIT_EXPECT_TRUE(test, fdinfo_shows(test, "vfio-device-opens: busy\n"));
}

static int device_test_init(struct kunit *test)
{
	struct device_test *dt = kunit_kzalloc(test, sizeof(*dt), GFP_KERNEL);
	struct device *dev = kunit_device_register(test, "vfio-fake");

	KUNIT_ASSERT_NOT_NULL(test, dt);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	dt->ops = fake_ops;
	dt->fake = vfio_alloc_device(fake, vdev, dev, &dt->ops);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dt->fake);
	test->priv = dt;

	KUNIT_ASSERT_EQ(test, 0, vfio_assign_device_set(&dt->fake->vdev, dt));
	dt->df = vfio_df_alloc(&dt->fake->vdev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dt->df);
	dt->user = kunit_vm_mmap(test, NULL, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
				 MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, dt->user, 0);
	KUNIT_ASSERT_LT(test, dt->user, (unsigned long)TASK_SIZE);
	KUNIT_ASSERT_EQ(test, 0, vm_munmap(dt->user + PAGE_SIZE, PAGE_SIZE));
	return 0;
}

static void device_test_exit(struct kunit *test)
{
	struct device_test *dt = test->priv;

	if (!dt)
		return;
	if (!IS_ERR(dt->df))
		kfree(dt->df);
	vfio_put_device(&dt->fake->vdev);
}

static struct kunit_case device_cases[] = {
	KUNIT_CASE(the_device),
	KUNIT_CASE(its_pasids),
	KUNIT_CASE(odd_arguments),
	KUNIT_CASE(untold_attach),
	KUNIT_CASE(no_way_to_detach),
	KUNIT_CASE(odd_binds),
	KUNIT_CASE(migration),
	KUNIT_CASE(precopy_info),
	KUNIT_CASE(logging),
	KUNIT_CASE(odd_ranges),
	KUNIT_CASE(registration),
	KUNIT_CASE(registration_without_detach),
	KUNIT_CASE(unregistered_in_use),
	KUNIT_CASE(fdinfo_does_not_wait),
	{}
};

static struct kunit_suite device_suite = {
	.name = "vfio_device",
	.init = device_test_init,
	.exit = device_test_exit,
	.test_cases = device_cases,
};

kunit_test_suite(device_suite);
