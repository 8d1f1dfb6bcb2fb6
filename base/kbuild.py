# SPDX-License-Identifier: GPL-2.0-only
"""Kernel builds of the checks, each with an output folder of its own in build/check."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from series import BUILD, ROOT, SeriesError

CHECK = BUILD / 'check'
CONFIGS = ROOT / 'configs'
FRAGMENTS = {
    'on': ('base', 'test', 'timens', 'wall', 'kunit'),
    'off': ('base', 'test', 'none'),
}


def jobs():
    return os.environ.get('JOBS') or str(os.cpu_count())


class Build:
    """One output folder. A failure names the log, which holds everything."""

    def __init__(self, source, name):
        self.source = source
        self.output = CHECK / name
        self.log = CHECK / f'{name}.log'
        self.output.mkdir(parents=True, exist_ok=True)

    def configure(self, fragments, more=''):
        """Merges the fragments onto allnoconfig; the last one that names an option decides.

        Without fragments it is allmodconfig.
        """
        merged = self.output / 'fragments.config'
        merged.write_text(''.join((CONFIGS / f'{name}.config').read_text(encoding='utf-8')
                                  for name in fragments or ()) + more, encoding='utf-8')
        self.make('allmodconfig' if fragments is None else 'allnoconfig', f'KCONFIG_ALLCONFIG={merged}')

    def has(self, option):
        config = (self.output / '.config').read_text(encoding='utf-8')
        return f'\n{option}=y\n' in config

    def describe(self):
        """Which kernel this is, for a result that is stored."""
        config = hashlib.sha256((self.output / '.config').read_bytes()).hexdigest()[:16]
        return f'Linux {self.make("-s", "kernelrelease")[-1]}, config {config}'

    def make(self, *arguments, label='', must=True):
        """Runs make; returns the lines that it printed."""
        compiler = 'ccache gcc' if shutil.which('ccache') else 'gcc'
        command = ['make', '-C', self.source, f'O={self.output}', 'ARCH=x86_64',
                   f'CC={compiler}', f'-j{jobs()}', 'KBUILD_BUILD_USER=timens',
                   'KBUILD_BUILD_HOST=timens',
                   'KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970', *arguments]
        # The variables of the make that runs the check are not for the kernel's.
        environment = {name: value for name, value in os.environ.items()
                       if name not in ('MAKEFLAGS', 'MFLAGS', 'MAKELEVEL', 'MAKEOVERRIDES')}
        lines = []
        with open(self.log, 'w', encoding='utf-8', buffering=1) as log, \
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, env=environment, text=True,
                                 errors='replace', preexec_fn=lambda: os.nice(5)) as process:
            progress = Progress(label)
            for line in process.stdout:
                log.write(line)
                lines.append(line.rstrip('\n'))
                progress.count(line)
            progress.clear()
        if process.returncode and must:
            raise SeriesError(f'{label or "configuring"} failed; the whole log is {self.log}',
                              '\n'.join(lines[-20:]))
        return lines

    def warnings(self, lines):
        """(path, message) of every warning, without line numbers, and how often it came."""
        found = Counter()
        for line in lines:
            match = re.match(r'(\S+?):\d+(?::\d+)?: (?:warning|error): (.*)', line)
            if match:
                path = os.path.normpath(self.output / match[1])
                found[os.path.relpath(path, self.source), match[2]] += 1
        return found


class Progress:
    """One number of steps, rewritten in place, on a terminal only."""

    def __init__(self, label):
        self.label = label
        self.steps = 0
        self.shown = 0.0
        self.enabled = bool(label) and sys.stderr.isatty()

    def count(self, line):
        self.steps += line.startswith('  ')
        if self.enabled and time.monotonic() - self.shown > 0.2:
            self.shown = time.monotonic()
            print(f'\r\033[K{self.label}: {self.steps} steps', end='', file=sys.stderr, flush=True)

    def clear(self):
        if self.enabled:
            print('\r\033[K', end='', file=sys.stderr, flush=True)


def source_folders(paths, source):
    """The folders that Kbuild can be asked to build for the given C files."""
    folders = set()
    for path in paths:
        if path.endswith('.c') and not path.startswith(('tools/', 'Documentation/', 'samples/')):
            folder = Path(path).parent
            while not (source / folder / 'Makefile').exists() \
                    and not (source / folder / 'Kbuild').exists():
                folder = folder.parent
            folders.add(f'{folder}/')
    return sorted(folders)
