"""The proof that the geometry is right: exact keypoints of random hands through every camera model, lifted again.

What the lifting is given is exact but for what a network cannot know: the hand-relative shape has another size and
another origin. The person's bone lengths come as the hand scale. What it returns must be the hand.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from handpose_ros.camera import Camera
from handpose_ros.kinematics import random_hands
from handpose_ros.lifting.lift import LiftedHands, lift
from handpose_ros.lifting.lifters import scale_to_template
from handpose_ros.metrics import joint_errors

ANGLES = (0, 20, 35, 50, 70)  # [deg] between the optical axis and the hand
DISTANCES = (0.2, 0.35, 0.6, 1.0, 1.5, 2.0)  # [m]
LIMIT_MM = 1.0  # what every joint must keep to
_POSES = 25  # for each model, angle and distance
_K = np.array([[400.0, 0.0, 639.5], [0.0, 405.0, 399.5], [0.0, 0.0, 1.0]])
# Each model with coefficients that are one-to-one out to a right angle: a calibration is only valid where it is that,
# and common ones of plumb_bob fold over at 50 degrees.
CAMERAS = {
    name: Camera(_K, (1280, 800), D, name)
    for name, D in {
        "none": [],
        "plumb_bob": [-0.02, 1e-3, 1e-4, -5e-5, 0.0],
        "rational_polynomial": [0.4, 0.1, 1e-4, -2e-4, 0.02, 0.7, 0.15, 0.03],
        "equidistant": [0.02, -0.01, 0.003, -5e-4],
    }.items()
}


@dataclass(frozen=True)
class ExactErrors:
    """What is left of the error at one angle through one camera, over all distances, hands and joints."""

    model: str
    angle: float  # [deg]
    hands: int
    worst_mm: float  # inf where a joint got no place
    unseen: int  # joints behind a pinhole camera, which have no keypoint


def synthetic_errors(
    lift: Callable[[np.ndarray, np.ndarray, Camera, float], LiftedHands] = lift, seed: int = 0
) -> tuple[ExactErrors, ...]:
    """The errors of `lift` for every model and angle; the same hands for the same `seed`."""
    rng = np.random.default_rng(seed)
    poses = random_hands(_POSES, rng)
    return tuple(_errors(lift, model, angle, poses, rng) for model in CAMERAS for angle in ANGLES)


def _errors(lift, model, angle, poses, rng):
    camera, size = CAMERAS[model], rng.uniform(0.85, 1.15)
    hands = _placed_hands(size * poses, np.radians(angle), rng)
    keypoints = camera.project(hands)
    shapes = rng.uniform(0.6, 1.4, (len(hands), 1, 1)) * (hands - hands.mean(axis=-2, keepdims=True))
    lifted = lift(keypoints, shapes, camera, _hand_scale(hands[0])).joints
    return ExactErrors(
        model=model,
        angle=angle,
        hands=len(hands),
        worst_mm=1000 * float(np.nan_to_num(joint_errors(lifted, hands), nan=np.inf).max()),
        unseen=int(np.isnan(keypoints[..., 0]).sum()),
    )


def _hand_scale(joints):
    """The size of the hand `joints` (21, 3) [m], by its bones, over that of the average hand."""
    return float(
        np.linalg.norm(joints[9] - joints[0]) / np.linalg.norm(np.diff(scale_to_template(joints)[[0, 9]], axis=0))
    )


def _placed_hands(poses, angle, rng):
    """(H, 21, 3) [m] left and right hands turned at random, `angle` [rad] off the axis on any side, at DISTANCES."""
    hands = np.repeat(poses - poses.mean(axis=-2, keepdims=True), len(DISTANCES), axis=0)
    mirror = np.ones((len(hands), 1, 3))
    mirror[::2, :, 0] = -1
    hands = mirror * hands @ Rotation.random(len(hands), random_state=rng).as_matrix()
    around = rng.uniform(0, 2 * np.pi, len(hands))
    direction = np.stack(
        [np.sin(angle) * np.cos(around), np.sin(angle) * np.sin(around), np.full(len(hands), np.cos(angle))], axis=-1
    )
    return hands + direction[:, None] * np.resize(DISTANCES, len(hands))[:, None, None]
