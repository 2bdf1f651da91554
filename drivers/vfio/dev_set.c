// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that are opened and reset together.
 *
 * Some devices share a reset: the functions of a PCI slot, everything behind
 * one bus, the objects of an fsl-mc container.  Whoever resets one of them must
 * know that no program holds another.  A driver therefore says, with a pointer
 * that all of them agree on, which set its device belongs to; the set's lock is
 * then held while any of them is opened or closed.  A device whose driver says
 * nothing is alone in a set of its own.
 *
 * A set lives as long as a device is in it.  Locks:
 *
 *   dev_sets_lock		which sets exist, and their device_count
 *   struct vfio_device_set.lock	the set's device_list, and the open_count of
 *				each device in it
 *
 * Neither is taken inside the other here.  Calls nothing of the other rooms.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "dev_set.h"

static DEFINE_MUTEX(dev_sets_lock);
/* Indexed by the pointer that names the set. */
static DEFINE_XARRAY(dev_sets);

static struct vfio_device_set *dev_set_create(void *set_id)
{
	struct vfio_device_set *set __free(kfree) = kzalloc_obj(*set);
	int rc;

	lockdep_assert_held(&dev_sets_lock);

	if (!set)
		return ERR_PTR(-ENOMEM);

	set->set_id = set_id;
	mutex_init(&set->lock);
	INIT_LIST_HEAD(&set->device_list);

	rc = xa_insert(&dev_sets, (unsigned long)set_id, set, GFP_KERNEL);
	if (rc)
		return ERR_PTR(rc);
	return no_free_ptr(set);
}

static struct vfio_device_set *dev_set_get(void *set_id)
{
	struct vfio_device_set *set;

	guard(mutex)(&dev_sets_lock);
	set = xa_load(&dev_sets, (unsigned long)set_id);
	if (!set)
		set = dev_set_create(set_id);
	if (!IS_ERR(set))
		set->device_count++;
	return set;
}

static void dev_set_put(struct vfio_device_set *set)
{
	guard(mutex)(&dev_sets_lock);
	if (--set->device_count)
		return;

	xa_erase(&dev_sets, (unsigned long)set->set_id);
	mutex_destroy(&set->lock);
	kfree(set);
}

/**
 * vfio_assign_device_set - Put a device into a set
 * @device: A device that is in no set yet
 * @set_id: A pointer that names the set; every device that gives the same
 *          pointer lands in the same set.  It is only compared, but must not be
 *          reused for another purpose while a device is in the set.
 *
 * A driver calls it from its init op.  If it does not, the core calls it at
 * registration with the device itself as @set_id.  The device leaves the set
 * when it is freed.
 *
 * Context: May sleep; takes the set's lock.
 * Return: 0; -EINVAL when @set_id is NULL or @device is in a set already, both
 * bugs of the driver; -ENOMEM.
 */
int vfio_assign_device_set(struct vfio_device *device, void *set_id)
{
	struct vfio_device_set *set;

	if (WARN_ON_ONCE(!set_id || device->dev_set))
		return -EINVAL;

	set = dev_set_get(set_id);
	if (IS_ERR(set))
		return PTR_ERR(set);

	scoped_guard(mutex, &set->lock)
		list_add_tail(&device->dev_set_list, &set->device_list);
	device->dev_set = set;
	return 0;
}
EXPORT_SYMBOL_GPL(vfio_assign_device_set);

/**
 * vfio_dev_set_release - Take a device that goes away out of its set
 * @device: The device; it may be in no set
 *
 * Context: May sleep; takes the set's lock.
 */
void vfio_dev_set_release(struct vfio_device *device)
{
	struct vfio_device_set *set = device->dev_set;

	if (!set)
		return;

	scoped_guard(mutex, &set->lock)
		list_del(&device->dev_set_list);
	device->dev_set = NULL;
	dev_set_put(set);
}

/**
 * vfio_device_set_open_count - How often are the devices of a set open?
 * @dev_set: The set
 *
 * Context: @dev_set's lock is held.
 * Return: The sum of the devices' open counts; 0 when none is in use.
 */
unsigned int vfio_device_set_open_count(struct vfio_device_set *dev_set)
{
	struct vfio_device *device;
	unsigned int count = 0;

	lockdep_assert_held(&dev_set->lock);

	list_for_each_entry(device, &dev_set->device_list, dev_set_list)
		count += device->open_count;
	return count;
}
EXPORT_SYMBOL_GPL(vfio_device_set_open_count);

/**
 * vfio_find_device_in_devset - Find the VFIO device of a bus device
 * @dev_set: The set to look into
 * @dev: The device on its bus
 *
 * Context: @dev_set's lock is held.
 * Return: The device, valid while the lock is held; NULL when @dev_set has no
 * VFIO device for @dev.
 */
struct vfio_device *vfio_find_device_in_devset(struct vfio_device_set *dev_set,
					       struct device *dev)
{
	struct vfio_device *device;

	lockdep_assert_held(&dev_set->lock);

	list_for_each_entry(device, &dev_set->device_list, dev_set_list)
		if (device->dev == dev)
			return device;
	return NULL;
}
EXPORT_SYMBOL_GPL(vfio_find_device_in_devset);
