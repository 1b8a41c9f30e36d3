"""How much worse hands become away from the optical axis: real photos, seen again by turned and by fisheye cameras.

    python benchmarks/off_axis.py DATA_SET [--every 3]

Each photo with a camera and one hand in 3D is resampled as a camera with the same focal length would see it whose axis
passes the hand at an angle. The same hand is then estimated twice: with the camera, through views aimed at the hand,
and without it, in plain squares of the image, lifted with the camera all the same. Prints a Markdown table.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from handpose_ros.camera import Camera
from handpose_ros.estimator import HandPoseEstimator
from handpose_ros.evaluation.datasets import Sample, load_dataset
from handpose_ros.hand import HandPose, Side
from handpose_ros.lifting.lift import lift
from handpose_ros.lifting.lifters import make_lifter
from handpose_ros.metrics import match_hands, root_relative_mpjpe
from handpose_ros.recordings.sources import read_image

CONDITIONS = [("none", 0), ("none", 20), ("none", 35), ("none", 50)] + [("equidistant", a) for a in (0, 30, 50, 70)]
NAMES = {"none": "pinhole", "equidistant": "fisheye"}
CROPS = ("view", "plain")
MARGIN = 2.0  # side of the rendered window over the hand's box


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--every", type=int, default=3, help="take every N-th photo; default: %(default)s")
    args = arguments.parse_args()
    samples = [sample for sample in load_dataset(args.folder)[:: args.every] if usable(sample)]
    estimator = HandPoseEstimator()
    errors = np.full((len(samples), len(CONDITIONS), len(CROPS), 2), np.nan)
    for s, sample in enumerate(tqdm(samples, unit="photo", disable=None)):
        image = read_image(sample.image)
        for c, (model, angle) in enumerate(CONDITIONS):
            errors[s, c] = list(measure(estimator, *seen_again(image, sample, model, np.radians(angle))))
    print_table(errors)


def usable(sample: Sample) -> bool:
    """Whether the photo holds one hand in 3D, seen by a known pinhole camera."""
    return sample.camera is not None and len(sample.hands) == 1 and sample.hands[0].joints_3d is not None


def seen_again(image: np.ndarray, sample: Sample, model: str, angle: float) -> tuple[np.ndarray, Camera, np.ndarray]:
    """The image, camera and joints (21, 3) [m] of a camera of `model` that has the hand `angle` [rad] off its axis.

    It stands where the real one does; its image is cut out around the hand.
    """
    joints = sample.hands[0].joints_3d
    center = joints.mean(axis=0)
    facing, _ = Rotation.align_vectors([[0, 0, 1]], [center])
    R = (Rotation.from_euler("y", angle) * facing).as_matrix()
    turned = joints @ R.T
    K = np.diag([sample.camera.K[0, 0], sample.camera.K[1, 1], 1.0])
    whole = Camera(K, (1, 1), np.zeros(4) if model == "equidistant" else [], model)
    box = whole.project(turned)
    low, high = box.min(axis=0), box.max(axis=0)
    side = int(MARGIN * (high - low).max())
    corner = np.round((low + high - side) / 2)
    camera = whole.crop(*corner, side, side)
    pixels = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1)
    source = np.nan_to_num(sample.camera.project(camera.unproject(pixels) @ R), nan=-1e4).astype(np.float32)
    return cv2.remap(image, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), camera, turned


def measure(estimator: HandPoseEstimator, image: np.ndarray, camera: Camera, true: np.ndarray) -> Iterator[list[float]]:
    """For each of CROPS: root-relative error [mm] and mean angle [mrad] between the found and the true rays."""
    true_2d, true_rays = camera.project(true), true / np.linalg.norm(true, axis=-1, keepdims=True)
    for crop in CROPS:
        hands = estimator.estimate(image, camera if crop == "view" else None).hands
        [match] = match_hands(np.array([hand.joints_2d for hand in hands]).reshape(-1, 21, 2), true_2d[None])
        if match < 0:
            yield [np.nan, np.nan]
            continue
        hand = hands[match]
        joints = hand.joints_3d if crop == "view" else lifted(hand, camera)
        sine = np.linalg.norm(np.cross(camera.unproject(hand.joints_2d), true_rays), axis=-1)
        yield [1000 * float(root_relative_mpjpe(joints, true)), 1000 * float(np.arcsin(sine).mean())]


def lifted(hand: HandPose, camera: Camera) -> np.ndarray:
    """(21, 3) [m] of a hand that was found without its `camera`."""
    right = hand.side is Side.RIGHT
    return lift(hand.joints_2d, hand.joints_3d, camera, right=right, lifter=make_lifter("learned")).joints


def print_table(errors: np.ndarray):
    """`errors` (photos, conditions, crops, 2); ratios are to the first condition, over hands found in both."""
    print("| camera | off axis | crop | found | root-relative [mm] | over on-axis | 2D [mrad] | over on-axis |")
    print("|---|---|---|---|---|---|---|---|")
    for k, crop in enumerate(CROPS):
        for c, (model, angle) in enumerate(CONDITIONS):
            here, on_axis = errors[:, c, k], errors[:, 0, 0]
            found = np.isfinite(here[:, 0])
            both = found & np.isfinite(on_axis[:, 0])
            root, angular = here[found].mean(axis=0)
            ratio = here[both].mean(axis=0) / on_axis[both].mean(axis=0)
            print(
                f"| {NAMES[model]} | {angle} deg | {crop} | {found.sum()}/{len(here)} "
                f"| {root:.1f} | {ratio[0]:.2f} | {angular:.1f} | {ratio[1]:.2f} |"
            )


if __name__ == "__main__":
    main()
