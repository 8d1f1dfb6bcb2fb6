# SPDX-License-Identifier: GPL-2.0-only
"""The patch series, and the git repository that is composed of it.

build/series.git holds only the files that the series touches, as one line of
history: the stock files, the base (the stock time namespace taken out), then
one commit for each patch of patches/series. Everything else is read from it.
build/linux-stock.git holds the whole stock source as one commit, to which what
is posted applies.
"""

import contextlib
import fcntl
import functools
import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASE = ROOT / 'base'
PATCHES = ROOT / 'patches'
BUILD = Path(os.environ.get('BUILD') or ROOT / 'build').absolute()
STOCK = BUILD / 'linux-stock'
STOCK_REPOSITORY = BUILD / 'linux-stock.git'
TREE = BUILD / 'linux'
REPOSITORY = BUILD / 'series.git'

# The same series makes the same commits on every day.
COMMIT_DATE = '2025-01-01T00:00:00Z'

# What `make series` calls the patch that comes before those of patches/series.
REMOVAL = 'removal'
REMOVAL_PATCH = 'remove-time-namespace.patch'


class SeriesError(Exception):
    """One line that says what is wrong and what would be right, and perhaps details."""

    def __init__(self, message, detail=''):
        super().__init__(message)
        self.detail = detail


def run_tool(main):
    """Runs the main() of a tool and turns its errors into one line each."""
    tool = Path(sys.argv[0]).name
    try:
        sys.exit(main())
    except SeriesError as error:
        print(f'{tool}: {error}', file=sys.stderr)
        if error.detail:
            print(error.detail.rstrip(), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def own_environment():
    """The environment without what a git that runs this tool may have set for itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith('GIT_')}


def clean_environment(**settings):
    """The environment in which git behaves the same for everybody."""
    return own_environment() | {
        'GIT_CONFIG_GLOBAL': '/dev/null',
        'GIT_CONFIG_SYSTEM': '/dev/null',
        'GIT_CEILING_DIRECTORIES': str(BUILD),
        'LC_ALL': 'C.UTF-8',
    } | settings


def try_git(*arguments, data=None, **settings):
    """Runs git on the composed repository; it may fail."""
    return subprocess.run(['git', *map(str, arguments)], input=data, capture_output=True,
                          env=clean_environment(**{'GIT_DIR': str(REPOSITORY)} | settings),
                          check=False)


def git(*arguments, **keywords):
    """Runs git on the composed repository; returns what it prints, as bytes."""
    process = try_git(*arguments, **keywords)
    if process.returncode:
        raise SeriesError(f'git {arguments[0]} failed', process.stderr.decode())
    return process.stdout


def git_line(*arguments, **keywords):
    return git(*arguments, **keywords).decode().strip()


@contextlib.contextmanager
def exclusive(path):
    """Holds a lock file, so that two runs of the tools do not mix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f'{path}.lock', 'w', encoding='utf-8') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_list(path):
    """The lines of a list, without comments and blank lines."""
    lines = (line.strip() for line in path.read_text(encoding='utf-8').splitlines())
    return [line for line in lines if line and not line.startswith('#')]


def name_some(paths):
    return ' '.join(paths[:8]) + (f' and {len(paths) - 8} more' if len(paths) > 8 else '')


def stock_version():
    """Debian's version of the stock source; base/fetch-source leaves it when all is well."""
    try:
        return (BUILD / 'linux-stock.version').read_text(encoding='utf-8').strip()
    except FileNotFoundError:
        raise SeriesError(f'{STOCK} was not checked: run base/fetch-source') from None


# Patches

@dataclass
class Patch:
    """A file of patches/: a commit message, `---`, and a diff."""

    name: str
    header: bytes
    diff: bytes
    subject: str = ''
    sender: str = ''
    body: list = field(default_factory=list)
    adds: list = field(default_factory=list)
    edits: list = field(default_factory=list)
    part: str = ''

    @property
    def path(self):
        return PATCHES / self.name

    @property
    def where(self):
        return f'base/{self.name}' if self.name == REMOVAL_PATCH else f'patches/{self.name}'

    @property
    def message(self):
        """The commit message, without the Adds: trailers, which are only for us."""
        kept = '\n'.join(line for line in self.body if not line.startswith('Adds: ')).strip()
        return f'{self.subject}\n\n{kept}\n' if kept else f'{self.subject}\n'


