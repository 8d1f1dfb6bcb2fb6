# SPDX-License-Identifier: GPL-2.0-only
"""Container engines that have no words of their own for time namespaces, and how to get there all the same."""

import json

from guest import DAY, TIMENS, WEEK, ClientTest
from runtimes import make_root

# What crun would need in its configuration, put there by a hook of the engine.
HOOK = f"""#!/bin/sh
offsets='"timeOffsets":{{"monotonic":{{"secs":{DAY},"nanosecs":0}},"boottime":{{"secs":{WEEK},"nanosecs":0}}}}'
exec sed "s/\\"namespaces\\":\\[/$offsets,&{{\\"type\\":\\"time\\"}},/"
"""


class Podman(ClientTest):
    def setUp(self):
        self.folder = self.scratch()
        make_root(self.folder / "root")

    def podman(self, *options):
        """The command that runs a program in a new container; options are podman's own."""
        storage = [("--root", "store"), ("--runroot", "run"), ("--tmpdir", "tmp")]
        places = [word for option, name in storage for word in (option, self.folder / name)]
        words = ["podman", *places, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]
        words += ["--events-backend", "none", *options]
        words += ["run", "--rm", "--network", "none", "--log-driver", "none", "--cgroups", "disabled"]
        words += ["--security-opt", "seccomp=unconfined", "--volume", "/run:/run", "--rootfs", self.folder / "root"]
        return self.release.command(*words)

    def test_podman_has_no_option_for_time_namespaces(self):
        self.assertNotRegex(self.release.run("podman", "run", "--help").stdout, "(?i)time ?(ns|namespace|offset)")

    def test_a_container_has_the_clocks_of_the_host(self):
        self.assert_shifted(0, 0, *self.podman())

    def test_a_container_has_the_clocks_of_who_starts_podman(self):
        command = self.podman()
        at = command.index("podman")
        inside = ("unshare", "--time", f"--monotonic={DAY}", f"--boottime={WEEK}", "--")
        self.assert_shifted(DAY, WEEK, *command[:at], *inside, *command[at:])

    def test_a_precreate_hook_gives_a_container_its_offsets(self):
        hooks = self.folder / "hooks"
        hooks.mkdir()
        (hooks / "offsets").write_text(HOOK)
        (hooks / "offsets").chmod(0o755)
        when = {"always": True}
        hook = {"version": "1.0.0", "hook": {"path": str(hooks / "offsets")}, "when": when, "stages": ["precreate"]}
        (hooks / "offsets.json").write_text(json.dumps(hook))
        self.assert_shifted(DAY, WEEK, *self.podman("--runtime", "crun", "--hooks-dir", hooks))


class Nspawn(ClientTest):
    def setUp(self):
        self.root = self.scratch() / "root"
        make_root(self.root)
        for name in ("dev", "etc", "proc", "run", "sys", "tmp", "usr"):
            (self.root / name).mkdir()
        (self.root / "etc/os-release").write_text("ID=test\n")
        # It wants to know which machine it runs on.
        self.release.run("sh", "-c", "echo 0123456789abcdef0123456789abcdef > /etc/machine-id")

    def nspawn(self):
        words = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--pipe", "--link-journal=no"]
        return self.release.command(*words, f"--bind-ro={TIMENS}", f"--directory={self.root}", "--")

    def test_nspawn_has_no_option_for_time_namespaces(self):
        self.assertNotRegex(self.release.run("systemd-nspawn", "--help").stdout, "(?i)time ?(ns|namespace|offset)")

    def test_a_container_has_the_clocks_of_the_host(self):
        self.assert_shifted(0, 0, *self.nspawn())

    def test_a_container_has_the_clocks_of_who_starts_nspawn(self):
        command = self.nspawn()
        at = command.index("systemd-nspawn")
        inside = ("unshare", "--time", f"--monotonic={DAY}", f"--boottime={WEEK}", "--")
        self.assert_shifted(DAY, WEEK, *command[:at], *inside, *command[at:])
