"""How far each joint of an observation is to be believed. A heuristic: the networks say nothing about single joints."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from handpose_ros.compiled import compiled, inlined
from handpose_ros.crops.aiming import faced
from handpose_ros.hand import HandPose, Observation

# [m] disagreement of a joint's place in the image with its place in the hand-relative shape that halves the
# confidence: nine in ten joints of real photos agree better. docs/tracking.md says how well it tells.
HALVING_DISAGREEMENT = 0.01
# Several looks at a hand agree better with each other than each agrees with the truth (docs/tracking.md).
_LOOKS_AGREE = 3.0
_LEAST_SCALE = 1e-6  # [px/m], or [1/m] on a plane at distance 1
_NEAREST = 0.1  # of the hand's distance: no joint is nearer
_NOT_SPREAD = np.zeros(21)


def joint_confidence(
    observations: Sequence[Observation], size: tuple[int, int], rays: np.ndarray | None = None
) -> np.ndarray:
    """(N, 21) 0..1: the hands' scores, less where image and shape disagree, or several looks at the hand do.

    0 outside of the image of `size` (width, height) [px]. With the joints' `rays` (N, 21, 3) hands are judged as they
    look to cameras that face them: where they are in the image then does not matter.
    """
    joints_2d = np.array([each.joints_2d for each in observations], dtype=float)
    seen, joints_local = joints_2d, np.array([each.joints_local for each in observations], dtype=float)
    if rays is not None:
        facing, on_plane, known = faced(rays)
        shape, known = _as_faced(joints_local, facing, on_plane), known[:, None, None]
        seen, joints_local = np.where(known, on_plane, joints_2d), np.where(known, shape, joints_local)
    return _confidence(
        seen,
        joints_local,
        joints_2d,
        np.array([_NOT_SPREAD if each.spread is None else each.spread for each in observations], dtype=float),
        np.array([each.score for each in observations], dtype=float),
        *size,
    )


def filter_low_confidence(hand: HandPose, threshold: float) -> HandPose:
    """`hand` without the joints whose score is below `threshold`: NaN in the image and in space, never 0.

    The scores stay. A joint whose score is not known stays too.
    """
    doubtful = hand.joint_scores < threshold
    return replace(
        hand,
        joints_2d=np.where(doubtful[:, None], np.nan, hand.joints_2d),
        joints_3d=np.where(doubtful[:, None], np.nan, hand.joints_3d),
        joint_sigma=np.where(doubtful, np.nan, hand.joint_sigma),
    )


@compiled("Tuple((f8[:,::1], f8[::1]))(f8[:,:,::1], f8[:,:,::1])")
def disagreement(joints_2d, joints_local):
    """(N, 21) [m] distance of each joint in the image to the hand-relative shape, laid over it by shift and scale,
    and (N,) that scale [px/m].

    Of `joints_2d` (N, 21, 2) [px], or on planes that face the hands, and `joints_local` (N, 21, 3) [m].
    """
    apart, scales = np.empty(joints_2d.shape[:2]), np.empty(len(joints_2d))
    for hand in range(len(joints_2d)):
        u = v = x = y = 0.0  # the middles of both
        for joint in range(21):
            u, v = u + joints_2d[hand, joint, 0] / 21, v + joints_2d[hand, joint, 1] / 21
            x, y = x + joints_local[hand, joint, 0] / 21, y + joints_local[hand, joint, 1] / 21
        both = square = 0.0
        for joint in range(21):
            du, dv = joints_2d[hand, joint, 0] - u, joints_2d[hand, joint, 1] - v
            dx, dy = joints_local[hand, joint, 0] - x, joints_local[hand, joint, 1] - y
            both += du * dx + dv * dy
            square += dx * dx + dy * dy
        scale = both / square
        if scale < _LEAST_SCALE:  # not max(): NaN stays
            scale = _LEAST_SCALE
        for joint in range(21):
            off_x = (joints_2d[hand, joint, 0] - u) / scale - (joints_local[hand, joint, 0] - x)
            off_y = (joints_2d[hand, joint, 1] - v) / scale - (joints_local[hand, joint, 1] - y)
            apart[hand, joint] = math.hypot(off_x, off_y)
        scales[hand] = scale
    return apart, scales


@compiled("f8[:,:,::1](f8[:,:,::1], f8[:,:,::1], f8[:,:,::1])")
def _as_faced(joints_local, facing, on_plane):
    """(N, 21, 3) [m] `joints_local` in the axes of cameras turned by `facing` (N, 3, 3), what is nearer drawn larger.

    `on_plane` (N, 21, 2) is where these cameras see the joints, which tells how far the hands are.
    """
    shape = np.zeros(joints_local.shape)
    for hand in range(len(shape)):
        for i in range(3):
            mean = 0.0
            for joint in range(21):
                for k in range(3):
                    shape[hand, joint, i] += joints_local[hand, joint, k] * facing[hand, k, i]
                mean += shape[hand, joint, i] / 21
            for joint in range(21):
                shape[hand, joint, i] -= mean
    _, nearness = disagreement(on_plane, shape)  # [1/m]
    for hand in range(len(shape)):
        for joint in range(21):
            depth = max(1 + shape[hand, joint, 2] * nearness[hand], _NEAREST)
            shape[hand, joint, 0], shape[hand, joint, 1] = shape[hand, joint, 0] / depth, shape[hand, joint, 1] / depth
    return shape


@inlined
def _radius(points):
    """Root mean square distance of `points` (21, 2) from their middle."""
    square = 0.0
    for i in range(2):
        mean = 0.0
        for joint in range(21):
            mean += points[joint, i] / 21
        for joint in range(21):
            square += (points[joint, i] - mean) ** 2 / 21
    return math.sqrt(square)


@compiled("f8[:,::1](f8[:,:,::1], f8[:,:,::1], f8[:,:,::1], f8[:,::1], f8[::1], i8, i8)")
def _confidence(seen, joints_local, joints_2d, spread, score, width, height):
    """`joint_confidence` of arrays: `joints_2d` (N, 21, 2) [px] as they are `seen`, (N, 21, 3) [m], (N, 21, 2) [px],
    (N, 21) [px] and (N,)."""
    apart, scale = disagreement(seen, joints_local)
    confidence = np.empty(apart.shape)
    for hand in range(len(apart)):
        pixels_per_metre = scale[hand] * _radius(joints_2d[hand]) / _radius(seen[hand])
        for joint in range(21):
            u, v = joints_2d[hand, joint, 0], joints_2d[hand, joint, 1]
            looks_apart = _LOOKS_AGREE * spread[hand, joint] / pixels_per_metre
            doubt = (apart[hand, joint] ** 2 + looks_apart**2) / HALVING_DISAGREEMENT**2
            inside = -0.5 <= u < width - 0.5 and -0.5 <= v < height - 0.5
            confidence[hand, joint] = score[hand] / (1 + doubt) * (1.0 if inside else 0.0)
    return confidence