def read_patch(path):
    content = path.read_bytes()
    start = re.search(rb'^(?:diff --git |--- a/|--- /dev/null)', content, re.M)
    split = start.start() if start else len(content)
    patch = Patch(path.name, content[:split], content[split:])
    parse_header(patch)
    parse_diff(patch)
    return patch


def parse_header(patch):
    where = patch.where
    try:
        lines = patch.header.decode().splitlines()
    except UnicodeDecodeError:
        raise SeriesError(f'{where}: the message is not UTF-8') from None
    if '---' not in lines:
        raise SeriesError(f'{where}: no line `---` between the message and the diff')
    message = lines[:lines.index('---')]
    head = message[:message.index('')] if '' in message else message
    fields = dict(line.split(': ', 1) for line in head if ': ' in line)
    if not head or len(fields) != len(head) or not fields.keys() <= {'Subject', 'From'} \
            or 'Subject' not in fields:
        raise SeriesError(f'{where}: does not begin with `Subject: subsys: Imperative`, '
                          'perhaps `From:`, and a blank line')
    patch.subject = fields['Subject']
    patch.sender = fields.get('From', '')
    if patch.sender and not re.fullmatch(r'[^<>]+ <[^<>\s]+>', patch.sender):
        raise SeriesError(f'{where}: From: is not `Name <address>`')
    patch.body = message[len(head) + 1:]
    last_paragraph = '\n'.join(patch.body).strip().rsplit('\n\n', 1)[-1].splitlines()
    for line in patch.body:
        if line.startswith('Adds:'):
            if line not in last_paragraph or not re.fullmatch(r'Adds: \S+', line):
                raise SeriesError(f'{where}: `{line}` is not a trailer `Adds: PATH` '
                                  'in the last paragraph')
            patch.adds.append(line.split()[1])


def parse_diff(patch):
    """Asks git which files the diff edits; only edits of existing files belong in a diff."""
    if not patch.diff:
        return
    process = subprocess.run(['git', 'apply', '--numstat', '--summary', '-'], input=patch.diff,
                             capture_output=True, env=clean_environment(), cwd='/', check=False)
    if process.returncode:
        raise SeriesError(f'patches/{patch.name}: not a diff that git can read',
                          process.stderr.decode())
    for line in process.stdout.decode().splitlines():
        if numstat := re.fullmatch(r'[\d-]+\t[\d-]+\t(.+)', line):
            patch.edits.append(numstat[1])
        elif created := re.fullmatch(r' create (?:mode \d+ )?(.+)', line):
            raise SeriesError(f'patches/{patch.name} creates {created[1]} in its diff; put the '
                              'file at that path and name it with `Adds:`')
        elif re.match(r' (delete|rename|copy) ', line):
            raise SeriesError(f'patches/{patch.name}: `{line.strip()}`: a patch of the series '
                              'only edits files')


def read_series():
    """The patches in their order. Every patch file must be in it, and every name a file."""
    part_of = read_parts(PATCHES / 'series')
    names = list(part_of)
    for name in names:
        if not (PATCHES / name).is_file():
            raise SeriesError(f'patches/series names {name}, but there is no patches/{name}')
    for path in sorted(PATCHES.glob('*.patch')):
        if path.name not in names:
            raise SeriesError(f'patches/{path.name} is not in patches/series: '
                              'name it there or remove it')
    patches = [read_patch(PATCHES / name) for name in names]
    for patch in patches:
        patch.part = part_of[patch.name]
    return patches


def read_parts(path):
    """Patch -> the series that it is posted with, which a comment above it names."""
    part_of, part = {}, ''
    for line in path.read_text(encoding='utf-8').splitlines() if path.exists() else []:
        line = line.strip()
        if heading := re.fullmatch(r'# Series: ([a-z0-9-]+)', line):
            part = heading[1]
            if part == REMOVAL or part in part_of.values():
                raise SeriesError(f'patches/series begins the series {part} twice')
        elif line and not line.startswith('#'):
            if not part:
                raise SeriesError(f'patches/series has no line `# Series: NAME` above {line}')
            if line in part_of:
                raise SeriesError(f'patches/series names {line} twice')
            part_of[line] = part
    return part_of


