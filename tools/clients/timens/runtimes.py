# SPDX-License-Identifier: GPL-2.0-only
"""OCI runtimes: containers whose time namespace and offsets stand in config.json."""

import json
import shutil
import time

from guest import DAY, WEEK, ClientTest, has_wall_clocks, namespace_of, offsets_of, read_clocks, run

MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
    # Where assert_shifted() finds its program
    {"destination": "/run", "type": "bind", "source": "/run", "options": ["rbind"]},
]
NAMESPACES = ("pid", "mount", "uts", "ipc", "network", "cgroup")


def make_root(folder):
    """A root with busybox alone."""
    (folder / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "bin")
    for name in ("sh", "cat", "sleep", "readlink"):
        (folder / "bin" / name).symlink_to("busybox")


def offset(seconds):
    return {"secs": int(seconds), "nanosecs": 0}


def configuration(time_namespace, offsets=None):
    """config.json of a container that sleeps; the namespace is as the specification writes it, or None."""
    namespaces = [{"type": kind} for kind in NAMESPACES]
    linux = {"namespaces": namespaces + ([time_namespace] if time_namespace else [])}
    if offsets is not None:
        linux["timeOffsets"] = {clock: offset(seconds) for clock, seconds in offsets.items()}
    capabilities = ["CAP_KILL", "CAP_SYS_ADMIN", "CAP_SYS_TIME"]
    return {
        "ociVersion": "1.1.0",
        "process": {
            "args": ["sleep", "1000000"],
            "cwd": "/",
            "env": ["PATH=/bin"],
            "user": {"uid": 0, "gid": 0},
            "capabilities": {kind: capabilities for kind in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "root"},
        "mounts": MOUNTS,
        "linux": linux,
    }


class Runtime(ClientTest):
    """A runtime that knows time namespaces."""

    program = ""
    NEW = {"type": "time"}

    def setUp(self):
        self.bundle = self.scratch()
        make_root(self.bundle / "root")
        # One of its own for each case: what a case leaves behind shall not trouble the next.
        self.name = self._testMethodName

    def call(self, *words, **options):
        return self.release.run(self.program, *words, **options)

    def start(self, config, check=True):
        """Start the container; its PID, or what the runtime said where that is asked for."""
        (self.bundle / "config.json").write_text(json.dumps(config))
        # The container keeps what is its standard output, so this must not be a pipe that we read to its end.
        log = self.bundle / "log"
        words = ("run", "--detach", "--bundle", self.bundle, self.name)
        done = run("sh", "-c", 'log=$1; shift; exec "$@" > "$log" 2>&1', "-", log,
                   *self.release.command(self.program, *words), check=False)
        done.stderr = log.read_text()
        if not check:
            return done
        self.assertEqual(done.returncode, 0, done.stderr)
        state = json.loads(self.call("state", self.name).stdout)
        self.addCleanup(self.call, "delete", "--force", self.name, check=False)
        return state["pid"]


    def inside(self):
        return self.release.command(self.program, "exec", self.name)

    def test_a_container_has_the_offsets_of_its_configuration(self):
        pid = self.start(configuration(self.NEW, {"monotonic": DAY, "boottime": WEEK}))
        self.assertEqual(offsets_of(pid), {"monotonic": DAY * 10**9, "boottime": WEEK * 10**9})
        self.assertNotEqual(namespace_of(pid), namespace_of())
        self.assert_shifted(DAY, WEEK, *self.inside())

    def test_nanoseconds_of_an_offset_count(self):
        config = configuration(self.NEW, {"monotonic": DAY, "boottime": WEEK})
        config["linux"]["timeOffsets"]["boottime"]["nanosecs"] = 500_000_000
        self.assertEqual(offsets_of(self.start(config))["boottime"], WEEK * 10**9 + 500_000_000)
        self.assert_shifted(DAY, WEEK + 0.5, *self.inside())

    def test_a_container_can_tell_no_uptime_but_its_own(self):
        back = -int(read_clocks()["CLOCK_BOOTTIME"])
        self.start(configuration(self.NEW, {"monotonic": back, "boottime": back}))
        self.assert_shifted(back, back, *self.inside())

    def test_a_container_without_offsets_has_the_clocks_of_the_host(self):
        pid = self.start(configuration(self.NEW))
        self.assertNotEqual(namespace_of(pid), namespace_of())
        self.assert_shifted(0, 0, *self.inside())

    def test_a_container_without_a_time_namespace_is_in_that_of_the_host(self):
        self.assertEqual(namespace_of(self.start(configuration(None))), namespace_of())
        self.assert_shifted(0, 0, *self.inside())

    def test_a_container_joins_a_namespace_by_its_path(self):
        self.join(("pid",))

    def join(self, kinds):
        """Start a second container in the time namespace, and others, of a first one."""
        first = self.start(configuration(self.NEW, {"monotonic": DAY, "boottime": WEEK}))
        self.name += "_second"
        config = configuration({"type": "time", "path": f"/proc/{first}/ns/time"})
        for namespace in config["linux"]["namespaces"]:
            if namespace["type"] in kinds:
                namespace["path"] = f"/proc/{first}/ns/{namespace['type']}"
        pid = self.start(config)
        self.assertEqual(namespace_of(pid), namespace_of(first))
        self.assert_shifted(DAY, WEEK, *self.inside())

    def test_exec_runs_in_the_namespace_of_the_container(self):
        pid = self.start(configuration(self.NEW, {"boottime": WEEK}))
        for name in ("time", "time_for_children"):
            seen = run(*self.inside(), "readlink", f"/proc/self/ns/{name}").stdout
            self.assertEqual(seen.strip(), namespace_of(pid))

    def test_an_offset_before_the_clocks_zero_starts_no_container(self):
        done = self.start(configuration(self.NEW, {"boottime": -1000000}), check=False)
        self.assert_refused(done, "umerical result out of range")
        self.assertNotEqual(self.call("state", self.name, check=False).returncode, 0)

    def with_user_namespace(self):
        config = configuration(self.NEW, {"monotonic": DAY, "boottime": WEEK})
        config["linux"]["namespaces"].append({"type": "user"})
        for kind in ("uidMappings", "gidMappings"):
            config["linux"][kind] = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        run("chown", "-R", "100000:100000", self.bundle)
        return config


class Crun(Runtime):
    program = "crun"

    def test_crun_sets_no_offsets_with_a_new_user_namespace(self):
        """It opens the file of offsets as who may not: the same with stock."""
        done = self.start(self.with_user_namespace(), check=False)
        self.assert_refused(done, "open `/proc/self/timens_offsets`: Permission denied")

    def test_crun_leaves_out_a_wall_clock(self):
        """It writes the names that it knows: the same with stock."""
        pid = self.start(configuration(self.NEW, {"boottime": WEEK, "realtime": 90 * DAY}))
        self.assertEqual(offsets_of(pid), {"monotonic": 0, "boottime": WEEK * 10**9})

    def test_crun_joins_a_time_namespace_only_without_a_new_pid_namespace(self):
        """Its extra fork is the first process of the PID namespace, which ends with it: the same with stock."""
        with self.assertRaises(AssertionError):
            self.join(())


class Runc(Runtime):
    program = "runc"

    def test_a_container_with_a_user_namespace_has_its_offsets(self):
        pid = self.start(self.with_user_namespace())
        self.assertEqual(offsets_of(pid), {"monotonic": DAY * 10**9, "boottime": WEEK * 10**9})
        self.assert_shifted(DAY, WEEK, *self.inside())

    def test_a_container_joins_a_time_namespace_alone(self):
        self.join(())

    def test_a_container_has_a_wall_clock_of_its_own(self):
        offsets = {"monotonic": DAY, "boottime": WEEK, "realtime": 90 * DAY}
        if not has_wall_clocks():
            self.assert_refused(self.start(configuration(self.NEW, offsets), check=False), "nvalid argument")
            return
        pid = self.start(configuration(self.NEW, offsets))
        self.assertEqual(offsets_of(pid), {clock: seconds * 10**9 for clock, seconds in offsets.items()})
        self.assert_shifted(DAY, WEEK, *self.inside())
        before = time.time()
        seen = int(run(*self.inside(), "/bin/busybox", "date", "+%s").stdout)
        self.assert_between(before + 90 * DAY - 1, seen, time.time() + 90 * DAY, "the date")
        # It has CAP_SYS_TIME, as the clock's owner's.
        run(*self.inside(), "/bin/busybox", "date", "-s", "@2000000000")
        self.assert_between(before, time.time(), before + 1000, "the date of the host")
        self.assertGreaterEqual(int(run(*self.inside(), "/bin/busybox", "date", "+%s").stdout), 2000000000)


class RuncBeforeTime(ClientTest):
    """runc 1.1 knows no time namespaces: it says so, and starts nothing."""

    def test_a_time_namespace_is_refused(self):
        bundle = self.scratch()
        make_root(bundle / "root")
        (bundle / "config.json").write_text(json.dumps(configuration(Runtime.NEW, {"boottime": WEEK})))
        done = self.release.run("runc", "run", "--bundle", bundle, "clocks", check=False)
        self.assert_refused(done, "time")
