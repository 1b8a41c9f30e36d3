"""A made-up hand, 21 joints in flesh before a wall, in a depth image: where is its wrist?"""

import made_up_hands
import numpy as np
import pytest
from depth_maker import hand_depth
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.camera import Camera, Frame
from handpose_ros.hand import WRIST, DepthSource, HandPose, Side
from handpose_ros.kinematics import random_hands
from handpose_ros.lifting.depth import fit_depth, moved, robust_deviation
from handpose_ros.lifting.lift import covariance_about_rays
from handpose_ros.messages.decoding import decode_depth

CAMERA = Camera([[600.0, 0, 319.5], [0, 600, 239.5], [0, 0, 1]], (640, 480))
FISHEYE = Camera([[380.0, 0, 319.5], [0, 380, 239.5], [0, 0, 1]], (640, 480), [0.02, -0.01, 0.0, 0.0], "equidistant")
WALL = 0.62  # [m]
HOLES = np.random.default_rng(0).random((480, 640)) < 0.3


def flat_hand(center=(0.0, 0.0, 0.5), turn=0.0):
    """(21, 3) [m] an open hand, its palm to the camera, or turned about x by `turn` [deg]."""
    joints = made_up_hands.flat_hand()
    joints -= joints.mean(axis=0)
    return joints @ Rotation.from_euler("x", turn, degrees=True).as_matrix().T + center


def placed(joints, scale=1.0):
    """A hand as one camera places it that takes it for `scale` times as large as it is."""
    rays = joints / np.linalg.norm(joints, axis=-1, keepdims=True)
    covariance, sigma = covariance_about_rays(rays, np.full(21, 0.04**2))
    return HandPose(
        side=Side.RIGHT,
        side_score=1.0,
        score=1.0,
        joints_2d=CAMERA.project(joints),
        joints_3d=scale * joints,
        depth_source=DepthSource.MONO,
        wrist_covariance=covariance,
        joint_sigma=sigma,
    )


def wrist_error(joints, depth, camera=CAMERA, scale=0.88):
    """[m] of the wrist after the correction of a hand that was taken for too small."""
    fit = fit_depth(scale * joints, camera, depth)
    return np.linalg.norm(moved(placed(joints, scale), fit).joints_3d[WRIST] - joints[WRIST])


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("turn", [-40, 0, 180])
def test_a_hand_of_a_mistaken_size_comes_to_its_place_before_a_wall_and_with_holes(scale, turn):
    joints = flat_hand(turn=turn)
    depth = hand_depth(joints, CAMERA, WALL) + np.random.default_rng(1).normal(0, 0.001, (480, 640)).astype("f4")
    depth[HOLES] = np.nan
    before = abs(1 - scale) * np.linalg.norm(joints[WRIST])
    # The relief of a turned hand stays that of the mistaken size.
    relief = abs(1 - scale) * abs(joints[WRIST, 2] - np.median(joints[:, 2]))
    assert wrist_error(joints, depth, scale=scale) < min(0.005 + relief, 0.005 + before)


def test_bent_and_turned_hands_before_a_wall_are_within_a_centimetre():
    rng = np.random.default_rng(2)
    hands = random_hands(20, rng) @ Rotation.random(20, random_state=3).as_matrix()
    hands = hands - hands.mean(axis=-2, keepdims=True) + [0.03, -0.02, 0.5]
    errors = [wrist_error(joints, hand_depth(joints, CAMERA, 0.7), scale=0.93) for joints in hands]
    assert np.median(errors) < 0.01
    assert np.max(errors) < 0.025


def test_a_plate_before_the_fingers_and_a_pen_before_the_palm_do_not_pull_the_hand_nearer():
    joints = flat_hand()
    depth = hand_depth(joints, CAMERA, WALL)
    tips = np.rint(CAMERA.project(joints[[8, 12, 16, 20]])).astype(int)
    depth[: tips[:, 1].max() + 40] = 0.42
    depth[:, 300:312] = 0.46
    assert wrist_error(joints, depth) < 0.005


