// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that are opened out of a group.
 *
 * Such a device may have any number of files.  Each is usable from the
 * beginning, and keeps the group's own file open: so the group stays in its
 * container, and nobody else can have it, as long as a device is in use.
 *
 * Keeps no lock; &vfio_group.calls is held around an open, and the device-set
 * lock around the first open and the last close.  May call group_node.c,
 * group_bind.c, device.c, device_open.c, noiommu.c and of the driver match.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommufd_container.h>
#include <linux/iommufd_report.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vfio.h>

#include "device.h"
#include "device_open.h"
#include "group_bind.h"
#include "group_node.h"
#include "group_open.h"
#include "noiommu.h"

/* Is this the name of the device?  A driver may want more than the name. */
static int vfio_device_match(struct vfio_device *vdev, char *name)
{
	if (vdev->ops->match)
		return vdev->ops->match(vdev, name);
	return !strcmp(dev_name(vdev->dev), name);
}

/* The device that is meant, kept registered; or an ERR_PTR. */
static struct vfio_device *vfio_group_find_device(struct vfio_group *group,
						  char *name)
{
	struct vfio_device *vdev;
	int match;

	guard(mutex)(&group->lock);
	list_for_each_entry(vdev, &group->devices, group_next) {
		match = vfio_device_match(vdev, name);
		if (match < 0)
			return ERR_PTR(iommufd_refuse(&group->log, match,
						      WHY_PERMISSION,
						      "the driver of %s does not accept what follows its name",
						      dev_name(vdev->dev)));
		if (match && vfio_device_try_get_registration(vdev))
			return vdev;
	}
	return ERR_PTR(iommufd_refuse(&group->log, -ENODEV, WHY_NO_OBJECT,
				      "no device of the group is called %.64s",
				      name));
}

/* May a device be opened now, and in which address space? */
static int vfio_group_check_open(struct vfio_group *group, u32 *ioas_id)
{
	struct iommufd_container_state state = {};

	if (!group->ictx)
		return iommufd_refuse(&group->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "the group is in no container");
	iommufd_container_get_state(group->ictx, &state);
	if (!state.ready)
		return iommufd_refuse(&group->log, -EINVAL, WHY_BAD_ARGUMENT,
				      "VFIO_SET_IOMMU was not called on the container");
	*ioas_id = state.ioas_id;
	return 0;
}

/*
 * Open the device for @df, which is all that vfio_group_close_device() undoes
 * when it succeeds.
 */
static int vfio_group_open_for(struct vfio_group *group,
			       struct vfio_device_file *df)
{
	struct vfio_device *vdev = df->device;
	int rc;

	rc = vfio_group_bind_device(group, vdev, df->ioas_id);
	if (rc)
		return rc;

	scoped_guard(mutex, &vdev->dev_set->lock)
		rc = vfio_df_open(df);
	if (rc)
		return iommufd_refuse(&group->log, rc, WHY_DRIVER,
				      "%s did not open; see also the fdinfo of the container",
				      dev_name(vdev->dev));

	get_file(group->file);
	scoped_guard(mutex, &group->lock)
		group->open_devices++;
	return 0;
}

/**
 * vfio_group_open_device - Open a device out of a group
 * @group: the group
 * @name: the device's name, and behind it what its driver asks for
 *
 * Context: &vfio_group.calls is held; a call on the group's file.
 * Return: the state of a usable file, to be undone with
 * vfio_group_close_device(); or an ERR_PTR: -EINVAL when the group is in no
 * container, or VFIO_SET_IOMMU was not called; -EPERM when there is no IOMMU
 * and the caller lacks CAP_SYS_RAWIO; -ENODEV when no device has this name, or
 * its driver is being unloaded; what the driver's callbacks say; -ENOMEM.
 */
struct vfio_device_file *vfio_group_open_device(struct vfio_group *group,
						char *name)
{
	struct vfio_device_file *df __free(kfree) = NULL;
	u32 ioas_id = 0;
	int rc;

	lockdep_assert_held(&group->calls);

	rc = vfio_group_check_open(group, &ioas_id);
	if (rc)
		return ERR_PTR(rc);

	struct vfio_device *vdev __free(vfio_registration) =
		vfio_group_find_device(group, name);
	if (IS_ERR(vdev))
		return ERR_CAST(no_free_ptr(vdev));

	rc = vfio_noiommu_check_open(vdev);
	if (rc)
		return ERR_PTR(iommufd_refuse(&group->log, rc, WHY_PERMISSION,
					      "%s is behind no IOMMU, which takes CAP_SYS_RAWIO",
					      dev_name(vdev->dev)));

	df = vfio_df_alloc(vdev);
	if (IS_ERR(df))
		return no_free_ptr(df);
	df->group = group;
	df->iommufd = group->kind == VFIO_GROUP_NOIOMMU ? NULL : group->ictx;
	df->ioas_id = ioas_id;

	rc = vfio_group_open_for(group, df);
	if (rc)
		return ERR_PTR(rc);
	vfio_noiommu_note_open(vdev);
	vfio_df_set_usable(df);
	retain_and_null_ptr(vdev);
	return no_free_ptr(df);
}

/**
 * vfio_group_close_device - Undo vfio_group_open_device()
 * @df: the file's state, freed here
 *
 * Context: The file's release, no call is in flight; or it was never a file.
 */
void vfio_group_close_device(struct vfio_device_file *df)
{
	struct vfio_device *vdev = df->device;
	struct vfio_group *group = df->group;

	scoped_guard(mutex, &vdev->dev_set->lock)
		vfio_df_close(df);
	vfio_device_put_registration(vdev);
	scoped_guard(mutex, &group->lock)
		group->open_devices--;
	/* The last one lets the group's file go, and with it the group. */
	fput(group->file);
	kfree(df);
}
