"""Hands drawn into images, readable from 640x480 to 4K and without telling colours apart.

A left hand is blue with round joints and a label "L", a right hand orange with square joints and a
label "R": hues of Okabe and Ito's palette, on a dark casing that stands out from skin. A hand fades
with its score, a joint greys with its own; a predicted (coasting) hand has hollow joints.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import cv2
import numpy as np

from handpose_ros.hand import BONES, WRIST, DepthSource, HandPose, HandPoses, Side, TrackingState

COLORS = {  # RGB; Okabe and Ito, Color Universal Design, 2008
    Side.LEFT: (86, 180, 233),
    Side.RIGHT: (230, 159, 0),
    Side.UNKNOWN: (240, 228, 66),
}
_CASING = (16, 16, 16)
_GREY = (150, 150, 150)
_FAINTEST = 0.35  # opacity of a hand of score 0
_REFERENCE = 560  # [px] geometric mean of width and height at which a line is drawn 1 unit wide
_SHIFT = 4  # cv2 draws at 1/16 px
_FARTHEST = 1e6  # [px] beyond it cv2's fixed-point coordinates overflow
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_BONES = np.array(BONES)
_NO_CAPTIONS = MappingProxyType({})


def draw_hands(image: np.ndarray, hands: HandPoses, captions: Mapping[int, str] = _NO_CAPTIONS) -> np.ndarray:
    """A copy of `image` (H, W, 3) uint8 RGB with the skeletons and labels of the hands.

    A label shows side, track id and, if known, the wrist's distance from the camera; `captions`
    adds a line to the label of the hand with that track id.
    """
    drawn = image.copy()
    unit = np.sqrt(image.shape[0] * image.shape[1]) / _REFERENCE
    visible = [hand for hand in hands if _drawable(hand.joints_2d).any()]
    for hand in visible:
        _draw_skeleton(drawn, hand, unit)
    occupied: list[tuple[int, int, int, int]] = []
    for hand in visible:
        lines = [hand_label(hand), *filter(None, [captions.get(hand.track_id)])]
        occupied.append(_draw_label(drawn, hand, lines, unit, occupied))
    return drawn


def hand_label(hand: HandPose) -> str:
    """What is written at a hand: "L 3  0.52 m" (side, track id, distance of the wrist)."""
    letter = {Side.LEFT: "L", Side.RIGHT: "R"}.get(hand.side, "?")
    distance = np.linalg.norm(hand.joints_3d[WRIST])
    known = hand.depth_source != DepthSource.NONE and np.isfinite(distance)
    return f"{letter} {hand.track_id}" + (f"  {distance:.2f} m" if known else "")


def grasp_label(name: str, aperture: float) -> str:
    """What is written at a hand that grasps: "hold tripod  3.1 cm" (name, `aperture` [m] where it is known)."""
    return name + (f"  {100 * aperture:.1f} cm" if np.isfinite(aperture) else "")


def contact_sheet(images: Sequence[np.ndarray], columns: int = 4, width: int = 400) -> np.ndarray:
    """One RGB image with `images` (each (H, W, 3) uint8) side by side, row by row.

    Every image is scaled to fit a tile `width` px wide with the first image's aspect ratio.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one image")
    columns = min(columns, len(images))
    gap = 6
    height = max(1, round(width * images[0].shape[0] / images[0].shape[1]))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for k, image in enumerate(images):
        scale = min(width / image.shape[1], height / image.shape[0])
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        tile = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        x, y = gap + (k % columns) * (width + gap), gap + (k // columns) * (height + gap)
        sheet[y : y + size[1], x : x + size[0]] = tile
    return sheet


def _drawable(points):
    """(...) bool: finite, and near enough for cv2's fixed-point coordinates."""
    return (np.abs(points) < _FARTHEST).all(axis=-1)  # NaN compares false


def _draw_skeleton(image, hand, unit):
    """Bones and joints of one hand, drawn on a copy of their surroundings and blended by the hand's score."""
    ok = _drawable(hand.joints_2d)
    region = _surroundings(hand.joints_2d[ok], image.shape, margin=int(8 * unit) + 4)
    if region is None:
        return
    canvas = image[region].copy()
    points = np.where(ok[:, None], hand.joints_2d, 0) - (region[1].start, region[0].start)
    colors = _faded(COLORS[hand.side], hand.joint_scores).tolist()
    casing, line, joint = max(3, round(4.5 * unit)), max(1, round(2.2 * unit)), 2.6 * unit + 0.6
    bones = _BONES[ok[_BONES].all(axis=-1)]
    ends = _fixed(points)
    cv2.polylines(canvas, list(ends[bones]), False, _CASING, casing, cv2.LINE_AA, _SHIFT)
    for a, b in bones.tolist():
        cv2.line(canvas, ends[a], ends[b], colors[b], line, cv2.LINE_AA, _SHIFT)
    around, within = _joints(points, joint + 0.9 * unit, hand.side), _joints(points, joint, hand.side)
    hole = _joints(points, 0.55 * joint, hand.side) if hand.state == TrackingState.COASTING else None
    for k in np.flatnonzero(ok):
        around(canvas, k, _CASING)
        within(canvas, k, colors[k])
        if hole:
            hole(canvas, k, _CASING)
    score = 0.0 if np.isnan(hand.score) else min(max(hand.score, 0.0), 1.0)
    opacity = _FAINTEST + (1 - _FAINTEST) * score
    image[region] = cv2.addWeighted(canvas, opacity, image[region], 1 - opacity, 0)


def _surroundings(points, shape, margin):
    """Slices of the part of the image around `points`, or None when they lie outside of it."""
    low = np.maximum(np.floor(points.min(axis=0)) - margin, 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0)) + margin + 1, shape[1::-1]).astype(int)
    return None if (low >= high).any() else (slice(low[1], high[1]), slice(low[0], high[0]))


