# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What the linters of ROS 2 say of the sources, by the configuration that is in setup.cfg."""

from pathlib import Path
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]
PARTS = ['mcn_ros', 'launch', 'test', 'standalone', 'examples', 'mcn_ros_msgs', '.ci']
FILES = sorted(file for part in PARTS for file in (ROOT / part).rglob('*') if file.is_file())
SOURCES = [ROOT / 'setup.py', ROOT / 'mcn', *(
    file for file in FILES if file.suffix in {'.py', '.sh'} or file.name == 'CMakeLists.txt'
    or file.parent.name == '.ci')]
HEADER = re.compile(r"""(#!/usr/bin/env \w+\n\n?)?# Copyright \d{4} mcn_ros contributors
# SPDX-License-Identifier: Apache-2\.0
(#?\n|$)""")
MANIFESTS = [ROOT / folder / 'package.xml' for folder in
             ['.', 'mcn_ros_msgs', 'standalone/vision_msgs']]
# The sequence that the schema of REP 149 prescribes; what is between these has any order.
FIRST = ['name', 'version', 'description', 'maintainer', 'license', 'url', 'author']


def name_of(file):
    return str(file.relative_to(ROOT))


def test_flake8_and_pep257():
    pytest.importorskip('flake8')
    pytest.importorskip('flake8_docstrings')  # what ament_pep257 checks, in the same pass
    result = subprocess.run(
        [sys.executable, '-m', 'flake8'], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout + result.stderr == ''


def test_every_source_has_its_header():
    assert len(SOURCES) > 100
    assert [name_of(file) for file in SOURCES if not HEADER.match(file.read_text())] == []


@pytest.mark.parametrize('file', MANIFESTS, ids=name_of)
def test_manifest_has_the_order_of_its_schema(file):
    """The schema itself, as ament_xmllint uses it, has to be downloaded."""
    text = file.read_text()
    assert text.startswith('<?xml version="1.0"?>\n<?xml-model '
                           'href="http://download.ros.org/schema/package_format3.xsd" '
                           'schematypens="http://www.w3.org/2001/XMLSchema"?>\n')
    root = ElementTree.fromstring(text)
    assert root.tag == 'package' and root.attrib == {'format': '3'}
    ranks = [FIRST.index(child.tag) if child.tag in FIRST else
             len(FIRST) + (child.tag == 'export') for child in root]
    assert ranks == sorted(ranks)
    assert all(child.text and child.text.strip() for child in root if child.tag != 'export')
