// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of a group, on two devices whose driver does nothing but write down what it was
 * asked.
 *
 * Which of a group's devices are bound when the container cannot have them all depends
 * on who came first; here everything comes when a case says so.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <linux/vfio.h>

#include "attachment.h"
#include "group.h"
#include "group_bind.h"
#include "group_node.h"

#define IOAS	7
#define OTHER	9

/**
 * struct member - a device of the group
 * @vdev: for the core
 * @set: a set of its own
 * @name: a letter
 * @unfit: it cannot be attached
 * @asked: where its driver writes
 */
struct member {
	struct vfio_device vdev;
	struct vfio_device_set set;
	char name;
	bool unfit;
	char *asked;
};

/**
 * struct group_test - state of a case
 * @group: the group
 * @member: its devices
 * @asked: one word for each call of their driver, in order
 * @text: what fdinfo shows
 */
struct group_test {
	struct vfio_group group;
	struct member member[2];
	char asked[128];
	char text[512];
};

static struct member *member_of(struct vfio_device *vdev)
{
	return container_of(vdev, struct member, vdev);
}

static void note(struct vfio_device *vdev, const char *word)
{
	struct member *member = member_of(vdev);
	size_t used = strlen(member->asked);

	scnprintf(member->asked + used, sizeof_field(struct group_test, asked) - used,
		  "%s-%c ", word, member->name);
}

static int note_bind(struct vfio_device *vdev, struct iommufd_ctx *ictx, u32 *id)
{
	note(vdev, "bind");
	return 0;
}

static void note_unbind(struct vfio_device *vdev)
{
	note(vdev, "unbind");
	vfio_attachment_set(vdev, 0, 0);
}

static int note_attach(struct vfio_device *vdev, u32 *ioas)
{
	note(vdev, "attach");
	if (member_of(vdev)->unfit)
		return -EADDRINUSE;
	vfio_attachment_set(vdev, *ioas, *ioas);
	return 0;
}

static const struct vfio_device_ops note_ops = {
	.name = "note",
	.bind_iommufd = note_bind,
	.unbind_iommufd = note_unbind,
	.attach_ioas = note_attach,
};

static void expect_asked(struct kunit *test, const char *words)
{
	struct group_test *gt = test->priv;

	KUNIT_EXPECT_STREQ(test, gt->asked, words);
	gt->asked[0] = '\0';
}

/* What opening a device begins with. */
static int open_device_in(struct group_test *gt, unsigned int which, u32 ioas)
{
	guard(mutex)(&gt->group.calls);
	return vfio_group_bind_device(&gt->group, &gt->member[which].vdev, ioas);
}

static int open_device(struct group_test *gt, unsigned int which)
{
	return open_device_in(gt, which, IOAS);
}

static int attach(struct group_test *gt, u32 ioas)
{
	return vfio_group_container_ops.attach(&gt->group.member, NULL, ioas);
}

static void detach(struct group_test *gt)
{
	vfio_group_container_ops.detach(&gt->group.member);
}

static u32 where(struct group_test *gt, unsigned int which)
{
	struct vfio_device *vdev = &gt->member[which].vdev;

	guard(mutex)(&vdev->dev_set->lock);
	return vfio_attachment_get(vdev);
}

static void none_open(struct kunit *test)
{
	struct group_test *gt = test->priv;

	KUNIT_EXPECT_EQ(test, 0, attach(gt, IOAS));
	expect_asked(test, "bind-a attach-a bind-b attach-b ");
	detach(gt);
	expect_asked(test, "unbind-b unbind-a ");
}

static void all_or_none(struct kunit *test)
{
	struct group_test *gt = test->priv;

	gt->member[1].unfit = true;
	KUNIT_EXPECT_EQ(test, -EADDRINUSE, attach(gt, IOAS));
	expect_asked(test, "bind-a attach-a bind-b attach-b unbind-b unbind-a ");
	KUNIT_EXPECT_TRUE(test, list_empty(&gt->group.attached));
	KUNIT_EXPECT_TRUE(test, list_empty(&gt->group.bound));
}

/* Another group is unfit after this one was attached. */
static void opened_before(struct kunit *test)
{
	struct group_test *gt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, open_device(gt, 0));
	KUNIT_EXPECT_EQ(test, 0, attach(gt, IOAS));
	expect_asked(test, "bind-a attach-a bind-b attach-b ");
	detach(gt);
	expect_asked(test, "unbind-b ");
	KUNIT_EXPECT_EQ(test, IOAS, where(gt, 0));
	KUNIT_EXPECT_EQ(test, 0, where(gt, 1));
}