def _faded(color, scores):
    """(21, 3) `color`, nearer to grey the lower the score (21,); NaN, of a network silent about joints, leaves it."""
    weights = np.clip(np.where(np.isnan(scores), 1.0, scores), 0, 1)[:, None]
    return weights * color + (1 - weights) * _GREY


def _fixed(points):
    """(..., 2) int32: `points` as cv2 takes them with _SHIFT."""
    return np.round(np.asarray(points) * (1 << _SHIFT)).astype(np.int32)


def _joints(points, radius, side):
    """A function that draws one of `points` (N, 2) as a disc, for a right hand as a square of the same area."""
    if side != Side.RIGHT:
        centers, radius = _fixed(points), int(radius * (1 << _SHIFT))

        def draw(canvas, k, color):
            cv2.circle(canvas, centers[k], radius, color, cv2.FILLED, cv2.LINE_AA, _SHIFT)

    else:
        half = radius * np.sqrt(np.pi) / 2
        corners = _fixed(points[:, None] + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]))

        def draw(canvas, k, color):
            cv2.fillConvexPoly(canvas, corners[k], color, cv2.LINE_AA, _SHIFT)

    return draw


def _draw_label(image, hand, lines, unit, occupied):
    """Write `lines` above the hand, or below it where that is outside or taken; returns the box x0 y0 x1 y1."""
    height, width = image.shape[:2]
    scale, thickness, pad = 0.48 * unit, max(1, round(1.1 * unit)), round(4 * unit)
    line_height = round(17 * unit)
    w = max(cv2.getTextSize(line, _FONT, scale, thickness)[0][0] for line in lines) + 2 * pad
    h = line_height * len(lines) + pad
    points = hand.joints_2d[_drawable(hand.joints_2d)]
    x = int(np.clip(points[:, 0].mean() - w / 2, 0, max(0, width - w)))
    gap = round(12 * unit)
    candidates = [int(points[:, 1].min()) - gap - h, int(points[:, 1].max()) + gap]
    fits = [y for y in candidates if 0 <= y <= height - h and not _overlaps((x, y, x + w, y + h), occupied)]
    y = int(np.clip((fits or candidates)[0], 0, max(0, height - h)))
    box = image[y : y + h, x : x + w]
    box //= 4
    for k, line in enumerate(lines):
        at = x + pad, y + line_height * (k + 1) - round(3 * unit)
        cv2.putText(image, line, at, _FONT, scale, COLORS[hand.side], thickness, cv2.LINE_AA)
    return x, y, x + w, y + h


def _overlaps(box, others):
    return any(box[0] < o[2] and o[0] < box[2] and box[1] < o[3] and o[1] < box[3] for o in others)
