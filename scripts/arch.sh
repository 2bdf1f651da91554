# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Kselftests behind other IOMMUs and on another processor: parts of scripts/test.
# Sourced by it, for verdict, narrate, guest_job and RESULTS.

# busybox_of ARCH: the path of Debian's static busybox for another processor.
busybox_of() {
	local file=$CACHE/busybox-$1 state=$BUILD/apt/$1 own
	if [ ! -x "$file" ]; then
		mkdir -p "$state"/{lists/partial,cache/archives/partial}
		: >"$state/status"
		printf 'deb %s %s main\n' "$("$ROOT/scripts/mirror")" \
			"$(. /etc/os-release && echo "$VERSION_CODENAME")" >"$state/sources.list"
		own=(-o "APT::Architecture=$1" -o "APT::Architectures::=$1"
			-o "Dir::Etc::sourcelist=$state/sources.list"
			-o Dir::Etc::sourceparts=- -o "Dir::State::lists=$state/lists"
			-o "Dir::State::status=$state/status"
			-o "Dir::Cache=$state/cache" -o APT::Sandbox::User=root)
		logged "busybox-$1" "fetching apt's lists for $1" apt-get "${own[@]}" update
		(
			cd "$state" || exit
			logged "busybox-$1" "fetching busybox for $1" \
				apt-get "${own[@]}" download busybox-static
			dpkg-deb -x busybox-static_*.deb root
		)
		install -m 755 "$state/root/bin/busybox" "$file.new"
		mv "$file.new" "$file"
	fi
	printf '%s\n' "$file"
}

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

# arch_guest NAME FOLDER PROGRAM...: kselftests of this folder of build/programs in a
# guest, on VM_KERNEL; ARCH_AFTER is what the job does then.
arch_guest() {
	local name=$1 from=$BUILD/programs/$2 files=$BUILD/vm/$1-files status=0 program
	shift 2
	rm -rf "$files"
	mkdir -p "$files/selftests"
	for program; do
		# shellcheck disable=SC2053 # a pattern
		[[ $program != ${TEST:-*} ]] || cp "$from/$program" "$files/selftests/"
	done
	{
		echo echo	# after what firmware may have written
		guest_job | sed '$d'
		echo "${ARCH_AFTER:-}"
		echo 'exit 0'
	} >"$BUILD/vm/$name.job"
	VM_DISK=$("$ROOT/scripts/disk") VM_DEVICES=${VM_DEVICES:-nvme edu} \
		VM_APPEND="kunit.enable=0 ${VM_APPEND:-}" \
		"$ROOT/tools/testing/vm/run" "$name" "$BUILD/vm/$name.job" "$files" |
		narrate || status=$?
	RESULTS+=("$name=$LOGS/$name.out")
	verdict "$name-guest" "$status" "the guest ended well, its kernel reported nothing"
}

# x86_guest NAME: on the kernel of CONFIG or on KERNEL.
x86_guest() {
	local config=${CONFIG:-test}
	[ -n "${KERNEL:-}" ] || "$ROOT/scripts/kernel" "$config"
	"$ROOT/scripts/deps" guest
	"$ROOT/scripts/programs" selftests
	VM_KERNEL=${KERNEL:-$("$ROOT/scripts/kernel" --path "$config")} \
		arch_guest "$1" selftests "${ARCH_PROGRAMS[@]}"
}

# vtd NAME PROPERTIES: an Intel IOMMU in scalable mode.
vtd() {
	say "tests behind an Intel IOMMU, $2"
	VM_IOMMU=intremap=on,eim=on,$2 VM_APPEND=intel_iommu=on,sm_on x86_guest "$1"
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
		VM_APPEND=iommufd.allow_unsafe_interrupts=1 x86_guest amd
}

# On ARM more runs: it is another processor, too.
ARM64_PROGRAMS=("${ARCH_PROGRAMS[@]}" iommufd_smmuv3 iommufd_dma_mm iommufd_viommu
	iommufd_iova iommufd_map iommufd_map_file iommufd_copy iommufd_unmap
	iommufd_memlock iommufd_reasons iommufd_stress vfio_attach vfio_device
	vfio_group vfio_container_dma vfio_container_map vfio_container_unmap)

