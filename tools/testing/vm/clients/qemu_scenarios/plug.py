# SPDX-License-Identifier: GPL-2.0-only
"""Devices come and go while they do DMA."""
import outer
from assign import check_disks, no_complaints
from inner import Inner, vfio

TIMES = 10


def under_load(inner, slot):
    """Until the device has done some reads more."""
    before = inner.value("loaded", slot)
    outer.wait_until(f"reads of the device in slot {slot}",
                     lambda: inner.value("loaded", slot) > before + 8)


def load(inner, *slots):
    for slot in slots:
        inner.ask("load", slot, 1)
    for slot in slots:
        under_load(inner, slot)


def unplug_and_plug(inner, given, backend):
    """A device goes in the middle of its reads and comes back."""
    inner.monitor("device_del", id="dev4")
    inner.wait_line("removed 0x4")
    inner.wait_event("DEVICE_DELETED", device="dev4")
    under_load(inner, 5)
    inner.monitor("device_add", **vfio(given, 4, backend))
    inner.wait_line("added 0x4")
    check_disks(inner, (4,), 0)
    load(inner, 4)
    under_load(inner, 5)


def run(report, backend):
    before = outer.pinned_pages()
    disks = outer.assigned(outer.NVME)[:2]
    with Inner([vfio(device, 4 + i, backend) for i, device in enumerate(disks)]) as inner:
        inner.wait_ready()
        check_disks(inner, (4, 5), 0)
        load(inner, 4, 5)
        for _ in range(TIMES):
            unplug_and_plug(inner, disks[0], backend)
        inner.ask("load", 5, 0)
        check_disks(inner, (5,), 0)
        no_complaints(inner)
        inner.quit()
    outer.expect_pinned(before)
    report.passed(f"unplug ({backend}): {TIMES} times taken away under load and given "
                  "back, both disks right")


def unplug(report):
    run(report, "iommufd")


def unplug_legacy(report):
    run(report, "legacy")


def taken_away(report, gone, stays, backend):
    """The outer machine takes a device away: QEMU is asked to let it go."""
    with Inner([vfio(gone, 4, backend), vfio(stays, 5, backend)]) as inner:
        inner.wait_ready()
        inner.monitor("query-status")
        check_disks(inner, (4, 5), 0)
        load(inner, 4, 5)
        report.machine(f"device_del {gone.machine_name()}")
        inner.wait_line("removed 0x4")
        under_load(inner, 5)
        outer.wait_until("the device to be gone", lambda: not gone.is_there())
        inner.wait_event("DEVICE_DELETED", device="dev4")
        inner.ask("load", 5, 0)
        check_disks(inner, (5,), 0)


def surprise(report):
    before = outer.pinned_pages()
    stays, *others = outer.assigned(outer.NVME)
    for gone, backend in zip(others, ("iommufd", "legacy"), strict=True):
        taken_away(report, gone, stays, backend)
        outer.expect_pinned(before)
        report.passed(f"surprise ({backend}): the machine took a device away under load, "
                      "the other one goes on")
