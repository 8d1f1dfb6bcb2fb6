# SPDX-License-Identifier: GPL-2.0-only
"""The examples of the documents, and the rules by which their output is compared. README.rst has these in words."""

import dataclasses
import re

ANY = "..."
PROMPTS = ("$ ", "# ")
FIRST_NAMESPACE = "4026531834"
SLACK = 100  # how long a guest may have been up, in seconds
SLACK_OF_OFFSETS = 0.5
EVERY_KERNEL = ("timens", "stock")


@dataclasses.dataclass
class Step:
    prompt: str
    command: str
    output: list | None = None


@dataclasses.dataclass
class Example:
    place: str
    kernels: tuple
    steps: list


class Mismatch(Exception):
    pass


# ------------------------------------------------------------------ where they are


def find_blocks(text):
    """Indented blocks of a page as (line number, kind, kernels, lines); kind is '' for a literal block."""
    lines = text.splitlines()
    kernels, number = EVERY_KERNEL, 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if match := re.fullmatch(r"\.\. kernel: ([\w ]+)", line):
            kernels = tuple(match[1].split())
        directive = re.fullmatch(r"(\s*)\.\. code-block:: (\w+)", line)
        literal = re.fullmatch(r"(\s*)(?!\.\. )\S.*::", line)
        if not directive and not literal:
            continue
        outside = len((directive or literal)[1])
        start = number
        while number < len(lines) and (not lines[number] or len(lines[number]) - len(lines[number].lstrip()) > outside):
            number += 1
        block = strip_margin(lines[start:number])
        yield start + 1, directive[2] if directive else "", kernels, block
        kernels = EVERY_KERNEL


def find_markdown_blocks(text):
    lines = text.splitlines() + ["end"]
    start = None
    for number, line in enumerate(lines):
        inside = line.startswith("    ") or (not line and start is not None)
        if inside and start is None:
            start = number
        if not inside and start is not None:
            yield start + 1, "", ("timens",), strip_margin(lines[start:number])
            start = None


def strip_margin(lines):
    while lines and not lines[0].strip():
        lines = lines[1:]
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]


def split_steps(lines):
    """Commands after prompts, each with the output that follows; None where nothing follows."""
    steps = []
    for line in lines:
        if line.startswith(PROMPTS):
            steps.append(Step(line[0], line[2:]))
        elif line.startswith("> ") and steps and steps[-1].output is None:
            steps[-1].command += "\n" + line[2:]
        else:
            steps[-1].output = [*(steps[-1].output or []), line]
    return steps


def is_console(kind, lines):
    return kind == "console" or (not kind and bool(lines) and lines[0].startswith(PROMPTS))


def find_examples(path, text):
    """The shell examples of a page or manual."""
    if path.endswith(".1"):
        return [Example(f"{path}:{number}", EVERY_KERNEL, split_steps([match[1]]))
                for number, line in enumerate(text.splitlines(), 1) if (match := re.fullmatch(r"\.Dl ([$#] .*)", line))]
    return [Example(f"{path}:{number}", kernels, split_steps(lines))
            for number, kind, kernels, lines in find_blocks(text) if is_console(kind, lines)]


def find_transcripts(path, text):
    """What README shows of the demonstration: blocks that begin with a prompt."""
    for number, kind, _, lines in find_markdown_blocks(text):
        if is_console(kind, lines):
            yield f"{path}:{number}", [line for line in lines if line.strip() not in ("", ANY)]


# -------------------------------------------------------------------- how they compare

TOKEN = re.compile(
    r"(?P<any>\.\.\.)"
    r"|(?P<offset>[+-]\d+\.\d+)"
    r"|(?P<time>(?<![\w.])\d+\.\d+(?![\w.]))"
    r"|(?P<wait>(?<![\w.])\d+(?= +ms\b))"
    r"|(?P<namespace>(?<!\d)\d{10}(?!\d))"
    r"|(?P<process>(?<!\d)47[0-9]{2}(?!\d))"
    r"|(?P<space>\s+)"
    r"|(?P<text>.)"
)
FORMS = {
    "any": r".*",
    "offset": r"[+-]\d+\.\d+",
    "time": r"\d+\.\d+",
    "wait": r"\d+",
    "namespace": r"\d{10}",
    "process": r"\d+",
    "space": r"\s+",
}


def match_line(wanted, line, names):
    """The names with those that this line adds, or None if it is another line."""
    tokens = [(match.lastgroup, match[0]) for match in TOKEN.finditer(wanted.strip())]
    form = "".join(re.escape(shown) if kind == "text" else f"({FORMS[kind]})" for kind, shown in tokens)
    found = re.fullmatch(form, line.strip())
    if not found:
        return None
    names = dict(names)
    for (kind, shown), actual in zip([token for token in tokens if token[0] != "text"], found.groups(), strict=True):
        if not match_value(kind, shown, actual, names):
            return None
    return names


def match_value(kind, shown, actual, names):
    if kind == "offset":
        return abs(float(shown) - float(actual)) <= SLACK_OF_OFFSETS
    if kind == "time" and re.match(r"\d{10}\.", shown):  # a date
        return bool(re.match(r"\d{10}\.", actual))
    if kind in ("time", "wait"):
        return abs(float(shown) - float(actual)) <= SLACK
    if kind == "namespace" and FIRST_NAMESPACE in (shown, actual):
        return shown == actual
    if kind in ("namespace", "process"):
        # The same stands for the same, and another one for another one.
        known = {mine: theirs for mine, theirs in names.items() if len(mine) == len(shown)}
        if shown not in known and actual in known.values():
            return False
        return names.setdefault(shown, actual) == actual
    return True


def match_lines(wanted, lines, names):
    """As match_line(), for several; ANY alone in a line stands for any number of lines."""
    if not wanted:
        return names if not lines else None
    if wanted[0].strip() == ANY:
        for skipped in range(len(lines) + 1):
            found = match_lines(wanted[1:], lines[skipped:], names)
            if found is not None:
                return found
        return None
    found = match_line(wanted[0], lines[0], names) if lines else None
    return None if found is None else match_lines(wanted[1:], lines[1:], found)


def compare(wanted, lines, names):
    """Like match_lines(), or a Mismatch that shows both."""
    found = match_lines(wanted, lines, names)
    if found is None:
        raise Mismatch("\n".join(["shown:", *wanted, "printed:", *lines]))
    return found


def follow(wanted, lines):
    """The lines that are shown were printed in this order, perhaps with others between them; or a Mismatch."""
    names, rest = {}, iter(lines)
    for line in wanted:
        for printed in rest:
            found = match_line(line, printed, names)
            if found is not None:
                names = found
                break
        else:
            raise Mismatch("\n".join([f"not printed, or not after what is shown above it: {line}", "printed:", *lines]))


def put_names(command, names):
    """The command with the process and namespace IDs of this run."""
    return re.sub(r"(?<![\d.])(47\d\d|\d{10})(?![\d.])", lambda match: names.get(match[0], match[0]), command)


def processes_in(command):
    return re.findall(r"(?<![\d.])47\d\d(?![\d.])", command)