def check_whole_files(patches, removed):
    """Every whole file enters with one patch and overwrites nothing."""
    owner = {}
    for patch in patches:
        for path in patch.adds:
            where = f'patches/{patch.name} adds {path}'
            if path in owner:
                raise SeriesError(f'{where}, and so does patches/{owner[path]}: '
                                  'each file enters once')
            if not (ROOT / path).is_file() or (ROOT / path).is_symlink():
                raise SeriesError(f'{where}, but the repository has no such file')
            if os.path.lexists(STOCK / path) and path not in removed:
                raise SeriesError(f'{where}, but the base has that file already: '
                                  'edit it with a diff instead')
            owner[path] = patch.name
    for patch in patches:
        for path in patch.edits:
            if path in owner:
                raise SeriesError(f'patches/{patch.name} edits {path}, which '
                                  f'patches/{owner[path]} adds whole: edit the file itself')
    return owner


def describe_unlisted(composed):
    """Every tracked file at a kernel path belongs to a patch: says which do not."""
    unlisted = [path for path in tracked_kernel_files() if path not in composed.whole]
    return f'no patch adds {name_some(unlisted)}: every file at a kernel path enters with one ' \
           'patch, named there as `Adds: PATH`' if unlisted else ''


def tracked_files():
    """The files of this repository, as its own git with the user's settings has them."""
    process = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True,
                             env=own_environment(), check=False)
    if process.returncode:
        raise SeriesError(f'git does not read {ROOT}: clone the repository, do not copy it',
                          process.stderr.decode())
    return [path for path in process.stdout.decode().split('\0')
            if os.path.lexists(ROOT / path) and path]


def tracked_kernel_files():
    """Tracked files at paths of the kernel; tools/ is shared with the repository's own."""
    for path in tracked_files():
        parts = path.split('/')
        folder = parts[:2] if parts[0] == 'tools' else parts[:1]
        if len(parts) > len(folder) and STOCK.joinpath(*folder).is_dir():
            yield path


# The composed repository

@dataclass
class Composed:
    """What compose() has made: commits, and the patches that they came from."""

    stock: str
    base: str
    commits: list
    whole: dict
    patches: list
    removal: Patch

    @property
    def tip(self):
        return self.commits[-1] if self.commits else self.base

    def parts(self):
        """(name, patches, the commit before, the last commit) of each series, in their order."""
        yield REMOVAL, [self.removal], self.stock, self.base
        before = self.base
        for name, group in itertools.groupby(zip(self.patches, self.commits),
                                             key=lambda each: each[0].part):
            patches, commits = zip(*group)
            yield name, list(patches), before, commits[-1]
            before = commits[-1]

    def commit_of(self, name):
        """The commit of a patch; the base for an empty name."""
        names = [patch.name for patch in self.patches]
        return self.commits[names.index(name)] if name else self.base


def removed_files():
    """Stock files that the base does without."""
    paths = []
    for entry in read_list(BASE / 'remove-files'):
        found = sorted(path for path in (STOCK / entry).rglob('*') if not path.is_dir()) \
            if entry.endswith('/') else [STOCK / entry]
        if not found or not all(os.path.lexists(path) for path in found):
            raise SeriesError(f'base/remove-files names {entry}, which Linux {stock_version()} '
                              'does not have')
        paths += [str(path.relative_to(STOCK)) for path in found]
    return paths


def author_of_unsigned():
    """Who posts a patch that has no From: line of its own."""
    def setting(name):
        return subprocess.run(['git', 'config', name], cwd=ROOT, capture_output=True, text=True,
                              env=own_environment(), check=False).stdout.strip()
    name, address = setting('user.name'), setting('user.email')
    return f'{name} <{address}>' if name and address else 'Time namespaces <timens@localhost>'


