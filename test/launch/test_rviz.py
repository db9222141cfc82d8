# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What RViz is to show: pictures that are there, by displays that every RViz has."""

from pathlib import Path

import yaml

CONFIG = Path(__file__).resolve().parents[2] / 'config' / 'mcn.rviz'


def test_displays_show_what_the_node_gets_and_publishes():
    content = yaml.safe_load(CONFIG.read_text())
    displays = content['Visualization Manager']['Displays']
    # Skeletons are part of the overlay: as markers they would need a frame in space.
    assert {display['Name']: display['Topic']['Value'] for display in displays} == {
        'Camera': 'image', 'Overlay': 'mcn/overlay', 'Semantic': 'mcn/semantic/color'}
    for display in displays:
        assert display['Class'] == 'rviz_default_plugins/Image' and display['Enabled']
        assert display['Name'] in content['Window Geometry']
    reliability = {display['Name']: display['Topic']['Reliability Policy'] for display in displays}
    assert reliability['Camera'] == 'Best Effort'  # which every camera offers
