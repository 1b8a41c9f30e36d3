"""Outcomes on a data set -> every figure of accuracy, each with how many hands it is of and its 95 % interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from handpose_ros import metrics
from handpose_ros.evaluation.outcomes import Outcome, Pair
from handpose_ros.geometry import wrist_rotation
from handpose_ros.hand import KEYPOINTS, WRIST, Side

CURVE_MM = tuple(range(51))  # thresholds of the 3D PCK curve [mm]
DEPTH_CURVE_MM = tuple(range(0, 101, 2))  # thresholds of the curve of depth errors [mm]
NEAR_MM, NEAR_PX = 20.0, 20.0  # thresholds of the single PCK figures
BOX_SHARES = (0.05, 0.1, 0.2)  # thresholds of the 2D PCK [true hand's box]
COVERAGE_LEVELS = (0.5, 0.68, 0.9, 0.95)
GOOD_JOINT = 0.1  # [true hand's box] error below which a joint is good, for the joints' confidence
SIZES_PX = (0, 16, 32, 64, 128, 256)  # [px] where the classes of hands' sizes begin


@dataclass(frozen=True)
class Figure:
    """A number per hand (or image), summed up; a share is the mean of zeros and ones."""

    mean: float
    median: float
    n: int
    mean_95: tuple[float, float]  # bootstrap intervals
    median_95: tuple[float, float]


@dataclass(frozen=True)
class SpatialErrors(Figure):
    """Mean joint errors of hands in 3D [mm] under one alignment."""

    pck_20mm: Figure
    auc_50mm: Figure  # of the PCK curve from 0 to 50 mm
    curve: tuple[float, ...]  # share of joints nearer than each of CURVE_MM


@dataclass(frozen=True)
class JointErrors:
    """Errors of one keypoint over the hands: means, and what its published uncertainty says of them."""

    name: str
    box_2d: float  # [true hand's box]
    root_relative_mm: float
    absolute_mm: float
    absolute_rms_mm: float  # root mean square: what HandPose.joint_sigma is about
    sigma_mm: float  # root mean square of HandPose.joint_sigma
    within_sigma: float  # share of the hands with an absolute error below their joint_sigma
    within_two_sigma: float


@dataclass(frozen=True)
class Coverage:
    """How many true wrists, or their rotations, the ellipsoid of a probability holds."""

    probability: float
    share: Figure


@dataclass(frozen=True)
class JointConfidence:
    """How well joint_scores tell good joints (GOOD_JOINT) from others. A heuristic, judged as if it were probable."""

    auroc: float  # probability that a good joint has the higher score
    brier: float
    ece: float  # expected calibration error
    good: float  # share of the joints
    n: int  # joints


@dataclass(frozen=True)
class SizeRecall:
    """The recall of hands whose box's longer side lies between two sizes."""

    from_px: float
    to_px: float
    recall: Figure


@dataclass(frozen=True)
class Accuracy:
    """All figures of one evaluation. What the data set cannot tell is NaN with n = 0."""

    images: int
    hands: int  # annotated
    detected: int
    extra: int  # found where none is annotated
    detection_rate: Figure
    recall_by_size: tuple[SizeRecall, ...]
    side_accuracy: Figure  # over detected hands of known side
    pixels_2d: Figure  # [px]
    box_2d: Figure  # [true hand's box]
    pck_2d_box_05: Figure
    pck_2d_box_10: Figure
    pck_2d_box_20: Figure
    pck_2d_20px: Figure
    absolute_mm: SpatialErrors  # in the camera's frame
    root_relative_mm: SpatialErrors  # wrist on wrist
    scale_aligned_mm: SpatialErrors  # and the best scale
    pa_mm: SpatialErrors  # the best rotation, translation and scale
    depth_error_mm: Figure  # |mean z error of the joints|
    depth_bias_mm: Figure  # the same with its sign: + is too far
    depth_curve: tuple[float, ...]  # share of hands with a depth error below each of DEPTH_CURVE_MM
    wrist_rotation_deg: Figure  # angle between the found and the true wrist axes of hands with the right side
    joints: tuple[JointErrors, ...]
    wrist_coverage: tuple[Coverage, ...]
    rotation_coverage: tuple[Coverage, ...]
    joint_confidence: JointConfidence