/* The same, and in the moment between the two somebody opens a device. */
static void opened_meanwhile(struct kunit *test)
{
	struct group_test *gt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, attach(gt, IOAS));
	KUNIT_EXPECT_EQ(test, 0, open_device(gt, 1));
	expect_asked(test, "bind-a attach-a bind-b attach-b ");
	detach(gt);
	expect_asked(test, "unbind-a ");
	KUNIT_EXPECT_EQ(test, IOAS, where(gt, 1));

	/* The next attempt finds it in its place, and the one after it. */
	KUNIT_EXPECT_EQ(test, 0, attach(gt, IOAS));
	expect_asked(test, "bind-a attach-a ");
	detach(gt);
	expect_asked(test, "unbind-a ");
}

/* Somebody has looked up the container's IOAS, then SET_IOMMU comes with a new one. */
static void opened_too_late(struct kunit *test)
{
	struct group_test *gt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, attach(gt, IOAS));
	KUNIT_EXPECT_EQ(test, 0, open_device_in(gt, 1, OTHER));
	KUNIT_EXPECT_EQ(test, IOAS, where(gt, 1));
}

static void opened_elsewhere(struct kunit *test)
{
	struct group_test *gt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, open_device(gt, 1));
	gt->asked[0] = '\0';
	KUNIT_EXPECT_EQ(test, -EBUSY, attach(gt, OTHER));
	expect_asked(test, "");
	KUNIT_EXPECT_EQ(test, IOAS, where(gt, 1));
}

/* The user chooses another IOAS for the container between a close and an open. */
static void opened_again_elsewhere(struct kunit *test)
{
	struct group_test *gt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, open_device(gt, 0));
	expect_asked(test, "bind-a attach-a ");
	KUNIT_EXPECT_EQ(test, 0, open_device_in(gt, 0, OTHER));
	expect_asked(test, "attach-a ");
	KUNIT_EXPECT_EQ(test, OTHER, where(gt, 0));

	gt->member[0].unfit = true;
	KUNIT_EXPECT_EQ(test, -EADDRINUSE, open_device(gt, 0));
	expect_asked(test, "attach-a ");
	KUNIT_EXPECT_EQ(test, OTHER, where(gt, 0));

	/* Who has it open relies on where it is. */
	gt->member[0].vdev.open_count = 1;
	KUNIT_EXPECT_EQ(test, -EBUSY, open_device(gt, 0));
	KUNIT_EXPECT_EQ(test, 0, open_device_in(gt, 0, OTHER));
	expect_asked(test, "");
}

/* The IOMMU may not tell the devices of a group apart: if one is open none moves. */
static void opened_again_beside(struct kunit *test)
{
	struct group_test *gt = test->priv;

	KUNIT_ASSERT_EQ(test, 0, open_device(gt, 0));
	KUNIT_ASSERT_EQ(test, 0, open_device(gt, 1));
	expect_asked(test, "bind-a attach-a bind-b attach-b ");
	gt->member[1].vdev.open_count = 1;
	KUNIT_EXPECT_EQ(test, -EBUSY, open_device_in(gt, 0, OTHER));
	expect_asked(test, "");
	KUNIT_EXPECT_EQ(test, IOAS, where(gt, 0));

	gt->member[1].vdev.open_count = 0;
	KUNIT_EXPECT_EQ(test, 0, open_device_in(gt, 0, OTHER));
	expect_asked(test, "attach-a attach-b ");
	KUNIT_EXPECT_EQ(test, OTHER, where(gt, 0));
	KUNIT_EXPECT_EQ(test, OTHER, where(gt, 1));
}

/* An emulated device is bound while it is open, and by no attach. */
static void emulated(struct kunit *test)
{
	struct group_test *gt = test->priv;
	struct vfio_device *vdev = &gt->member[0].vdev;

	gt->group.kind = VFIO_GROUP_EMULATED;
	KUNIT_EXPECT_EQ(test, 0, attach(gt, IOAS));
	KUNIT_EXPECT_EQ(test, 0, open_device(gt, 0));
	expect_asked(test, "");

	scoped_guard(mutex, &vdev->dev_set->lock)
		vfio_attachment_set(vdev, IOAS, IOAS);
	KUNIT_EXPECT_EQ(test, 0, attach(gt, IOAS));
	KUNIT_EXPECT_EQ(test, -EBUSY, attach(gt, OTHER));
	expect_asked(test, "");
}

