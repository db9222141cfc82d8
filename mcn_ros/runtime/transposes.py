# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""
Pairs of transpositions that undo each other.

A map that is turned and then turned back is what it was. A compiler sees that, but not where
somebody else reads it in between: then a picture is copied three times, which its layers, whose
colours are innermost in memory anyway, would have taken as it was.
"""

from typing import Any


def cancel_transposes(model: Any) -> int:
    """
    Read what was before a pair of transpositions that undo each other; the model changes.

    :param model: an ``openvino.Model``, its constants folded.
    :return: how many pairs there were.
    """
    cancelled = 0
    for second in model.get_ordered_ops():
        if second.get_type_name() != 'Transpose':
            continue
        first = second.input_value(0).get_node()
        if first.get_type_name() == 'Transpose' and _undoes(_order(second), _order(first)):
            for target in second.output(0).get_target_inputs():
                target.replace_source_output(first.input_value(0))
            cancelled += 1
    return cancelled


def _order(transpose: Any) -> list[int]:
    return transpose.input_value(1).get_node().data.tolist()


def _undoes(second: list[int], first: list[int]) -> bool:
    return [first[axis] for axis in second] == list(range(len(first)))