def measure(outcomes: Sequence[Outcome]) -> Accuracy:
    """The accuracy of `outcomes` (outcomes.evaluate). Errors are of detected hands only."""
    pairs = [pair for outcome in outcomes for pair in outcome.pairs]
    hands = sum(len(outcome.sample.hands) for outcome in outcomes)
    sides = [pair.found.side is pair.true.side for pair in pairs if pair.true.side is not Side.UNKNOWN]
    found_2d, true_2d = _stack([p.found.joints_2d for p in pairs], 2), _stack([p.true_2d for p in pairs], 2)
    errors_2d = metrics.joint_errors(found_2d, true_2d)
    of_box = errors_2d / (metrics.box_size(true_2d)[:, None] if pairs else 1)
    box_shares = [figure(_share_below(of_box, share)) for share in BOX_SHARES]
    found, true = _stack([_metric_joints(p) for p in pairs], 3), _stack([p.true_3d for p in pairs], 3)
    relative = _stack([p.found.joints_3d for p in pairs], 3)
    depth = 1000 * (found - true)[..., 2].mean(axis=-1)
    turns, covariance = _turns(pairs), np.array([p.found.wrist_covariance for p in pairs]).reshape(-1, 6, 6)
    return Accuracy(
        images=len(outcomes),
        hands=hands,
        detected=len(pairs),
        extra=sum(outcome.extra for outcome in outcomes),
        detection_rate=figure(np.arange(hands) < len(pairs)),
        recall_by_size=_recall_by_size(outcomes),
        side_accuracy=figure(sides),
        pixels_2d=figure(_nanmean(errors_2d)),
        box_2d=figure(_nanmean(of_box)),
        pck_2d_box_05=box_shares[0],
        pck_2d_box_10=box_shares[1],
        pck_2d_box_20=box_shares[2],
        pck_2d_20px=figure(_share_below(errors_2d, NEAR_PX)),
        absolute_mm=_spatial(found, true),
        root_relative_mm=_spatial(metrics.align_root(relative, true), true),
        scale_aligned_mm=_spatial(metrics.align_scale(relative, true), true),
        pa_mm=_spatial(metrics.align_similarity(relative, true), true),
        depth_error_mm=figure(np.abs(depth)),
        depth_bias_mm=figure(depth),
        depth_curve=_curve(np.abs(depth), DEPTH_CURVE_MM),
        wrist_rotation_deg=figure(np.degrees(np.linalg.norm(turns, axis=-1))),
        joints=_per_joint(of_box, found, relative, true, 1000 * _stack([p.found.joint_sigma for p in pairs])),
        wrist_coverage=_coverage((found - true)[:, WRIST], covariance[:, :3, :3]),
        rotation_coverage=_coverage(turns, covariance[:, 3:, 3:]),
        joint_confidence=_joint_confidence(pairs, of_box),
    )


