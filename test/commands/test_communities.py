# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command communities."""

import json
import sys

import numpy as np
import pytest

from mcn_ros.commands import communities
from mcn_ros.commands.communities import main
from mcn_ros.data.coco import CocoDataset
from mcn_ros.mae.discovery import Discovery
from mcn_ros.mae.model import AutoencoderConfig
from mcn_ros.mae.pretrain import pretrain, PretrainConfig
from mcn_ros.mae.scenes import write_scenes
from mcn_ros.tasks.foreground import ForegroundTask


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Write three scenes, and the checkpoint of a training of one step for each kind."""
    folder = tmp_path_factory.mktemp('communities')
    write_scenes(folder / 'scenes', 'coloured', 3, 0)
    for name, norm_pix in (('run', False), ('norm_pix', True)):
        pretrain(PretrainConfig(
            (str(folder / 'scenes' / 'images'),), str(folder / name),
            AutoencoderConfig('vit_toy_p8', 64, 1, norm_pix=norm_pix), side=48, batch=2, steps=1,
            warmup_steps=0, workers=1, device='cpu'))
    return folder


def arguments(folder, out, *more, run='run'):
    return ['--weights', str(folder / run / 'checkpoint.pt'), '--images',
            str(folder / 'scenes' / 'images'), '--out', str(out), '--estimator', 'one_in',
            '--device', 'cpu', *more]


def known(folder):
    return '--annotations', str(folder / 'scenes' / 'annotations.json')


def test_communities_are_labels_for_a_training(folder, tmp_path, capsys):
    main(arguments(folder, tmp_path / 'out'))
    told = capsys.readouterr().out
    assert told.startswith('3 images: 108 passes of the network, 0.3 GMAC\n')
    file = json.loads((tmp_path / 'out' / 'annotations.json').read_text())
    assert not (tmp_path / 'out' / 'metrics.json').exists()
    assert {entry['image_id'] for entry in file['annotations']} == {1, 2, 3}
    assert all(0 < entry['score'] <= 1 for entry in file['annotations'])
    decided = sum(image['labelled'] == ['foreground'] for image in file['images'])
    assert f'3 images, foreground decided in {decided}' in told
    dataset = CocoDataset(tmp_path / 'out' / 'annotations.json', folder / 'scenes' / 'images',
                          {'foreground': ForegroundTask()})
    for index, image in enumerate(file['images']):
        assert ('foreground' in dataset[index].annotations) == bool(image['labelled'])


def test_communities_are_scored_beside_baselines(folder, tmp_path, capsys):
    main(arguments(folder, tmp_path / 'out', *known(folder), '--every', '2'))
    scores = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert scores['images'] == 2
    assert scores['ceiling']['ARI'] == 1 and scores['colour']['AUC'] > 0.9
    assert scores.keys() - {'images', 'meanings'} == {
        'communities', 'colour', 'distance', 'ceiling', 'all', 'centre'}
    assert scores['meanings'].keys() == scores['communities'].keys()
    told = capsys.readouterr().out
    assert all(name in told for name in (*scores['meanings'], *scores.keys() - {
        'images', 'meanings'}))


def test_what_is_done_is_not_done_again(folder, tmp_path, monkeypatch, capsys):
    done, find = [], Discovery.__call__

    def interrupted(self, image, name, record=None):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(name)
        return find(self, image, name, record)

    monkeypatch.setattr(Discovery, '__call__', interrupted)
    with pytest.raises(SystemExit):
        main(arguments(folder, tmp_path / 'out'))
    assert not (tmp_path / 'out' / 'annotations.json').exists() and len(done) == 2
    first, *_ = done
    done.clear()
    main(arguments(folder, tmp_path / 'out'))
    assert len(done) == 1 and first not in done
    main(arguments(folder, tmp_path / 'out'))
    assert len(done) == 1
    monkeypatch.undo()
    main(arguments(folder, tmp_path / 'whole'))
    one, other = ((tmp_path / name / 'annotations.json').read_bytes() for name in (
        'out', 'whole'))
    assert one == other
    with pytest.raises(SystemExit):
        main(arguments(folder, tmp_path / 'out', '--resolution', '2'))
    assert 'was begun with other segmentation' in capsys.readouterr().err


def fail(capsys, line):
    with pytest.raises(SystemExit) as caught:
        main(line)
    error = capsys.readouterr().err
    assert caught.value.code == 1 and len(error.splitlines()) == 1
    return error


def test_what_is_wrong_is_said_in_one_line(folder, tmp_path, capsys):
    out = tmp_path / 'out'
    assert 'norm_pix' in fail(capsys, arguments(folder, out, run='norm_pix'))
    assert 'cannot be read' in fail(capsys, arguments(folder, out, run='absent'))
    assert 'side: 44' in fail(capsys, arguments(folder, out, '--side', '44'))
    backbone = [*arguments(folder, out), '--weights', str(folder / 'run' / 'backbone.pth')]
    assert 'no masked autoencoder' in fail(capsys, backbone)
    empty = [*arguments(folder, out), '--images', str(folder / 'scenes')]
    assert 'has no images' in fail(capsys, empty)
    assert not out.exists()


def test_without_networkx_it_tells(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, 'networkx', None)
    error = fail(capsys, arguments(folder, tmp_path / 'out'))
    assert 'networkx, which is not installed: pip install networkx' in error


def test_pictures_have_names_of_their_own(folder, tmp_path, capsys):
    images = tmp_path / 'images'
    images.mkdir()
    for name in ('a.png', 'a.bmp'):
        content = (folder / 'scenes' / 'images' / '000001.png').read_bytes()
        (images / name).write_bytes(content)
    line = [*arguments(folder, tmp_path / 'out'), '--images', str(images)]
    assert 'a.bmp and a.png' in fail(capsys, line)


def test_scores_as_a_table():
    table = communities.table({'one': dict.fromkeys(communities.MEANINGS, np.float64(0.25)),
                               'two': dict.fromkeys(communities.MEANINGS)})
    assert [line.split() for line in table.splitlines()] == [
        [*communities.MEANINGS], ['one', *['0.250'] * 7], ['two', *'-' * 7]]
