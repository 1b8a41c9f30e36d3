"""Draws what `handpose benchmark --growth --json FILE` measured:

python benchmarks/growth.py FILE docs/growth.png
"""

import json
import sys

import cv2
import numpy as np

_TITLES = {"hands": "hands in 1280x960", "size": "image, two hands", "cameras": "cameras, two hands each"}
_PANEL = (440, 330)  # [px]
_BASE, _TOP, _LEFT = 270, 50, 45  # [px] of the bars
_PASSED, _SPENT, _INK = (170, 110, 40), (200, 190, 170), (50, 50, 50)  # BGR


def main(source, target):
    """Writes the picture: for every case a bar of time and one of CPU time."""
    with open(source) as file:
        figures = json.load(file)
    panels = [_panel(kind, [cost for cost in figures["growth"] if cost["kind"] == kind]) for kind in _TITLES]
    caption = np.full((40, sum(panel.shape[1] for panel in panels), 3), 255, np.uint8)
    _write(
        caption, f"[ms] an image of each camera, medians. Dark: passed, pale: of CPU. {figures['machine']}", (12, 24)
    )
    cv2.imwrite(target, np.vstack([caption, np.hstack(panels)]))


def _panel(kind, costs):
    width, height = _PANEL
    canvas = np.full((height, width, 3), 255, np.uint8)
    _write(canvas, _TITLES[kind], (_LEFT, 28), 0.55)
    most = max(max(cost[key]["median"] for key in ("ms", "cpu_ms")) for cost in costs)
    step = (width - _LEFT - 10) / len(costs)
    for index, cost in enumerate(costs):
        left = round(_LEFT + index * step)
        for offset, key, color in ((0, "ms", _PASSED), (0.36, "cpu_ms", _SPENT)):
            value, x = cost[key]["median"], round(left + offset * step)
            y = round(_BASE - (_BASE - _TOP - 20) * value / most)
            cv2.rectangle(canvas, (x, y), (round(x + 0.33 * step), _BASE), color, -1)
            _write(canvas, f"{value:.0f}", (x, y - 5))
        for line, word in enumerate(cost["case"].split(", ")):
            _write(canvas, word, (left, _BASE + 18 + 16 * line))
    cv2.line(canvas, (_LEFT - 5, _BASE), (width - 5, _BASE), _INK, 1, cv2.LINE_AA)
    return canvas


def _write(canvas, text, place, size=0.42):
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)


if __name__ == "__main__":
    main(*sys.argv[1:])
