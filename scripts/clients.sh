# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The programs that use VFIO, unmodified, each in a guest: a part of
# scripts/test each.  Sourced by it, for verdict, narrate and RESULTS.

CLIENTS=$ROOT/tools/testing/vm/clients

# ready COMMAND...: unless all is made for all the clients already.
ready() {
	[ -n "${CLIENTS_READY:-}" ] || "$@"
}

# client_guest NAME JOB [DIR...]: a guest for a client on the test kernel.
client_guest() {
	local name=$1 job=$2 config=${CONFIG:-test} status=0 begin=$SECONDS
	shift 2
	[ -n "${KERNEL:-}" ] || ready "$ROOT/scripts/kernel" "$config"
	ready "$ROOT/scripts/deps" guest
	VM_APPEND="kunit.enable=0 ${VM_APPEND:-}" \
		VM_KERNEL=${KERNEL:-$("$ROOT/scripts/kernel" --path "$config")} \
		"$ROOT/tools/testing/vm/run" "$name" "$CLIENTS/$job" "$@" |
		narrate || status=$?
	say "  $name took $((SECONDS - begin)) s"
	RESULTS+=("$name=$LOGS/$name.out")
	verdict "$name-guest" "$status" \
		"the guest of $name ended well, its kernel reported nothing"
}

# wiretap FIFO: QEMU's arguments to write there what each device sends.
wiretap() {
	local device
	for device in 3 4; do
		printf -- '-object filter-dump,id=wire%s,netdev=net%s,queue=rx,file=%s ' \
			"$device" "$device" "$1"
	done
}

# dpdk_guest NAME IMAGE DEVICES: testpmd forwards between two devices.  The FIFO
# with what they send is held open because QEMU may be started more than once.
dpdk_guest() {
	local name=$1 fifo=$BUILD/vm/$1.fifo wire=$LOGS/$1.wire image held reader
	image=$("$ROOT/scripts/image" "$2")
	rm -f "$fifo"
	mkfifo "$fifo"
	exec {held}<>"$fifo"
	"$CLIENTS/wire" read "$fifo" >"$wire" {held}>&- &
	reader=$!
	VM_IMAGE=$image VM_DEVICES=$3 VM_TIMEOUT=300 \
		VM_QEMU=$(wiretap "$fifo") \
		client_guest "$name" dpdk
	exec {held}>&-
	wait "$reader" || true
	"$CLIENTS/wire" judge "$wire" "$LOGS/$name.out" >"$LOGS/$name-wire.verdict"
	RESULTS+=("$name-wire=$LOGS/$name-wire.verdict")
}

dpdk() {
	say "DPDK in a guest, through the container"
	VM_ENV=DPDK_IOVA=va dpdk_guest dpdk clients "e1000e e1000e"
}

dpdk_igb() {
	say "DPDK in a guest, another device"
	VM_ENV=DPDK_IOVA=va dpdk_guest dpdk-igb clients "igb igb"
}

dpdk_virtio() {
	say "DPDK in a guest, a device of VIRTIO"
	VM_ENV=DPDK_IOVA=va dpdk_guest dpdk-virtio clients "virtionet virtionet"
}

dpdk_trixie() {
	say "DPDK of Debian 13 in a guest, through the container"
	VM_ENV=DPDK_IOVA=va dpdk_guest dpdk-trixie trixie "e1000e e1000e"
}

dpdk_noiommu() {
	say "DPDK in a guest without an IOMMU"
	VM_ENV=DPDK_IOVA=pa VM_IOMMU=none \
		VM_APPEND=vfio.enable_unsafe_noiommu_mode=1 \
		dpdk_guest dpdk-noiommu clients "e1000e e1000e"
}

# Upstream's selftests of VFIO: 5 GiB, because they map pages of 1 GiB.
vfio_selftests() {
	local files=$BUILD/vm/vfio-selftests-files
	say "upstream's selftests of VFIO in a guest"
	ready "$ROOT/scripts/programs" vfio_selftests
	rm -rf "$files"
	mkdir -p "$files/vfio"
	cp "$BUILD"/programs/vfio/vfio_*_test "$files/vfio/"
	VM_DEVICES="e1000e nvmesriov igb" VM_DISK=$("$ROOT/scripts/disk") \
		VM_MEMORY=5G VM_TIMEOUT=900 \
		VM_APPEND="vfio_pci.enable_sriov=1 hugepagesz=1G hugepages=1" \
		client_guest vfio-selftests vfio_selftests "$files"
}

# stage_qemu DIR: what the guest needs beside the image's QEMU.
stage_qemu() {
	ready "$ROOT/scripts/programs" qemu_guest
	rm -rf "$1"
	mkdir -p "$1"
	cp -r "$CLIENTS/qemu_scenarios" "$1/qemu"
	cp "$BUILD/programs/qemu_guest/qemu_guest" "$1/qemu/"
}

