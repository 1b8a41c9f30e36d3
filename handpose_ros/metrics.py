"""How far predicted hands are from true ones. Joints are (..., 21, 3) or (..., 21, 2); errors keep their unit.

Leading dimensions are free and broadcast; NaN in a prediction or a truth gives NaN for that hand.
"""

import numpy as np

from handpose_ros.geometry import similarity
from handpose_ros.hand import WRIST


def joint_errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(..., 21) distance of every joint to its truth, in the unit of the joints."""
    return np.linalg.norm(np.asarray(predicted, dtype=float) - np.asarray(true, dtype=float), axis=-1)


def mpjpe(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(...) mean per joint position error."""
    return joint_errors(predicted, true).mean(axis=-1)


def root_relative_mpjpe(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(...) mean per joint position error after both hands' wrists were moved to the origin."""
    predicted, true = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    return mpjpe(predicted - predicted[..., [WRIST], :], true - true[..., [WRIST], :])


def pa_mpjpe(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(...) mean per joint position error after the best rotation, translation and scale; never a reflection.

    What remains is the error of the hand's shape: a left hand keeps its distance from a right one.
    """
    predicted, true = np.broadcast_arrays(np.asarray(predicted, dtype=float), np.asarray(true, dtype=float))
    known = (np.isfinite(predicted) & np.isfinite(true)).all(axis=(-1, -2))
    errors = np.full(known.shape, np.nan)
    s, R, t = similarity(predicted[known], true[known])
    aligned = s[..., None, None] * predicted[known] @ np.swapaxes(R, -1, -2) + t[..., None, :]
    errors[known] = mpjpe(aligned, true[known])
    return errors[()]


def pck(predicted: np.ndarray, true: np.ndarray, threshold: float | np.ndarray) -> np.ndarray:
    """(...) share of joints nearer than `threshold` (...) to their truth, 0..1; an unknown joint is not near."""
    return (joint_errors(predicted, true) < np.asarray(threshold)[..., None]).mean(axis=-1)
