# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Kselftests behind other IOMMUs: parts of scripts/test.  Sourced by it, for
# verdict, narrate, guest_job and RESULTS.

# new_qemu: the path of a program that runs the QEMU of the clients' image, which
# is newer than the host's, by its own loader and with its own libraries.
new_qemu() {
	local dir=$BUILD/image-qemu image
	image=$("$ROOT/scripts/image" clients)
	if [ "$(cat "$dir/.key" 2>/dev/null)" != "$(cat "$image.key")" ]; then
		rm -rf "$dir"
		mkdir -p "$dir/root"
		logged image-qemu "unpacking the image's QEMU" \
			debugfs -R "rdump /usr $dir/root" "$image"
		cat >"$dir/qemu-system-x86_64" <<-'PROGRAM'
			#!/bin/sh
			usr=$(dirname "$0")/root/usr
			lib=$usr/lib/x86_64-linux-gnu
			export QEMU_MODULE_DIR="$lib/qemu"
			exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" \
				"$usr/bin/qemu-system-x86_64" \
				-L "$usr/share/qemu" -L "$usr/share/seabios" "$@"
		PROGRAM
		chmod +x "$dir/qemu-system-x86_64"
		cp "$image.key" "$dir/.key"
	fi
	printf '%s\n' "$dir/qemu-system-x86_64"
}

# What runs behind each IOMMU; TEST leaves some of it.
ARCH_PROGRAMS=(iommufd_limits vfio_irq iommufd_dma iommufd_hwpt)

# arch_guest NAME: the programs in a guest, on the kernel of CONFIG or on KERNEL.
arch_guest() {
	local name=$1 config=${CONFIG:-test} files=$BUILD/vm/$1-files status=0 program
	[ -n "${KERNEL:-}" ] || "$ROOT/scripts/kernel" "$config"
	"$ROOT/scripts/deps" guest
	"$ROOT/scripts/programs" selftests
	rm -rf "$files"
	mkdir -p "$files/selftests"
	for program in "${ARCH_PROGRAMS[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $program != ${TEST:-*} ]] ||
			cp "$BUILD/programs/selftests/$program" "$files/selftests/"
	done
	guest_job >"$BUILD/vm/$name.job"
	VM_KERNEL=${KERNEL:-$("$ROOT/scripts/kernel" --path "$config")} \
		VM_DISK=$("$ROOT/scripts/disk") VM_DEVICES=${VM_DEVICES:-nvme edu} \
		VM_APPEND="kunit.enable=0 ${VM_APPEND:-}" \
		"$ROOT/tools/testing/vm/run" "$name" "$BUILD/vm/$name.job" "$files" |
		narrate || status=$?
	RESULTS+=("$name=$LOGS/$name.out")
	verdict "$name-guest" "$status" "the guest ended well, its kernel reported nothing"
}

# vtd NAME PROPERTIES: an Intel IOMMU in scalable mode.
vtd() {
	say "tests behind an Intel IOMMU, $2"
	VM_IOMMU=intremap=on,eim=on,$2 VM_APPEND=intel_iommu=on,sm_on arch_guest "$1"
}

vtd_second_stage() {
	vtd vtd-second-stage x-scalable-mode=on
}

vtd_first_stage() {
	vtd vtd-first-stage x-scalable-mode=on,x-flts=on
}

# With PASIDs in the IOMMU, which only newer emulations have.
vtd_pasid() {
	QEMU=$(new_qemu) vtd vtd-pasid scalable-mode=on,fsts=on,pasid-bits=20
}

# AMD's IOMMU, which translates DMA in newer emulations only.  The firmware's table
# lacks an entry without which the driver does not remap interrupts.
amd() {
	say "tests behind an AMD IOMMU"
	QEMU=$(new_qemu) VM_IOMMU=amd-iommu,dma-remap=on \
		VM_APPEND=iommufd.allow_unsafe_interrupts=1 arch_guest amd
}

arch() {
	vtd_second_stage
	vtd_first_stage
	vtd_pasid
	amd
}
