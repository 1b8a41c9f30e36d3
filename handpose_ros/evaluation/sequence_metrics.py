"""How well hands are kept and how steady they are over the images of a sequence. Times in seconds, lengths in metres.

`ids` (N) are the track that stands for one true hand in each of N images, 0 where there is none.
"""

import numpy as np


def switches(labels: np.ndarray) -> int:
    """How often a label (N) differs from the last one known; 0 is unknown. For the ids and for the sides of a hand."""
    known = np.asarray(labels)[np.asarray(labels) != 0]
    return int((known[1:] != known[:-1]).sum())


def fragments(ids: np.ndarray, visible: np.ndarray) -> int:
    """How often a visible hand that was followed ceased to be."""
    followed, visible = np.asarray(ids) != 0, np.asarray(visible, bool)
    return int((followed[:-1] & ~followed[1:] & visible[1:]).sum())


def time_to_detection(ids: np.ndarray, visible: np.ndarray, stamps: np.ndarray) -> list[float]:
    """From each time the hand comes into view until it is followed [s]; inf where it goes before.

    The first is the time to first detection, the others are times to recovery.
    """
    visible = np.concatenate([[False], np.asarray(visible, bool), [False]])
    starts, ends = np.flatnonzero(~visible[:-1] & visible[1:]), np.flatnonzero(visible[:-1] & ~visible[1:])
    times = []
    for start, end in zip(starts, ends, strict=True):
        followed = np.flatnonzero(np.asarray(ids)[start:end])
        times.append(float(stamps[start + followed[0]] - stamps[start]) if followed.size else np.inf)
    return times


def jitter(joints: np.ndarray) -> float:
    """Root mean square distance [m] of the joints (N, ..., 3) of a hand at rest from their means over time."""
    joints = np.asarray(joints, float)
    return float(np.sqrt(((joints - joints.mean(axis=0)) ** 2).sum(axis=-1).mean()))


def acceleration_error(joints: np.ndarray, true: np.ndarray, period: float) -> float:
    """Mean distance [m/s^2] of the accelerations of joints (N, ..., 3) taken every `period` [s] from the true ones."""
    difference = np.diff(np.asarray(joints, float) - np.asarray(true, float), 2, axis=0) / period**2
    return float(np.linalg.norm(difference, axis=-1).mean())


def lag(positions: np.ndarray, true: np.ndarray, period: float) -> float:
    """How late [s] `positions` (N, 3) [m], one every `period` [s], are behind the `true` ones, to first order.

    A constant offset in the direction of the motion counts as lag."""
    true = np.asarray(true, float)
    velocity = np.gradient(true, period, axis=0)
    return float(((true - np.asarray(positions, float)) * velocity).sum() / (velocity * velocity).sum())
