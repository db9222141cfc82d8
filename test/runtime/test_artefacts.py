# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The cache of compiled networks: found again, never stale, never half of one."""

import logging
import multiprocessing
import os
from pathlib import Path
import time

import pytest
import torch

from mcn_ros.runtime import artefacts
from mcn_ros.runtime.artefacts import cache_folder, fingerprint, load_or_build, MAX_ARTEFACTS
from mcn_ros.runtime.inference_graph import InferenceGraph
from mcn_ros.runtime.mirror import MirrorAveraged


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv('MCN_ROS_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def get(key, payload=b'payload', built=None, load=bytes.decode):
    """Get an artefact; every build is noted in ``built``."""
    built = [] if built is None else built
    return load_or_build(key, lambda: built.append(key) or payload, load)


@pytest.mark.parametrize('variables, expected', [
    ({'MCN_ROS_CACHE': '/a', 'XDG_CACHE_HOME': '/b'}, '/a'),
    ({'MCN_ROS_CACHE': '~/a', 'HOME': '/home/x'}, '/home/x/a'),
    ({'MCN_ROS_CACHE': '', 'XDG_CACHE_HOME': '/b'}, '/b/mcn_ros'),
    ({'MCN_ROS_CACHE': '', 'XDG_CACHE_HOME': '', 'HOME': '/home/x'}, '/home/x/.cache/mcn_ros')])
def test_where_it_is(monkeypatch, variables, expected):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_what_was_built_once_is_found_again(folder):
    built = []
    assert [get('one', built=built) for _ in range(3)] == ['payload'] * 3
    assert get('other', b'x', built) == 'x'
    assert built == ['one', 'other'] and len(list(folder.iterdir())) == 2


@pytest.mark.parametrize('damage', [
    lambda content: b'', lambda content: content[:20], lambda content: content[:-1],
    lambda content: content[:-1] + b'!', lambda content: content + b'!'])
def test_a_damaged_one_is_built_anew(folder, damage, caplog):
    built = []
    get('key', built=built)
    path, = folder.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert get('key', built=built) == 'payload' and 'damaged' in caplog.text
    assert get('key', built=built) == 'payload' and built == ['key'] * 2


def test_one_that_cannot_be_loaded_is_built_anew(folder, caplog):
    get('key', b'old')
    built = []

    def load(payload):
        if payload == b'old':
            raise RuntimeError('of another version')
        return payload

    assert get('key', b'new', built, load) == get('key', b'', built, load) == b'new'
    assert built == ['key'] and 'of another version' in caplog.text


def test_a_build_that_fails_leaves_nothing(folder):
    with pytest.raises(ZeroDivisionError):
        load_or_build('key', lambda: 1 / 0, bytes)
    assert not folder.exists() or not list(folder.iterdir())
    assert get('key') == 'payload'


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch, caplog):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('MCN_ROS_CACHE', str(tmp_path / 'file' / 'cache'))
    assert get('key') == 'payload'
    assert 'every start compiles anew' in caplog.text


def test_a_full_disk_leaves_nothing(folder, monkeypatch, caplog):
    def refuse(source, target):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'replace', refuse)
    assert get('key') == 'payload' and 'No space left' in caplog.text
    assert not list(folder.iterdir())


def test_the_oldest_are_removed(folder):
    for index in range(MAX_ARTEFACTS + 3):
        get(f'key{index}')
        os.utime(folder / f'key{index}{artefacts.SUFFIX}', (index, index))
    get('key5')  # used again, so not one of the oldest any more
    get('last')
    names = {path.stem for path in folder.iterdir()}
    assert len(names) == MAX_ARTEFACTS and {'key5', 'last', f'key{MAX_ARTEFACTS + 2}'} <= names
    assert not names & {'key0', 'key1', 'key2', 'key3'}


def test_only_abandoned_parts_are_removed(folder):
    folder.mkdir()
    for name, age in ('fresh', 60), ('old', 2 * artefacts.ABANDONED_S):
        (folder / f'{name}{artefacts.PARTIAL}').write_bytes(b'half')
        os.utime(folder / f'{name}{artefacts.PARTIAL}', (time.time() - age,) * 2)
    (folder / 'notes.txt').write_text('of the user')
    get('key')
    assert {path.stem for path in folder.iterdir()} == {'fresh', 'key', 'notes'}


def hammer(folder, payload, count):
    """Write and read one artefact again and again; end with 1 where half of one is seen."""
    os.environ['MCN_ROS_CACHE'] = str(folder)
    logging.disable()
    for _ in range(count):
        if len(set(get('key', payload, load=bytes))) != 1:
            os._exit(1)
        (folder / f'key{artefacts.SUFFIX}').unlink(missing_ok=True)
    os._exit(0)


def test_processes_do_not_disturb_each_other(folder):
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=hammer, args=(folder, bytes([index]) * 300_000, 30))
                 for index in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert not list(folder.glob(f'*{artefacts.PARTIAL}'))


def test_one_process_builds_and_the_others_wait(folder):
    """Each would add its name to the file, if it built."""
    built = folder.parent / 'built'
    context = multiprocessing.get_context('fork')
    started = context.Barrier(3)

    def build():
        with built.open('a') as file:
            file.write('x')
        time.sleep(0.3)
        return b'payload'

    def start():
        started.wait(60)
        os._exit(load_or_build('key', build, bytes) != b'payload')

    processes = [context.Process(target=start) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert built.read_text() == 'x'
    assert [path.suffix for path in folder.iterdir()] == [artefacts.SUFFIX]


def test_a_fingerprint_is_of_everything(make_network, network, monkeypatch):
    first = fingerprint(InferenceGraph(network), backend='a')
    assert first == fingerprint(InferenceGraph(make_network()), backend='a') and len(first) == 64
    others = [fingerprint(InferenceGraph(network), backend='b'),
              fingerprint(InferenceGraph(network)),
              fingerprint(InferenceGraph(network, maps=True), backend='a'),
              fingerprint(InferenceGraph(MirrorAveraged(network)), backend='a'),
              fingerprint(InferenceGraph(make_network(mean=(0.5, 0.5, 0.5))), backend='a')]
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-3
    others.append(fingerprint(InferenceGraph(network), backend='a'))
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] -= 1e-3
    monkeypatch.setattr(artefacts, '_package', lambda: 'changed')
    others.append(fingerprint(InferenceGraph(make_network()), backend='a'))
    monkeypatch.undo()
    monkeypatch.setattr(torch, '__version__', '0')
    others.append(fingerprint(InferenceGraph(make_network()), backend='a'))
    assert len({first, *others}) == 1 + len(others)
