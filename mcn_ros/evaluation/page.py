# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Pieces of an HTML page that needs nothing but itself; all texts are escaped here."""

import base64
from dataclasses import dataclass
from html import escape
from typing import Iterable, Sequence

STYLE = """\
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1d2733;
  --pale: #5d6b7a; --line: #dde2e8; --accent: #0072b2; --bar: #0072b224; --warn: #e69f00;
  --better: #00704f; --worse: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161b; --card: #1c2229;
  --ink: #e4e9ee; --pale: #9aa7b4; --line: #313a44; --accent: #56b4e9; --bar: #56b4e930;
  --better: #35c99b; --worse: #ff9a52; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 72rem; color: var(--ink);
  background: var(--ground); font: 15px/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 1rem; font-size: 1.7rem; border-bottom: 3px solid var(--accent); }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 1.5rem 0 .5rem; font-size: 1rem; }
p, figcaption { color: var(--pale); max-width: 60rem; }
.cards { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; }
.card { flex: 1 0 8rem; padding: .7rem 1rem; }
.card, .box, .plot { background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; }
.card b { display: block; font-size: 1.6rem; line-height: 1.3; }
.card span { color: var(--pale); }
.card .better, .better { color: var(--better); }
.card .worse, .worse { color: var(--worse); }
.note { border-left: 4px solid var(--warn); padding: .4rem .8rem; margin: .5rem 0;
  background: var(--card); color: var(--ink); }
.box { overflow: auto; max-height: 34rem; width: fit-content; max-width: 100%;
  margin-bottom: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; text-align: left; border-bottom: 1px solid var(--line);
  overflow-wrap: break-word; }
td:first-child { white-space: nowrap; }
th { position: sticky; top: 0; background: var(--card); color: var(--pale); font-weight: 600; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; white-space: nowrap; }
.bar { min-width: 7rem;
  background: linear-gradient(to right, var(--bar) var(--share), transparent 0); }
figure { margin: 0 0 1.25rem; }
.plot { display: inline-block; padding: .5rem; margin: 0 .25rem .5rem 0; background: #fff;
  max-width: 100%; }
.plot img { display: block; max-width: 100%; height: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
  gap: .5rem; max-width: 66rem; }
.pair div { position: relative; }
.pair img { display: block; width: 100%; height: auto; border-radius: 6px; }
.pair span { position: absolute; top: .4rem; right: .4rem; padding: 0 .5rem; font-size: .8rem;
  color: #fff; background: #000a; border-radius: 4px; }
"""


@dataclass(frozen=True)
class Cell:
    """
    A cell of a table.

    :param text: what it says.
    :param number: whether it stands on the right, as numbers do.
    :param share: 0..1, how far a bar behind the text reaches; None for no bar.
    :param tone: '', 'better' or 'worse'.
    """

    text: str
    number: bool = False
    share: float | None = None
    tone: str = ''

    def html(self, tag: str = 'td') -> str:
        """Return the cell as an element."""
        names = ['number'] * self.number + ['bar'] * (self.share is not None) + self.tone.split()
        style = '' if self.share is None else f' style="--share:{100 * self.share:.1f}%"'
        kind = f' class="{" ".join(names)}"' if names else ''
        return f'<{tag}{kind}{style}>{escape(self.text)}</{tag}>'


def page(title: str, parts: Iterable[str]) -> str:
    """Return a whole page from the pieces of its body."""
    return '\n'.join([
        '<!DOCTYPE html>', '<html lang="en">', '<head>', '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>{escape(title)}</title>', f'<style>\n{STYLE}</style>', '</head>', '<body>',
        f'<h1>{escape(title)}</h1>', *parts, '</body>', '</html>', ''])


def heading(text: str, level: int = 2) -> str:
    """Return a heading; level 1 is the title of the page."""
    return f'<h{level}>{escape(text)}</h{level}>'


def paragraph(text: str, kind: str = '') -> str:
    """Return a paragraph; its kind may be 'note'."""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f'<p>{escape(text)}</p>'


def table(header: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table; a long one scrolls, a header without any text is left out."""
    lines = [f'<tr>{"".join(cell.html() for cell in row)}</tr>' for row in rows]
    if any(cell.text for cell in header):
        lines.insert(0, f'<tr>{"".join(cell.html("th") for cell in header)}</tr>')
    return '\n'.join(['<div class="box"><table>', *lines, '</table></div>'])


def cards(entries: Iterable[tuple[str, str, Cell | None]]) -> str:
    """Return figures that stand out: (label, value, change or None) each."""
    parts = []
    for label, value, change in entries:
        more = '' if change is None else (
            f' <span class="{change.tone}">{escape(change.text)}</span>')
        parts.append(f'<div class="card"><b>{escape(value)}</b>'
                     f'<span>{escape(label)}</span>{more}</div>')
    return '\n'.join(['<div class="cards">', *parts, '</div>'])


def plot(png: bytes, text: str) -> str:
    """Return a plot; the text is for those who cannot see it."""
    return f'<figure class="plot">{_image(png, "png", text)}</figure>'


def pair(images: Iterable[tuple[str, bytes]], title: str, caption: str) -> str:
    """Return JPEG images side by side, each with what it shows in a corner."""
    parts = [f'<div>{_image(jpeg, "jpeg", f"{title}: {side}")}<span>{escape(side)}</span></div>'
             for side, jpeg in images]
    return '\n'.join(['<figure>', '<div class="pair">', *parts, '</div>',
                      f'<figcaption><b>{escape(title)}</b> {escape(caption)}</figcaption>',
                      '</figure>'])


def _image(content: bytes, kind: str, text: str) -> str:
    data = base64.b64encode(content).decode()
    return f'<img alt="{escape(text)}" src="data:image/{kind};base64,{data}">'
