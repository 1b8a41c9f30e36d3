"""The proof of the grasps: how often they are right, how steady and how late, on posed hands of known grasp.

The people and the objects are not those the cascade was trained on, the templates are the same, done by each person
in a style of their own; `STYLES` says what a style further off does. Noise is the standard deviation of each
coordinate of each joint, independent from image to image; correlated noise wanders, as that of a tracker does; with
dropouts, each joint is missing in some images.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.stats import chi2

from handpose_ros.evaluation.gestures import posed_gestures
from handpose_ros.evaluation.grasp_templates import POINTING, TEMPLATES, Contact, PosedGrasps, pose, posed_grasps
from handpose_ros.features import joint_angles
from handpose_ros.grasps.claims import Claim
from handpose_ros.grasps.grasp import DEFAULT_CLASSIFIER, GraspTracker, make_classifier
from handpose_ros.grasps.grasp_types import TYPES
from handpose_ros.grasps.taxonomy import Phase
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.kinematics import bend, random_people
from handpose_ros.metrics import calibration_error

LEVELS = {
    "category": "category",
    "opposition": "opposition",
    "coarse": "coarse_type",
    "fingers": "vf2",
    "feix": "feix_id",
}
NOISES = (0, 5, 10, 15, 20)  # [mm]
MOVING_NOISES = (0, 5, 10)  # [mm] of hands over time
CORRELATED_NOISES = (1, 5)  # [mm]; our own pipeline's joints wander by 0.3-1.4 mm on hands at rest
CORRELATION = 0.3  # [s] in which the correlation falls to 1/e; our own pipeline's has this, too
STYLES = (0, 15)  # [deg] beside the templates' own STYLE
DROPOUT = 0.01  # of the joints are missing: in a fifth of the images one at least
BLOCKS = (20, 40, 60, 80)  # [mm]
BLOCK_GRASPS = (6, 7, 8, 9)  # on two parallel faces
SEED = 2  # of the people; those of the training have 1
FRAME = 1 / 30  # [s]
MIRROR = np.array([1.0, -1.0, 1.0])
GRASPS = tuple(template for template in TEMPLATES if 0 < template.leaf < POINTING)
REACH = 0.4  # [s] to close or to open
REST = 1.0  # [s] open, closed, and open again


@dataclass(frozen=True)
class Figure:
    """One number of the report."""

    key: str  # as noise_5mm.category.accuracy
    value: float
    n: int  # hands or sequences behind it


@dataclass(frozen=True)
class GraspReport:
    """What a classifier reaches."""

    classifier: str
    figures: tuple[Figure, ...]

    def __getitem__(self, key: str) -> float:
        return {figure.key: figure.value for figure in self.figures}[key]


@dataclass(frozen=True)
class Noise:
    """What is wrong with measured joints."""

    sigma: float = 0.0  # [m] standard deviation of each coordinate
    correlation: float = 0.0  # [s] over which the error of a joint wanders; 0: independent from image to image
    dropout: float = 0.0  # share of the joints that are missing, NaN

    def __call__(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`frames` (n, 21, 3) [m], FRAME apart, as they are measured."""
        errors = rng.standard_normal(frames.shape)
        if self.correlation:
            kept = np.exp(-FRAME / self.correlation)
            for before, now in zip(errors[:-1], errors[1:], strict=True):
                now *= np.sqrt(1 - kept**2)
                now += kept * before
        measured = frames + self.sigma * errors
        if self.dropout:
            measured[rng.random(frames.shape[:2]) < self.dropout] = np.nan
        return measured


def evaluate_grasps(
    classifier: str = DEFAULT_CLASSIFIER, *, hands: int = 10, seconds: float = 30.0, noises: tuple[int, ...] = NOISES
) -> GraspReport:
    """The figures of `classifier`, from `hands` of each type and held grasps of `seconds`, by noise [mm]."""
    grasps, held = posed_grasps(hands, SEED, GRASPS), posed_grasps(1, SEED + 1, GRASPS)
    single = [(f"noise_{noise}mm", Noise(noise / 1000)) for noise in noises]
    moving = [(f"noise_{noise}mm", Noise(noise / 1000)) for noise in MOVING_NOISES if noise in noises]
    moving += [(f"noise_{noise}mm_correlated", Noise(noise / 1000, CORRELATION)) for noise in CORRELATED_NOISES]
    moving.append(("noise_5mm_dropouts", Noise(0.005, dropout=DROPOUT)))
    figures = []
    for name, noise in single:
        figures += _named(name, levels(classifier, grasps, noise))
        figures += _named(name, gestures(classifier, noise, 30 * hands))
        figures += _named(name, blocks(classifier, noise))
    for style in STYLES:
        styled = posed_grasps(hands, SEED, GRASPS, np.radians(style))
        figures += _named(f"noise_5mm_style_{style}deg", levels(classifier, styled, Noise(0.005)))
    for name, noise in moving:
        figures += _named(name, held_grasps(classifier, noise, held, seconds))
        figures += _named(name, reaches(classifier, noise, grasps))
    return GraspReport(make_classifier(classifier).name, tuple(figures))


