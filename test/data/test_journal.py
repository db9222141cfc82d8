# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The journal of a long run: what is done stays done, what was cut off does not count."""

import pytest

from mcn_ros.data.journal import Journal

FACTS = {'source': 'bag', 'keep': 0.4}


@pytest.fixture
def path(tmp_path):
    """Return the path of a journal with two steps."""
    with Journal(tmp_path / 'new' / 'part', FACTS) as journal:
        journal.add(1, {'boxes': [1.5]})
        journal.add(7, [])
    return tmp_path / 'new' / 'part'


def test_what_is_done_stays_done(path):
    with Journal(path, FACTS) as journal:
        assert journal.done == {1: {'boxes': [1.5]}, 7: []}
        journal.add(8, None)
        journal.remove()
    assert not path.exists()


@pytest.mark.parametrize('cut', range(1, 8))
def test_a_line_that_was_cut_off_is_done_again(path, cut):
    whole = path.read_bytes()
    path.write_bytes(whole[:-min(cut, len(b'[7,[]]\n'))])
    with Journal(path, FACTS) as journal:
        assert journal.done == {1: {'boxes': [1.5]}}
        journal.add(7, [])
    assert path.read_bytes() == whole


def test_a_beginning_that_was_cut_off_is_written_again(path):
    whole = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(whole[:-3])
    with Journal(path, FACTS) as journal:
        assert not journal.done
    assert path.read_bytes() == whole


@pytest.mark.parametrize('facts, what', [
    ({**FACTS, 'keep': 0.5}, 'other keep; remove it'), ({'keep': 0.4}, 'other source;')])
def test_other_facts_are_refused_and_named(path, facts, what):
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f'{path}: was begun with {what}'):
        Journal(path, facts)
    assert path.read_bytes() == before


@pytest.mark.parametrize('content', [b'no JSON\n', b'[1]\n', b'\xff\n', b'4\n'])
def test_another_file_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match='no list of what is done'):
        Journal(path, FACTS)
    assert path.read_bytes() == content
