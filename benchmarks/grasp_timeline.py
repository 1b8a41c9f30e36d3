"""A picture of what the grasp node said over a recording: phase, category and aperture of each hand.

    handpose demo --out OUT
    python benchmarks/grasp_timeline.py OUT/hands.mcap timeline.png [--thumbnails] [--truth]

--thumbnails puts images of the recording above; --truth adds the phases that the demo clip's true joints have.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from handpose_ros.answers import COMPRESSED_IMAGE, GRASPS
from handpose_ros.bags import read_messages
from handpose_ros.decoding import decode_compressed
from handpose_ros.grasp_clip import read_truth
from handpose_ros.hand import Side
from handpose_ros.markers import PHASE_COLORS
from handpose_ros.recordings import write_image
from handpose_ros.taxonomy import Category, Phase

WIDTH, LEFT, RIGHT, ROW, CURVE = 1200, 110, 20, 22, 110  # [px]
TILES = 10
WIDEST = 0.12  # [m] of the aperture's axis
GREY, DARK = (235, 235, 235), (40, 40, 40)
CATEGORY_COLORS = {
    Category.POWER: (214, 96, 77),
    Category.INTERMEDIATE: (244, 190, 110),
    Category.PRECISION: (90, 140, 200),
}
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("bag", type=Path)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--thumbnails", action="store_true")
    arguments.add_argument("--truth", action="store_true")
    args = arguments.parse_args()
    messages = [(message.stamp / 1e9, message.message) for message in read_messages(args.bag, GRASPS)]
    span = messages[0][0], messages[-1][0]
    parts = [thumbnails(args.bag, span)] if args.thumbnails else []
    truth = {hand.side: hand for hand in read_truth()} if args.truth else {}
    for side in (Side.LEFT, Side.RIGHT):
        seen = [(stamp, grasp) for stamp, msg in messages for grasp in msg.grasps if grasp.handedness == side]
        if seen:
            parts.append(timeline(side, seen, span, truth.get(side)))
    parts.append(time_axis(span))
    write_image(args.out, np.concatenate(parts))


def thumbnails(bag, span):
    """The images at the middle of TILES equal stretches of time."""
    wanted = span[0] + (np.arange(TILES) + 0.5) * (span[1] - span[0]) / TILES
    width = (WIDTH - LEFT - RIGHT) // TILES
    strip = blank(width * 3 // 4 + 4)
    messages = ((message.stamp / 1e9, message.message) for message in read_messages(bag, COMPRESSED_IMAGE))
    tile = 0
    for stamp, message in messages:
        if tile < TILES and stamp >= wanted[tile]:
            image = cv2.resize(decode_compressed(message), (width - 2, width * 3 // 4), interpolation=cv2.INTER_AREA)
            strip[: len(image), LEFT + tile * width : LEFT + tile * width + width - 2] = image
            tile += 1
    return strip


def timeline(side, seen, span, truth):
    """Rows of phase and category, and the curve of the aperture [mm]; above them the true phases, where known."""
    rows = []
    if truth is not None:
        begins = [(span[0], Phase.OPEN), *((span[0] + event.time, event.phase) for event in truth.events)]
        ends = [start for start, _ in begins[1:]] + [span[1]]
        bars = [(a, b, PHASE_COLORS[phase], phase.name.lower()) for (a, phase), b in zip(begins, ends, strict=True)]
        rows.append(bar_row("true phase", bars, span))
    phases = [(stamp, Phase(grasp.phase)) for stamp, grasp in seen]
    rows.append(bar_row("phase", [(a, b, PHASE_COLORS[p], p.name.lower()) for a, b, p in stretches(phases)], span))
    said = [(stamp, (Category(grasp.category), grasp.name)) for stamp, grasp in seen]
    bars = [(a, b, CATEGORY_COLORS.get(each[0], GREY), each[1]) for a, b, each in stretches(said)]
    rows.append(bar_row("type", bars, span))
    rows.append(curve(seen, span))
    title = blank(ROW)
    cv2.putText(title, f"{side.name.lower()} hand", (8, 16), _FONT, 0.5, DARK, 1, cv2.LINE_AA)
    return np.concatenate([title, *rows])


def stretches(values):
    """(start, end, value) of what stays the same in (stamp, value)."""
    starts = [i for i, (_, value) in enumerate(values) if i == 0 or value != values[i - 1][1]]
    ends = [values[i][0] for i in starts[1:]] + [values[-1][0]]
    return [(values[i][0], end, values[i][1]) for i, end in zip(starts, ends, strict=True)]


def bar_row(name, bars, span):
    row = blank(ROW)
    cv2.putText(row, name, (8, 15), _FONT, 0.42, DARK, 1, cv2.LINE_AA)
    for start, end, color, text in bars:
        left, right = column(start, span), column(end, span)
        color = [round(channel * 255) for channel in color] if max(color) <= 1 else color
        cv2.rectangle(row, (left, 2), (max(right - 2, left), ROW - 3), color, -1)
        width = cv2.getTextSize(text, _FONT, 0.38, 1)[0][0]
        if width + 4 < right - left:
            cv2.putText(row, text, (left + 3, 15), _FONT, 0.38, DARK, 1, cv2.LINE_AA)
    return row


def curve(seen, span):
    panel = blank(CURVE)
    cv2.putText(panel, "aperture", (8, CURVE // 2), _FONT, 0.42, DARK, 1, cv2.LINE_AA)
    for length in (0.0, 0.04, 0.08, 0.12):
        y = height(length)
        cv2.line(panel, (LEFT, y), (WIDTH - RIGHT, y), (225, 225, 225), 1)
        cv2.putText(panel, f"{1000 * length:.0f} mm", (LEFT - 50, y + 4), _FONT, 0.36, DARK, 1, cv2.LINE_AA)
    points = [(column(stamp, span), height(grasp.aperture)) for stamp, grasp in seen if np.isfinite(grasp.aperture)]
    cv2.polylines(panel, [np.array(points, np.int32)], False, (30, 110, 60), 2, cv2.LINE_AA)
    return panel


def time_axis(span):
    row = blank(ROW)
    for second in range(int(span[1] - span[0]) + 1):
        x = column(span[0] + second, span)
        cv2.line(row, (x, 0), (x, 4), DARK, 1)
        cv2.putText(row, f"{second} s", (x - 8, 17), _FONT, 0.38, DARK, 1, cv2.LINE_AA)
    return row


def column(stamp, span):
    return LEFT + round((stamp - span[0]) / (span[1] - span[0]) * (WIDTH - LEFT - RIGHT))


def height(length):
    return CURVE - 8 - round(min(length, WIDEST) / WIDEST * (CURVE - 16))


def blank(rows):
    return np.full((rows, WIDTH, 3), 255, np.uint8)


if __name__ == "__main__":
    main()
