# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
# The machine that the guests run on.  This is the one place that names its
# devices; VM_* variables change it for one run.

VM_MEMORY=${VM_MEMORY:-4G}
VM_CPUS=${VM_CPUS:-2}
# The image that init mounts at /image, see scripts/image; none if empty.
VM_IMAGE=${VM_IMAGE:-}
# Devices by name, in this order, each behind a root port of its own but for edu and
# ivshmem, which are conventional PCI devices of the root complex.  edupair is two
# edus behind one bridge, which the IOMMU cannot tell apart; nvmesriov is an nvme
# that has virtual functions.  ivshmem's BAR 2 is plain memory; with two of them,
# tests let one stand in the other's place.  Network devices are wired to one hub.
VM_DEVICES=${VM_DEVICES:-nvme edu}
VM_SRIOV=max_ioqpairs=26,msix_qsize=32,sriov_max_vfs=4,sriov_vq_flexible=8,sriov_vi_flexible=8
# Arguments of intel-iommu, another model and its arguments, or "none" for a machine
# without an IOMMU.  With eim
# the CPUs use the x2APIC: a timer that is set through the MMIO of the APIC got
# lost now and then under TCG with two CPUs, and the guest slept for ever.  When
# instructions are counted there is one CPU, and QEMU cannot set the x2APIC's
# timer ("Bad icount read").
VM_IOMMU=${VM_IOMMU:-intremap=on,eim=$([ -n "${VM_ICOUNT:-}" ] && echo off || echo on),caching-mode=off}
# VM_IOMMU is not for them: the machine of an aarch64 guest, whose IOMMU is part of it.
VM_VIRT=${VM_VIRT:-virt,gic-version=3,its=on,iommu=smmuv3}

# What the kernel calls the first and the second serial line, without the number.
machine_tty() {
	case $VM_ARCH in
	aarch64) echo ttyAMA ;;
	*) echo ttyS ;;
	esac
}

# device NAME SLOT DISK: QEMU's arguments for one device, a line each.
machine_device() {
	local model port="pcie-root-port,id=port$2,bus=pcie.0,chassis=$2,addr=0x$2.0"
	case $1 in
	nvme)
		printf '%s\n' -device "$port" \
			-drive "if=none,id=disk$2,format=raw,snapshot=on,file=$3" \
			-device "nvme,id=dev$2,serial=iommufd$2,drive=disk$2,bus=port$2,cmb_size_mb=1"
		;;
	nvmesriov)
		printf '%s\n' -device "$port" \
			-drive "if=none,id=disk$2,format=raw,snapshot=on,file=$3" \
			-device "nvme-subsys,id=subsys$2" \
			-device "nvme,id=nvme$2,serial=iommufd$2,bus=port$2,subsys=subsys$2,$VM_SRIOV" \
			-device "nvme-ns,drive=disk$2,bus=nvme$2"
		;;
	edu)
		printf '%s\n' -device "edu,bus=pcie.0,addr=0x$2.0"
		;;
	ivshmem)
		printf '%s\n' -object "memory-backend-ram,id=shm$2,size=4M,share=on" \
			-device "ivshmem-plain,memdev=shm$2,bus=pcie.0,addr=0x$2.0"
		;;
	edupair)
		printf '%s\n' -device "$port" \
			-device "pcie-pci-bridge,id=bridge$2,bus=port$2" \
			-device "edu,bus=bridge$2,addr=0x1.0" \
			-device "edu,bus=bridge$2,addr=0x2.0"
		;;
	igb | e1000e | virtionet)
		model=${1/virtionet/virtio-net-pci,disable-legacy=on,iommu_platform=on,ats=on}
		printf '%s\n' -device "$port" \
			-netdev "hubport,id=net$2,hubid=0" \
			-device "$model,netdev=net$2,bus=port$2,romfile=,mac=52:54:00:00:00:$(printf %02x "$2")"
		;;
	*)
		say "the machine has no device '$1'"
		return 1
		;;
	esac
}

# machine DISK: all of QEMU's arguments that make the machine, a line each.
machine() {
	local name slot=3
	printf '%s\n' -nodefaults -no-user-config -display none -no-reboot \
		-m "$VM_MEMORY"
	case $VM_ARCH,$VM_IOMMU in
	aarch64,* | *,none) ;;
	*,amd-iommu* | *,virtio-iommu-pci*) printf '%s\n' -device "$VM_IOMMU" ;;
	*) printf '%s\n' -device "intel-iommu,$VM_IOMMU" ;;
	esac
	if [ -n "$VM_IMAGE" ]; then
		printf '%s\n' -drive "if=none,id=image,format=raw,readonly=on,file=$VM_IMAGE" \
			-device "virtio-blk-pci,drive=image,bus=pcie.0,addr=0x1e.0,romfile="
	fi
	for name in $VM_DEVICES; do
		machine_device "$name" "$slot" "$1" || return 1
		slot=$((slot + 1))
	done
}

# The same devices as the guest's init sees them: vendor:device, to be bound
# to vfio-pci.
machine_ids() {
	local name
	for name in $VM_DEVICES; do
		case $name in
		nvme | nvmesriov) echo 1b36:0010 ;;
		edu | edupair) echo 1234:11e8 ;;
		igb) echo 8086:10c9 ;;
		e1000e) echo 8086:10d3 ;;
		virtionet) echo 1af4:1041 ;;
		esac
	done | sort -u
}