def _named(prefix, measured):
    return [Figure(f"{prefix}.{key}", float(value), n) for key, value, n in measured]


def levels(classifier: str, grasps: PosedGrasps, noise: Noise) -> list:
    """Accuracy of single images, of hands of both sides, seen from anywhere: (key, value, n) each."""
    rng, classify = np.random.default_rng(SEED), make_classifier(classifier)
    claims = []
    for number, joints in enumerate(grasps.joints):
        turn = Rotation.random(random_state=rng.integers(2**31)).as_matrix()
        joints = (joints * (MIRROR if number % 2 else 1.0)) @ turn.T + rng.uniform(-0.3, 0.3, 3) + [0, 0, 0.7]
        joints = noise(joints[None], rng)[0]
        claims.append([classify(joints, number % 2 == 0, Claim(), 0.0, floor) for floor in (0.5, 0.7, 0.9)])
    figures, right = [], np.ones(len(claims), dtype=bool)
    for level, field in LEVELS.items():
        truth = np.array([getattr(TYPES[leaf], field) for leaf in grasps.leaf])
        said = np.array([[getattr(claim.type, field) for claim in each] for each in claims])
        figures += _scores(level, truth, said[:, 0])
        for column, floor in enumerate((0.5, 0.7, 0.9)):
            kept = said[:, column] > 0
            figures.append((f"{level}.coverage_at_{floor}", kept.mean(), len(truth)))
            figures.append((f"{level}.accuracy_at_{floor}", _mean((said[:, column] == truth)[kept]), int(kept.sum())))
        right &= (said[:, 0] == truth) | (said[:, 0] == 0)
    confidence = np.array([each[0].confidence for each in claims])
    return [*figures, ("calibration.ece", calibration_error(confidence, right), len(claims))]


def _scores(level, truth, said):
    f1 = []
    for value in np.unique(truth):
        hit = ((truth == value) & (said == value)).sum()
        f1.append(2 * hit / ((truth == value).sum() + (said == value).sum()))
    accuracy = (truth == said).mean()  # what is not claimed is not right
    return [(f"{level}.accuracy", accuracy, len(truth)), (f"{level}.macro_f1", np.mean(f1), len(truth))]


def gestures(classifier: str, noise: Noise, hands: int) -> list:
    """How many single images of hands that hold nothing, their fingers bent as they like, are taken for grasps."""
    rng, classify = np.random.default_rng(SEED), make_classifier(classifier)
    joints, _ = posed_gestures(hands, SEED)
    claims = [classify(noise(each[None], rng)[0], True, Claim(), 0.0, 0.5) for each in joints]
    return [("gestures.taken_for_grasps", np.mean([claim.type.closed for claim in claims]), hands)]


def held_grasps(classifier: str, noise: Noise, held: PosedGrasps, seconds: float) -> list:
    """Transitions a minute of grasps that do not change, after the first second; `n` is their number, low
    and high are the bounds of the 95 % confidence interval of a Poisson rate."""
    changes, minutes = {"phase": 0, "category": 0, "type": 0}, 0.0
    for number, joints in enumerate(held.joints):
        seen = _followed(classifier, np.repeat(joints[None], round(seconds / FRAME), axis=0), noise, number)
        seen = seen[round(1 / FRAME) :]
        minutes += (len(seen) - 1) * FRAME / 60
        for before, after in zip(seen[:-1], seen[1:], strict=True):
            changes["phase"] += before.phase is not after.phase
            changes["category"] += before.type.category is not after.type.category
            changes["type"] += before.type != after.type
    figures = []
    for what, count in changes.items():
        low, high = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0, chi2.ppf(0.975, 2 * count + 2) / 2
        rates = {"per_minute": count, "low": low, "high": high}
        figures += [(f"held.{what}_transitions_{end}", value / minutes, count) for end, value in rates.items()]
    return [*figures, ("held.minutes", minutes, len(held.leaf))]


