/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine that an open VFIO device belongs to.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_KVM_H
#define VFIO_KVM_H

#include <linux/spinlock_types.h>

struct kvm;
struct vfio_device;

/**
 * struct vfio_kvm_link - the machine that a file was told it serves
 * @lock: protects @machine, and keeps it from being freed
 * @machine: the machine, no reference; NULL when there is none
 */
struct vfio_kvm_link {
	spinlock_t lock; /* @machine */
	struct kvm *machine;
};

void vfio_kvm_link_init(struct vfio_kvm_link *link);
void vfio_kvm_link_set(struct vfio_kvm_link *link, struct kvm *machine);
void vfio_device_get_kvm_safe(struct vfio_device *vdev,
			      struct vfio_kvm_link *link);
void vfio_device_put_kvm(struct vfio_device *vdev);

#endif /* VFIO_KVM_H */
