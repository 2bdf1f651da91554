# SPDX-License-Identifier: GPL-2.0-only
"""mtty, the sample mdev: a serial port whose bytes come back to it."""
import os
import uuid

import outer
from assign import no_complaints, same
from inner import FREE_MEMORY, MIB, Inner
from outer import Failed, crc

TYPE = "/sys/devices/virtual/mtty/mtty/mdev_supported_types/mtty-1"
DATA, LINE_STATUS, FIFO_CONTROL, LINE_CONTROL = 0, 5, 2, 3
TEXT = b"a byte out is a byte in"
URI = "tcp:127.0.0.1:4444"
BITMAP = "vfio_container_query_dirty_bitmap"


class Mtty:
    """One mdev, there as long as the block runs."""

    def __init__(self):
        if not os.path.exists(TYPE):
            raise Failed("the kernel has no mtty")
        self.name = str(uuid.uuid4())
        self.path = f"/sys/bus/mdev/devices/{self.name}"

    def __enter__(self):
        outer.write(TYPE + "/create", self.name)
        return self

    def __exit__(self, *_):
        outer.write(self.path + "/remove", "1")

    def given(self, backend="iommufd", **options):
        device = {"driver": "vfio-pci", "id": "dev4", "addr": "4",
                  "sysfsdev": self.path, **options}
        if backend == "iommufd":
            device["iommufd"] = "iommufd0"
        return device


def port(inner):
    """Where the serial port is; it is set up on the way."""
    inner.ask("setconfig", 4, 4, 1)
    base = inner.value("config", 4, 0x10) & ~3
    inner.ask("out", base + LINE_CONTROL, 3)
    inner.ask("out", base + FIFO_CONTROL, 7)
    return base


def send(inner, base, text):
    for byte in text:
        inner.ask("out", base + DATA, byte)


def receive(inner, base, length):
    text = b""
    while len(text) < length and inner.value("in", base + LINE_STATUS) & 1:
        text += bytes([inner.value("in", base + DATA)])
    return text


def mtty(report):
    """A byte out is a byte in, with either backend."""
    for backend in ("iommufd", "legacy"):
        with Mtty() as device, Inner([device.given(backend)]) as inner:
            inner.wait_ready()
            base = port(inner)
            for text in (TEXT[:8], TEXT[8:16], TEXT[16:]):
                send(inner, base, text)
                if receive(inner, base, len(text)) != text:
                    raise Failed(f"{text} did not come back")
            no_complaints(inner)
            inner.quit()
        report.passed(f"mtty ({backend}): a byte out is a byte in")


def bitmaps(inner):
    """What QEMU was told when it asked for dirty pages, as it traced it."""
    return [dict(word.split("=") for word in line.split() if "=" in word)
            for line in inner.log().splitlines() if line.startswith(BITMAP)]


def check_target(target, text):
    """Its memory and the serial port are the source's."""
    same("the target's memory", target.value("crc", FREE_MEMORY, MIB),
         crc(outer.counting_words(MIB, 7)))
    base = target.value("config", 4, 0x10) & ~3
    if receive(target, base, len(text)) != text:
        raise Failed("the serial port of the target holds something else")
    send(target, base, text)
    if receive(target, base, len(text)) != text:
        raise Failed("the serial port of the target does not work")


def moved(report, one, two):
    """Migrate from the first device to the second: the bitmaps that the source read."""
    text = TEXT[:12]
    with Inner([one], extra=["-trace", BITMAP]) as source:
        source.wait_ready()
        source.ask("fill", FREE_MEMORY, MIB, 7)
        send(source, port(source), text)
        with Inner([two], extra=["-incoming", "defer"]) as target:
            target.monitor("migrate-incoming", uri=URI)
            status = source.move_to(target, uri=URI)
            source.quit()
            check_target(target, text)
            ram = status["ram"]
            report.note(f"down for {status['downtime']} ms, {ram['transferred'] >> 10} KiB, "
                        f"{ram['normal']} pages and {ram['duplicate']} that are zero, "
                        f"{status.get('vfio', {}).get('transferred', 0)} bytes of the device")
            target.quit()
        return bitmaps(source)


def between_mttys(report, backend, **options):
    os.system("ip link set lo up")
    options["enable-migration"] = "on"
    with Mtty() as one, Mtty() as two:
        asked = moved(report, one.given(backend, **options), two.given(backend, **options))
    report.passed(f"migrate ({backend}): memory and what the mdev held are read in the target")
    return asked


def migrate(report):
    between_mttys(report, "iommufd")


def migrate_legacy(report):
    """mtty reaches no memory, so no page is dirty but by the processor.  It logs its DMA
    itself; without that QEMU asks the container."""
    asked = between_mttys(report, "legacy", **{"x-device-dirty-page-tracking": "off"})
    dirty = sum(int(bitmap["dirty_pages"]) for bitmap in asked)
    if not asked or dirty:
        raise Failed(f"{len(asked)} dirty bitmaps, {dirty} pages: {asked[:3]}")
    report.passed(f"migrate (legacy): the container gave {len(asked)} bitmaps, no page is dirty")
