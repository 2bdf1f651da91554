# SPDX-License-Identifier: GPL-2.0-only
"""Devices are assigned and work: what was read and written is compared."""
import time

import outer
from inner import FREE_MEMORY, MIB, Inner, vfio
from outer import Failed, crc

READ, SAMPLE, WRITE_AT = 4 * MIB, MIB // 4, 64 * MIB


def same(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: found {found:#x}, not {wanted:#x}")


def complaints(inner):
    """What QEMU wrote, but for its traces and what is so on any kernel: without KVM,
    a device that goes was not known to KVM, and mtty has no reset."""
    return "\n".join(line for line in inner.log().splitlines()
                     if line and not line.startswith("vfio_")
                     and not line.endswith(("KVM VFIO device isn't created yet",
                                            "no available reset mechanism.")))


def no_complaints(inner):
    """QEMU prints a warning for each thing that the kernel did not do for it."""
    if complaints(inner):
        raise Failed(f"QEMU complains: {complaints(inner)}")


def disk(report, backend, accel="tcg"):
    """The inner guest reads the assigned disk, writes, and reads that back."""
    before = outer.pinned_pages()
    device = outer.assigned(outer.NVME)[0]
    with Inner([vfio(device, 4, backend)], accel=accel) as inner:
        ready = inner.wait_ready()
        report.note(f"{backend}: ready after {ready:.1f} s, "
                    f"{outer.pinned_pages() - before} pages pinned")
        inner.ask("start", 4)
        same("the disk's checksum", inner.read_crc(4, 0, READ), crc(outer.disk_as_made(0, READ)))
        report.passed(f"{backend}: the inner guest read 4 MiB of the assigned disk, "
                      "checksum as made")
        inner.write_words(4, WRITE_AT, MIB, READ)
        written = outer.counting_words(MIB, READ)
        same("what was written", inner.read_crc(4, WRITE_AT, MIB, FREE_MEMORY + 8 * MIB),
             crc(written))
        if not inner.value("interrupts", 4):
            raise Failed("the disk did not interrupt")
        no_complaints(inner)
        inner.quit()
    outer.expect_pinned(before)
    if outer.disk_bytes(device, WRITE_AT, MIB) != written:
        raise Failed("the outer guest reads something else from the disk")
    report.passed(f"{backend}: what it wrote came back, and the outer guest reads it too")


def iommufd(report):
    disk(report, "iommufd")


def legacy(report):
    disk(report, "legacy")


class Edu:
    """QEMU's teaching device in the inner guest; it copies at most a page."""

    SOURCE, TARGET, COUNT, START, BUFFER = 0x80, 0x88, 0x90, 0x98, 0x40000

    def __init__(self, inner, slot):
        self.inner = inner
        inner.ask("setconfig", slot, 4, 6)
        self.registers = inner.value("config", slot, 0x10)

    def copy(self, source, target, command):
        for register, value in ((self.SOURCE, source), (self.TARGET, target),
                                (self.COUNT, outer.PAGE), (self.START, command)):
            self.inner.ask("poke", self.registers + register, value)
        outer.wait_until("the edu's copy", lambda: not
                         self.inner.value("peek", self.registers + self.START) & 1)

    def check(self, seed):
        """A page to the device and back to another place."""
        there, back = FREE_MEMORY, FREE_MEMORY + MIB
        self.inner.ask("fill", there, outer.PAGE, seed)
        self.inner.ask("fill", back, outer.PAGE, 0)
        self.copy(there, self.BUFFER, 1)
        self.copy(self.BUFFER, back, 3)
        same("what the edu copied", self.inner.value("crc", back, outer.PAGE),
             crc(outer.counting_words(outer.PAGE, seed)))


def check_disks(inner, slots, offset):
    """Each disk of these slots reads as made."""
    wanted = crc(outer.disk_as_made(offset, SAMPLE))
    for slot in slots:
        inner.ask("start", slot)
        same(f"checksum of the disk in slot {slot}", inner.read_crc(slot, offset, SAMPLE), wanted)


def toggle_decode(inner, slot, times):
    """The device's memory off and on; its registers read as before."""
    address = inner.value("config", slot, 0x10) & ~15
    capability = inner.value("peek", address)
    for _ in range(times):
        inner.ask("setconfig", slot, 4, 4)
        if inner.value("peek", address) == capability:
            raise Failed("registers are read while the device's memory is off")
        inner.ask("setconfig", slot, 4, 6)
        same("a register", inner.value("peek", address), capability)


def check_hot_resets(report, inner, wanted):
    """The edus have no reset of their own: both go through their bus's."""
    results = [line.split("hot reset: ")[1] for line in inner.log().splitlines()
               if line.startswith("vfio_pci_hot_reset_result")]
    if set(results) != {"Success"} or len(results) < wanted:
        raise Failed(f"hot resets ended so: {results}")
    report.passed(f"together: {len(results)} hot resets of two devices behind one bridge")


def together(report, backend="iommufd", resets=10):
    """Two disks and two devices that share a bus in one address space; resets."""
    before = outer.pinned_pages()
    disks, edus = outer.assigned(outer.NVME)[:2], outer.assigned(outer.EDU)[:2]
    given = [vfio(device, 4 + i, backend) for i, device in enumerate(disks + edus)]
    with Inner(given, extra=["-trace", "vfio_pci_hot_reset_result"]) as inner:
        inner.wait_ready()
        check_disks(inner, (4, 5), 0)
        for slot in (6, 7):
            Edu(inner, slot).check(slot)
        inner.write_words(4, WRITE_AT, MIB, 1)
        inner.write_words(5, WRITE_AT, MIB, 2)
        for slot, seed in ((4, 1), (5, 2)):
            same("what was written", inner.read_crc(slot, WRITE_AT, MIB),
                 crc(outer.counting_words(MIB, seed)))
        report.passed(f"{backend}: two disks and two edus move the right data "
                      "in one address space")
        toggle_decode(inner, 4, 20)
        check_disks(inner, (4,), MIB)
        report.passed(f"{backend}: a device's memory was turned off and on 20 times")
        begin = time.monotonic()
        for count in range(resets):
            inner.monitor("system_reset")
            inner.wait_line("ready")
            check_disks(inner, (4, 5), count * MIB)
            Edu(inner, 6 + count % 2).check(count)
        report.passed(f"{backend}: {resets} times system_reset, the right data after each, "
                      f"{(time.monotonic() - begin) / resets:.1f} s each")
        check_hot_resets(report, inner, resets)
        no_complaints(inner)
        inner.quit()
    outer.expect_pinned(before)


def together_legacy(report):
    together(report, "legacy", 3)
