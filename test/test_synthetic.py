import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.camera import DISTORTION_SIZES, Camera
from handpose_ros.evaluation.report import synthetic_table
from handpose_ros.evaluation.synthetic import ANGLES, CAMERAS, LIMIT_MM, synthetic_errors
from handpose_ros.lifting.lift import lift

ERRORS = synthetic_errors()


def test_given_exact_keypoints_and_bone_lengths_every_joint_is_within_a_millimetre():
    assert max(each.worst_mm for each in ERRORS) < LIMIT_MM


def test_every_camera_model_is_proved_from_the_axis_to_70_degrees():
    assert {(each.model, each.angle) for each in ERRORS} == {(m, a) for m in DISTORTION_SIZES for a in ANGLES}
    assert max(ANGLES) == 70 and min(each.hands for each in ERRORS) >= 100


def test_nearly_all_joints_have_a_keypoint():
    assert sum(each.unseen for each in ERRORS) < 0.002 * 21 * sum(each.hands for each in ERRORS)


@pytest.mark.parametrize("name", CAMERAS)
def test_the_cameras_are_one_to_one_out_to_85_degrees(name):
    angles = np.radians(np.linspace(0, 85, 200))
    rays = np.stack([np.sin(angles), np.zeros(200), np.cos(angles)], axis=-1)
    assert_allclose(CAMERAS[name].unproject(CAMERAS[name].project(rays)), rays, atol=1e-6)


def without_distortion(joints_2d, joints_local, camera, hand_scale):
    return lift(joints_2d, joints_local, Camera(camera.K, camera.size), hand_scale)


def average_size(joints_2d, joints_local, camera, hand_scale):
    return lift(joints_2d, joints_local, camera)


def mirrored(joints_2d, joints_local, camera, hand_scale):
    return lift(joints_2d, joints_local * [-1, 1, 1], camera, hand_scale)


def half_a_pixel_aside(joints_2d, joints_local, camera, hand_scale):
    return lift(joints_2d + 0.5, joints_local, camera, hand_scale)


@pytest.mark.parametrize("wrong", [without_distortion, average_size, mirrored, half_a_pixel_aside])
def test_a_lifting_that_is_wrong_is_found_out(wrong):
    assert max(each.worst_mm for each in synthetic_errors(wrong)) > LIMIT_MM


def test_the_table_has_a_line_for_each_model_and_a_column_for_each_angle():
    lines = synthetic_table(ERRORS).splitlines()
    assert len(lines) == 2 + len(CAMERAS)
    assert lines[2].split()[0] == "none" and len(lines[2].split()) == 1 + len(ANGLES)
