# SPDX-License-Identifier: GPL-2.0-only
"""Moves trees of processes from guest to guest, and reads what they wrote down on the way. Runs on the host."""

import json
import subprocess
import tarfile
import unittest
from dataclasses import dataclass

LEG = "tools/clients/timens/leg"
SECOND = 10**9
CLOCKS = ("monotonic", "boottime")
# What a loaded, emulated machine may be late, in seconds.
LATE = 10


class Lost(Exception):
    """The trees did not arrive."""


@dataclass
class Machine:
    """A stop of the journey: a guest, and the arguments of its leg."""

    name: str
    options: tuple = ()


def travel(boot, folder, machines, options=(), announce=print):
    """Move trees from each machine to the next, and let them end on the last. Returns the last archive."""
    archive = None
    folder.mkdir(parents=True, exist_ok=True)
    for machine in machines:
        words = [LEG, machine.name, *options, *machine.options]
        if archive:
            words += ["--from", str(archive)]
        if machine is machines[-1]:
            words += ["--finish"]
        archive = folder / f"{machine.name}.tar"
        announce(f"booting machine {machine.name}")
        with archive.open("wb") as output:
            command = [*boot, "--results", str(folder / machine.name), "--", " ".join(words)]
            status = subprocess.run(command, stdout=output, check=False).returncode
        if status:
            raise Lost(f"machine {machine.name}: {find_error(archive, status)}; logs of CRIU are in {archive}")
    return archive


def find_error(archive, status):
    """What a leg said last, if it came so far."""
    try:
        with tarfile.open(archive) as opened:
            return json.load(opened.extractfile("./record.json"))[-1]["error"]
    except (tarfile.TarError, KeyError, IndexError):
        return f"status {status}"


def read_archive(path):
    """The journeys of the trees in an archive, by their names."""
    with tarfile.open(path) as archive:

        def read(name):
            return archive.extractfile(f"./{name}").read().decode()

        record = json.loads(read("record.json"))
        # Containers write theirs in a folder that they share with the machine.
        trees = record[0]["trees"]
        return {name: Journey(name, record, read(f"{name}/{trees[name]['journal']}")) for name in trees}


class Crossing:
    """From one machine to the next: the last beat there, the first one here."""

    def __init__(self, left, came, tree, last, first):
        self.left, self.came = left, came
        self.tree = tree
        self.last, self.first = last, first

    def on_machine(self, entry, beat, clock):
        """A clock of a beat as the machine itself tells it, in seconds."""
        return (beat[clock] - entry["trees"][self.tree]["offsets"][clock]) / SECOND

    def step(self, clock):
        return (self.first[clock] - self.last[clock]) / SECOND

    def frozen(self, clock="monotonic"):
        """What the clock may have moved on meanwhile, in seconds: from the last beat to the end of the stay there,
        and from the start of the stay here to the first beat."""
        name = "CLOCK_" + clock.upper()
        there = self.left["trees"][self.tree]["ended"][name] - self.on_machine(self.left, self.last, clock)
        here = self.on_machine(self.came, self.first, clock) - self.came["trees"][self.tree]["began"][name]
        return there + here

    def step_of_machines(self, clock):
        """How the clock would have stepped without a namespace."""
        last = self.on_machine(self.left, self.last, clock)
        return self.on_machine(self.came, self.first, clock) - last


class Journey:
    """What a tree saw."""

    def __init__(self, name, record, text):
        self.name = name
        self.record = record
        self.events = [json.loads(line) for line in text.splitlines()]
        arrivals = [entry["trees"][name]["arrived_at_line"] for entry in record]
        for number, event in enumerate(self.events):
            event["stay"] = sum(number >= arrival for arrival in arrivals) - 1

    def of_kind(self, kind):
        return [event for event in self.events if event["event"] == kind]

    def crossings(self):
        beats = self.of_kind("beat")
        for number in range(1, len(self.record)):
            last = [beat for beat in beats if beat["stay"] == number - 1][-1]
            first = [beat for beat in beats if beat["stay"] == number][0]
            yield Crossing(self.record[number - 1], self.record[number], self.name, last, first)


