# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Being asked to stop: once is a wish, twice is an order."""

import signal

import pytest

from mcn_ros.learning.stop_request import SIGNALS, StopRequest


@pytest.mark.parametrize('number', SIGNALS)
def test_the_first_is_a_wish_and_the_second_is_obeyed(number):
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        assert not stop.asked
        signal.raise_signal(number)
        assert stop.asked
        signal.raise_signal(number)
    assert [signal.getsignal(each) for each in SIGNALS] == before
