# SPDX-License-Identifier: GPL-2.0-only
"""KVM runs the inner guest, and asks VFIO whether all DMA is coherent."""
import glob
import os

import outer
from assign import disk
from inner import Inner, vfio
from outer import Failed

# The kernel is built without KVM's own IOAPIC.
ACCEL = "kvm,kernel-irqchip=split"
TRACING = "/sys/kernel/tracing/"
CALLS = TRACING + "events/csd/csd_queue_cpu/enable"
SNOOP_CONTROL = 1 << 7


def processor_of(thread):
    """The one that the thread ran on last."""
    return int(outer.read(f"/proc/{thread}/stat").rsplit(")", 1)[1].split()[36])


def move(thread, processor):
    os.sched_setaffinity(thread, {processor})
    outer.wait_until("the inner processor to move",
                     lambda: processor_of(thread) == processor)


def flushes(inner):
    """Whether KVM carries out the inner guest's WBINVD: a processor that it ran on before
    is asked to flush, too."""
    thread = inner.monitor("query-cpus-fast")[0]["thread-id"]
    move(thread, 0)
    inner.ask("config", 0, 0)
    move(thread, 1)
    inner.ask("config", 0, 0)
    outer.write(TRACING + "trace", "")
    outer.write(CALLS, "1")
    inner.ask("flush")
    outer.write(CALLS, "0")
    return "func=__wbinvd" in outer.read(TRACING + "trace")


def always_coherent():
    """Can the IOMMU make a device's DMA coherent that does not want to be?"""
    units = glob.glob("/sys/class/iommu/dmar*/intel-iommu/ecap")
    return bool(units) and all(int(outer.read(unit), 16) & SNOOP_CONTROL for unit in units)


def expect_flushes(inner, wanted, when):
    if flushes(inner) != wanted:
        raise Failed(f"{when} KVM {'ignores' if wanted else 'carries out'} "
                     "the inner guest's flush of its caches")


def coherency(report, backend):
    """KVM must flush caches as long as there is a device whose DMA may pass them by."""
    before = outer.pinned_pages()
    device = outer.assigned(outer.NVME)[0]
    wanted = not always_coherent()
    given = vfio(device, 4, backend)
    objects = ["-object", "iommufd,id=iommufd0"] if backend == "iommufd" else []
    with Inner([], accel=ACCEL, extra=objects) as inner:
        inner.wait_ready()
        expect_flushes(inner, False, "without a device")
        for _ in range(2):
            inner.monitor("device_add", **given)
            inner.wait_line("added 0x4")
            expect_flushes(inner, wanted, "with a device")
            inner.monitor("device_del", id="dev4")
            inner.wait_line("removed 0x4")
            inner.wait_event("DEVICE_DELETED", device="dev4")
            outer.wait_until("the end of flushes", lambda: not flushes(inner))
        inner.quit()
    outer.expect_pinned(before)
    report.passed(f"kvm ({backend}): the IOMMU can{'not' if wanted else ''} make DMA coherent, so "
                  f"KVM {'flushes caches while' if wanted else 'ignores flushes although'} "
                  "a device is there")


def kvm(report):
    if not os.path.exists("/dev/kvm"):
        report.skipped("kvm: there is no /dev/kvm, the machine's processor has no SVM")
        return
    disk(report, "iommufd", ACCEL)
    for backend in ("iommufd", "legacy"):
        coherency(report, backend)
