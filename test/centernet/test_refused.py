# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints that are refused: of other networks, damaged, or hostile."""

import pickle
import re
import zipfile

import pytest
import torch

from mcn_ros.centernet import read_centernet


def refusal(path, classes=()):
    """Return the message of the one error that there may be."""
    with pytest.raises(ValueError) as info:
        read_centernet(path, classes)
    message = str(info.value)
    assert '\n' not in message and str(path) in message
    return message


def changed(**changes):
    """Return a function that changes weights; None takes them away."""
    def change(state):
        return {name: value for name, value in {**state, **changes}.items() if value is not None}
    return change


@pytest.mark.parametrize('change, words', [
    (changed(**{'layer2.1.bn1.bias': None}), 'no resdcn_18 for detection: it lacks layer2.1.bn1'),
    (changed(**{'reg.2.bias': None, 'reg.0.bias': None}), 'lacks reg.0.bias, reg.2.bias'),
    (changed(**{'dep.0.weight': torch.zeros(1)}), 'it has unknown dep.0.weight'),
    (changed(**{'dep\n\033[1m': torch.zeros(1)}), r"it has unknown 'dep\\n\\x1b\[1m'"),
    (changed(**{'hm_hp.0.weight': torch.zeros(1)}), 'it has unknown hm_hp.0.weight'),
    (changed(**{'hps.2.weight': torch.zeros(34, 8, 1, 1)}), 'for pose: it lacks hm_hp.0.bias'),
    (changed(**{'hps.2.weight': torch.zeros(8, 8, 1, 1)}), 'skeleton has 4 joints .*coco17'),
    (changed(**{'wh.2.weight': torch.zeros(160, 8, 1, 1)}), 'another shape of wh.2.weight'),
    (changed(**{'reg.0.weight': torch.zeros(9, 64, 3, 3)}), 'another shape of reg.0.weight'),
    (changed(**{'hm.2.weight': torch.zeros(80)}), 'lacks hm.2.weight'),
    (changed(**{'hm.0.weight': None}), 'lacks hm.weight'),
    (changed(**{'hm.2.bias': torch.zeros(1).expand(80)}), 'no plain numbers as hm.2.bias'),
    (changed(**{'hm.2.bias': torch.zeros(80).to_sparse()}), 'no plain numbers as hm.2.bias'),
    (changed(**{'hm.2.bias': 3}), 'no plain numbers as hm.2.bias'),
    *((changed(**{'hm.2.bias': torch.full((80,), value, dtype=torch.float64)}),
       'numbers that are not finite as hm.2.bias')
      for value in (float('nan'), float('inf'), -float('inf'), 1e300)),
    (changed(**{'bn1.running_var': torch.full((64,), float('nan'))}), 'finite as bn1.running_var'),
    (changed(**{'hm.2.bias': torch.zeros(80, dtype=torch.int64)}),
     'no floating-point numbers as hm.2.bias'),
    (changed(**{'hm.2.bias': torch.zeros(80, dtype=torch.bool)}),
     'no floating-point numbers as hm.2.bias'),
    (lambda state: {f'kps.{name}': value for name, value in state.items()},
     'of no known architecture .*dla_34, dlav0_34, resdcn_18'),
    (lambda state: {}, 'of no known architecture')])
def test_states_that_are_refused(tmp_path, state, change, words, save):
    assert re.search(words, refusal(save(tmp_path / 'w.pth', change(state))))


def test_classes_that_do_not_fit(tmp_path, state, pose_state, save):
    path = save(tmp_path / 'w.pth', state)
    assert refusal(path, ['cat', 'dog']) == f'classes: 2 given, but {path} has 80'
    path = save(tmp_path / 'p.pth', pose_state)
    assert refusal(path, ['person']) == f'classes: given, but {path} is for poses'


@pytest.mark.parametrize('zipped', [True, False])
def test_every_truncated_file_is_refused(tmp_path, zipped):
    whole, path = tmp_path / 'whole.pth', tmp_path / 'w.pth'
    torch.save({'epoch': 1, 'state_dict': {'hm.weight': torch.zeros(2, 3, 1, 1)}}, whole,
               _use_new_zipfile_serialization=zipped)
    content = whole.read_bytes()
    for length in range(0, len(content), 11):
        path.write_bytes(content[:length])
        assert 'cannot be read as a checkpoint: ' in refusal(path)


class Code:
    """What runs when an ordinary unpickler reads it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), 'w')


@pytest.mark.parametrize('write', [
    torch.save, lambda value, path: torch.save(value, path, _use_new_zipfile_serialization=False),
    lambda value, path: path.write_bytes(pickle.dumps(value, 2))], ids=['zip', 'old', 'pickle'])
def test_code_is_never_run(tmp_path, write):
    marker, path = tmp_path / 'marker', tmp_path / 'w.pth'
    write({'epoch': 1, 'state_dict': {'hm.weight': Code(marker)}}, path)
    assert 'cannot be read as a checkpoint: ' in refusal(path)
    assert not marker.exists()


def test_compressed_files_are_refused(tmp_path, state, save):
    plain, path = save(tmp_path / 'plain.pth', state), tmp_path / 'w.pth'
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as out:
        for name in source.namelist():
            out.writestr(name, source.read(name))
    assert refusal(path).endswith('cannot be read as a checkpoint: a compressed archive')


@pytest.mark.parametrize('content', [[], 3, {'state_dict': 4}, {'state_dict': {1: 2}}])
def test_files_without_weights_are_refused(tmp_path, content):
    torch.save(content, tmp_path / 'w.pth')
    assert refusal(tmp_path / 'w.pth').endswith('holds no state dict')


def test_no_such_file(tmp_path):
    assert 'cannot be read as a checkpoint: ' in refusal(tmp_path / 'nothing.pth')
    assert 'cannot be read as a checkpoint: ' in refusal(tmp_path)
