# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Markdown tables."""

from mcn_ros.tables import markdown


def test_words_are_set_to_the_left_and_numbers_to_the_right():
    assert markdown(['network', 'by', 'ms'], [['small', 'us', '1.5'], ['large', '', '22.0']],
                    words=2) == ('| network | by | ms |\n| --- | --- | ---: |\n'
                                 '| small | us | 1.5 |\n| large |  | 22.0 |')


def test_one_column_of_words_is_usual():
    assert markdown(['a', 'b', 'c'], []) == '| a | b | c |\n| --- | ---: | ---: |'
