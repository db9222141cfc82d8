# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Installs what a lock names into the environment of the Python that runs this, and nothing else.

install.py LOG LOCK                 all that the lock names
install.py LOG LOCK REQUIREMENTS    of it only what these requirements lack, dependencies included

The lock is a requirements file with the hashes of all files that may be installed. What has been
released since it was written has no effect: no dependency is resolved, and whatever builds a
package from source is locked as well. On failure, one line says what to do.
"""

from collections.abc import Iterable
from importlib import invalidate_caches
from importlib.metadata import distribution, PackageNotFoundError, version
from importlib.util import find_spec
import os
from pathlib import Path
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile

try:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
except ImportError:  # in a new environment
    from pip._vendor.packaging.requirements import Requirement
    from pip._vendor.packaging.utils import canonicalize_name

OPTIONS = ['--no-deps', '--require-hashes', '--no-build-isolation', '--use-pep517', '--no-input',
           '--disable-pip-version-check', '--progress-bar=off']
# They install the others: pip without surprises of its age, setuptools for packages from source.
INSTALLERS = ['pip', 'setuptools']
# What comes with ROS 2 is used in whatever version: its compiled modules are made for these.
KEPT = {'numpy': 'numpy', 'opencv-python-headless': 'cv2'}
GIGABYTES = 10  # what PyTorch and the others take while their downloads are unpacked
# From the particular to the general: a broken network also makes files impossible to find.
CAUSES = [
    (r'No space left on device|Disk quota exceeded',
     'the disk is full: free {gigabytes} GB in {prefix}, and some for the cache of pip'),
    (r'Cannot connect to proxy|ProxyError|Tunnel connection failed',
     'the proxy does not let pip through: check http_proxy, https_proxy and pip config list'),
    (r'CERTIFICATE_VERIFY_FAILED|SSLError',
     'the server has a certificate that is not trusted: name yours in PIP_CERT'),
    (r'DO NOT MATCH THE HASHES.*?(?P<what>[\w.-]+(==[\w.]+)?) from|Hash mismatch',
     'the file of {what} is another one than on PyPI, or broken: run pip cache purge, or choose '
     'another index (PIP_INDEX_URL)'),
    (r'incomplete-download|IncompleteRead|Connection broken|Download failed',
     'a download broke off: run this again'),
    (r'NewConnectionError|NameResolutionError|[Nn]ame resolution|Max retries exceeded'
     r'|ConnectionError|ConnectTimeout|[Rr]ead timed out|Connection refused|connection broken',
     'the package index cannot be reached: check the network, http_proxy, https_proxy and pip '
     'config list, or name a mirror in PIP_INDEX_URL'),
    (r'(?P<what>\d{3} (Client|Server) Error: .*?) for url',
     'the package index does not hand out a file ({what}): choose another one (PIP_INDEX_URL)'),
    (r'No matching distribution found for (?P<what>\S+)',
     'the package index does not serve {what}, or not for {python} on {machine}: check pip config '
     'list, or choose another one (PIP_INDEX_URL=https://pypi.org/simple) or another Python'),
]


class InstallationError(Exception):
    """What keeps packages from being installed, and what to do about it."""


def read_lock(path: Path) -> dict[str, str]:
    """Return the entries of a lock by their normalized name; one name can have several."""
    lock = {}
    for entry in re.findall(r'^[^#\s].*(?:\n +.*)*', path.read_text(), re.MULTILINE):
        name = canonicalize_name(re.match(r'[\w.-]+', entry)[0])
        lock[name] = f'{lock[name]}\n{entry}' if name in lock else entry
    return lock


def explain(output: str) -> str:
    """Return what to do about a failure of pip, by what it has written."""
    for pattern, advice in CAUSES:
        match = re.search(pattern, output, re.DOTALL)
        if match:
            what = match.groupdict().get('what') or 'a package'
            python = f'Python {platform.python_version()}'
            return advice.format(what=what, gigabytes=GIGABYTES, prefix=sys.prefix, python=python,
                                 machine=platform.machine())
    errors = re.findall(r'^ERROR: (.*)', output, re.MULTILINE) or output.splitlines()[-1:]
    return errors[-1] if errors else 'pip was killed; is there enough memory?'


def check_disk():
    """
    Make sure that there is room for PyTorch, if it is not there yet.

    :raises InstallationError: the disk is too small.
    """
    free = shutil.disk_usage(sys.prefix).free / 1e9
    if free < GIGABYTES and not find_spec('torch'):
        raise InstallationError(f'{GIGABYTES} GB of disk are needed in {sys.prefix}, and '
                                f'{free:.1f} GB are free: make room, or move the checkout')


def is_installed(entry: str) -> bool:
    """Tell whether the environment has what an entry of a lock names."""
    name = re.match(r'[\w.-]+', entry)[0]
    try:
        return version(name) in re.findall(r'==([\w.]+)', entry)
    except PackageNotFoundError:
        return False


def install(entries: Iterable[str], log: Path):
    """
    Install those entries of a lock that are for this Python and not there yet.

    :raises InstallationError: pip fails.
    """
    # Those of one name are for one Python each, and at most one of them for this one.
    entries = [entry for entry in entries if not is_installed(entry) and any(
        is_due(Requirement(pin), '') for pin in re.findall(r'^\w[^\\\n]*', entry, re.MULTILINE))]
    if not entries:
        return
    # Downloads go where the packages go: /tmp can be too small for them.
    with tempfile.TemporaryDirectory(dir=sys.prefix) as folder, log.open('a') as file:
        requirements = Path(folder, 'requirements.txt')
        requirements.write_text('\n'.join(entries))
        start = file.tell()
        # Not close_fds: as long as pip runs, it holds the lock of setup.sh.
        result = subprocess.run(
            [sys.executable, '-m', 'pip', 'install', *OPTIONS, '-r', requirements],
            env=os.environ | {'TMPDIR': folder}, stdout=file, stderr=file, close_fds=False)
    if result.returncode:
        with log.open() as file:
            file.seek(start)
            raise InstallationError(explain(file.read()))


def is_due(requirement: Requirement, extra: str) -> bool:
    return not requirement.marker or requirement.marker.evaluate({'extra': extra})


def unmet(requirements: Iterable[Requirement]) -> dict[str, str]:
    """
    Return what the environment lacks of requirements and of all that these require in turn.

    Of the requirements themselves any version is good, as they can be part of ROS 2.

    :returns: normalized name -> the requirement that is not met
    """
    lacking = {}
    pending = [Requirement(requirement.name) for requirement in requirements
               if is_due(requirement, '')]
    known = set()
    while pending:
        requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            if not (name in KEPT and find_spec(KEPT[name])):
                lacking[name] = f'{requirement.name}{requirement.specifier}'
            continue
        if not requirement.specifier.contains(package.version, prereleases=True):
            lacking[name] = f'{requirement.name}{requirement.specifier}'
        for extra in {'', *requirement.extras}:
            if (name, extra) not in known:
                known.add((name, extra))
                pending += [further for further in map(Requirement, package.requires or [])
                            if is_due(further, extra)]
    return lacking


def install_lacking(entries: dict[str, str], requirements: list[Requirement], log: Path):
    """
    Install entries of a lock until requirements and all that these require in turn are met.

    :raises InstallationError: as ``install``; or the lock does not go with what has to stay
    """
    tried = {name for name, module in KEPT.items() if find_spec(module)}
    while names := unmet(requirements).keys() & entries.keys() - tried:
        install([entries[name] for name in sorted(names)], log)
        tried |= names
        invalidate_caches()
    for name, requirement in unmet(requirements).items():
        if name in KEPT:
            raise InstallationError(f'a library wants {requirement}, and ROS 2 here has {name} '
                                    f'{version(name)}: mcn_ros needs a newer ROS 2')


def main(log: Path, lock: Path, requirements: Path | None = None):
    """
    Install what a lock names, or what requirements lack of it.

    :raises InstallationError: as ``check_disk`` and ``install_lacking``
    """
    entries = read_lock(lock)
    if 'torch' in entries:
        check_disk()
    install([entries[name] for name in INSTALLERS if name in entries], log)
    if requirements is None:
        install(entries.values(), log)
    else:
        lines = requirements.read_text().splitlines()
        install_lacking(entries, [
            Requirement(line) for line in lines if line and not line.startswith('#')], log)


if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends setup.sh as well, and without a traceback
    try:
        main(*map(Path, sys.argv[1:]))
    except InstallationError as error:
        log = Path(sys.argv[1])
        sys.exit(f'error: {error}' + f'; the whole output is in {log}' * log.exists())
