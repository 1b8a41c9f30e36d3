"""2D keypoints, a hand-relative shape and a camera -> metric joints in the camera's optical frame.

1. Shape: a lifter gives the shape of a hand of average size and the rays on which its joints lie;
   it is scaled by the person's hand size where that is known.
2. Translation: robust Gauss-Newton on the viewing rays. A residual is the tangent of the angle
   between a joint and its ray, so any camera model will do, beyond 90 degrees too.
3. Rays: each joint is moved onto its own ray at the distance that the translated shape gives it.
"""

from dataclasses import dataclass

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.compiled import plain
from handpose_ros.lifting import ray_fit
from handpose_ros.lifting.lifters import Lifter, believe

# Relative standard deviation of the size of a hand that is not known: adults' hand lengths, 6 % (ANSUR: 5 % within a
# sex, 7 % between the two), and 6 % by which on photos the size that fits the distances differs from the shapes'.
_SIZE_SPREAD = float(np.hypot(0.06, 0.06))


@dataclass(frozen=True, eq=False)
class LiftedHands:
    """Metric hands; the leading dimensions are those of the input."""

    joints: np.ndarray  # (..., 21, 3) [m] optical frame
    wrist_covariance: np.ndarray  # (..., 6, 6) [m^2, rad^2] of the wrist's pose, optical frame
    joint_sigma: np.ndarray  # (..., 21) [m] root mean square distance expected between each joint and the true one
    reprojection_error: np.ndarray  # (...) [px] mean distance of the projected shape, before step 3, to the keypoints


def lift(
    joints_2d: np.ndarray,
    joints_local: np.ndarray,
    camera: Camera,
    hand_scale: float | None = None,
    *,
    right: np.ndarray | bool = True,
    lifter: Lifter = believe,
    rays: np.ndarray | None = None,
) -> LiftedHands:
    """The hands of keypoints `joints_2d` (..., 21, 2) [px] and shapes `joints_local` (..., 21, 3) [m].

    The shapes are in the camera's axes with any origin and any size. `hand_scale` is the person's hand size over the
    average hand's; None: not known, taken as average. `right` (...) says which hands are right ones, for lifters that
    care. `rays` (..., 21, 3) are those of the keypoints, if they are known already. A joint outside the camera's model
    stays where the shape has it.
    """
    shaped = lifter(camera.unproject(joints_2d) if rays is None else rays, joints_local, right)
    shape = shaped.distance_spread.shape
    joints, points, covariance, joint_sigma = ray_fit.place(
        plain(shaped.joints).reshape(-1, 21, 3),
        hand_scale or 1.0,
        plain(shaped.rays).reshape(-1, 21, 3),
        plain(shaped.distance_spread).reshape(-1),
        0.0 if hand_scale else _SIZE_SPREAD,
    )
    error = ray_fit.mean_distance(plain(camera.project(points)).reshape(-1, 21, 2), plain(joints_2d).reshape(-1, 21, 2))
    return LiftedHands(
        joints.reshape(*shape, 21, 3),
        covariance.reshape(*shape, 6, 6),
        joint_sigma.reshape(*shape, 21),
        error.reshape(shape),
    )


def covariance_about_rays(rays: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the wrists (..., 6, 6) [m^2, rad^2] and root mean square error (..., 21) [m] of joints to expect.

    They lie on unit `rays` (..., 21, 3); `along` (..., 21) [m^2] are the variances of their distances. Across its own
    ray only a joint's keypoint errs.
    """
    covariance, joint_sigma = ray_fit.errors_about(plain(rays).reshape(-1, 21, 3), plain(along).reshape(-1, 21))
    return covariance.reshape(*rays.shape[:-2], 6, 6), joint_sigma.reshape(along.shape)
