# SPDX-License-Identifier: GPL-2.0-only
"""A kernel source tree that is kept equal to a commit of the composed series.

Only files that differ are written, so that builds stay incremental. A record beside
the tree says what was written, which is how edits made there by hand are known.

What stands at a path is described by a string: `none`, `link TARGET`, or
`100644 BLOB` and `100755 BLOB` with git's name of the content.
"""

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import series
from series import ROOT, STOCK, SeriesError

# A file's time of change can be a tick older than the clock that a program reads.
TICK = 50_000_000


def blob_of(content):
    return hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()


def describe(path):
    """What stands at a path."""
    try:
        if path.is_symlink():
            return f'link {os.readlink(path)}'
        mode = '100755' if path.stat().st_mode & 0o100 else '100644'
        return f'{mode} {blob_of(path.read_bytes())}'
    except (FileNotFoundError, NotADirectoryError):
        return 'none'


@dataclass
class Edits:
    """Where the tree differs by hand from what was written into it."""

    changed: list = field(default_factory=list)
    created: list = field(default_factory=list)


class Tree:
    """One tree. With `linked`, it is for people: whole files are links to the repository."""

    def __init__(self, path, linked=False):
        self.path = path
        self.linked = linked
        self.record_path = Path(f'{path}.prepared')
        # wrote: path -> what was written last, then what an interrupted run may have left.
        # links: path -> blob that the link led to.
        self.record = {'stock': '', 'commit': '', 'scanned': 0, 'wrote': {}, 'links': {},
                       'created': []}
        if self.record_path.exists() and path.exists():
            self.record |= json.loads(self.record_path.read_text(encoding='utf-8'))

    def save(self):
        temporary = Path(f'{self.record_path}.new')
        temporary.write_text(json.dumps(self.record), encoding='utf-8')
        temporary.replace(self.record_path)

    def start(self):
        """Makes the tree from the stock source, unless it stands."""
        version = series.stock_version()
        if self.path.exists() and self.record['stock'] != version:
            if self.linked:
                raise SeriesError(f'{self.path} was not prepared from Linux {version}: '
                                  'remove it, and it will be made again')
            shutil.rmtree(self.path)
        if not self.path.exists():
            temporary = Path(f'{self.path}.new')
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.parent.mkdir(parents=True, exist_ok=True)
            # Hard links would be faster, but an edit in place would reach the stock source.
            subprocess.run(['cp', '-a', '--reflink=auto', STOCK, temporary], check=True)
            self.record |= {'stock': version, 'scanned': time.time_ns() - TICK}
            self.save()
            temporary.rename(self.path)

    # Writing

    def update(self, commit, composed, restore=()):
        """Makes the tree equal to a commit; returns the paths that were written."""
        if self.record['commit'] == commit and not self.linked:
            return []
        files = series.files_of(commit)
        paths = {*files, *series.files_of(composed.stock), *self.record['wrote'], *restore}
        want = {path: self.wanted(path, files, composed) for path in sorted(paths)}
        todo = [path for path in want if describe(self.path / path) != want[path]
                or path in composed.whole and self.is_old_link(path, files)]
        # Both contents are ours until the last file is written.
        wrote = self.record['wrote']
        self.record['wrote'] = {path: [want[path], *wrote.get(path, [])[:1]] for path in want}
        self.save()
        for path in todo:
            self.write(path, want[path], files)
        self.record['wrote'] = {path: [want[path]] for path in want}
        self.record['links'] = {path: files[path][1] for path in want
                                if want[path].startswith('link ') and path in files}
        self.record['commit'] = commit
        self.save()
        return todo

    def distrust(self):
        """Lets the next update look at every file, though the tree should be at that commit."""
        self.record['commit'] = ''

    def wanted(self, path, files, composed):
        """What should stand at a path."""
        if path in files:
            if self.linked and path in composed.whole:
                return f'link {os.path.relpath(ROOT / path, (self.path / path).parent)}'
            return ' '.join(files[path])
        if path in series.files_of(composed.stock):
            return 'none'
        return describe(STOCK / path)

    def is_old_link(self, path, files):
        """A link is made anew when its content is new: some look only at the link's own time."""
        return path in files and self.linked and \
            self.record['links'].get(path) != files[path][1]

    def write(self, path, want, files):
        target = self.path / path
        if want == 'none':
            target.unlink(missing_ok=True)
            self.remove_empty_folders(target.parent)
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f'.{target.name}.new')
        temporary.unlink(missing_ok=True)
        kind, value = want.split(' ', 1)
        if kind == 'link':
            temporary.symlink_to(value)
        else:
            temporary.write_bytes(series.content_of(value) if path in files
                                  else (STOCK / path).read_bytes())
            temporary.chmod(int(kind[-3:], 8))
        temporary.replace(target)

    def remove_empty_folders(self, folder):
        while folder != self.path and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent

    # Looking

    def find_edits(self, composed):
        """Looks at what changed since the last look, by time of change."""
        started = time.time_ns() - TICK
        files = series.files_of(composed.tip)
        edits = Edits()
        for path in sorted(self.find_suspects()):
            actual = describe(self.path / path)
            if actual in self.expected(path) or actual == self.wanted(path, files, composed):
                continue
            is_new = path not in files and self.expected(path)[0] == 'none'
            (edits.created if is_new else edits.changed).append(path)
        self.record['created'] = edits.created
        if not edits.changed:
            self.record['scanned'] = started
        return edits

    def find_suspects(self):
        seconds, nanoseconds = divmod(self.record['scanned'], 10**9)
        find = subprocess.run(['find', self.path, '-newerct', f'@{seconds}.{nanoseconds:09}',
                               '-printf', r'%y %P\0'], capture_output=True, check=True)
        suspects = {path for path in self.record['created'] if os.path.lexists(self.path / path)}
        for item in filter(None, os.fsdecode(find.stdout).split('\0')):
            kind, path = item.split(' ', 1)
            if kind == 'd':
                suspects |= self.missing_from(path)
            elif path in self.record['wrote'] or not self.is_stock(path):
                suspects.add(path)
        return suspects

    def expected(self, path):
        """What these tools may have left at a path."""
        return self.record['wrote'].get(path) or [describe(STOCK / path)]

    def is_stock(self, path):
        """Whether size and time say that a file is still the stock one."""
        try:
            ours, stock = os.lstat(self.path / path), os.lstat(STOCK / path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return (ours.st_mode, ours.st_size, ours.st_mtime_ns) == \
            (stock.st_mode, stock.st_size, stock.st_mtime_ns)

    def missing_from(self, folder):
        """Files that should stand in a folder or below a folder in it, but do not."""
        paths = {path for path in self.record['wrote'] if os.path.dirname(path) == folder}
        for name in os.listdir(STOCK / folder) if (STOCK / folder).is_dir() else []:
            stock = STOCK / folder / name
            if stock.is_dir() and not stock.is_symlink():
                if not (self.path / folder / name).exists():
                    paths |= {str(path.relative_to(STOCK)) for path in stock.rglob('*')
                              if path.is_symlink() or not path.is_dir()}
            else:
                paths.add(os.path.join(folder, name))
        return {path for path in paths if not os.path.lexists(self.path / path)}
