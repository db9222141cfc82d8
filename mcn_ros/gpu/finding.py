# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""What a check has found."""

from dataclasses import asdict, dataclass
from typing import Any, Sequence

from mcn_ros.tables import markdown


@dataclass(frozen=True)
class Finding:
    """
    What a check has found.

    :param check: its kind.
    :param subject: what was looked at.
    :param holds: whether it is as it is to be; None for what was measured only.
    :param text: figures with their units and limits, or why there are none.
    """

    check: str
    subject: str
    holds: bool | None
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def table(findings: Sequence[Finding]) -> str:
    """Return findings as a Markdown table."""
    words = {True: 'holds', False: '**does not hold**', None: ''}
    return markdown(['check', 'of', '', 'found'], [
        [finding.check, finding.subject, words[finding.holds], finding.text]
        for finding in findings], words=4)