def test_depth_is_along_z_and_not_along_the_ray():
    joints = flat_hand(center=(0.35, 0.0, 0.45))  # 38 degrees off the axis, where the two differ by 27 %
    assert wrist_error(joints, hand_depth(joints, FISHEYE, 0.8), FISHEYE) < 0.005


@pytest.mark.parametrize("unit", [1000.0, 0.001])
def test_a_mistake_of_metres_and_millimetres_moves_no_hand(unit):
    joints = flat_hand()
    assert fit_depth(joints, CAMERA, unit * hand_depth(joints, CAMERA, WALL)) is None


def test_a_depth_image_in_integers_is_refused():
    with pytest.raises(ValueError, match="uint16.*metres"):
        Frame(np.zeros((480, 640, 3), np.uint8), CAMERA, depth=np.zeros((480, 640), np.uint16))


def test_a_depth_image_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"\(320, 240\).*registered"):
        Frame(np.zeros((480, 640, 3), np.uint8), CAMERA, depth=np.zeros((240, 320), np.float32))


class Message:
    """A sensor_msgs/Image by attribute."""

    def __init__(self, values, encoding):
        self.height, self.width = values.shape
        self.encoding, self.is_bigendian, self.step = encoding, 0, values.strides[0]
        self.data = values.tobytes()


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_millimetres_and_metres_of_a_message_give_the_same_wrist(encoding):
    joints = flat_hand()
    depth = np.nan_to_num(hand_depth(joints, CAMERA))
    values = np.rint(1000 * depth).astype(np.uint16) if encoding == "16UC1" else depth
    assert wrist_error(joints, decode_depth(Message(values, encoding))) < 0.005


def test_only_holes_or_only_a_wall_or_a_hand_out_of_view_say_nothing():
    joints = flat_hand()
    assert fit_depth(joints, CAMERA, np.full((480, 640), np.nan, np.float32)) is None
    assert fit_depth(joints, CAMERA, np.full((480, 640), 0.8, np.float32)) is None
    assert fit_depth(joints + [1.0, 0, 0], CAMERA, np.full((480, 640), 0.5, np.float32)) is None
    assert fit_depth(joints - [0, 0, 1.0], CAMERA, np.full((480, 640), 0.5, np.float32)) is None


def test_the_stretch_is_the_true_over_the_assumed_size():
    joints = flat_hand()
    fit = fit_depth(joints / 1.1, CAMERA, hand_depth(joints, CAMERA, WALL))
    assert fit.stretch == pytest.approx(1.1, rel=0.01)
    assert fit.joints > 12


def test_a_moved_hand_says_so_and_is_surer_of_its_distance_and_as_sure_across_it():
    joints = flat_hand(center=(0.0, 0.086, 0.5))  # the wrist near the axis
    before = placed(joints, 0.9)
    after = moved(before, fit_depth(before.joints_3d, CAMERA, hand_depth(joints, CAMERA, WALL)))
    assert after.depth_source is DepthSource.SENSOR
    assert_allclose(CAMERA.project(after.joints_3d), before.joints_2d, atol=1e-6)
    ray = joints[WRIST] / np.linalg.norm(joints[WRIST])
    along, across = after.wrist_covariance[:3, :3] @ ray @ ray, np.linalg.eigvalsh(after.wrist_covariance[:3, :3])
    beside = np.linalg.eigvalsh(before.wrist_covariance[:3, :3])[0]  # before, the variance along the ray is the largest
    assert 0.004**2 < along < 0.012**2
    assert_allclose(across, [along, *2 * [beside]], rtol=1e-3)
    assert (after.joint_sigma < before.joint_sigma).all()
    assert_allclose(after.wrist_covariance[3:, 3:], before.wrist_covariance[3:, 3:])


def test_the_robust_deviation_of_normal_values_is_theirs_although_two_in_five_are_elsewhere():
    normal = np.random.default_rng(0).normal(0.5, 0.01, 4001)
    assert robust_deviation(normal) == pytest.approx(0.01, rel=0.05)
    assert robust_deviation([1.0, 2.0, 3.0, 100.0, -100.0]) == pytest.approx(1.4826)  # off by 1 0 1 98 102