class MigrationTest(unittest.TestCase):
    """The tests of a journey that is over."""

    journey = None

    def assert_between(self, first, seen, last, what):
        self.assertTrue(first <= seen <= last, f"{what}: {seen:.3f}, not between {first:.3f} and {last:.3f}")

    def test_every_process_lives_to_its_end(self):
        journey = self.journey
        ways = [(event["way"], event["clock"]) for event in journey.of_kind("armed")]
        self.assertEqual(len(ways), 8)
        self.assertEqual(sorted((event["way"], event["clock"]) for event in journey.of_kind("fired")), sorted(ways))
        self.assertEqual([event["good"] for event in journey.of_kind("end")], [True])

    def test_timers_are_armed_on_the_first_machine_and_fire_on_the_last(self):
        self.assertEqual({event["stay"] for event in self.journey.of_kind("armed")}, {0})
        self.assertEqual({event["stay"] for event in self.journey.of_kind("fired")}, {len(self.journey.record) - 1})

    def test_no_clock_ever_goes_back(self):
        for clock in CLOCKS:
            seen = [beat[way] for beat in self.journey.of_kind("beat") for way in (clock, clock + "_by_syscall")]
            back = [(a - b) / SECOND for a, b in zip(seen, seen[1:]) if a > b]
            self.assertEqual(back, [], f"CLOCK_{clock.upper()} went back by these seconds")

    def test_clocks_go_on_without_a_step(self):
        for crossing in self.journey.crossings():
            for clock in CLOCKS:
                where = f"CLOCK_{clock.upper()} from {crossing.left['machine']} to {crossing.came['machine']}"
                self.assert_between(0, crossing.step(clock), crossing.frozen(clock), where)

    def test_both_clocks_go_on_alike(self):
        for crossing in self.journey.crossings():
            self.assert_between(-1, crossing.step("monotonic") - crossing.step("boottime"), 1, "their difference")

    def test_the_machines_clocks_would_have_stepped(self):
        """Or the test before could not have failed."""
        for crossing in self.journey.crossings():
            step = crossing.step_of_machines("monotonic")
            self.assertFalse(0 <= step <= crossing.frozen(), f"the machines differ by {step:.1f} s only")

    def test_timers_fire_when_due(self):
        frozen = sum(crossing.frozen() for crossing in self.journey.crossings())
        for event in self.journey.of_kind("fired"):
            late = (event["at"] - event["due"]) / SECOND
            # CRIU arms timers for what was left of them; a deadline that a program holds is exact.
            early = 0 if event["way"] in ("clock_nanosleep", "futex") else frozen
            self.assert_between(-early, late, LATE, f"{event['way']} on {event['clock']} is late")

    def test_a_periodic_timer_keeps_its_beat(self):
        beats = self.journey.of_kind("beat")
        elapsed = (beats[-1]["monotonic"] - beats[0]["monotonic"]) / SECOND
        ticks = sum(beat["expirations"] for beat in beats[1:]) / 4
        frozen = sum(crossing.frozen() for crossing in self.journey.crossings())
        self.assert_between(elapsed - frozen - 1, ticks, elapsed + frozen + 1, "seconds by its expirations")

    def test_proc_uptime_and_sysinfo_agree_with_clock_boottime(self):
        for beat in self.journey.of_kind("beat"):
            boottime = beat["boottime"] / SECOND
            self.assert_between(boottime - LATE, beat["proc_uptime"], boottime, "/proc/uptime")
            self.assert_between(boottime - LATE, beat["sysinfo_uptime"], boottime + 1, "sysinfo()")

    def test_the_tree_has_a_namespace_of_its_own(self):
        for entry in self.journey.record[1:]:
            self.assertNotEqual(entry["trees"][self.journey.name]["namespace"], entry["namespace"])


class LostTest(unittest.TestCase):
    """Stands for a journey that did not end."""

    reason = ""

    def test_the_trees_arrive(self):
        self.fail(self.reason)
