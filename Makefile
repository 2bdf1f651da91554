# SPDX-License-Identifier: GPL-2.0-only
# The workshop of the iommufd and VFIO overlay.  "make" prints the targets;
# the work is done by scripts/.

SHELL := /bin/bash

# For make test these choose the configuration of the guest's kernel.
CONFIG ?=
export KSRC KERNEL QEMU VM_SLOW TEST JOBS DEMO_ARGS DEMO_MIB CASES CASE BACKEND \
	IOMMU SERVERS AGAINST BENCH_MIB BENCH_GUESTS BENCH_REPEATS \
	FRESH TOP COMPILE LANES PARTS

help:
	@echo "Targets:"
	@echo "  run          boot our kernel and read a disk through /dev/iommu"
	@echo "  test         all tests; the last line counts them"
	@echo "  test-unit    only KUnit of the data structures, no guest"
	@echo "  test-guest   only KUnit and the kselftests, in a guest"
	@echo "  test-clients QEMU, DPDK and upstream's own tests of VFIO, in guests"
	@echo "  test-arch    kselftests behind other IOMMUs, and on arm64"
	@echo "  test-compile compile every driver that uses iommufd or VFIO"
	@echo "  test-modular load and unload iommufd and VFIO as modules, in a guest"
	@echo "  test-debug   the kselftests, ours and upstream's, under KASAN, kmemleak,"
	@echo "               UBSAN and lockdep; is each of their reports seen?"
	@echo "  coverage     what the tests reach of our files, line by line"
	@echo "  shell-clients a guest with QEMU, DPDK and devices for them"
	@echo "  bench        what mapping costs, in the guest's instructions"
	@echo "  bench-profile  what one CASE of it executes, by function"
	@echo "  bench-page   measure all of Documentation/driver-api/iommufd-costs.rst anew"
	@echo "  shell        a guest to play in, with the demo on board"
	@echo "  kernel       build the kernel of CONFIG (default: x86)"
	@echo "  kernel-path  print where that kernel is, nothing else (make -s)"
	@echo "  tree         lay base and overlay out in build/tree, to build yourself"
	@echo "  check        static checks of our sources"
	@echo "  clean        delete build/ (the cache folder stays)"
	@echo
	@echo "Variables:"
	@echo "  CONFIG=NAME     a configuration: $(patsubst configs/%.config,%,$(filter-out configs/all-%,$(sort $(wildcard configs/*.config))))"
	@echo "  KERNEL=bzImage  run, shell and test on this kernel and build none"
	@echo "  KSRC=DIR        lay the overlay over this 7.3.y tree, not Debian's"
	@echo "  QEMU=PROGRAM    another qemu-system-x86_64"
	@echo "  TEST=NAME       make test-guest: one kselftest program (a pattern)"
	@echo "  LANES=N         make test-clients: so many guests at once"
	@echo "  PARTS='NAME...' make test-clients: only these, such as 'qemu dpdk'"
	@echo "  COMPILE='NAME...' make test-compile: only these of configs/all-*"
	@echo "  CASES='CASE...' make bench: names or patterns such as 'place-*'"
	@echo "  FRESH=1         make bench: count again what is kept from before"
	@echo "  IOMMU=NAME      make bench: intel, amd or virtio"
	@echo "  AGAINST=bzImage make bench: measure this kernel as well"
	@echo "  CASE=NAME       make bench-profile: which case"
	@echo "  VM_SLOW=N       guests may take N times as long (a debug kernel's: 4)"
	@echo "  JOBS=N          parallel compilers (default: all processors)"

run:
	@CONFIG="$(CONFIG)" scripts/demo

shell:
	@CONFIG="$(CONFIG)" scripts/demo --shell

bench:
	@CONFIG="$(CONFIG)" scripts/bench

bench-profile:
	@CONFIG="$(CONFIG)" scripts/bench-profile

bench-page:
	@CONFIG="$(CONFIG)" scripts/bench-page

test:
	@CONFIG="$(CONFIG)" scripts/test

test-unit:
	@scripts/test unit

test-guest:
	@CONFIG="$(CONFIG)" scripts/test guest

test-clients:
	@CONFIG="$(CONFIG)" scripts/test clients

test-arch:
	@CONFIG="$(CONFIG)" scripts/test arch

test-compile:
	@scripts/test compile

test-modular:
	@scripts/test modular

test-debug:
	@CONFIG=debug scripts/test provoke guest noiommu nointremap upstream

coverage:
	@scripts/coverage

shell-clients:
	@CONFIG="$(CONFIG)" scripts/shell-clients

kernel:
	@scripts/kernel "$(or $(CONFIG),x86)"
	@echo "$$(scripts/kernel --path "$(or $(CONFIG),x86)")"

kernel-path:
	@scripts/kernel --path "$(or $(CONFIG),x86)"

tree:
	@scripts/tree
	@echo build/tree

check:
	@scripts/check

clean:
	rm -rf build

.PHONY: help run bench bench-profile bench-page shell test test-unit test-guest test-clients shell-clients test-arch test-compile test-modular test-debug coverage kernel kernel-path tree check clean
