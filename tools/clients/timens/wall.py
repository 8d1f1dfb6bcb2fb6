# SPDX-License-Identifier: GPL-2.0-only
"""Programs that know nothing of time namespaces, on a wall clock of their own."""

import calendar
import os
import subprocess
import time
from pathlib import Path

from guest import TIMENS, ClientTest, Release, end, run

END_OF_32_BITS = 2**31  # 2038-01-19 03:14:08 UTC
FAR = END_OF_32_BITS + 10**8
SHELL = """print_date() { %(date)s +%%s; }
print_date
while [ "$(print_date)" -lt "$1" ]; do %(sleep)s 3; done
print_date"""
PYTHON = """import sys, time
print(time.time(), flush=True)
while time.time() < int(sys.argv[1]): time.sleep(0.5)
print(time.time())"""


def years_from_now(years):
    """The same day, in seconds since 1970."""
    then = time.gmtime()
    return calendar.timegm((then.tm_year + years, then.tm_mon, min(then.tm_mday, 28), *then[3:6]))


def inside(setting, *command):
    """The command, on a wall clock of its own."""
    return [TIMENS, "run", "--realtime", setting, "--", *map(str, command)]


def seconds_of_processor(pid):
    """What a process has used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class WallTest(ClientTest):
    """A program that goes on: it prints dates, one a line."""

    def start(self, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(end, process)
        return process

    def read_date(self, process):
        line = process.stdout.readline()
        self.assertRegex(line, r"^\d+(\.\d+)?$", "a date")
        return float(line)

    def set_clock(self, process, setting):
        run(TIMENS, "set", "--realtime", setting, process.pid)

    def assert_dates(self, command, start):
        """Does the program begin at this date, and go on until the one that it is given?"""
        host = time.time()
        done = run(*inside(f"@{start}", *command, start))
        took = time.time() - host
        for seen in map(float, done.stdout.split()):
            # Some print whole seconds.
            self.assert_between(start - 1, seen, start + took + 1, " ".join(map(str, command))[:60])

    def assert_rests(self, process, seconds=10):
        """Does it come to rest? What goes on at its start may take some time in an emulated machine."""
        shares = []
        while not shares or (shares[-1] >= 0.02 and len(shares) < 6):
            used = seconds_of_processor(process.pid)
            time.sleep(seconds)
            shares.append((seconds_of_processor(process.pid) - used) / seconds)
        self.assertLess(shares[-1], 0.02, f"the share of a processor, as before: {shares}")


class Dates(WallTest):
    """What prints a date, waits for another, and prints that: a program for each class beneath."""

    command = ()
    # What it is at rest: a shell that starts programs again and again is not.
    at_rest = None

    def test_it_has_the_date_in_sixteen_years(self):
        self.assert_dates(self.command, years_from_now(16))

    def test_it_has_the_date_ten_years_ago(self):
        self.assert_dates(self.command, years_from_now(-10))

    def test_it_goes_over_the_end_of_32_bits_when_its_clock_is_set(self):
        process = self.start(*inside("+0", *self.command, END_OF_32_BITS + 1))
        self.assertLess(self.read_date(process), END_OF_32_BITS)
        self.set_clock(process, f"@{END_OF_32_BITS - 1}")
        self.assertGreaterEqual(self.read_date(process), END_OF_32_BITS + 1)
        self.assertEqual(process.wait(), 0)

    def test_it_rests_while_it_waits(self):
        process = self.start(*inside("@2000000000", *(self.at_rest or (*self.command, FAR))))
        self.read_date(process)
        self.assert_rests(process)


class OutOfReach(Dates):
    """A program into which nothing can be preloaded, which is all that libfaketime can do."""

    def test_libfaketime_does_not_reach_it(self):
        trixie = Release("trixie")
        self.addCleanup(trixie.close)
        for command, moves in ((("date", "+%s"), True), ((*self.command, "0"), False)):
            before = time.time()
            seen = float(trixie.run("faketime", "2035-01-01", *command).stdout.split()[0])
            self.assertEqual(seen > before + 10**8, moves, f"{command} has the date of faketime")


class StaticProgram(OutOfReach):
    command = ("/run/dates",)


class GoProgram(OutOfReach):
    command = ("/run/dates-go",)


class JavaProgram(Dates):
    command = ("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", "/run", "Dates")


class PythonProgram(Dates):
    command = ("python3", "-c", PYTHON)


class Coreutils(Dates):
    command = ("sh", "-c", SHELL % {"date": "date", "sleep": "sleep"}, "-")
    at_rest = ("sh", "-c", "date +%s; exec sleep 1000000")

    def test_date_sets_its_clock_and_no_other(self):
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
        before = time.time()
        command = "date -u -s '2030-01-01 12:00' > /dev/null && date -u +%F"
        done = run(*nobody, TIMENS, "run", "-r", "--realtime", "+0", "--", "sh", "-c", command)
        self.assertEqual(done.stdout, "2030-01-01\n")
        self.assert_between(before, time.time(), before + 100, "the date outside")

    def test_date_without_a_clock_of_its_own_is_refused(self):
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
        before = time.time()
        done = run(*nobody, TIMENS, "run", "-r", "--", "date", "-s", "2030-01-01", check=False)
        self.assert_refused(done, "cannot set date: Operation not permitted")
        self.assert_between(before, time.time(), before + 100, "the date outside")

    def test_timeout_takes_its_time_at_every_date(self):
        for start in (years_from_now(16), years_from_now(-10), END_OF_32_BITS - 1):
            began = time.monotonic()
            done = run(*inside(f"@{start}", "timeout", "2", "sleep", "1000"), check=False)
            self.assertEqual(done.returncode, 124)
            self.assert_between(2, time.monotonic() - began, 100, "timeout 2")


class Busybox(Dates):
    command = ("busybox", "sh", "-c", SHELL % {"date": "busybox date", "sleep": "busybox sleep"}, "-")
    at_rest = ("busybox", "sh", "-c", "busybox date +%s; exec busybox sleep 1000000")


class Services(WallTest):
    """Daemons and libraries that live by the date."""

    def setUp(self):
        self.log = self.scratch() / "log"

    def start_inside(self, setting, *command):
        """A program of the release, on a wall clock of its own."""
        words = self.release.command(*command)
        at = len(self.release.prefix)
        # It enters the release first, so that what is started there is the process that is meant.
        with open(self.log, "w") as log:
            process = subprocess.Popen([*words[:at], TIMENS, "run", "--realtime", setting, "--", *words[at:]],
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(end, process)
        return process

    def run_inside(self, setting, *command, **options):
        return self.release.run(TIMENS, "run", "--realtime", setting, "--", *command, **options)

    def redis(self, *words):
        return self.release.run("redis-cli", "-s", "/run/redis.socket", *words, check=False).stdout.strip()

    def test_redis_lives_through_steps_of_its_clock(self):
        words = ("--port", "0", "--unixsocket", "/run/redis.socket", "--save", "", "--dir", self.scratch())
        server = self.start_inside("+16d", "env", "LC_ALL=C", "redis-server", *words)
        deadline = time.monotonic() + 60
        while self.redis("ping") != "PONG":
            self.assertLess(time.monotonic(), deadline, "redis does not answer")
            self.assertIsNone(server.poll(), "redis ended: " + self.log.read_text())
            time.sleep(0.1)
        self.assertEqual(self.redis("set", "key", "value", "ex", "100000"), "OK")
        earlier = int(self.redis("ttl", "key"))
        for offset in ("+16d10s", "+15d23h59m50s", "+16d", "+16d10s"):
            self.set_clock(server, offset)
            self.assertEqual(self.redis("get", "key"), "value")
        # It counts by the date, and so ten seconds at once.
        self.assert_between(earlier - 110, int(self.redis("ttl", "key")), earlier - 10, "what is left of the key")
        self.set_clock(server, "+18d")
        self.assertEqual(self.redis("get", "key"), "")

    def test_openssl_knows_when_a_certificate_is_valid(self):
        folder = self.scratch()
        valid = ("-not_before", "20300101000000Z", "-not_after", "20300201000000Z")
        key = ("-newkey", "ed25519", "-noenc", "-keyout", folder / "key", "-out", folder / "cert")
        self.release.run("openssl", "req", "-x509", "-subj", "/CN=timens", *valid, *key)
        verify = ("openssl", "verify", "-CAfile", folder / "cert", folder / "cert")
        before = self.run_inside("@2029-12-31Z", *verify, check=False)
        self.assert_refused(before, "certificate is not yet valid")
        self.assertRegex(self.run_inside("@2030-01-15Z", *verify).stdout, "OK")
        after = self.run_inside("@2030-02-02Z", *verify, check=False)
        self.assert_refused(after, "certificate has expired")
