# SPDX-License-Identifier: GPL-2.0-only
"""DMA from one assigned device to another, by the address of its BAR."""
import outer
from assign import no_complaints, same
from inner import FREE_MEMORY, MIB, Inner, vfio
from outer import Failed, crc

BAR_MEMORY = 0x18


def memory_of(inner, slot):
    """The inner address of the device's BAR 2, with its decoding on."""
    inner.ask("setconfig", slot, 4, 6)
    return inner.value("config", slot, BAR_MEMORY) & ~15


def to_and_from(report, inner, what, memory, offset):
    """The disk in slot 4 reads into a BAR and is written from it."""
    wanted = crc(outer.disk_as_made(offset, MIB))
    inner.ask("read", 4, offset // outer.SECTOR, MIB, memory)
    same(f"checksum of what the disk put into {what}", inner.value("crc", memory, MIB), wanted)
    target = 32 * MIB + offset
    inner.ask("write", 4, target // outer.SECTOR, MIB, memory)
    same(f"checksum of what the disk took from {what}",
         inner.read_crc(4, target, MIB, FREE_MEMORY), wanted)
    report.passed(f"p2p: a disk reads 1 MiB into {what} and is written from there")


def between_disks(report, backend):
    disks = outer.assigned(outer.NVME)[:2]
    with Inner([vfio(device, 4 + i, backend) for i, device in enumerate(disks)]) as inner:
        inner.wait_ready()
        inner.ask("start", 4)
        inner.ask("start", 5)
        to_and_from(report, inner, f"another disk's memory ({backend})",
                    memory_of(inner, 5), MIB)
        no_complaints(inner)
        inner.quit()
    report.passed(f"p2p: QEMU maps the BARs without a complaint ({backend})")


def into_plain_memory(report, backend):
    """An ivshmem's BAR 0 is smaller than a page: there is no dma-buf of it, and mapping
    it by its address is for the container only."""
    given = [outer.assigned(outer.NVME)[0], outer.assigned(outer.IVSHMEM)[0]]
    with Inner([vfio(device, 4 + i, backend) for i, device in enumerate(given)]) as inner:
        inner.wait_ready()
        inner.ask("start", 4)
        to_and_from(report, inner, f"an ivshmem's memory ({backend})",
                    memory_of(inner, 5), 2 * MIB)
        if "Bad address" in inner.log() and backend == "legacy":
            raise Failed(f"QEMU complains: {inner.log()}")
        inner.quit()


def run(report, backend):
    before = outer.pinned_pages()
    between_disks(report, backend)
    into_plain_memory(report, backend)
    outer.expect_pinned(before)


def p2p(report):
    run(report, "iommufd")


def p2p_legacy(report):
    run(report, "legacy")
