#!/usr/bin/env bash
# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
# Writes hashes.txt anew, for whoever has changed the other requirements: which files of PyPI may be
# installed on a machine without ROS 2. Needs Python 3.11 or newer, and PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet uv
for minor in 11 12 13; do
    "$work/venv/bin/uv" pip compile --quiet --no-header --default-index https://pypi.org/simple \
        --python-version "3.$minor" --python-platform x86_64-manylinux_2_28 \
        --format pylock.toml --output-file "$work/pylock.py3$minor.toml" \
        standalone/requirements.txt standalone/requirements-ros.txt -c standalone/constraints.txt
done
"$work/venv/bin/python" - "$work"/pylock.*.toml << 'EOP' > "$work/hashes.txt"
import sys
import tomllib

found = {}
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        packages = tomllib.load(file)['packages']
    for package in packages:
        # Code of a package that is there as a wheel is not run to install it.
        files = package.get('wheels') or [package['sdist']]
        found.setdefault((package['name'], package['version']), []).append(
            {file['hashes']['sha256'] for file in files})
print('# The files of PyPI that setup.sh installs on a machine without ROS 2, for Python 3.11 to '
      '3.13,\n# by their SHA-256. Written by lock.sh; do not edit.\n')
for (name, version), files in sorted(found.items()):
    if len(files) != len(sys.argv) - 1:
        sys.exit(f'error: {name}=={version} is not for every Python')
    hashes = ' \\\n'.join(f'    --hash=sha256:{value}' for value in sorted(set().union(*files)))
    print(f'{name}=={version} \\\n{hashes}')
EOP
mv "$work/hashes.txt" standalone/hashes.txt
