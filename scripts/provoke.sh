# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Does a guest fail for each kind of report that a kernel with all checkers can
# make?  A part of scripts/test.  Sourced by it, for RESULTS.

# judge_provoked CONSOLE STATUS: TAP, a line for each kind that the job provoked: what
# the log has from there to the next kind is a report to kernel_reports.
judge_provoked() {
	local kinds kind n=0 part=$BUILD/vm/provoke/part word
	mapfile -t kinds < <(sed -n 's/.*vm: provoke \([a-z-]*\)\r*$/\1/p' "$1")
	echo "1..$((${#kinds[@]} + 2))"
	for kind in "${kinds[@]}"; do
		awk -v kind="$kind" '/vm: provoke / { on = $0 ~ " " kind "\r?$" } on' \
			"$1" >"$part"
		word=ok
		kernel_reports "$part" >/dev/null || word="not ok"
		echo "$word $((++n)) $kind is seen"
	done
	word=ok
	[ "${kinds[*]: -1}" = leak ] || word="not ok"
	echo "$word $((++n)) all kinds were provoked"
	word=ok
	[ "$2" = 70 ] || word="not ok"
	echo "$word $((++n)) the guest fails for its kernel's reports"
}

provoke() {
	local config=${CONFIG:-debug} files=$BUILD/vm/provoke-files status=0
	"$ROOT/scripts/kernel" "$config"
	"$ROOT/scripts/deps" guest
	CONFIG=$config "$ROOT/scripts/programs" provoke
	rm -rf "$files"
	mkdir -p "$files/provoke"
	cp "$BUILD/programs/provoke/provoke.ko" "$files/provoke/"
	say "a guest that provokes reports"
	VM_KERNEL=$("$ROOT/scripts/kernel" --path "$config") VM_DEVICES=edu \
		VM_APPEND="kunit.enable=0 kasan_multi_shot ${VM_APPEND:-}" VM_TIMEOUT=300 \
		"$ROOT/tools/testing/vm/run" provoke \
		"$ROOT/tools/testing/vm/provoke/job" "$files" >/dev/null 2>&1 || status=$?
	judge_provoked "$LOGS/provoke.console" "$status" >"$LOGS/provoke.verdict"
	RESULTS+=("provoke=$LOGS/provoke.verdict")
}
