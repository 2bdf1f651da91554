# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# iommufd and VFIO as modules: a part of scripts/test.  Sourced by it, for verdict,
# narrate and RESULTS.

# Programs that reach each module; TEST leaves some of them.
MODULAR_PROGRAMS=(iommufd_map iommufd_fault mock_hwpt mock_events mock_dmabuf
	vfio_bind vfio_mdev vfio_container_life)

modular() {
	local files=$BUILD/vm/modular-files status=0 program
	"$ROOT/scripts/kernel" modular
	"$ROOT/scripts/deps" guest
	"$ROOT/scripts/programs" selftests
	rm -rf "$files"
	mkdir -p "$files/selftests"
	for program in "${MODULAR_PROGRAMS[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $program != ${TEST:-*} ]] ||
			cp "$BUILD/programs/selftests/$program" "$files/selftests/"
	done
	say "iommufd and VFIO as modules in a guest"
	VM_KERNEL=$("$ROOT/scripts/kernel" --path modular) VM_DISK=$("$ROOT/scripts/disk") \
		VM_DEVICES="nvme edu igb" \
		VM_APPEND="kunit.enable=0 ${VM_APPEND:-}" VM_TIMEOUT=${VM_TIMEOUT:-900} \
		"$ROOT/tools/testing/vm/run" modular "$ROOT/tools/testing/vm/modular/job" \
		"$files" | narrate || status=$?
	RESULTS+=("modular=$LOGS/modular.out")
	verdict modular-guest "$status" "the guest with modules ended well, its kernel reported nothing"
}
