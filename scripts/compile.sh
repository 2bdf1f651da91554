# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every driver that uses iommufd or VFIO is compiled: a part of scripts/test.
# Sourced by it, for verdict.

# Configurations that are only compiled: what is compiled of them is named in
# configs/all-*.config.  COMPILE leaves some of them, such as "arm64 s390".
COMPILED=(x86 x86-bare x86-without arm64 s390)

# compiled NAME: how many objects came of it.
compiled() {
	find "$BUILD/$1"/{arch,drivers,samples,virt} -name '*.o' ! -name '*.mod.o' \
		! -name '.*' 2>/dev/null | wc -l
}

# compile_one NAME: every driver that uses iommufd or VFIO, against our headers.
compile_one() {
	local log=$LOGS/exports-$1.log
	"$ROOT/scripts/kernel" --compile "$1" || {
		grep -E '(warning|error): ' "$LOGS/kernel-$1.log" || true
		return 1
	}
	"$ROOT/scripts/exports" "$1" >"$log" || return
	cat "$log"
	[ ! -s "$log" ]
}

compile() {
	local name status start
	for name in ${COMPILE:-"${COMPILED[@]}"}; do
		say "compiling what uses iommufd and VFIO: $name"
		status=0
		start=$SECONDS
		(compile_one "all-$name") >&2 || status=$?
		say "  $(compiled "all-$name") objects, $((SECONDS - start)) s"
		verdict "compile-$name" "$status" "the drivers of $name compile without a warning"
	done
}
