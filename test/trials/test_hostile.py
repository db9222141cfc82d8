# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Hostile messages: each kind is what it says, and the decoders do with it what they should."""

import cv2
import numpy as np
import pytest

from mcn_ros.ros.node.conversions import check_header, compressed_to_rgb, image_to_rgb
from mcn_ros.trials.hostile import Fate, hostile, KINDS, MAX_PIXELS

ALL = [(transport, kind) for transport, kinds in KINDS.items() for kind in kinds]


def decode(transport, message):
    check_header(message.header)
    convert = {'raw': image_to_rgb, 'compressed': compressed_to_rgb}[transport]
    return convert(message, MAX_PIXELS)


@pytest.mark.parametrize('transport, kind', ALL)
def test_every_kind_has_its_fate(transport, kind):
    for seed in range(4):
        sent = hostile(transport, seed, 7, kind)
        assert sent.kind == kind
        if sent.fate == Fate.UNSEEN:
            assert isinstance(sent.message, bytes)
            continue
        try:
            rgb = decode(transport, sent.message)
        except ValueError as error:
            assert sent.fate in (Fate.REFUSED, Fate.EITHER), error
            assert '\n' not in str(error) and len(str(error)) < 1000
        else:
            assert sent.fate in (Fate.ANSWERED, Fate.EITHER)
            assert rgb.dtype == np.uint8 and rgb.ndim == 3 and rgb.size <= 3 * MAX_PIXELS


@pytest.mark.parametrize('transport, kind', [
    (transport, kind) for transport, kind in ALL if any(
        word in kind for word in ('claim', 'bomb', 'max_pixels', 'many', 'larger', '10 MB'))
    and 'wire' not in kind])
def test_what_is_too_large_is_refused_before_it_is_decoded(transport, kind, monkeypatch):
    for name in ('imdecode', 'cvtColor'):
        monkeypatch.setattr(cv2, name, lambda *_: pytest.fail('was decoded'))
    with pytest.raises(ValueError):
        decode(transport, hostile(transport, 0, 0, kind).message)


def test_messages_are_made_from_the_seed():
    def make(transport, seed):
        messages = [hostile(transport, seed, index).message for index in range(6)]
        # The middleware leaves the padding of serialised fields as it is in memory.
        return [len(msg) if isinstance(msg, bytes) else msg for msg in messages]

    for transport in KINDS:
        assert make(transport, 0) == make(transport, 0) != make(transport, 1)


def test_all_kinds_come():
    for transport, kinds in KINDS.items():
        assert {hostile(transport, 0, index).kind for index in range(300)} == set(kinds)
