# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Dicts to dataclasses and back: nothing guessed, nothing dropped."""

from dataclasses import dataclass, field
import json
from typing import Any, Literal

from hypothesis import given, strategies
import pytest
import yaml

from mcn_ros.config import from_dict, to_dict


@dataclass(frozen=True)
class Inner:
    width: int = 3
    kind: Literal['thin', 'thick'] = 'thin'


@dataclass(frozen=True)
class Positive:
    amount: float

    def __post_init__(self):
        if self.amount <= 0:
            raise ValueError('amount: not positive')


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 0.5
    flag: bool = False
    size: tuple[int, int] = (1, 2)
    words: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)
    inners: tuple[Inner, ...] = ()
    limit: float | None = None
    source: int | str = 0
    table: dict[str, float] = field(default_factory=dict)
    free: Any = None
    derived: int = field(default=7, init=False)


integers = strategies.integers(-2 ** 63 + 1, 2 ** 63 - 1)
finite = strategies.floats(allow_nan=False, allow_infinity=False)
outers = strategies.builds(
    Outer, name=strategies.text(), rate=finite,
    flag=strategies.booleans(), size=strategies.tuples(*[integers] * 2),
    words=strategies.lists(strategies.text()).map(tuple),
    inner=strategies.builds(Inner, integers, strategies.sampled_from(
        ['thin', 'thick'])),
    inners=strategies.lists(strategies.builds(Inner, integers)).map(tuple),
    limit=strategies.none() | finite,
    source=integers | strategies.text(),
    table=strategies.dictionaries(strategies.text(), finite),
    free=strategies.none() | strategies.text())


@given(outers)
def test_there_and_back(outer):
    assert from_dict(Outer, to_dict(outer)) == outer
    assert from_dict(Outer, json.loads(json.dumps(to_dict(outer)))) == outer


def test_yaml_holds_it():
    outer = Outer('a', inner=Inner(5, 'thick'), inners=(Inner(1),), words=('x',), limit=2.0)
    assert from_dict(Outer, yaml.safe_load(yaml.safe_dump(to_dict(outer)))) == outer


def test_defaults_stand_in_for_missing_keys_only():
    assert from_dict(Outer, {'name': 'a'}) == Outer('a')
    with pytest.raises(ValueError, match='^name: missing$'):
        from_dict(Outer, {})


def test_an_int_is_a_float_but_nothing_else_is_converted():
    built = from_dict(Outer, {'name': 'a', 'rate': 2, 'limit': 3})
    assert (built.rate, built.limit) == (2.0, 3.0)
    assert isinstance(built.rate, float) and isinstance(built.limit, float)


def test_an_instance_is_taken_as_it_is():
    inner = Inner(9)
    assert from_dict(Outer, {'name': 'a', 'inner': inner}).inner is inner


def test_unions_take_the_first_type_that_fits():
    assert from_dict(Outer, {'name': 'a', 'source': 3}).source == 3
    assert from_dict(Outer, {'name': 'a', 'source': '3'}).source == '3'
    assert from_dict(Outer, {'name': 'a', 'limit': None}).limit is None


@pytest.mark.parametrize('change, message', [
    ({'nam': 'a'}, r"^nam: unknown key; did you mean 'name'\? \(known: name, rate, .*free\)$"),
    ({'xyz': 1}, r'^xyz: unknown key \(known: name, rate'),
    ({1: 1}, r'^1: unknown key \(known: name'),
    ({'derived': 1}, r'^derived: unknown key'),
    ({'name': 3}, '^name: expected str, got 3$'),
    ({'name': None}, '^name: expected str, got None$'),
    ({'rate': 'fast'}, "^rate: expected float, got 'fast'$"),
    ({'rate': True}, '^rate: expected float, got True$'),
    ({'flag': 1}, '^flag: expected bool, got 1$'),
    ({'size': 3}, '^size: expected a list, got 3$'),
    ({'size': [1, 2, 3]}, r'^size: expected 2 values, got \[1, 2, 3\]$'),
    ({'size': [1, 2.5]}, r'^size\[1\]: expected int, got 2.5$'),
    ({'size': [True, 2]}, r'^size\[0\]: expected int, got True$'),
    ({'words': 'word'}, "^words: expected a list, got 'word'$"),
    ({'words': ['a', 2]}, r'^words\[1\]: expected str, got 2$'),
    ({'inner': {'widht': 1}},
     r"^inner.widht: unknown key; did you mean 'width'\? \(known: width, kind\)$"),
    ({'inner': {'kind': 'fat'}}, "^inner.kind: 'fat' is not one of thin, thick$"),
    ({'inner': {'kind': ['thin']}}, r"^inner.kind: \['thin'\] is not one of thin, thick$"),
    ({'inner': 3}, '^inner: expected a mapping, got 3$'),
    ({'inner': None}, '^inner: expected a mapping, got None$'),
    ({'inners': [{}, {'width': 'x'}]}, r"^inners\[1\].width: expected int, got 'x'$"),
    ({'limit': 'x'}, "^limit: expected float, got 'x'$"),
    ({'source': 1.5}, '^source: expected int, got 1.5; or source: expected str, got 1.5$'),
    ({'table': [1]}, r'^table: expected a mapping, got \[1\]$'),
    ({'table': {'a': 'b'}}, "^table.a: expected float, got 'b'$"),
    ({'table': {1: 2.0}}, '^table: key: expected str, got 1$'),
    ({'rate': float('nan')}, '^rate: expected a finite number, got nan$'),
    ({'rate': float('-inf')}, '^rate: expected a finite number, got -inf$'),
    ({'rate': 10 ** 400}, '^rate: expected a finite number, got inf$'),
    ({'size': [1, 10 ** 30]}, r'^size\[1\]: expected a finite number, got 10*$'),
    ({'limit': float('nan')}, '^limit: expected a finite number, got nan$'),
    ({'name': [['x' * 10 ** 6] * 50]}, '^name: expected str, got .{1,400}$'),
])
def test_errors_name_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        from_dict(Outer, {'name': 'a', **change})


def test_errors_begin_with_the_given_path():
    with pytest.raises(ValueError, match='^model.inner.width: expected int'):
        from_dict(Outer, {'name': 'a', 'inner': {'width': None}}, 'model')
    with pytest.raises(ValueError, match='^Outer: expected a mapping, got 3$'):
        from_dict(Outer, 3)


def test_checks_of_the_dataclass_itself_are_run():
    with pytest.raises(ValueError, match='amount: not positive'):
        from_dict(Positive, {'amount': -1})