# arm64_guest NAME PROGRAM...: behind an SMMUv3 with both stages.  The machine is
# described by ACPI, because only there can it be said that DMA never bypasses the
# caches, without which the driver nests nothing.
arm64_guest() {
	local name=$1
	shift
	"$ROOT/scripts/kernel" arm64
	"$ROOT/scripts/deps" guest arm64
	"$ROOT/scripts/programs" selftests_arm64
	QEMU='' VM_ARCH=aarch64 VM_BUSYBOX=$(busybox_of arm64) \
		VM_KERNEL=$("$ROOT/scripts/kernel" --path arm64) \
		VM_APPEND="acpi=force ${VM_APPEND:-}" VM_BOOT_TIMEOUT=${VM_BOOT_TIMEOUT:-180} \
		VM_MEMORY=${VM_MEMORY:-2G} VM_TIMEOUT=${VM_TIMEOUT:-1500} \
		VM_QEMU="-bios /usr/share/qemu-efi-aarch64/QEMU_EFI.fd" \
		arch_guest "$name" selftests-arm64 "$@"
}

# All of it on ARM, and the table of the firmware that the next guest gets changed.
arm64() {
	say "tests in an arm64 guest behind an SMMUv3"
	# shellcheck disable=SC2016 # for the guest
	ARCH_AFTER='
		echo "# vm: begin IORT"
		if base64 /sys/firmware/acpi/tables/IORT; then result=ok; else result="not ok"; fi
		echo "1..1"
		echo "$result 1 the IORT can be read"
		echo "# vm: end IORT 0"' \
		VM_APPEND="kunit.enable=1 ${VM_APPEND:-}" arm64_guest arm64 "${ARM64_PROGRAMS[@]}"
	[[ ${VM_APPEND:-} = *kunit.enable=0* ]] || RESULTS+=("kunit-arm64=$LOGS/arm64.console")
}

# nested_ran: iommufd_smmuv3 leaves itself out where nothing can be nested; here
# nothing may be left out.
nested_ran() {
	awk '/^# vm: begin iommufd_smmuv3/ { inside = 1 }
		/^# vm: end/ { inside = 0 }
		inside && /^ok / { if (/# SKIP/) bad = 1; else good = 1 }
		END { exit bad || !good }' "$LOGS/arm64-nested.out"
}

# The firmware of the emulated machine promises nothing about caches, although the
# emulation has none.  The kernel takes a changed IORT from the initramfs.
arm64_nested() {
	local dir=$BUILD/vm/iort status=0
	grep -qs "^ok 1 the IORT" "$LOGS/arm64.out" || TEST=none VM_APPEND=kunit.enable=0 arm64
	say "tests of nested translation in an arm64 guest"
	rm -rf "$dir"
	mkdir -p "$dir/kernel/firmware/acpi"
	if ! "$ROOT/scripts/iort" "$LOGS/arm64.out" "$dir/kernel/firmware/acpi/IORT.aml"; then
		verdict arm64-nested-guest 1 "the first guest's IORT can be read"
		return
	fi
	(cd "$dir" && find kernel | cpio -o -H newc -R 0:0 --quiet) >"$dir.cpio"
	VM_INITRD_FIRST=$dir.cpio arm64_guest arm64-nested iommufd_limits iommufd_smmuv3 \
		iommufd_hwpt iommufd_viommu
	# shellcheck disable=SC2053 # a pattern
	if [[ iommufd_smmuv3 = ${TEST:-*} ]]; then
		nested_ran || status=1
		verdict arm64-nested-ran "$status" "no test of nested translation left itself out"
	fi
}

arch() {
	local begin=$SECONDS
	vtd_second_stage
	vtd_first_stage
	vtd_pasid
	amd
	arm64
	arm64_nested
	say "tests behind other IOMMUs took $(((SECONDS - begin) / 60)) min $(((SECONDS - begin) % 60)) s"
}
