#!/usr/bin/env bash
# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
# Writes hashes.txt anew, for whoever has changed the other requirements: which files of PyPI may be
# installed, on Linux with Python 3.11 to 3.14. Needs Python 3.11 or newer, and PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet uv packaging
"$work/venv/bin/uv" pip compile --quiet --no-header --default-index https://pypi.org/simple \
    --universal --python-version 3.11 --format pylock.toml --output-file "$work/pylock.toml" \
    standalone/requirements.txt standalone/requirements-ros.txt -c standalone/constraints.txt
"$work/venv/bin/python" - "$work/pylock.toml" << 'EOP' > "$work/hashes.txt"
from itertools import product
import re
import sys
import tomllib

from packaging.markers import default_environment, Marker
from packaging.utils import parse_wheel_filename

PYTHONS = ['3.11', '3.12', '3.13', '3.14']
MACHINES = ['x86_64', 'aarch64']


def marker(package):
    """Return for which Python a package is, as the end of a requirement; None for none of ours."""
    condition = Marker(package.get('marker', "python_version >= '3'"))
    holds = {python for python, machine in product(PYTHONS, MACHINES) if condition.evaluate(
        default_environment() | {
            'python_version': python, 'python_full_version': f'{python}.0', 'sys_platform': 'linux',
            'platform_system': 'Linux', 'os_name': 'posix', 'platform_machine': machine})}
    if not holds:
        return None
    return '' if holds == set(PYTHONS) else f' ; {condition}'


def is_usable(url):
    """Tell whether a wheel is for one of our Pythons and machines."""
    tags = parse_wheel_filename(url.rsplit('/')[-1].replace('%2B', '+'))[3]
    return any(
        re.match(r'cp31[1-4]$|py[23]|cp3\d+$', tag.interpreter) and
        (tag.interpreter[:2] == 'py' or tag.abi == 'abi3' or tag.abi == tag.interpreter) and
        re.search(f'any$|(linux|manylinux.*)_({"|".join(MACHINES)})$', tag.platform)
        for tag in tags)


with open(sys.argv[1], 'rb') as file:
    packages = tomllib.load(file)['packages']
print('# The files of PyPI that setup.sh installs, for Linux with Python 3.11 to 3.14, by their\n'
      '# SHA-256. Written by lock.sh; do not edit.\n')
for package in packages:
    if (condition := marker(package)) is None:
        continue
    # Code of a package that is there as a wheel is not run to install it.
    files = [wheel for wheel in package.get('wheels', []) if is_usable(wheel['url'])]
    hashes = ' \\\n'.join(sorted(f'    --hash=sha256:{file["hashes"]["sha256"]}'
                                 for file in files or [package['sdist']]))
    print(f'{package["name"]}=={package["version"]}{condition} \\\n{hashes}')
EOP
mv "$work/hashes.txt" standalone/hashes.txt
