"""The tables of docs/accuracy.md, as Markdown.

    python benchmarks/accuracy_tables.py DATA_SET...

One line per data set; where a data set has cameras and joints in 3D, one more with the hand size calibrated on it, and
the shares of true wrists and of their rotations in the published ellipsoids. Then the table of
`handpose evaluate --synthetic`.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from handpose_ros.estimator import HandPoseEstimator
from handpose_ros.evaluation.accuracy import COVERAGE_LEVELS, Accuracy, measure
from handpose_ros.evaluation.outcomes import Subject, evaluate_folder
from handpose_ros.evaluation.report import interval
from handpose_ros.evaluation.synthetic import ANGLES, synthetic_errors

HEAD = (
    "data set", "hand size", "detected", "extra", "2D [px]", "2D [box]", "root-relative [mm]", "PA [mm]",
    "absolute mean [mm]", "absolute median [mm]", "n",
)  # fmt: skip

JOINT_KINDS = {
    "wrist": [0], "thumb": [1, 2, 3, 4], "knuckles": [5, 9, 13, 17], "PIP": [6, 10, 14, 18], "DIP": [7, 11, 15, 19],
    "tips": [8, 12, 16, 20],
}  # fmt: skip


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folders", nargs="+", type=Path)
    measured = [each for folder in arguments.parse_args().folders for each in evaluations(folder)]
    print_table(HEAD, [accuracy_cells(*each) for each in measured])
    in_space = [(subject, accuracy) for subject, accuracy in measured if accuracy.absolute_mm.n]
    levels = [f"{round(100 * level)} %" for level in COVERAGE_LEVELS]
    for name in ("wrist_coverage", "rotation_coverage"):
        print_table(("data set", "hand size", *levels, "n"), [coverage_cells(*each, name) for each in in_space])
    print_table(
        ("data set", "hand size", "joints", "error", "joint_sigma", "below it", "below twice"),
        [cells for subject, accuracy in in_space for cells in sigma_cells(subject, accuracy)],
    )
    print_synthetic()


def evaluations(folder: Path) -> list[tuple[Subject, Accuracy]]:
    """The accuracy with the average hand size and, where the data set can tell it, with the calibrated one."""
    progress = partial(tqdm, unit="image", desc=folder.name, disable=None)
    subject, outcomes = evaluate_folder(folder, HandPoseEstimator, progress=progress)
    measured = [(subject, measure(outcomes))]
    if measured[0][1].absolute_mm.n:
        subject, outcomes = evaluate_folder(folder, HandPoseEstimator, calibrate_size=True, progress=progress)
        measured.append((subject, measure(outcomes)))
    return measured


def accuracy_cells(subject: Subject, accuracy: Accuracy) -> list[str]:
    cells = [
        interval(figure, decimals=decimals, of=of) if figure.n else "-"
        for figure, decimals, of in (
            (accuracy.pixels_2d, 1, "mean"),
            (accuracy.box_2d, 3, "mean"),
            (accuracy.root_relative_mm, 1, "mean"),
            (accuracy.pa_mm, 1, "mean"),
            (accuracy.absolute_mm, 1, "mean"),
            (accuracy.absolute_mm, 1, "median"),
        )
    ]
    found = f"{accuracy.detected}/{accuracy.hands}"
    return [subject.data_set, size(subject), found, str(accuracy.extra), *cells, str(accuracy.pixels_2d.n)]


def coverage_cells(subject: Subject, accuracy: Accuracy, name: str) -> list[str]:
    coverage = getattr(accuracy, name)
    shares = [f"{100 * each.share.mean:.0f} %" for each in coverage]
    return [subject.data_set, size(subject), *shares, str(coverage[0].share.n)]


def sigma_cells(subject: Subject, accuracy: Accuracy) -> list[list[str]]:
    """For each kind of joint the root mean squares of error and joint_sigma [mm], and shares of joints below."""
    table = []
    for kind, group in JOINT_KINDS.items():
        some = [accuracy.joints[joint] for joint in group]
        rms = [np.sqrt(np.mean([getattr(j, name) ** 2 for j in some])) for name in ("absolute_rms_mm", "sigma_mm")]
        shares = [np.mean([getattr(j, name) for j in some]) for name in ("within_sigma", "within_two_sigma")]
        cells = [f"{value:.0f} mm" for value in rms] + [f"{100 * share:.0f} %" for share in shares]
        table.append([subject.data_set, size(subject), kind, *cells])
    return table


def size(subject: Subject) -> str:
    return "average" if np.isnan(subject.hand_scale) else f"{subject.hand_scale:.2f} ({subject.hand_scale_source})"


def print_synthetic():
    errors = synthetic_errors()
    rows = [
        [model, *(f"{each.worst_mm:.0e}" for each in errors if each.model == model)]
        for model in dict.fromkeys(each.model for each in errors)
    ]
    print_table(("model", *(f"{angle} deg" for angle in ANGLES)), rows)


def print_table(head, rows):
    print(*(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)), "", sep="\n")


if __name__ == "__main__":
    main()
