# SPDX-License-Identifier: GPL-2.0-only
"""A new QEMU takes the inner guest and its device over from the old one, in place: what
is pinned stays pinned, and the device goes on with its DMA meanwhile."""
import json
import os

import outer
from assign import READ, check_disks, no_complaints, same
from inner import FREE_MEMORY, MIB, Inner, vfio
from kvm import ACCEL
from outer import Failed, crc
from plug import load, under_load

MEMORY = ["-object", "memory-backend-memfd,id=ram0,size=64M,share=on",
          "-machine", "memory-backend=ram0,aux-ram-share=on"]
SOCKET = "/tmp/cpr.socket"
STATE = {"transport": "socket", "type": "unix", "path": SOCKET}
MAIN = {"transport": "socket", "type": "inet", "host": "127.0.0.1", "port": "4445"}


def hand_over(source, target):
    """The source's guest goes on in the target."""
    outer.wait_until("the target to listen", lambda: os.path.exists(SOCKET)
                     or target.process.poll() is not None)
    if target.process.poll() is not None:
        raise Failed(target.complaint())
    source.monitor("migrate-set-parameters", mode="cpr-transfer")
    return source.move_to(target, channels=[{"channel-type": "main", "addr": MAIN},
                                            {"channel-type": "cpr", "addr": STATE}])


def run(report, backend):
    if not os.path.exists("/dev/kvm"):
        report.skipped("cpr: QEMU crashes without KVM, and there is no /dev/kvm")
        return
    os.system("ip link set lo up")
    before = outer.pinned_pages()
    given = [vfio(outer.assigned(outer.NVME)[0], 4, backend)]
    incoming = ["-incoming", "tcp:127.0.0.1:4445",
                "-incoming", json.dumps({"channel-type": "cpr", "addr": STATE})]
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    with Inner(given, accel=ACCEL, extra=MEMORY) as source:
        source.wait_ready()
        check_disks(source, (4,), 0)
        load(source, 4)
        pinned = outer.pinned_pages()
        with Inner(given, accel=ACCEL, extra=MEMORY + incoming) as target:
            status = hand_over(source, target)
            source.quit()
            outer.expect_pinned(pinned)
            under_load(target, 4)
            target.ask("load", 4, 0)
            same("what the disk reads now", target.read_crc(4, READ, MIB, FREE_MEMORY),
                 crc(outer.disk_as_made(READ, MIB)))
            no_complaints(target)
            target.quit()
    outer.expect_pinned(before)
    report.passed(f"cpr ({backend}): another QEMU took the guest over, down for "
                  f"{status['downtime']} ms, its disk went on")


def cpr(report):
    run(report, "iommufd")


def cpr_legacy(report):
    run(report, "legacy")