def compose():
    """Brings build/series.git up to date with the series, and says what is in it."""
    with exclusive(REPOSITORY):
        version = stock_version()
        removed = removed_files()
        patches = read_series()
        removal = read_patch(BASE / REMOVAL_PATCH)
        whole = check_whole_files(patches, removed)
        author = author_of_unsigned()
        key = digest_inputs(version, patches, whole, author)
        cache = REPOSITORY / 'composed.json'
        if cache.exists():
            known = json.loads(cache.read_text(encoding='utf-8'))
            if known['key'] == key:
                return Composed(known['stock'], known['base'], known['commits'], whole, patches,
                                removal)
        composed = build_history(patches, whole, removed, removal, author)
        for name, commit in ('stock', composed.stock), ('base', composed.base), \
                ('series', composed.tip):
            git('update-ref', f'refs/heads/{name}', commit)
        cache.write_text(json.dumps({'key': key, 'stock': composed.stock, 'base': composed.base,
                                     'commits': composed.commits}), encoding='utf-8')
        git('gc', '--auto', '--quiet')
        return composed


def digest_inputs(version, patches, whole, author):
    digest = hashlib.sha256(json.dumps([version, author]).encode())
    paths = [BASE / name for name in ('series.py', 'remove-files', 'unifdef-files', REMOVAL_PATCH)]
    paths += [PATCHES / 'series'] if patches else []
    paths += [patch.path for patch in patches] + [ROOT / path for path in sorted(whole)]
    for path in paths:
        mode = path.stat().st_mode & 0o100
        content = path.read_bytes()
        digest.update(f'{path.relative_to(ROOT)}\0{mode}\0{len(content)}\0'.encode() + content)
    return digest.hexdigest()


def build_history(patches, whole, removed, removal, author):
    if not REPOSITORY.exists():
        git('init', '-q', '--bare', '-b', 'series')
    # With the kernel's attributes a hunk names the function that it is in.
    attributes = STOCK / '.gitattributes'
    (REPOSITORY / 'info/attributes').write_bytes(
        attributes.read_bytes() if attributes.exists() else b'')
    marked = read_list(BASE / 'unifdef-files')
    touched = set(removed) | set(marked) | set(removal.edits)
    touched |= {path for patch in patches for path in patch.edits} - set(whole)
    with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
        index = Index(Path(scratch) / 'index', author)
        index.add_files(STOCK, sorted(path for path in touched if os.path.lexists(STOCK / path)))
        stock = index.commit(f'Linux {stock_version()}: the files that the series touches\n')
        index.remove(removed)
        index.add_contents({path: ('100644', strip_marked(path)) for path in marked})
        index.apply(removal.where, removal.diff)
        base = index.commit(removal.message, stock)
        commits = []
        for patch in patches:
            index.apply(f'patches/{patch.name}', patch.diff)
            index.add_files(ROOT, patch.adds)
            commits.append(index.commit(patch.message, commits[-1] if commits else base,
                                        patch.sender))
    return Composed(stock, base, commits, whole, patches, removal)


def strip_marked(path):
    """A stock file without its CONFIG_TIME_NS blocks."""
    process = subprocess.run(['unifdef', '-B', '-UCONFIG_TIME_NS', STOCK / path],
                             capture_output=True, check=False)
    if process.returncode != 1:
        raise SeriesError(f'base/unifdef-files names {path}, but unifdef finds no CONFIG_TIME_NS '
                          f'block in that file of Linux {stock_version()}',
                          process.stderr.decode())
    return process.stdout


