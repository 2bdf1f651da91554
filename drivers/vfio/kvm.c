// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtual machine that an open VFIO device belongs to.
 *
 * KVM tells a VFIO file which machine it serves, and some drivers need that
 * machine while their device is open.  What the file remembers is no reference:
 * the machine may be dying.  Here a reference is taken at the first open and
 * given back at the last close, without vfio.ko depending on kvm.ko: the two
 * functions are looked up when there is a machine, and the one that puts the
 * reference stays looked up, and kvm.ko loaded, as long as it is held.
 *
 * Without KVM there never is a machine.
 *
 * The device set's lock protects the @kvm and @put_kvm of a device.  Inside it,
 * the lock of a file's link.  Calls only KVM.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#include <linux/cleanup.h>
#include <linux/kconfig.h>
#if IS_ENABLED(CONFIG_KVM)
#include <linux/kvm_host.h>
#endif
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/vfio.h>

#include "kvm.h"

typedef void (*put_kvm_fn_t)(struct kvm *kvm);

#if IS_ENABLED(CONFIG_KVM)
/* A reference to @machine, unless its last one is gone already. */
static bool machine_try_get(struct kvm *machine)
{
	bool (*get)(struct kvm *kvm) = symbol_get(kvm_get_kvm_safe);
	bool alive;

	if (WARN_ON_ONCE(!get))
		return false;
	alive = get(machine);
	symbol_put(kvm_get_kvm_safe);
	return alive;
}

/* A reference, and who puts it; NULL if there is no reference to be had. */
static put_kvm_fn_t machine_get(struct kvm *machine)
{
	put_kvm_fn_t put = symbol_get(kvm_put_kvm);

	if (WARN_ON_ONCE(!put))
		return NULL;
	if (machine_try_get(machine))
		return put;
	symbol_put(kvm_put_kvm);
	return NULL;
}

static void machine_put(struct kvm *machine, put_kvm_fn_t put)
{
	put(machine);
	symbol_put(kvm_put_kvm);
}
#else
static put_kvm_fn_t machine_get(struct kvm *machine)
{
	return NULL;
}

static void machine_put(struct kvm *machine, put_kvm_fn_t put)
{
}
#endif

/**
 * vfio_kvm_link_init - Prepare what a new file is told
 * @link: The file's link; it serves no machine
 *
 * Context: Any.
 */
void vfio_kvm_link_init(struct vfio_kvm_link *link)
{
	spin_lock_init(&link->lock);
	link->machine = NULL;
}

/**
 * vfio_kvm_link_set - Tell a file which virtual machine it serves
 * @link: The file's link
 * @machine: The machine, or NULL; who says so says NULL before it is freed
 *
 * It counts from the next first open of a device on.
 *
 * Context: Any task.
 */
void vfio_kvm_link_set(struct vfio_kvm_link *link, struct kvm *machine)
{
	guard(spinlock)(&link->lock);
	link->machine = machine;
}

/**
 * vfio_device_get_kvm_safe - Take a reference to the machine a device serves
 * @vdev: A device that is being opened for the first time
 * @link: What its file was told
 *
 * On success @vdev->kvm is the machine until vfio_device_put_kvm().  If there is
 * none, or it is dying, @vdev->kvm stays NULL, and a driver that cannot do
 * without fails its open.
 *
 * Context: The device set's lock is held.  Does not sleep.
 */
void vfio_device_get_kvm_safe(struct vfio_device *vdev,
			      struct vfio_kvm_link *link)
{
	put_kvm_fn_t put = NULL;

	lockdep_assert_held(&vdev->dev_set->lock);

	guard(spinlock)(&link->lock);
	if (link->machine)
		put = machine_get(link->machine);
	if (!put)
		return;
	vdev->kvm = link->machine;
	vdev->put_kvm = put;
}

/**
 * vfio_device_put_kvm - Give back what vfio_device_get_kvm_safe() took
 * @vdev: A device that is being closed for the last time; it may serve no
 *        machine
 *
 * Context: The device set's lock is held.  May sleep.
 */
void vfio_device_put_kvm(struct vfio_device *vdev)
{
	lockdep_assert_held(&vdev->dev_set->lock);

	if (vdev->kvm)
		machine_put(vdev->kvm, vdev->put_kvm);
	vdev->put_kvm = NULL;
	vdev->kvm = NULL;
}
