# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Every driver that uses iommufd or VFIO is compiled: a part of scripts/test.
# Sourced by it, for verdict.

# Configurations that are only compiled: their folders are named in them.  all-x86
# has every driver of the base as a module.
COMPILED=(all-x86)

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
	local name status
	for name in "${COMPILED[@]}"; do
		# shellcheck disable=SC2053 # a pattern
		[[ $name == ${TEST:-*} ]] || continue
		say "compiling what uses iommufd and VFIO: $name"
		status=0
		(compile_one "$name") >&2 || status=$?
		verdict "compile-$name" "$status" "the drivers of $name compile without a warning"
	done
}