class Index:
    """A git index that commits are made from; no files are checked out."""

    def __init__(self, path, author):
        self.settings = {'GIT_INDEX_FILE': str(path)}
        self.author = author

    def git(self, *arguments, **keywords):
        return git(*arguments, **keywords, **self.settings)

    def update(self, entries):
        lines = ''.join(f'{mode} {blob}\t{path}\n' for mode, blob, path in entries)
        self.git('update-index', '--index-info', data=lines.encode())

    def add_files(self, folder, paths):
        files = [folder / path for path in paths]
        names = ''.join(f'{file}\n' for file in files).encode()
        blobs = self.git('hash-object', '-w', '--no-filters', '--stdin-paths', data=names).split()
        modes = ('100755' if file.stat().st_mode & 0o100 else '100644' for file in files)
        self.update((mode, blob.decode(), path)
                    for mode, blob, path in zip(modes, blobs, paths, strict=True))

    def add_contents(self, contents):
        """Takes path -> (mode, content)."""
        for path, (mode, content) in contents.items():
            blob = self.git('hash-object', '-w', '--stdin', data=content).decode().strip()
            self.update([(mode, blob, path)])

    def remove(self, paths):
        self.update((0, '0' * 40, path) for path in paths)

    def apply(self, name, diff):
        """Applies a diff exactly: a hunk may have moved, but every line must match."""
        if not diff:
            return
        process = try_git('apply', '--cached', '--whitespace=nowarn', '-', data=diff,
                          **self.settings)
        if process.returncode:
            first = re.search(r'error: (?:patch failed: )?([^\s:]+(?::\d+)?)',
                              process.stderr.decode())
            raise SeriesError(f'{name} does not apply to Linux {stock_version()}: '
                              f'{first[1] if first else "see below"}', self.rejects(diff))

    def rejects(self, diff):
        """The hunks that do not apply, as git writes them out."""
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            self.git('--work-tree', folder, 'checkout-index', '--all')
            process = subprocess.run(['git', 'apply', '--reject', '--whitespace=nowarn', '-'],
                                     input=diff, capture_output=True, cwd=folder,
                                     env=clean_environment(), check=False)
            hunks = [path.read_text(encoding='utf-8', errors='replace')
                     for path in sorted(Path(folder).rglob('*.rej'))]
        errors = [line for line in process.stderr.decode().splitlines() if 'error:' in line]
        return '\n'.join(hunks or errors)

    def commit(self, message, parent=None, sender=''):
        name, address = re.fullmatch(r'(.+) <(.+)>', sender or self.author).groups()
        committer, committer_address = re.fullmatch(r'(.+) <(.+)>', self.author).groups()
        tree = self.git('write-tree').decode().strip()
        parents = ['-p', parent] if parent else []
        return self.git('commit-tree', tree, *parents, data=message.encode(),
                        GIT_AUTHOR_NAME=name, GIT_AUTHOR_EMAIL=address,
                        GIT_COMMITTER_NAME=committer, GIT_COMMITTER_EMAIL=committer_address,
                        GIT_AUTHOR_DATE=COMMIT_DATE, GIT_COMMITTER_DATE=COMMIT_DATE,
                        ).decode().strip()


# Reading the repository

@functools.lru_cache(maxsize=None)
def files_of(commit):
    """path -> (mode, blob) of every file of a commit."""
    files = {}
    for entry in git('ls-tree', '-r', '-z', commit).decode().split('\0'):
        if entry:
            meta, path = entry.split('\t', 1)
            mode, _, blob = meta.split()
            files[path] = (mode, blob)
    return files


def content_of(blob):
    return git('cat-file', 'blob', blob)


def diff_of(before, after, whole):
    """The canonical diff between two trees: no blob names, no whole files."""
    diff = git('diff-tree', '-r', '-p', '--no-renames', '--no-color', '--no-ext-diff', '-U3',
               '--diff-algorithm=histogram', before, after)
    parts = re.split(rb'^(?=diff --git )', diff, flags=re.M)
    kept = (part for part in parts
            if not any(part.startswith(f'diff --git a/{path} b/{path}\n'.encode())
                       for path in whole))
    return re.sub(rb'^index [0-9a-f]+\.\.[0-9a-f]+(?: \d+)?\n', b'', b''.join(kept), flags=re.M)


# What is posted

def write_mails(composed):
    """Writes the series to build/series; returns the mails of all patches in their order.

    Each has a folder, with a cover letter if there is one, and an mbox for `git am`.
    build/series.mbox holds all patches, build/series.tar.xz all of it.
    """
    folder = BUILD / 'series'
    base_commit = commit_stock()
    mails = []
    with exclusive(folder):
        fresh = BUILD / 'series.new'
        shutil.rmtree(fresh, ignore_errors=True)
        for name, patches, before, last in composed.parts():
            written = write_part(composed, fresh / name, before, last, base_commit)
            if len(written) != len(patches):
                raise SeriesError(f'{len(patches)} patches of {name} became {len(written)} mails')
            write_joined(fresh / f'{name}.mbox', written)
            mails += [folder / path.relative_to(fresh) for path in written]
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        write_joined(BUILD / 'series.mbox', mails)
        subprocess.run(['tar', '-cJf', BUILD / 'series.tar.xz', '--sort=name', '--owner=0', '--group=0',
                        '--numeric-owner', f'--mtime={COMMIT_DATE}', '--mode=u+rw,go=rX',
                        'series', 'series.mbox'], cwd=BUILD, check=True)
    return mails