# qemu_guest NAME DEVICES SCENARIO...: QEMU in the guest, which assigns the
# devices to a guest of its own.  A kernel that was given need not be ours.
qemu_guest() {
	local name=$1 devices=$2 files=$BUILD/vm/$1-files image
	shift 2
	image=$("$ROOT/scripts/image" clients)
	stage_qemu "$files"
	VM_IMAGE=$image VM_DEVICES=$devices VM_DISK=$("$ROOT/scripts/disk") \
		VM_TIMEOUT=${VM_TIMEOUT:-1500} VM_SILENCE=${VM_SILENCE:-600} \
		VM_ENV="QEMU_SCENARIOS=${SCENARIOS:-$*}
QEMU_OURS=$([ -n "${KERNEL:-}" ] && echo 0 || echo 1)
QEMU_SLOW=$VM_SLOW
QEMU_KILLS=${QEMU_KILLS:-50}" \
		client_guest "$name" qemu "$files"
}

qemu() {
	say "QEMU in a guest, through both backends"
	qemu_guest qemu "nvme nvme edupair" iommufd legacy together
}

# The last scenario takes disks away.
qemu_more() {
	say "QEMU in a guest: files of a parent, peers, hotplug, mdev, migration"
	qemu_guest qemu-more "nvme nvme nvme edupair ivshmem" fds p2p p2p_legacy \
		unplug unplug_legacy together_legacy mtty migrate migrate_legacy \
		cpr cpr_legacy kvm surprise
}

# KVM emulates the inner guest's cache flushes only if the IOMMU cannot make all DMA
# coherent; this one can, that of the other parts cannot.
qemu_snoop() {
	say "QEMU in a guest, whose IOMMU makes DMA coherent"
	VM_IOMMU=intremap=on,eim=on,snoop-control=on \
		qemu_guest qemu-snoop nvme kvm
}

qemu_kill() {
	say "QEMU in a guest, killed at any point of its life"
	qemu_guest qemu-kill nvme kill
}

qemu_sizes() {
	say "QEMU in a guest, with more and more memory"
	VM_MEMORY=6G qemu_guest qemu-sizes nvme sizes
}

# Those that take longest come first.
CLIENT_PARTS=(qemu_kill vfio_selftests qemu_more qemu qemu_sizes qemu_snoop
	dpdk dpdk_igb dpdk_virtio dpdk_trixie dpdk_noiommu)

# How many guests run at once: each keeps one processor busy and may grow to 6 GiB.
client_lanes() {
	local lanes room
	lanes=$(nproc)
	room=$(awk '/^MemAvailable:/ { print int($2 / 6291456) }' /proc/meminfo)
	((lanes <= room)) || lanes=$room
	echo $((lanes < 1 ? 1 : lanes))
}

# What two parts at once would build both, each waiting for the other.
prepare_clients() {
	[ -n "${KERNEL:-}" ] || "$ROOT/scripts/kernel" "${CONFIG:-test}"
	"$ROOT/scripts/deps" guest
	"$ROOT/scripts/image" clients >/dev/null
	"$ROOT/scripts/image" trixie >/dev/null
	"$ROOT/scripts/programs" vfio_selftests
	"$ROOT/scripts/programs" qemu_guest
	"$ROOT/scripts/disk" >/dev/null
	CLIENTS_READY=1
}

# client_part PART: run it in a process of its own; what it found is in a file.
client_part() {
	RESULTS=()
	"$1"
	printf '%s\n' "${RESULTS[@]}" >"$BUILD/vm/$1.results"
}

# A part that left no results did not come to its end.
collect_clients() {
	local part results
	for part; do
		mapfile -t results < <(cat "$BUILD/vm/$part.results" 2>/dev/null)
		RESULTS+=("${results[@]}")
		((${#results[@]} > 0)) || verdict "$part-part" 1 "$part came to its end"
	done
}

# Each part is a process group of its own, for an interrupt to reach its guest.
clients() {
	local part parts lanes begin=$SECONDS
	read -ra parts <<<"${PARTS:-${CLIENT_PARTS[*]}}"
	lanes=${LANES:-$(client_lanes)}
	prepare_clients
	say "the clients, $lanes at once; made ready in $((SECONDS - begin)) s"
	set -m
	trap 'kill -TERM $(jobs -p | sed s/^/-/); exit 130' INT TERM
	for part in "${parts[@]}"; do
		rm -f "$BUILD/vm/$part.results"
		(($(jobs -pr | wc -l) < lanes)) || wait -n || true
		client_part "$part" </dev/null &
	done
	wait
	trap - INT TERM
	set +m
	CLIENTS_READY=
	collect_clients "${parts[@]}"
	say "the clients took $((SECONDS - begin)) s"
}
