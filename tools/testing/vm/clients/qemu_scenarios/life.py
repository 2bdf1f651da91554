# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU holds over its life, and that nothing of it stays."""
import os
import random
import resource
import select
import time

import outer
from assign import READ, check_disks, same
from inner import FREE_MEMORY, MIB, Inner, vfio
from outer import Failed, crc

USER = 1000
KILLS = int(os.environ.get("QEMU_KILLS", "50"))


def ordinary_user(memlock):
    """What the new process does before it is QEMU."""
    def become():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (memlock, memlock))
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
    return become


def fdinfo(fd, *keys):
    """Lines of what the kernel tells of our file; none on upstream's."""
    return [line for line in outer.read(f"/proc/self/fdinfo/{fd}").splitlines()
            if line.split(":")[0] in keys]


def gives_reasons():
    """Is it a kernel of ours?"""
    with open("/dev/iommu", "rb") as file:
        return bool(fdinfo(file.fileno(), "mode"))


class Opened:
    """/dev/iommu and a device, opened by the parent for an unprivileged QEMU."""

    def __init__(self, device):
        self.iommu = os.open("/dev/iommu", os.O_RDWR | os.O_CLOEXEC)
        self.device = os.open(device.cdev(), os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.device)
        os.close(self.iommu)

    def inner(self, memlock):
        given = {"driver": "vfio-pci", "id": "dev4", "addr": "4", "rombar": 0,
                 "fd": str(self.device), "iommufd": "iommufd0"}
        return Inner([given], become=ordinary_user(memlock), fds=(self.iommu, self.device),
                     iommufd=f"iommufd,id=iommufd0,fd={self.iommu}")


def passed_fds(report):
    before = outer.pinned_pages()
    device = outer.assigned(outer.NVME)[0]
    with Opened(device) as opened, opened.inner(96 * MIB) as inner:
        inner.wait_ready()
        check_disks(inner, (4,), 0)
        report.note("\n".join(fdinfo(opened.iommu, "mode", "pinned", "charged")))
        inner.quit()
    outer.expect_pinned(before)
    report.passed("fds: an ordinary user's QEMU with the parent's files and enough "
                  "RLIMIT_MEMLOCK reads the disk")
    with Opened(device) as opened, opened.inner(32 * MIB) as inner:
        status = inner.process.wait(outer.PATIENCE)
        log, refusals = inner.log().strip(), fdinfo(opened.iommu, "refused")
    report.note(f"status {status}: {log}")
    report.note("\n".join(refusals))
    if status != 1 or "Cannot allocate memory" not in log:
        raise Failed("QEMU was not refused for want of RLIMIT_MEMLOCK")
    report.passed("fds: with too little RLIMIT_MEMLOCK QEMU is refused and says so")
    outer.expect_pinned(before)
    if not report.ours:
        report.skipped("fds: this kernel gives no reasons")
        return
    if not any("memlock" in line for line in refusals):
        raise Failed(f"fdinfo does not give the reason: {refusals}")
    report.passed("fds: the file's fdinfo says why")


def begin_load(inner):
    inner.wait_line("ready")
    inner.ask("start", 4)
    inner.ask("load", 4, 1)


def live_until(inner, when):
    """Let it do DMA from when it is ready until it dies."""
    ready = False
    while (left := when - time.monotonic()) > 0:
        if ready:
            inner.ask("loaded", 4)
        elif select.select([inner.console.ours], [], [], left)[0]:
            begin_load(inner)
            ready = True
    return ready


def live_for(inner, reads):
    """Let it do so many reads, however long that takes."""
    begin_load(inner)
    outer.wait_until("reads", lambda: inner.value("loaded", 4) >= reads)
    return True


def live(inner, dice, whole, count):
    """At any time of its life, but each third death is one under load."""
    if count % 3 == 2:
        return live_for(inner, dice.randrange(100))
    return live_until(inner, time.monotonic() + dice.uniform(0, whole))


def kill(report):
    """SIGKILL at any point of QEMU's life.  The user's limit has room for one run only:
    what stayed charged would stop the next."""
    before = outer.pinned_pages()
    device = outer.assigned(outer.NVME)[0]
    with Opened(device) as opened, opened.inner(96 * MIB) as inner:
        whole = inner.wait_ready() * 1.3
    outer.expect_pinned(before)
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    report.note(f"killed in the first {whole:.1f} s, seed {seed}")
    ready = 0
    for count in range(KILLS):
        if count % 2:
            with Opened(device) as opened, opened.inner(96 * MIB) as inner:
                ready += live(inner, dice, whole, count)
        else:
            with Inner([vfio(device, 4, "legacy")]) as inner:
                ready += live(inner, dice, whole, count)
        outer.expect_pinned(before)
        if count % 10 == 9:
            report.note(f"killed {count + 1} times")
    report.passed(f"kill: {KILLS} times, {ready} of them under load; nothing stays pinned")
    with Opened(device) as opened, opened.inner(96 * MIB) as inner:
        inner.wait_ready()
        check_disks(inner, (4,), 0)
    outer.expect_pinned(before)
    report.passed("kill: nothing stays charged, the device works")
    device.bind("").bind("vfio-pci")
    report.passed("kill: no file stays open, vfio-pci lets the device go")


def whole_memory(inner, memory):
    """DMA to and from the last MiB of an inner guest's memory."""
    last = memory * MIB - MIB
    if memory > 3072:
        last += 1024 * MIB
    inner.ask("read", 4, 0, MIB, last)
    inner.ask("write", 4, READ // outer.SECTOR, MIB, last)
    same("what went through the end of memory", inner.read_crc(4, READ, MIB, FREE_MEMORY),
         crc(outer.disk_as_made(0, MIB)))


def sizes(report):
    """How long QEMU takes to be ready, and what it pins."""
    before = outer.pinned_pages()
    device = outer.assigned(outer.NVME)[0]
    for backend in ("iommufd", "legacy"):
        for memory in (1024, 2048, 4096):
            with Inner([vfio(device, 4, backend)], memory=memory) as inner:
                ready = inner.wait_ready()
                pinned = (outer.pinned_pages() - before) * outer.PAGE // MIB
                inner.ask("start", 4)
                whole_memory(inner, memory)
                begin = time.monotonic()
                inner.quit()
                report.passed(f"sizes: {memory} MiB with {backend}: ready after {ready:.1f} s, "
                              f"{pinned} MiB pinned, gone in {time.monotonic() - begin:.1f} s")
            outer.expect_pinned(before)