def write_part(composed, folder, before, last, base_commit):
    """The mails of one series, the cover letter first; returns the patches."""
    cover = PATCHES / f'{folder.name}.cover'
    name, address = author_of_unsigned().removesuffix('>').split(' <')
    git('format-patch', '-q', '--no-signature', '--diff-algorithm=histogram',
        '--cover-letter' if cover.exists() else '--no-cover-letter',
        f'--base={composed.stock}', '-o', folder, f'{before}..{last}',
        GIT_COMMITTER_NAME=name, GIT_COMMITTER_EMAIL=address, GIT_COMMITTER_DATE=COMMIT_DATE)
    if cover.exists():
        fill_cover(folder / '0000-cover-letter.patch', cover)
    mails = sorted(folder.glob('*.patch'))
    # It is a commit of the files that the series touches: name the one of the whole source.
    first = mails[0].read_bytes()
    mails[0].write_bytes(first.replace(f'\nbase-commit: {composed.stock}\n'.encode(),
                                       f'\nbase-commit: {base_commit}\n'.encode()))
    return mails[1:] if cover.exists() else mails


def fill_cover(mail, cover):
    head, body = cover.read_text(encoding='utf-8').split('\n\n', 1)
    if not re.fullmatch(r'Subject: .+', head):
        raise SeriesError(f'patches/{cover.name} does not begin with `Subject: ` and a blank line')
    body += f'\nThe base is the source in Debian\'s package linux-source-6.12, {stock_version()}.\n'
    text = mail.read_text(encoding='utf-8')
    for placeholder, filling in (('*** SUBJECT HERE ***', head.removeprefix('Subject: ')),
                                 ('*** BLURB HERE ***\n', body)):
        if text.count(placeholder) != 1:
            raise SeriesError(f'git format-patch left no {placeholder} in {mail.name}')
        text = text.replace(placeholder, filling)
    mail.write_text(text, encoding='utf-8')


def write_joined(path, mails):
    path.write_bytes(b''.join(mail.read_bytes() for mail in mails))


def commit_stock():
    """The whole untouched source as one commit, in a repository of its own, which the mails name.

    Like all commits here it depends on the content alone.
    """
    message = f'Linux {stock_version()}\n'
    settings = {'GIT_DIR': str(STOCK_REPOSITORY)}
    with exclusive(STOCK_REPOSITORY):
        known = try_git('log', '-1', '--format=%H %B', 'stock', **settings).stdout.decode()
        if known.split(' ', 1)[1:] == [message + '\n']:
            return known.split()[0]
        shutil.rmtree(STOCK_REPOSITORY, ignore_errors=True)
        git('init', '-q', '--bare', '-b', 'stock', str(STOCK_REPOSITORY))
        command = ['git', '-c', 'core.compression=1', 'fast-import', '--quiet', '--depth=0']
        with subprocess.Popen(command, stdin=subprocess.PIPE,
                              env=clean_environment(**settings)) as importer:
            importer.stdin.write(
                b'commit refs/heads/stock\n'
                b'committer Time namespaces <timens@localhost> 1735689600 +0000\n'
                b'data %d\n%s' % (len(message), message.encode()))
            for path in sorted(STOCK.rglob('*')):
                if path.is_symlink():
                    mode, content = b'120000', os.readlink(path).encode()
                elif path.is_file():
                    mode = b'100755' if path.stat().st_mode & 0o100 else b'100644'
                    content = path.read_bytes()
                else:
                    continue
                name = str(path.relative_to(STOCK)).encode()
                importer.stdin.write(b'M %s inline %s\ndata %d\n%s\n'
                                     % (mode, name, len(content), content))
        if importer.returncode:
            raise SeriesError(f'git fast-import of {STOCK} failed')
        return git_line('rev-parse', 'stock', **settings)