def reaches(classifier: str, noise: Noise, grasps: PosedGrasps) -> list:
    """Open, close, hold, open: share with every phase once in order; how late [s] the phases are, negative: early."""
    rest, reach = round(REST / FRAME), round(REACH / FRAME)
    starts = {Phase.PRESHAPE: rest, Phase.HOLD: rest + reach, Phase.RELEASE: 2 * rest + reach}
    starts[Phase.OPEN] = 2 * (rest + reach)
    delays, orderly = {phase: [] for phase in starts}, []
    open_angles = joint_angles(posed_grasps(1, SEED, TEMPLATES[:1]).joints, Side.RIGHT)
    for number, joints in enumerate(grasps.joints[:: max(1, len(grasps.joints) // len(GRASPS))]):
        share = np.concatenate([np.zeros(rest), np.linspace(0, 1, reach), np.ones(rest), np.linspace(1, 0, reach)])
        share = np.concatenate([share, np.zeros(rest)])[:, None]
        angles = open_angles + share * (joint_angles(joints, Side.RIGHT) - open_angles)
        phases = [grasp.phase for grasp in _followed(classifier, bend(angles), noise, number)]
        order = [phase for i, phase in enumerate(phases) if i == 0 or phase is not phases[i - 1]]
        orderly.append(order == [Phase.OPEN, Phase.PRESHAPE, Phase.HOLD, Phase.RELEASE, Phase.OPEN])
        for phase, start in starts.items():
            early = reach if phase in (Phase.HOLD, Phase.OPEN) else 0  # the last centimetre of a motion shows no more
            later = [i for i, each in enumerate(phases) if each is phase and i >= start - early]
            delays[phase].append((later[0] - start) * FRAME if later else np.inf)
    figures = [("reach.all_phases_in_order", np.mean(orderly), len(orderly))]
    for phase, each in delays.items():
        name = phase.name.lower()
        figures.append((f"reach.{name}_delay", np.median(each), len(each)))
        figures.append((f"reach.{name}_within_150ms", np.mean(np.array(each) <= 0.151), len(each)))
    return figures


def blocks(classifier: str, noise: Noise) -> list:
    """Mean absolute error [mm] of the aperture of held blocks, after half a second, on images of the next half."""
    rng, figures = np.random.default_rng(SEED), []
    templates = [template for template in TEMPLATES if template.leaf in BLOCK_GRASPS]
    assert all(template.contact is Contact.PADS for template in templates)
    for block in BLOCKS:
        errors = []
        for template in templates:
            for joints in pose(template, random_people(5, rng), np.full(5, block / 1000), rng):
                seen = _followed(classifier, np.repeat(joints[None], 30, axis=0), noise, len(errors))[15:]
                errors.append(np.nanmean([abs(1000 * grasp.aperture - block) for grasp in seen]))
        figures.append((f"aperture.block_{block}mm", np.mean(errors), len(errors)))
    return [*figures, ("aperture.error_mm", np.mean([value for _, value, _ in figures]), len(figures))]


def _followed(classifier, frames, noise, seed):
    """The grasps of a right hand through `frames` (n, 21, 3) [m], FRAME apart, each with its own noise."""
    rng, tracker = np.random.default_rng(seed), GraspTracker(make_classifier(classifier))
    frames = noise(frames, rng) + [0, 0, 0.5]
    return [
        tracker.update(HandPoses((_hand(joints),), (640, 480), number * FRAME))[0]
        for number, joints in enumerate(frames)
    ]


def _hand(joints):
    return HandPose(
        Side.RIGHT, 1.0, 1.0, np.zeros((21, 2)), joints, depth_source=DepthSource.MONO, state=TrackingState.TRACKED
    )


def _mean(values):
    return float(np.mean(values)) if len(values) else np.nan


def table(reports: tuple[GraspReport, ...], keys: tuple[str, ...] = ()) -> str:
    """The figures of several classifiers side by side, as Markdown; without `keys` all but the coverage curves."""
    keys = keys or tuple(figure.key for figure in reports[0].figures if "_at_" not in figure.key)
    names = " | ".join(report.classifier for report in reports)
    rows = [f"| figure | {names} |", "|---|" + "---|" * len(reports)]
    rows += [f"| {key} | " + " | ".join(f"{report[key]:.3g}" for report in reports) + " |" for key in keys]
    return "\n".join(rows)


def as_json(reports: tuple[GraspReport, ...]) -> dict:
    """Per classifier the value and n of every figure; what is not finite (a phase that was never seen) is null."""
    return {
        report.classifier: {
            each.key: {"value": each.value if np.isfinite(each.value) else None, "n": each.n} for each in report.figures
        }
        for report in reports
    }
