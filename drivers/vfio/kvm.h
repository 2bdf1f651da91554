/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The virtual machine that an open VFIO device belongs to.
 *
 * Copyright (C) 2026 The iommufd overlay authors
 */
#ifndef VFIO_KVM_H
#define VFIO_KVM_H

struct kvm;
struct vfio_device;

void vfio_device_get_kvm_safe(struct vfio_device *vdev, struct kvm *machine);
void vfio_device_put_kvm(struct vfio_device *vdev);

#endif /* VFIO_KVM_H */