static void no_iommu(struct kunit *test)
{
	struct group_test *gt = test->priv;

	gt->group.kind = VFIO_GROUP_NOIOMMU;
	KUNIT_EXPECT_EQ(test, 0, open_device(gt, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, attach(gt, IOAS));
	expect_asked(test, "");
}

static bool fdinfo_shows(struct group_test *gt, const char *line)
{
	struct seq_file m = { .buf = gt->text, .size = sizeof(gt->text) };
	struct file file = { .private_data = &gt->group };

	memset(gt->text, 0, sizeof(gt->text));
	vfio_group_file_show_fdinfo(&m, &file);
	return strstr(gt->text, line);
}

/* An attach that waits for user memory holds both locks. */
static void fdinfo_does_not_wait(struct kunit *test)
{
	struct group_test *gt = test->priv;

	if (!IS_ENABLED(CONFIG_PROC_FS))
		kunit_skip(test, "there is no fdinfo");
	KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, "vfio-group-container: none\n"));
	KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, "vfio-group-opens: 0\n"));
	KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, ".a\n"));
	scoped_guard(mutex, &gt->group.calls) {
		KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, "vfio-group-container: busy\n"));
		KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, "vfio-group-opens: 0\n"));
	}
	scoped_guard(mutex, &gt->group.lock) {
		KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, "vfio-group-container: none\n"));
		KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, "vfio-group-opens: busy\n"));
	}
	KUNIT_EXPECT_EQ(test, 0, attach(gt, IOAS));
	KUNIT_EXPECT_TRUE(test, fdinfo_shows(gt, ".a attached\n"));
}

static void note_release(void *released)
{
	*(bool *)released = true;
}

/* KVM on POWER keeps it, and puts it when it is done. */
static void isolation_is_referenced(struct kunit *test)
{
	struct group_test *gt = test->priv;
	struct iommu_group *mine = iommu_group_alloc(), *got;
	bool released = false;

	KUNIT_EXPECT_NULL(test, vfio_group_get_isolation(&gt->group));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mine);
	iommu_group_set_iommudata(mine, &released, note_release);
	gt->group.iommu_group = mine;
	got = vfio_group_get_isolation(&gt->group);
	KUNIT_EXPECT_PTR_EQ(test, mine, got);
	iommu_group_put(mine);
	KUNIT_EXPECT_FALSE(test, released);
	if (!released)
		iommu_group_put(got);
	KUNIT_EXPECT_TRUE(test, released);
}

static void add_member(struct kunit *test, unsigned int which)
{
	struct group_test *gt = test->priv;
	struct member *member = &gt->member[which];
	struct device *dev = kunit_device_register(test, which ? "b" : "a");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	mutex_init(&member->set.lock);
	member->name = 'a' + which;
	member->asked = gt->asked;
	member->vdev.dev = dev;
	member->vdev.ops = &note_ops;
	member->vdev.dev_set = &member->set;
	INIT_LIST_HEAD(&member->vdev.iommu_entry);
	list_add_tail(&member->vdev.group_next, &gt->group.devices);
}

static int group_test_init(struct kunit *test)
{
	struct group_test *gt = kunit_kzalloc(test, sizeof(*gt), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, gt);
	test->priv = gt;
	gt->group.kind = VFIO_GROUP_PHYSICAL;
	mutex_init(&gt->group.calls);
	mutex_init(&gt->group.lock);
	INIT_LIST_HEAD(&gt->group.devices);
	INIT_LIST_HEAD(&gt->group.bound);
	INIT_LIST_HEAD(&gt->group.attached);
	iommufd_log_init(&gt->group.log);
	for (i = 0; i < ARRAY_SIZE(gt->member); i++)
		add_member(test, i);
	return 0;
}

static struct kunit_case group_cases[] = {
	KUNIT_CASE(none_open),
	KUNIT_CASE(all_or_none),
	KUNIT_CASE(opened_before),
	KUNIT_CASE(opened_meanwhile),
	KUNIT_CASE(opened_too_late),
	KUNIT_CASE(opened_elsewhere),
	KUNIT_CASE(opened_again_elsewhere),
	KUNIT_CASE(opened_again_beside),
	KUNIT_CASE(emulated),
	KUNIT_CASE(no_iommu),
	KUNIT_CASE(fdinfo_does_not_wait),
	KUNIT_CASE(isolation_is_referenced),
	{}
};

static struct kunit_suite group_suite = {
	.name = "vfio_group",
	.init = group_test_init,
	.test_cases = group_cases,
};

kunit_test_suite(group_suite);