def figure(values: Sequence[float] | np.ndarray) -> Figure:
    """Mean, median and intervals of `values` (N,); NaN ones are left out."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    mean, median = (float(values.mean()), float(np.median(values))) if len(values) else (np.nan, np.nan)
    intervals = metrics.bootstrap_interval(values), metrics.bootstrap_interval(values, np.median)
    return Figure(mean, median, len(values), *intervals)


def _spatial(predicted, true):
    errors = 1000 * metrics.joint_errors(predicted, true)
    whole = figure(errors.mean(axis=-1))
    near, auc = figure(_share_below(errors, NEAR_MM)), figure(metrics.pck_auc(errors, CURVE_MM[-1]))
    return SpatialErrors(**vars(whole), pck_20mm=near, auc_50mm=auc, curve=_curve(errors, CURVE_MM))


def _curve(errors, limits):
    """Share of the known `errors` (...) below each of `limits`."""
    known = errors[np.isfinite(errors)]
    return tuple(float((known < limit).mean()) if len(known) else np.nan for limit in limits)


def _per_joint(of_box, found, relative, true, sigma):
    rooted, absolute = (
        1000 * metrics.joint_errors(joints, true) for joints in (metrics.align_root(relative, true), found)
    )
    both = np.isfinite(absolute) & np.isfinite(sigma)
    within = [np.where(both, absolute < times * sigma, np.nan) for times in (1, 2)]
    columns = of_box, rooted, absolute, absolute**2, sigma**2, *within
    means = [_nanmean(column.T) for column in columns]
    means[3:5] = np.sqrt(means[3]), np.sqrt(means[4])
    return tuple(JointErrors(name, *(float(v[j]) for v in means)) for j, name in enumerate(KEYPOINTS))


def _recall_by_size(outcomes):
    detected = {id(pair.true) for outcome in outcomes for pair in outcome.pairs}
    hands = [hand for outcome in outcomes for hand in outcome.sample.hands]
    sizes = np.array([metrics.box_size(hand.joints_2d[hand.valid]) for hand in hands])
    found = np.array([id(hand) in detected for hand in hands], bool)
    classes = zip(SIZES_PX, (*SIZES_PX[1:], np.inf), strict=True)
    return tuple(SizeRecall(low, high, figure(found[(sizes >= low) & (sizes < high)])) for low, high in classes)


def _joint_confidence(pairs, of_box):
    scores = np.array([pair.found.joint_scores for pair in pairs]).reshape(-1, 21)
    known = np.isfinite(scores) & np.isfinite(of_box)
    scores, good = scores[known], of_box[known] < GOOD_JOINT
    share = float(good.mean()) if len(good) else np.nan
    told = metrics.auroc(scores, good), metrics.brier(scores, good), metrics.calibration_error(scores, good)
    return JointConfidence(*told, share, len(scores))


def _turns(pairs):
    """(N, 3) [rad] by which the true wrists are turned from the found ones, about the frame's axes; NaN: not known."""
    turns = np.full((len(pairs), 3), np.nan)
    for turn, pair in zip(turns, pairs, strict=True):
        right = pair.found.side is Side.RIGHT
        found, true = wrist_rotation(pair.found.joints_3d, right), wrist_rotation(pair.true_3d, right)
        if pair.found.side is pair.true.side and np.isfinite(found).all() and np.isfinite(true).all():
            turn[:] = Rotation.from_matrix(true @ found.T).as_rotvec()
    return turns


def _coverage(errors, covariance):
    """Of `errors` (N, 3) by the ellipsoids of `covariance` (N, 3, 3); where one is NaN, it does not count."""
    known = np.isfinite(errors).all(axis=-1) & np.isfinite(covariance).all(axis=(1, 2))
    radius = metrics.mahalanobis_squared(errors[known], covariance[known])
    return tuple(Coverage(p, figure(radius < metrics.ellipsoid_radius_squared(p))) for p in COVERAGE_LEVELS)


def _metric_joints(pair: Pair) -> np.ndarray:
    return pair.found.joints_3d if pair.metric else np.full((21, 3), np.nan)


def _share_below(errors, limit):
    """(N,) share of the known joints of each hand with an error (N, 21) below `limit`."""
    return _nanmean(np.where(np.isfinite(errors), errors < limit, np.nan))


def _nanmean(values):
    """Mean over the last axis without NaN; NaN where there is nothing else."""
    count = np.isfinite(values).sum(axis=-1)
    return np.nansum(values, axis=-1) / np.where(count, count, np.nan)


def _stack(arrays, *dimensions):
    return np.array(arrays, dtype=float).reshape(-1, 21, *dimensions)
