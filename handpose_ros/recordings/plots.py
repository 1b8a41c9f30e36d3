"""Plots as inline SVG: lines over time, bars over time, paths in space. Strings in, strings out, no library."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

_LEFT, _RIGHT, _BELOW, _ABOVE = 52, 52, 22, 6  # [px] margins around the axes
_MOST_POINTS = 1500  # of a line; more than the pixels of a screen
_LABEL_GAP = 13  # [px] between the names of two lines


@dataclass(frozen=True, eq=False)
class Line:
    """Values over time. NaN makes a gap, and so does a step in time longer than `gap`."""

    name: str
    x: np.ndarray  # (N,)
    y: np.ndarray  # (N,)
    color: str
    gap: float = np.inf  # in units of x
    dashed: bool = False


@dataclass(frozen=True)
class Bar:
    """A stretch of time in the row called `row`."""

    row: str
    start: float
    end: float
    color: str
    text: str = ""  # written into it, where it fits
    tooltip: str = ""  # before the times


def lines_plot(
    lines: Sequence[Line],
    span: tuple[float, float],
    unit: str,
    width: int = 920,
    height: int = 170,
    names_width: int = _RIGHT,
) -> str:
    """An SVG of `lines` over the time `span`; `unit` names the y axis, each line's name stands at its end."""
    values = np.concatenate([line.y for line in lines] or [np.zeros(0)])
    low, high = _range(values)
    axes = _Axes(span, (low, high), width, height, names_width)
    parts = [axes.frame(unit)]
    ends = []
    for line in lines:
        style = f'fill="none" stroke="{line.color}" stroke-width="1.6" stroke-linejoin="round"'
        style += ' stroke-dasharray="5 3"' if line.dashed else ""
        parts += [f'<polyline {style} points="{points}"/>' for points in _polylines(axes, line)]
        known = np.flatnonzero(np.isfinite(line.y))
        if len(known):
            ends.append((float(axes.y(line.y[known[-1]])), line))
    parts += _names(ends, width - names_width + 5, _ABOVE, height - _BELOW)
    return _svg(parts, width, height)


def bars_plot(bars: Sequence[Bar], rows: Sequence[str], span: tuple[float, float], width: int = 920) -> str:
    """An SVG of `bars`, one row below the other, over the time `span`."""
    row_height = 24
    height = _ABOVE + row_height * len(rows) + _BELOW
    axes = _Axes(span, (0.0, 1.0), width, height)
    parts = [axes.time_axis()]
    for k, row in enumerate(rows):
        top = _ABOVE + row_height * k
        parts.append(f'<rect x="{_LEFT}" y="{top + 2}" width="{width - _LEFT - _RIGHT}" height="20" fill="#f1f3f5"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{top + 16}" text-anchor="end">{escape(row)}</text>')
    for bar in bars:
        top = _ABOVE + row_height * rows.index(bar.row)
        left, right = (float(v) for v in axes.x(np.array([bar.start, bar.end])))
        wide = max(right - left, 1.0)
        rect = f'<rect x="{left:.1f}" y="{top + 2}" width="{wide:.1f}" height="20" fill="{bar.color}"/>'
        fits = bar.text and 6.6 * len(bar.text) + 8 < wide
        text = f'<text x="{left + 5:.1f}" y="{top + 16}">{escape(bar.text)}</text>' if fits else ""
        title = f"<title>{escape(bar.tooltip or bar.row)}, {bar.start:.2f} s to {bar.end:.2f} s</title>"
        parts.append(f"<g>{title}{rect}{text}</g>")
    return _svg(parts, width, height)


def paths_plot(paths: Sequence[Line], labels: tuple[str, str], size: int = 250, *, y_down: bool = False) -> str:
    """An SVG of curves in a plane [m], both axes to the same scale; a ring is the start, a disc the end."""
    points = np.concatenate([np.column_stack([path.x, path.y]) for path in paths] or [np.zeros((0, 2))])
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return ""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    half = max(0.55 * float((points.max(axis=0) - points.min(axis=0)).max()), 0.02)
    ys = (middle[1] - half, middle[1] + half)
    # Below the axis there is room for its name, and so the axes' frame is `size` in both directions.
    width, height = size + _LEFT + 12, size + _ABOVE + _BELOW
    axes = _Axes((middle[0] - half, middle[0] + half), ys[::-1] if y_down else ys, width, height, 12)
    parts = [axes.frame(labels[1], labels[0])]
    for path in paths:
        style = f'fill="none" stroke="{path.color}" stroke-width="1.4" stroke-linejoin="round"'
        style += ' stroke-dasharray="5 3"' if path.dashed else ""
        whole = Line(path.name, path.x, path.y, path.color)
        parts += [f'<polyline {style} points="{each}"/>' for each in _polylines(axes, whole)]
        known = np.flatnonzero(np.isfinite(path.x + path.y))
        for index, fill in ((known[:1], "#fff"), (known[-1:], path.color)):
            for k in index:
                x, y = float(axes.x(path.x[k])), float(axes.y(path.y[k]))
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{fill}" stroke="{path.color}"/>')
                if fill != "#fff":
                    at, name = f'x="{x + 6:.1f}" y="{y - 5:.1f}"', escape(path.name)
                    parts.append(f'<text class="n" {at} fill="{path.color}">{name}</text>')
    return _svg(parts, width, height + 14)


