# SPDX-License-Identifier: GPL-2.0-only
"""QEMU in the guest, and the small kernel of ../qemu_guest that runs in it."""
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time

import outer
from outer import Failed, PATIENCE

KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "qemu_guest")
FREE_MEMORY = 0x1000000
MIB = 1 << 20


class Lines:
    """A socket that speaks in lines."""

    def __init__(self, what, alive):
        self.ours, self.theirs = socket.socketpair()
        self.what = what
        self.alive = alive
        self.rest = b""

    def send(self, text):
        self.ours.sendall(text.encode() + b"\n")

    def receive(self, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while b"\n" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed(f"{self.what} is silent for {patience} s")
            if not select.select([self.ours], [], [], min(left, 1))[0]:
                continue
            try:
                data = self.ours.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                raise Failed(f"{self.what} is closed: {self.alive()}")
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode(errors="replace").strip()


def vfio(device, slot, backend="iommufd", **options):
    """QEMU's arguments for an assigned device, as device_add takes them."""
    arguments = {"driver": "vfio-pci", "id": f"dev{slot:x}", "host": device.address,
                 "addr": f"{slot:x}", "rombar": 0}
    if backend == "iommufd":
        arguments["iommufd"] = "iommufd0"
    arguments.update(options)
    return {key: value for key, value in arguments.items() if value is not None}


class Inner:
    """A QEMU with devices, as vfio() describes them, in the slots of its machine "pc".

    become: called in the new process before it is QEMU; fds: what it inherits.
    """

    def __init__(self, given, memory=64, accel="tcg", extra=(), become=None, fds=(),
                 iommufd="iommufd,id=iommufd0"):
        self.process = None
        self.errors = tempfile.TemporaryFile()
        self.console = Lines("the inner guest's console", self.complaint)
        self.qmp = Lines("QMP", self.complaint)
        self.events = []
        self.begin = time.monotonic()
        ends = [self.console.theirs.fileno(), self.qmp.theirs.fileno()]
        arguments = ["qemu-system-x86_64", "-M", "pc", "-accel", accel, "-m", str(memory),
                     "-nodefaults", "-no-user-config", "-display", "none",
                     "-kernel", KERNEL,
                     "-chardev", f"socket,id=console,fd={ends[0]}",
                     "-serial", "chardev:console",
                     "-chardev", f"socket,id=qmp,fd={ends[1]}",
                     "-qmp", "chardev:qmp", *extra]
        if any("iommufd" in device for device in given):
            arguments += ["-object", iommufd]
        for device in given:
            arguments += ["-device", json.dumps(device)]
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
            pass_fds=[*ends, *fds], preexec_fn=become)
        self.console.theirs.close()
        self.qmp.theirs.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def log(self):
        """All that QEMU wrote."""
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def complaint(self):
        self.process.wait(PATIENCE)
        return f"QEMU ended with status {self.process.returncode}, {self.log()[-1500:]}"

    def wait_ready(self):
        """Until the inner kernel speaks; the seconds that it took."""
        while self.console.receive() != "ready":
            pass
        return time.monotonic() - self.begin

    def monitor(self, command, **arguments):
        """A command of QMP; its first use opens the dialogue."""
        if not self.events:
            self.events.append(json.loads(self.qmp.receive()))
            self.ask_monitor("qmp_capabilities", {})
        return self.ask_monitor(command, arguments)

    def ask_monitor(self, command, arguments):
        self.qmp.send(json.dumps({"execute": command, "arguments": arguments}))
        while True:
            answer = json.loads(self.qmp.receive())
            if "event" in answer:
                self.events.append(answer)
                continue
            if "error" in answer:
                raise Failed(f"{command}: {answer['error']['desc']}")
            return answer["return"]

    def wait_event(self, name, **data):
        """Until QEMU tells of that; events of before count."""
        def matches(event):
            return event.get("event") == name and \
                all(event["data"].get(key) == value for key, value in data.items())

        while not (found := [event for event in self.events if matches(event)]):
            answer = json.loads(self.qmp.receive())
            self.events.append(answer)
        self.events.remove(found[0])
        return found[0]

    def wait_line(self, text):
        """Until the inner kernel says so of itself."""
        while (line := self.console.receive()) != text:
            if line.startswith("="):
                raise Failed(f"the inner guest said '{line}', not '{text}'")

    def ask(self, command, *numbers):
        """A command of the inner kernel: the values of its answer."""
        self.console.send(" ".join([command, *(f"{number:x}" for number in numbers)]))
        while not (line := self.console.receive()).startswith("="):
            if line == "ready":
                raise Failed(f"the inner guest began anew in '{command}'")
        *values, verdict = line[1:].split()
        if verdict != "ok":
            raise Failed(f"the inner guest's {command} {[hex(n) for n in numbers]}: {line}")
        return [int(value, 16) for value in values]

    def value(self, command, *numbers):
        return self.ask(command, *numbers)[0]

    def read_crc(self, slot, offset, length, memory=FREE_MEMORY):
        """The checksum of the disk's bytes, read by DMA."""
        self.ask("fill", memory, length, 0xdead0000)
        self.ask("read", slot, offset // outer.SECTOR, length, memory)
        return self.value("crc", memory, length)

    def write_words(self, slot, offset, length, seed, memory=FREE_MEMORY):
        self.ask("fill", memory, length, seed)
        self.ask("write", slot, offset // outer.SECTOR, length, memory)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def move_to(self, target, **where):
        """The guest goes on in another QEMU: what this one says of its migration."""
        self.monitor("migrate", **where)
        status = outer.wait_until("the migration", lambda: (
            now := self.monitor("query-migrate"))["status"] in ("completed", "failed") and now)
        if status["status"] != "completed":
            raise Failed(f"the migration failed: {status}, {self.log()}, {target.log()}")
        outer.wait_until("the target to run",
                         lambda: target.monitor("query-status")["status"] == "running")
        return status

    def quit(self):
        """End it as a user does; QEMU must end well."""
        self.monitor("quit")
        if self.process.wait(PATIENCE):
            raise Failed(self.complaint())
