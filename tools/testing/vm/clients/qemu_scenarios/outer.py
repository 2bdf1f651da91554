# SPDX-License-Identifier: GPL-2.0-only
"""The kernel under test and its devices, as the programs of this folder see them."""
import glob
import os
import time
import zlib

PAGE = 4096
SECTOR = 512
NVME, EDU, IVSHMEM, E1000E = "1b36:0010", "1234:11e8", "1af4:1110", "8086:10d3"
FIRST_LINE = 100000000000000
PATIENCE = 300 * int(os.environ.get("QEMU_SLOW", "1"))


class Failed(Exception):
    """A step went wrong; the text says which and how."""


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().strip()


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def wait_until(what, condition, patience=PATIENCE):
    """The condition's first true value."""
    deadline = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not in {patience} s")
        time.sleep(0.02)
    return value


class Device:
    """One PCI device of the guest."""

    def __init__(self, path):
        self.path = path
        self.address = os.path.basename(path)

    def is_there(self):
        return os.path.exists(self.path)

    def driver(self):
        link = self.path + "/driver"
        return os.path.basename(os.readlink(link)) if os.path.exists(link) else ""

    def bind(self, driver):
        """Give it to a driver; "" takes it from the one it has."""
        if self.driver() == driver:
            return self
        write(self.path + "/driver_override", driver or "none")
        if self.driver():
            write(self.path + "/driver/unbind", self.address)
        if driver:
            write("/sys/bus/pci/drivers_probe", self.address)
        if self.driver() != driver:
            raise Failed(f"{driver} does not take {self.address}")
        return self

    def machine_name(self):
        """The id that tools/testing/vm/machine.sh gave it: by the slot of its port."""
        port = os.path.basename(os.path.dirname(os.path.realpath(self.path)))
        return f"dev{int(port.split(':')[2].split('.')[0], 16):x}"

    def cdev(self):
        return "/dev/vfio/devices/" + os.listdir(self.path + "/vfio-dev")[0]


def devices(ids):
    """Those with these vendor:device, by address."""
    found = []
    for path in sorted(glob.glob("/sys/bus/pci/devices/*")):
        if f"{read(path + '/vendor')[2:]}:{read(path + '/device')[2:]}" == ids:
            found.append(Device(path))
    return found


def assigned(ids):
    """The same, all with vfio-pci."""
    return [device.bind("vfio-pci") for device in devices(ids)]


def disk_bytes(device, start, length):
    """What Linux's own driver reads from an NVMe disk; vfio-pci gets it back."""
    device.bind("nvme")
    block = wait_until("the disk's block device",
                       lambda: glob.glob(device.path + "/nvme/nvme*/nvme*n1"))[0]
    node = "/dev/" + os.path.basename(block)
    wait_until(node, lambda: os.path.exists(node))
    with open(node, "rb", buffering=0) as disk:
        disk.seek(start)
        data = b""
        while len(data) < length:
            data += disk.read(length - len(data))
    device.bind("vfio-pci")
    return data


def disk_as_made(start, length):
    """What scripts/disk wrote there: numbered lines of 16 bytes."""
    first = FIRST_LINE + start // 16
    return b"".join(b"%d\n" % number for number in range(first, first + length // 16))


def counting_words(length, seed):
    """What the inner guest's command "fill" writes."""
    return b"".join(((seed + i) & 0xffffffff).to_bytes(4, "little")
                    for i in range(length // 4))


def crc(data):
    return zlib.crc32(data)


def pinned_pages():
    """Pages that are pinned now, in the whole kernel.  Each processor counts for itself;
    the first line has that added up."""
    write("/proc/sys/vm/stat_refresh", "1")
    counts = dict(line.split() for line in read("/proc/vmstat").splitlines())
    return int(counts["nr_foll_pin_acquired"]) - int(counts["nr_foll_pin_released"])


def expect_pinned(pages):
    """Files are closed after a process is gone, so what they pinned may take a while."""
    deadline = time.monotonic() + PATIENCE
    while (now := pinned_pages()) != pages:
        if time.monotonic() > deadline:
            raise Failed(f"{now} pages are pinned, {pages} were before")
        time.sleep(0.02)
