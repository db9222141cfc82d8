# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What is written of labels."""

import json

import numpy as np
import pytest

from mcn_ros.data.formats.content import Content, Labelling, write_content
from mcn_ros.data.formats.pairs import find_pairs
from mcn_ros.data.maps import read_pixels

SIZE = 3, 5


@pytest.fixture
def pairs(image, write):
    """Write two images with a file of labels for each."""
    for name in ('a.png', 'b.png'):
        folders = image(name, SIZE), write('labels', name, np.zeros(SIZE, np.uint8))
    return find_pairs(*folders)


def test_everything_is_in_the_file(pairs, tmp_path):
    colors = np.arange(45, dtype=np.uint8).reshape(*SIZE, 3)
    says = {'a': Labelling({'normals': colors}, keys={'camera': 1}),
            'b': Labelling(objects=[{'category_id': 1}, {'category_id': 2}])}
    content = Content(pairs, lambda pair: says[pair.name], ['dog', 'cat'], {'parts': ('x',)})
    assert write_content(tmp_path / 'out', content) == 2
    of_map = {'height': 3, 'width': 5, 'file_name': 'a.png', 'camera': 1, 'labelled': ['normals']}
    assert json.loads((tmp_path / 'out' / 'annotations.json').read_text()) == {
        'categories': [{'id': 1, 'name': 'dog'}, {'id': 2, 'name': 'cat'}],
        'map_classes': {'parts': ['x']},
        'images': [{'id': 1, **of_map, 'maps': {'normals': 'normals/a.png'}},
                   {'id': 2, 'height': 3, 'width': 5, 'file_name': 'b.png'}],
        'annotations': [{'id': 1, 'image_id': 2, 'category_id': 1},
                        {'id': 2, 'image_id': 2, 'category_id': 2}]}
    written = read_pixels(tmp_path / 'out' / 'normals' / 'a.png', SIZE)
    assert (written[..., ::-1] == colors).all()
