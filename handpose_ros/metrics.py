"""How far predicted hands are from true ones. Joints are (..., 21, 3) or (..., 21, 2); errors keep their unit.

Leading dimensions are free and broadcast; NaN in a prediction or a truth gives NaN for that hand. Where single
joints of a truth may be unknown, the docstring says so.
"""

from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaincinv
from scipy.stats import rankdata

from handpose_ros.geometry import similarity
from handpose_ros.hand import WRIST

DETECTED = 0.5  # mean 2D error, in units of the true hand's box, below which a hand counts as detected
_FEWEST = 5  # values; resamples of fewer do not show how far they spread
_RESAMPLES = 2000  # of a bootstrap: the ends of a 95 % interval then vary by about 2 % of its width
_BATCH = 200  # resamples at a time, to bound memory


def joint_errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(..., 21) distance of every joint to its truth, in the unit of the joints."""
    return np.linalg.norm(np.asarray(predicted, dtype=float) - np.asarray(true, dtype=float), axis=-1)


def mpjpe(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(...) mean per joint position error."""
    return joint_errors(predicted, true).mean(axis=-1)


def root_relative_mpjpe(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(...) mean per joint position error after both hands' wrists were moved to the origin."""
    return mpjpe(align_root(predicted, true), true)


def pa_mpjpe(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(...) mean per joint position error after the best rotation, translation and scale; never a reflection.

    What remains is the error of the hand's shape: a left hand keeps its distance from a right one.
    """
    return mpjpe(align_similarity(predicted, true), true)


def align_root(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(..., 21, 3) `predicted`, moved so that its wrist is the true one."""
    predicted, true = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    return predicted - predicted[..., [WRIST], :] + true[..., [WRIST], :]


def align_scale(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(..., 21, 3) as `align_root`, then scaled about the wrist by the s of least ||s p - t||, s = p.t / p.p."""
    wrist = np.asarray(true, dtype=float)[..., [WRIST], :]
    p, t = align_root(predicted, true) - wrist, true - wrist
    s = (p * t).sum(axis=(-1, -2)) / (p * p).sum(axis=(-1, -2))
    return s[..., None, None] * p + wrist


def align_similarity(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(..., 21, 3) `predicted` after the rotation, translation and scale of least squares (Procrustes)."""
    predicted, true = np.broadcast_arrays(np.asarray(predicted, dtype=float), np.asarray(true, dtype=float))
    known = (np.isfinite(predicted) & np.isfinite(true)).all(axis=(-1, -2))
    aligned = np.full(predicted.shape, np.nan)
    s, R, t = similarity(predicted[known], true[known])
    aligned[known] = s[..., None, None] * predicted[known] @ np.swapaxes(R, -1, -2) + t[..., None, :]
    return aligned


def pck_auc(errors: np.ndarray, limit: float) -> np.ndarray:
    """(...) area under the PCK curve of `errors` (..., 21) from 0 to `limit`, over `limit`: 0..1.

    A joint with error e is a step at e, and so has 1 - e / limit of the area: exact, without a grid of thresholds.
    """
    return np.clip(1 - np.asarray(errors) / limit, 0, 1).mean(axis=-1)


def box_size(joints_2d: np.ndarray) -> np.ndarray:
    """(...) the longer side [px] of the box around `joints_2d` (..., 21, 2); unknown joints (NaN) are left out."""
    return (np.nanmax(joints_2d, axis=-2) - np.nanmin(joints_2d, axis=-2)).max(axis=-1)


def match_hands(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """(T,) which of the hands `found` (F, 21, 2) [px] is each of the `true` ones (T, 21, 2), -1 for none.

    A found hand is at most one true hand, and only one from which it is off, in the mean over the known joints, by
    less than DETECTED of the true hand's box. As many as possible are matched, and of these the nearest.
    """
    matched = np.full(len(true), -1)
    if not len(found) or not len(true):
        return matched
    errors = np.nanmean(joint_errors(found, np.asarray(true)[:, None]), axis=-1) / box_size(true)[:, None]
    near = errors < DETECTED
    rows, columns = linear_sum_assignment(np.where(near, errors, len(true)))
    kept = near[rows, columns]
    matched[rows[kept]] = columns[kept]
    return matched


def auroc(scores: np.ndarray, good: np.ndarray) -> float:
    """Probability that a good one of `scores` (N,) lies above one that is not (`good` (N,) bool); ties count half."""
    scores, good = np.asarray(scores, dtype=float), np.asarray(good, bool)
    if not good.any() or good.all():
        return np.nan
    ranks = rankdata(scores)
    lowest = good.sum() * (good.sum() + 1) / 2
    return float((ranks[good].sum() - lowest) / (good.sum() * (~good).sum()))


def brier(scores: np.ndarray, good: np.ndarray) -> float:
    """Mean squared distance of `scores` (N,), taken for probabilities, from `good` (N,) bool; NaN for none."""
    return float(((scores - good) ** 2).mean()) if len(scores) else np.nan


def calibration_error(scores: np.ndarray, good: np.ndarray, bins: int = 10) -> float:
    """Mean distance of `scores` (N,) 0..1 from the share that is `good` (N,) bool, in equal bins of the score (ECE)."""
    index = np.clip((np.asarray(scores) * bins).astype(int), 0, bins - 1)
    gaps = [abs(scores[index == i].sum() - good[index == i].sum()) for i in range(bins)]
    return float(np.sum(gaps) / len(scores)) if len(scores) else np.nan


def mahalanobis_squared(errors: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(...) errors' size (..., 3) in standard deviations of `covariance` (..., 3, 3), squared."""
    return (errors * np.linalg.solve(covariance, errors[..., None])[..., 0]).sum(axis=-1)


def bootstrap_interval(
    values: np.ndarray, statistic: Callable[..., np.ndarray] = np.mean, seed: int = 0
) -> tuple[float, float]:
    """The 95 % percentile interval of `statistic` (np.mean, np.median) over resamples of `values` (N,), the same for
    the same seed; NaN for fewer than five values."""
    values = np.asarray(values, dtype=float)
    if len(values) < _FEWEST:
        return np.nan, np.nan
    rng = np.random.default_rng(seed)
    batches = (rng.integers(len(values), size=(_BATCH, len(values))) for _ in range(_RESAMPLES // _BATCH))
    resampled = np.concatenate([statistic(values[batch], axis=-1) for batch in batches])
    low, high = np.percentile(resampled, [2.5, 97.5])
    return float(low), float(high)


def ellipsoid_radius_squared(probability: float) -> float:
    """Square of the Mahalanobis distance within which a 3D normal variable lies with `probability` (chi squared)."""
    return float(2 * gammaincinv(1.5, probability))
