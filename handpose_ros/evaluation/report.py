"""The accuracy on a data set, for people (a table) and for programs (JSON)."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from handpose_ros.evaluation.accuracy import GOOD_JOINT, Accuracy, Figure, SizeRecall
from handpose_ros.evaluation.outcomes import Subject
from handpose_ros.evaluation.synthetic import ANGLES, ExactErrors
from handpose_ros.wording import counted

_ALIGNMENTS = (
    ("absolute_mm", "absolute"),
    ("root_relative_mm", "root-relative"),
    ("scale_aligned_mm", "scale-aligned"),
    ("pa_mm", "Procrustes-aligned"),
)


def rows(accuracy: Accuracy) -> list[tuple[str, Figure, float, int]]:
    """Every single figure: name, value, factor and decimals to show it with. Those with n = 0 are left out."""
    table = [
        ("detected [%]", accuracy.detection_rate, 100, 1),
        *((f"detected, {_range(each)} [%]", each.recall, 100, 1) for each in accuracy.recall_by_size),
        ("right side [%]", accuracy.side_accuracy, 100, 1),
        ("2D error [px]", accuracy.pixels_2d, 1, 2),
        ("2D error [box]", accuracy.box_2d, 1, 4),
        ("2D PCK at 0.05 box [%]", accuracy.pck_2d_box_05, 100, 1),
        ("2D PCK at 0.1 box [%]", accuracy.pck_2d_box_10, 100, 1),
        ("2D PCK at 0.2 box [%]", accuracy.pck_2d_box_20, 100, 1),
        ("2D PCK at 20 px [%]", accuracy.pck_2d_20px, 100, 1),
    ]
    for key, name in _ALIGNMENTS:
        errors = getattr(accuracy, key)
        table += [
            (f"{name} error [mm]", errors, 1, 1),
            (f"{name} PCK at 20 mm [%]", errors.pck_20mm, 100, 1),
            (f"{name} AUC 0-50 mm", errors.auc_50mm, 1, 3),
        ]
    table += [
        ("depth error [mm]", accuracy.depth_error_mm, 1, 1),
        ("depth bias [mm]", accuracy.depth_bias_mm, 1, 1),
        ("wrist rotation error [deg]", accuracy.wrist_rotation_deg, 1, 1),
    ]
    table += [
        (f"{what} in the {round(100 * coverage.probability)} % ellipsoid [%]", coverage.share, 100, 1)
        for what, coverages in (("wrists", accuracy.wrist_coverage), ("wrist rotations", accuracy.rotation_coverage))
        for coverage in coverages
    ]
    return [row for row in table if row[1].n]


def headline(subject: Subject, accuracy: Accuracy) -> str:
    """What was measured, in two lines."""
    sizes = {
        "average": "hand size: average",
        "given": f"hand size given: {subject.hand_scale:.2f}",
        "calibrated": f"hand size calibrated: {subject.hand_scale:.2f}",
    }
    return (
        f"{subject.data_set}: {subject.model}, {sizes[subject.hand_scale_source]}\n"
        f"{counted(accuracy.images, 'image')}, {accuracy.detected} of {counted(accuracy.hands, 'hand')} detected, "
        f"{accuracy.extra} extra"
    )


def interval(figure: Figure, factor: float = 1.0, decimals: int = 1, of: str = "mean") -> str:
    """ "12.3 [11.0, 13.5]": the mean or median with its 95 % interval, where there is one."""
    low, high = getattr(figure, f"{of}_95")
    value = getattr(figure, of)
    if np.isnan(low):
        return f"{factor * value:.{decimals}f}"
    return f"{factor * value:.{decimals}f} [{factor * low:.{decimals}f}, {factor * high:.{decimals}f}]"


def confidence(accuracy: Accuracy) -> str:
    """How well the joints' scores tell good joints from others, in one line."""
    told = accuracy.joint_confidence
    auroc = f"{told.auroc:.2f}".replace("nan", "-")  # where all are good, or none
    return (
        f"joint scores (heuristic; good: error below {GOOD_JOINT:g} box): AUROC {auroc}, "
        f"Brier {told.brier:.3f}, calibration error {told.ece:.3f}, {100 * told.good:.1f} % good, n = {told.n}"
    )


def as_text(subject: Subject, accuracy: Accuracy) -> str:
    """The tables of an evaluation."""
    lines = [headline(subject, accuracy), "", f"{'':<36}{'mean [95 %]':>26}{'median [95 %]':>26}{'n':>7}"]
    for name, figure, factor, decimals in rows(accuracy):
        median = "" if name.endswith("[%]") else interval(figure, factor, decimals, "median")
        lines.append(f"{name:<36}{interval(figure, factor, decimals):>26}{median:>26}{figure.n:>7}")
    lines += ["", confidence(accuracy)] if accuracy.joint_confidence.n else []
    lines += ["", f"{'joint':<14}{'2D [box]':>10}{'root-relative [mm]':>20}{'absolute [mm]':>15}"]
    for joint in accuracy.joints:
        numbers = f"{joint.box_2d:>10.4f}{joint.root_relative_mm:>20.1f}{joint.absolute_mm:>15.1f}"
        lines.append(f"{joint.name:<14}" + numbers.replace("nan", "  -"))
    return "\n".join(lines)


def as_json(subject: Subject, accuracy: Accuracy) -> dict:
    """For output.write_json: every figure with its n, at paths like root_relative_mm.mean."""
    return {**asdict(subject), **asdict(accuracy)}


def _range(recall: SizeRecall) -> str:
    return f"{recall.from_px:g} .. {recall.to_px:g} px" if np.isfinite(recall.to_px) else f"from {recall.from_px:g} px"


def synthetic_table(errors: Sequence[ExactErrors]) -> str:
    """The largest error of any joint [mm] per camera model and angle off the axis."""
    lines = ["largest error of a joint [mm], given exact keypoints and bone lengths:"]
    lines.append(f"{'model':<22}" + "".join(f"{angle:>10} deg" for angle in ANGLES))
    for model in dict.fromkeys(each.model for each in errors):
        cells = [each.worst_mm for each in errors if each.model == model]
        lines.append(f"{model:<22}" + "".join(f"{worst:>14.2g}" for worst in cells))
    return "\n".join(lines)
