"""Hands of a recording, smoothed with what came before and after: no lag, and no step across a gap.

Savitzky-Golay, but with the images' own stamps, on each unbroken stretch of each track, on the same parts of a hand as
the live filter: the wrist's position and rotation, and the bones' directions; the bones' lengths are one value for the
whole track. Where its distance is from something else (`depth_source`), it is another track.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from handpose_ros.body import Body, directed
from handpose_ros.hand import DepthSource, HandPose, HandPoses, TrackingState

_ORDER = 2
_LEAST = 5  # images: a parabola goes through three of them whatever their noise
GAP = 1.6  # times the median period: images of a track further apart are not of one stretch


def smooth_recording(recording: Sequence[HandPoses], window: float = 0.3) -> list[HandPoses]:
    """`recording` (in order of time) with smoothed joints_3d and wrist_velocity; `window` [s] is the filter's length.

    Give it what a pipeline with filter="none" answered: the live filter's lag would stay.
    It uses at least five images, if they are no further apart than `window`. Stamps need not be evenly spaced, and
    images may be lost, but a gap longer than half of `window` and than GAP periods ends a stretch. Unchanged are: hands
    that coast or are lost or of which a joint is not known, stretches of fewer than five images, and images further
    apart than `window` or without increasing stamps.
    """
    # (track, where its distance is from) -> (image, place in the image): what lies between two such is no motion
    places: dict[tuple[int, DepthSource], list[tuple[int, int]]] = {}
    for image, hands in enumerate(recording):
        for place, hand in enumerate(hands):
            if hand.state is TrackingState.TRACKED and np.isfinite(hand.joints_3d).all():
                places.setdefault((hand.track_id, hand.depth_source), []).append((image, place))
    result = [list(hands) for hands in recording]
    for track in places.values():
        stamps = np.array([recording[image].stamp for image, _ in track])
        smooth = _smooth_track([result[image][place] for image, place in track], stamps, window)
        for (image, place), hand in zip(track, smooth, strict=True):
            result[image][place] = hand
    return [replace(hands, hands=tuple(smooth)) for hands, smooth in zip(recording, result, strict=True)]


def _smooth_track(track: list[HandPose], stamps: np.ndarray, window: float) -> list[HandPose]:
    if len(track) < _LEAST:
        return track
    period = np.median(np.diff(stamps))
    if not 0 < period <= window:  # NaN too
        return track
    lengths = np.median(Body.of(np.stack([hand.joints_3d for hand in track])).lengths, axis=0)
    steps = np.diff(stamps)
    breaks = np.flatnonzero((steps > max(GAP * period, window / 2)) | (steps <= 0)) + 1
    stretches = np.split(np.arange(len(track)), breaks)
    parts = [_smooth_stretch([track[i] for i in part], stamps[part], period, window, lengths) for part in stretches]
    return [hand for part in parts for hand in part]


def _smooth_stretch(
    hands: list[HandPose], stamps: np.ndarray, period: float, window: float, lengths: np.ndarray
) -> list[HandPose]:
    if len(hands) < _LEAST:
        return hands
    count = min(max(round(window / period), _LEAST), len(hands))
    count -= 1 - count % 2  # odd

    around, used = _around(stamps, count, period)
    powers = ((stamps[around] - stamps[:, None]) / period)[..., None] ** np.arange(_ORDER + 1)
    fits = np.linalg.pinv(powers * used[..., None])  # (N, 3, K): values there -> a parabola

    def smooth(values, derivative=0):
        weights = fits[:, derivative].reshape(*around.shape, *[1] * (values.ndim - 1))
        return sum(weights[:, k] * values[around[:, k]] for k in range(around.shape[1])) / period**derivative

    body = Body.of(np.stack([hand.joints_3d for hand in hands]))
    R = _nearest_rotation(smooth(body.R))
    directions, _ = directed(smooth(body.directions))
    lengths = np.broadcast_to(lengths, body.lengths.shape)
    joints = Body.made(R, directions, lengths).moved(smooth(body.wrist), R).joints
    spin = smooth(body.R, 1) @ np.swapaxes(R, -1, -2)  # its skew part is the angular velocity
    angular = np.stack(
        [spin[:, 2, 1] - spin[:, 1, 2], spin[:, 0, 2] - spin[:, 2, 0], spin[:, 1, 0] - spin[:, 0, 1]], -1
    )
    velocity = np.concatenate([smooth(body.wrist, 1), angular / 2], axis=-1)
    if hands[0].depth_source is DepthSource.NONE:  # relative to the wrist, which therefore seems to rest
        velocity[:, :3] = np.nan
    return [replace(hand, joints_3d=joints[i], wrist_velocity=velocity[i]) for i, hand in enumerate(hands)]


def _around(stamps: np.ndarray, count: int, period: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) indices of images around each of N, and whether they are used: those of `count` periods, at least five.

    At the ends they are those of the first and the last `count` periods.
    """
    half = (count - 1) / 2 * period
    middle = np.clip(stamps, stamps[0] + half, max(stamps[0], stamps[-1] - 2 * half) + half)
    least = np.clip(np.arange(len(stamps)) - _LEAST // 2, 0, len(stamps) - _LEAST)
    first = np.minimum(least, np.searchsorted(stamps, middle - half - period / 2))
    end = np.maximum(least + _LEAST, np.searchsorted(stamps, middle + half + period / 2))
    around = first[:, None] + np.arange((end - first).max())
    return np.minimum(around, len(stamps) - 1), around < end[:, None]


def _nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """(..., 3, 3) the rotations closest to `matrices` (..., 3, 3)."""
    U, _, Vt = np.linalg.svd(matrices)
    U[..., 2] *= np.linalg.det(U @ Vt)[..., None]
    return U @ Vt
