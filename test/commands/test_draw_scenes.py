# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command draw_scenes."""

import json

import pytest

from mcn_ros.commands.draw_scenes import main


def test_it_draws(tmp_path, capsys):
    main(['textured', '--out', str(tmp_path / 'a'), '--count', '2', '--side', '32'])
    assert capsys.readouterr().out == f'2 scenes in {tmp_path / "a"}\n'
    file = json.loads((tmp_path / 'a' / 'annotations.json').read_text())
    assert [image['width'] for image in file['images']] == [32, 32]
    with pytest.raises(SystemExit):
        main(['textured', '--out', str(tmp_path / 'a'), '--count', '2'])
    assert 'exists already' in capsys.readouterr().err


@pytest.mark.parametrize('options, words', [
    (['plain', '--count', '1'], 'plain'), (['coloured', '--count', '0'], '--count: 0'),
    (['coloured', '--count', '1', '--side', '8'], '--side: 8')])
def test_bad_options_are_refused(options, words, capsys):
    with pytest.raises(SystemExit):
        main([*options, '--out', 'nowhere'])
    assert words in capsys.readouterr().err
