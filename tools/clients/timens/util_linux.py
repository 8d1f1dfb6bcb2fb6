# SPDX-License-Identifier: GPL-2.0-only
"""unshare, nsenter and lsns of util-linux, and what procps says inside."""

import json
import os
import time
from pathlib import Path

from guest import DAY, TIMENS, WEEK, ClientTest, end, namespace_number, namespace_of, offsets_of, read_clocks, run


class UtilLinux(ClientTest):
    def unshare(self, *options):
        return self.release.command("unshare", "--time", *options, "--")

    def start_sleeper(self, *options):
        """A process in a new time namespace, once it is there."""
        here = namespace_of()
        process = self.release.start("unshare", "--time", *options, "--", "sleep", "infinity")
        self.addCleanup(end, process)
        deadline = time.monotonic() + 60
        while self.is_waiting(process.pid, here):
            self.assertLess(time.monotonic(), deadline, "unshare did not enter a time namespace")
            self.assertIsNone(process.poll(), "unshare ended")
            time.sleep(0.01)
        return process.pid

    @staticmethod
    def is_waiting(pid, here):
        """A namespace is entered by exec(); until then the program is not yet sleep."""
        return namespace_of(pid) == here or Path(f"/proc/{pid}/comm").read_text() != "sleep\n"

    def test_unshare_moves_both_clocks(self):
        self.assert_shifted(DAY, WEEK, *self.unshare("--monotonic", DAY, "--boottime", WEEK))

    def test_unshare_moves_one_clock_alone(self):
        self.assert_shifted(DAY, 0, *self.unshare("--monotonic", DAY))
        self.assert_shifted(0, WEEK, *self.unshare("--boottime", WEEK))

    def test_unshare_without_offsets_moves_nothing(self):
        self.assert_shifted(0, 0, *self.unshare())

    def test_unshare_turns_the_uptime_back(self):
        back = -int(read_clocks()["CLOCK_BOOTTIME"])
        self.assert_shifted(back, back, *self.unshare(f"--monotonic={back}", f"--boottime={back}"))

    def test_unshare_refuses_a_clock_before_zero(self):
        done = run(*self.unshare("--boottime", "-1000000"), "true", check=False)
        self.assert_refused(done, "Numerical result out of range")

    def test_unshare_refuses_offsets_without_a_namespace(self):
        done = self.release.run("unshare", "--monotonic", DAY, "--", "true", check=False)
        self.assert_refused(done, "require unsharing of a time namespace")

    def test_unshare_forks_into_the_namespace(self):
        self.assert_shifted(DAY, WEEK, *self.unshare("--fork", "--monotonic", DAY, "--boottime", WEEK))

    def test_unshare_with_all_namespaces_moves_the_clocks(self):
        every = ("--user", "--map-root-user", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid", "--fork")
        command = self.unshare(*every, "--mount-proc", "--monotonic", DAY, "--boottime", WEEK)
        self.assert_shifted(DAY, WEEK, *command)

    def test_an_ordinary_user_gets_a_namespace_with_a_user_namespace(self):
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
        refused = run(*nobody, "unshare", "--time", "--boottime", WEEK, "true", check=False)
        self.assert_refused(refused, "Operation not permitted")
        command = self.unshare("--user", "--map-root-user", "--monotonic", DAY, "--boottime", WEEK)
        # Options of nsenter come first, where there are any: the user changes inside.
        at = command.index("unshare")
        self.assert_shifted(DAY, WEEK, *command[:at], *nobody, *command[at:])

    def test_unshare_nests_without_adding_offsets(self):
        outer = self.unshare("--monotonic", DAY, "--boottime", WEEK)
        self.assert_shifted(DAY, WEEK, *outer, "unshare", "--time", "--")
        inner = ("unshare", "--time", "--monotonic", str(2 * DAY), "--boottime", str(2 * WEEK), "--")
        self.assert_shifted(2 * DAY, 2 * WEEK, *outer, *inner)

    def test_unshare_keeps_a_namespace_by_a_bind_mount(self):
        file = self.scratch() / "time"
        file.touch()
        self.release.run("unshare", f"--time={file}", "--boottime", WEEK, "true")
        self.addCleanup(self.release.run, "umount", file)
        self.assert_shifted(0, WEEK, *self.release.command("nsenter", f"--time={file}"))

    def test_nsenter_joins_by_a_process(self):
        pid = self.start_sleeper("--monotonic", str(DAY), "--boottime", str(WEEK))
        self.assertEqual(offsets_of(pid), {"monotonic": DAY * 10**9, "boottime": WEEK * 10**9})
        self.assert_shifted(DAY, WEEK, *self.release.command("nsenter", "--time", "--target", pid))

    def test_nsenter_joins_with_all_namespaces(self):
        pid = self.start_sleeper("--mount", "--uts", "--monotonic", str(DAY), "--boottime", str(WEEK))
        command = self.release.command("nsenter", "--all", "--target", pid)
        self.assert_shifted(DAY, WEEK, *command)
        joined = run(*command, "readlink", "/proc/self/ns/time", "/proc/self/ns/uts").stdout.split()
        self.assertEqual(joined, [namespace_of(pid), namespace_of(pid, "uts")])

    def test_lsns_lists_namespaces_with_their_processes(self):
        pid = self.start_sleeper("--boottime", str(WEEK))
        listed = json.loads(self.release.run("lsns", "--type", "time", "--json", "--output-all").stdout)
        rows = {int(row["ns"]): row for row in listed["namespaces"]}
        self.assertEqual(set(rows), {namespace_number(), namespace_number(pid)})
        row = rows[namespace_number(pid)]
        self.assertEqual((int(row["pid"]), int(row["nprocs"]), row["type"]), (pid, 1, "time"))
        self.assertEqual(row["command"], "sleep infinity")
        self.assertEqual(int(rows[namespace_number()]["pid"]), 1)

    def test_lsns_shows_the_namespace_of_a_process(self):
        pid = self.start_sleeper("--boottime", str(WEEK))
        shown = self.release.run("lsns", "--task", pid, "--type", "time", "--noheadings", "--output", "NS").stdout
        self.assertEqual(int(shown), namespace_number(pid))

    def test_programs_end_with_their_own_status(self):
        self.assertEqual(run(*self.unshare("--boottime", WEEK), "sh", "-c", "exit 7", check=False).returncode, 7)

    def test_timeout_and_sleep_take_their_time(self):
        command = self.unshare("--monotonic", DAY, "--boottime", WEEK)
        started = time.monotonic()
        done = run(*command, "timeout", "1", "sleep", "infinity", check=False)
        self.assertEqual(done.returncode, 124)
        run(*command, "sleep", "1")
        self.assert_between(2, time.monotonic() - started, 60, "two waits of a second")


class Procps(ClientTest):
    """ps and uptime of the host, which reckon with several views at once: each must follow."""

    def inside(self, *command, boottime=WEEK):
        return run("unshare", "--time", f"--boottime={boottime}", "--", *command).stdout

    def test_uptime_shows_the_shifted_uptime(self):
        self.assertRegex(self.inside("uptime", "--pretty"), r"^up 1 week")

    def test_ps_tells_the_age_of_a_process_alike_on_both_sides(self):
        pid = os.getpid()
        outside = int(run("ps", "-o", "etimes=", "-p", pid).stdout)
        inside = int(self.inside("ps", "-o", "etimes=", "-p", pid))
        self.assert_between(outside - 1, inside, outside + 60, "the age by ps, in seconds")

    def test_ps_tells_when_a_process_started_alike_on_both_sides(self):
        def started(text):
            return time.mktime(time.strptime(text.strip()))

        command = ("ps", "-o", "lstart=", "-p", os.getpid())
        outside, inside = started(run(*command).stdout), started(self.inside(*command))
        self.assert_between(outside - 2, inside, outside + 2, "the start by ps, in seconds")

    def test_ps_knows_the_age_of_what_started_before_the_namespace(self):
        """PID 1 started before the clock's zero, which makes its start a huge number with stock."""
        back = -int(read_clocks()["CLOCK_BOOTTIME"])
        age = int(self.inside("ps", "-o", "etimes=", "-p", "1", boottime=back))
        self.assert_between(0, age, read_clocks()["CLOCK_BOOTTIME"] + 2, "the age of PID 1 by ps, in seconds")
