"""Charts as SVG text: the same numbers give the same bytes, on a panel that is light or dark as the reader's system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH = 720
LEFT, RIGHT, TOP, BOTTOM = 64, 32, 62, 46
STYLE = """
.panel{fill:#ffffff;stroke:#d0d7de}.t{fill:#24292f;font:13px system-ui,sans-serif}.h{font-weight:600}.g{stroke:#d0d7de}
.f0{fill:#2a6fb0}.f1{fill:#d9822b}.f2{fill:#3a8f5c}.s0{stroke:#2a6fb0}.s1{stroke:#d9822b}.s2{stroke:#3a8f5c}
.l{fill:none;stroke-width:2}.m{stroke:#24292f;stroke-width:2.5}.r{stroke-width:4}
@media (prefers-color-scheme:dark){
.panel{fill:#161b22;stroke:#444c56}.t{fill:#d5dbe1}.g{stroke:#444c56}.m{stroke:#f0f3f6}
.f0{fill:#6cb0f0}.f1{fill:#f0a45a}.f2{fill:#6fcf97}.s0{stroke:#6cb0f0}.s1{stroke:#f0a45a}.s2{stroke:#6fcf97}}
"""

Values = Sequence[float]


class Chart:
    """A panel with a title, a legend and axes, on which marks are drawn.

    Args:
        title: Stands above.
        across: Words of the horizontal axis.
        height: Of the whole, in pixels.
        spans: The values at the left and right end, and at the lower and upper end.
    """

    def __init__(self, title: str, across: str, height: int, spans: tuple[float, float, float, float]) -> None:
        self._height = height
        self._spans = spans
        self._parts = [
            f'<rect class="panel" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>',
            _text(LEFT, 24, title, "t h"),
            _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, height - 10, across, "t", "middle"),
        ]
        self._legend = LEFT

    def x(self, value: float) -> float:
        """Return where a value lies on the horizontal axis."""
        first, last = self._spans[:2]
        return LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return where a value lies on the vertical axis."""
        low, high = self._spans[2:]
        return self._height - BOTTOM - (value - low) / (high - low) * (self._height - BOTTOM - TOP)

    def legend(self, words: str, kind: str) -> None:
        """Name a series: ``f0`` is a filled box, ``s0 l`` a line, ``m`` a mark."""
        at = self._legend
        if kind.startswith("f"):
            self._parts.append(f'<rect class="{kind}" x="{at}" y="36" width="12" height="12"/>')
        else:
            self._parts.append(f'<path class="{kind}" d="M{at} 42h14"/>')
        self._parts.append(_text(at + 20, 47, words))
        self._legend += 36 + 7 * len(words)

    def levels(self, values: Values, words: str = "{:.0%}") -> None:
        """Draw a line across at some values, with the value at its left."""
        for value in values:
            self._parts.append(f'<path class="g" d="M{LEFT} {self.y(value):.1f}H{WIDTH - RIGHT}"/>')
            self._parts.append(_text(LEFT - 8, self.y(value) + 4, words.format(value), anchor="end"))

    def names(self, places: Values, names: Sequence[str]) -> None:
        """Write names below the horizontal axis."""
        for place, name in zip(places, names, strict=True):
            self._parts.append(_text(self.x(place), self._height - BOTTOM + 18, name, anchor="middle"))

    def bars(self, groups: Sequence[str], series: Mapping[str, Values], wanted: Mapping[str, Sequence[Values]]) -> None:
        """Draw a group of bars for each name, and short lines across them: what each should reach."""
        room = 0.8 / len(series)
        for number, (words, values) in enumerate(series.items()):
            self.legend(words, f"f{number}")
            for group, value in enumerate(values):
                left, right = (self.x(group + 0.1 + room * (number + side)) for side in (0.0, 0.94))
                self._parts.append(
                    f'<rect class="f{number}" x="{left:.1f}" y="{self.y(value):.1f}" width="{right - left:.1f}" '
                    f'height="{self.y(0) - self.y(value):.1f}"><title>{escape(groups[group])}, {escape(words)}: '
                    f"{value:.4f}</title></rect>"
                )
        for words, rows in wanted.items():
            self.legend(words, "m")
            for number, values in enumerate(rows):
                for group, value in enumerate(values):
                    left, right = (self.x(group + 0.1 + room * (number + side)) for side in (0.0, 0.94))
                    self._parts.append(f'<path class="m" d="M{left:.1f} {self.y(value):.1f}H{right:.1f}"/>')
        self.names([group + 0.5 for group in range(len(groups))], groups)

    def line(self, words: str, xs: Values, ys: Values, kind: str) -> None:
        """Draw a line through points."""
        self.legend(words, kind)
        points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        self._parts.append(f'<polyline class="{kind}" fill="none" points="{points}"/>')

    def ticks(self, row: float, xs: Values, kind: str) -> None:
        """Draw a mark in a row for each of some values."""
        wide = self.x(1) - self.x(0)
        marks = "".join(f"M{self.x(x):.1f} {self.y(row):.1f}h{wide:.1f}" for x in xs)
        self._parts.append(f'<path class="{kind}" d="{marks}"/>')

    def box(self, left: float, right: float, low: float, high: float, kind: str, fill: float = 1.0) -> None:
        """Draw a box between values of the two axes; one without width or height is a line.

        Args:
            left: Value at the left.
            right: At the right.
            low: At one end of the vertical axis.
            high: At the other end.
            kind: As for :meth:`legend`.
            fill: How dense it is filled; the more, the less is seen through it.
        """
        ends = sorted((self.x(left), self.x(right))), sorted((self.y(low), self.y(high)))
        (west, east), (north, south) = ends
        through = f' fill-opacity="{fill:g}"' if fill < 1 else ""
        if west == east or north == south:
            self._parts.append(f'<path class="{kind}" d="M{west:.1f} {north:.1f}L{east:.1f} {south:.1f}"/>')
        else:
            self._parts.append(
                f'<rect class="{kind}"{through} x="{west:.1f}" y="{north:.1f}" width="{east - west:.1f}" '
                f'height="{south - north:.1f}"/>'
            )

    def words(self, across: float, value: float, words: str) -> None:
        """Write words around a point."""
        self._parts.append(_text(self.x(across), self.y(value), words, "t h", "middle"))

    def svg(self) -> str:
        """Return the whole."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self._height}" width="{WIDTH}">'
        return "\n".join([head, f"<style>{STYLE}</style>", *self._parts, "</svg>\n"])


def _text(x: float, y: float, words: str, kind: str = "t", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