def ticks(low: float, high: float, most: int = 6) -> np.ndarray:
    """Round numbers from `low` to `high`: at most `most` steps of 1, 2 or 5 times a power of ten."""
    rough = max(high - low, 1e-9) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step + 0.0  # no -0


class _Axes:
    """From values to pixels of one plot."""

    def __init__(self, xs, ys, width, height, right=_RIGHT):
        self.xs, self.ys, self.width, self.height, self.right = xs, ys, width, height, right

    def x(self, value):
        low, high = self.xs
        return _LEFT + (np.asarray(value) - low) / max(high - low, 1e-9) * (self.width - _LEFT - self.right)

    def y(self, value):
        bottom, top = self.ys
        return self.height - _BELOW - (np.asarray(value) - bottom) / (top - bottom) * (self.height - _BELOW - _ABOVE)

    def frame(self, unit, x_unit="s"):
        """Both axes, with a line for each round value."""
        parts = [self.time_axis(x_unit)]
        for value in ticks(min(self.ys), max(self.ys), 4):
            y = float(self.y(value))
            parts.append(f'<path d="M{_LEFT} {y:.1f}H{self.width - self.right}" stroke="#e4e7eb"/>')
            parts.append(f'<text class="t" x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.6g}</text>')
        middle = (self.height - _BELOW + _ABOVE) / 2
        turned = f'transform="rotate(-90 11 {middle})" x="11" y="{middle}"'
        return "".join(parts) + f'<text class="t" {turned} text-anchor="middle">{escape(unit)}</text>'

    def time_axis(self, unit="s"):
        """The lower axis."""
        parts, base = [], self.height - _BELOW
        for value in ticks(*self.xs, most=max(3, (self.width - _LEFT - self.right) // 70)):
            x = float(self.x(value))
            parts.append(f'<path d="M{x:.1f} {_ABOVE}V{base + 3}" stroke="#e4e7eb"/>')
            label = f"{value:.6g}" + (" s" if unit == "s" else "")
            parts.append(f'<text class="t" x="{x:.1f}" y="{base + 15}" text-anchor="middle">{label}</text>')
        if unit != "s":
            x = (_LEFT + self.width - self.right) / 2
            parts.append(f'<text class="t" x="{x}" y="{base + 31}" text-anchor="middle">{escape(unit)}</text>')
        return "".join(parts)


def _polylines(axes, line):
    """The points of each unbroken part of `line`, as polyline takes them."""
    stride = max(1, len(line.x) // _MOST_POINTS)
    x, y = np.asarray(line.x)[::stride], np.asarray(line.y)[::stride]
    pixels = np.column_stack([axes.x(x), axes.y(y)])
    ok = np.isfinite(pixels).all(axis=1)
    breaks = np.flatnonzero(~ok[1:] | ~ok[:-1] | (np.diff(x) > line.gap * stride)) + 1
    for part in np.split(pixels, breaks):
        if len(part) > 1 and np.isfinite(part).all():
            yield " ".join(f"{px:.1f},{py:.1f}" for px, py in part)


def _names(ends, x, top, bottom):
    """The names of the lines beside their ends, moved apart."""
    placed = -np.inf
    room = bottom - _LABEL_GAP * max(0, len(ends) - 1)
    for k, (y, line) in enumerate(sorted(ends, key=lambda end: end[0])):
        placed = max(min(y + 4, room + _LABEL_GAP * k), placed + _LABEL_GAP, top + 8)
        yield f'<text x="{x}" y="{placed:.1f}" fill="{line.color}">{escape(line.name)}</text>'


def _range(values):
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 0.5
    return low - margin, high + margin


def _svg(parts, width, height):
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}">{"".join(parts)}</svg>'
