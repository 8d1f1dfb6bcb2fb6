# SPDX-License-Identifier: GPL-2.0-only
"""What tests in the guest share: programs of a Debian release, and the clocks that a program sees."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
BUILD = TOP / "build/clients"
PROGRAMS = (TOP / "build/tool/timens", *(BUILD / name for name in ("keeper", "dates", "dates-go", "Dates.class")))
TIMENS = "/run/timens"  # every release sees /run
DAY, WEEK = 86400, 604800
TIMEOUT = 120  # seconds for one command; the guest is emulated, and shares its processors


class Failed(Exception):
    """A command that had to succeed."""


def run(*command, check=True, **options):
    """Run a command to its end; its output is text, its standard error apart."""
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        **options,
    )
    if check and done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr or done.stdout}")
    return done


def prepare_machine():
    """What the guest lacks of a machine on which clients run: our programs, and a loopback device that is up."""
    for program in PROGRAMS:
        shutil.copy(program, "/run")
    run("busybox", "ip", "link", "set", "lo", "up")


class Release:
    """The programs of a Debian release, by a mount namespace whose root is that release.

    It is entered rather than chrooted into: the kernel refuses user namespaces to who is in a chroot.
    """

    SHARED = ("proc", "sys", "dev", "run", "tmp")

    def __init__(self, name):
        self.name = name
        self.root = Path("/") if name == "host" else BUILD / name
        self.prefix = []
        if name != "host":
            self.holder = self.enter()
            self.prefix = ["nsenter", "--target", str(self.holder.pid), "--mount", "--"]

    def enter(self):
        mounts = "".join(f'mount --rbind /{each} "$1/{each}"\n' for each in self.SHARED)
        script = f"""set -e
            mount --rbind "$1" "$1"
            mkdir -p "$1/proc" "$1/sys" "$1/dev" "$1/run" "$1/tmp"
            {mounts}
            cd "$1"
            pivot_root . .
            umount --lazy .
            cd /
            echo ready
            exec sleep infinity"""
        holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", script, "-", str(self.root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        if holder.stdout.readline() != "ready\n":
            raise Failed(f"cannot enter {self.root}")
        return holder

    def command(self, *words):
        return [*self.prefix, *map(str, words)]

    def run(self, *words, **options):
        return run(*self.command(*words), **options)

    def start(self, *words, **options):
        """Start a command that goes on; end it with end()."""
        return subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, **options)

    def close(self):
        if self.prefix:
            end(self.holder)


def end(process):
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def read_clocks():
    """The clocks here, in seconds."""
    return {name: time.clock_gettime(getattr(time, name)) for name in ("CLOCK_MONOTONIC", "CLOCK_BOOTTIME")}


def has_wall_clocks():
    """Only ours has them, and offsets of one thread."""
    return Path("/proc/thread-self/timens_offsets").exists()


def namespace_of(pid="self", kind="time"):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def namespace_number(pid="self", kind="time"):
    return int(re.search(r"\d+", namespace_of(pid, kind))[0])


def offsets_of(pid):
    """What /proc/PID/timens_offsets says, in nanoseconds."""
    found = {}
    for line in Path(f"/proc/{pid}/timens_offsets").read_text().splitlines():
        clock, seconds, nanoseconds = line.split()
        found[clock] = int(seconds) * 10**9 + int(nanoseconds)
    return found


class ClientTest(unittest.TestCase):
    """A test of a client: `release` is where its programs come from."""

    release_name = "host"

    @classmethod
    def setUpClass(cls):
        cls.release = Release(cls.release_name)
        cls.addClassCleanup(cls.release.close)

    def assert_uptime_shifted(self, boottime, *command):
        """Does `COMMAND cat /proc/uptime` see the uptime with this offset in seconds?"""
        before = read_clocks()["CLOCK_BOOTTIME"]
        uptime = float(run(*command, "cat", "/proc/uptime").stdout.split()[0])
        after = read_clocks()["CLOCK_BOOTTIME"]
        self.assert_between(before + boottime - 0.01, uptime, after + boottime, "/proc/uptime")

    def scratch(self):
        # What a client leaves running may still write there.
        folder = tempfile.TemporaryDirectory(dir="/run", ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def assert_shifted(self, monotonic, boottime, *command):
        """Does `COMMAND timens show` see clocks with these offsets in seconds, and every view of them agree?"""
        before = read_clocks()
        shown = json.loads(run(*command, TIMENS, "show", "--json").stdout)
        after = read_clocks()
        seen = {view["view"]: int(view["here_ns"] or 0) for view in shown["views"]}
        for clock, offset in {"CLOCK_MONOTONIC": monotonic, "CLOCK_BOOTTIME": boottime}.items():
            for way in (f"{clock}, vDSO", f"{clock}, system call"):
                self.assert_between(before[clock] + offset, seen[way] / 1e9, after[clock] + offset, way)
        for way in ("/proc/uptime", "sysinfo() uptime"):
            # Hundredths, and whole seconds that are rounded up.
            first, last = before["CLOCK_BOOTTIME"] - 0.01, after["CLOCK_BOOTTIME"] + 1
            self.assert_between(first + boottime, seen[way] / 1e9, last + boottime, way)

    def assert_between(self, first, seen, last, what):
        if not first <= seen <= last:
            self.fail(f"{what} is {seen:.3f}, not between {first:.3f} and {last:.3f}")

    def assert_refused(self, done, words):
        """Did a command fail, and say why in such words?"""
        self.assertNotEqual(done.returncode, 0, "it succeeded: " + done.stdout)
        self.assertRegex(done.stderr + done.stdout, words)
