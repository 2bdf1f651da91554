# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
# What all scripts share: paths, messages, locks, logs.  Sourced, not run.

set -euo pipefail
shopt -s inherit_errexit

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=$ROOT/build
LOGS=$BUILD/log
BASE=$BUILD/base
TREE=$BUILD/tree
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/iommufd-overlay
JOBS=${JOBS:-$(nproc)}

# shellcheck source=scripts/base.env
. "$ROOT/scripts/base.env"

# Variables given to the top make must not leak into the kernel's make.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES ARCH CROSS_COMPILE O \
	KBUILD_OUTPUT LOCALVERSION CFLAGS LDFLAGS
export LC_ALL=C

mkdir -p "$LOGS" "$CACHE"

say() {
	printf '%s\n' "$*" >&2
}

die() {
	say "error: $*"
	exit 1
}

# show_failure LOG WHAT: the end of a log, its path, and out.
show_failure() {
	say "--- last lines of ${1#"$ROOT"/}"
	tail -n "${3:-25}" "$1" >&2 || true
	say "---"
	die "$2; the whole log is ${1#"$ROOT"/}"
}

# logged NAME WHAT COMMAND...: run quietly, log to build/log/NAME.log.
logged() {
	local log=$LOGS/$1.log what=$2
	shift 2
	"$@" </dev/null >"$log" 2>&1 || show_failure "$log" "$what failed"
}

# Serialise a step with every other script of this checkout (or of this
# cache folder, if $2 says so); the lock is held until the caller's subshell
# ends.
hold_lock() {
	local file=${2:-$BUILD}/.lock.$1 fd
	[ -e "$file" ] || : >"$file"
	exec {fd}<"$file"
	flock -n "$fd" || {
		say "waiting for another run's step '$1'"
		flock "$fd"
	}
}

# The tree that stands for the base: the user's, or the unpacked package.
base_dir() {
	if [ -n "${KSRC:-}" ]; then
		realpath -m "$KSRC"
	else
		printf '%s\n' "$BASE"
	fi
}

use_ccache() {
	command -v ccache >/dev/null || return 0
	export CCACHE_DIR=${CCACHE_DIR:-$CACHE/ccache}
	export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=1
	export CCACHE_COMPILERCHECK=content
	export CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-6G}
	export CCACHE_SLOPPINESS=include_file_ctime,include_file_mtime
	CC_ARGS=(CC="ccache gcc" HOSTCC="ccache gcc")
}
CC_ARGS=()
use_ccache
