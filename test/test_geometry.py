import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.geometry import similarity, wrist_rotation

# A right hand held up before an unmirrored camera, palm towards it: its thumb side is on the image's right.
RIGHT_PALM_TO_CAMERA = np.zeros((21, 3))
RIGHT_PALM_TO_CAMERA[[5, 9, 13, 17]] = [[0.03, -0.09, 0], [0, -0.09, 0], [-0.02, -0.085, 0], [-0.04, -0.075, 0]]
MIRROR = np.array([-1.0, 1.0, 1.0])
TO_CAMERA, UP, IMAGE_RIGHT = np.array([0.0, 0, -1]), np.array([0.0, -1, 0]), np.array([1.0, 0, 0])
POINTS = np.random.default_rng(0).normal(size=(4, 21, 3))


def test_a_right_hand_held_up_has_x_to_the_camera_and_z_up():
    R = wrist_rotation(RIGHT_PALM_TO_CAMERA, right=True)
    assert_allclose(R.T, [TO_CAMERA, np.cross(UP, TO_CAMERA), UP], atol=1e-12)


def test_the_palm_of_a_left_hand_faces_the_camera_too_when_it_is_the_mirror_image():
    R = wrist_rotation(RIGHT_PALM_TO_CAMERA * MIRROR, right=False)
    assert_allclose(R[:, 0], TO_CAMERA, atol=1e-12)
    assert_allclose(R[:, 2], UP, atol=1e-12)


def test_calling_a_right_hand_left_turns_its_palm_away():
    R = wrist_rotation(RIGHT_PALM_TO_CAMERA, right=False)
    assert_allclose(R[:, 0], -TO_CAMERA, atol=1e-12)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_wrist_axes_turn_with_the_hand_and_are_a_rotation(shape):
    turns = Rotation.random(int(np.prod(shape)), random_state=1).as_matrix().reshape(*shape, 3, 3)
    hands = RIGHT_PALM_TO_CAMERA @ np.swapaxes(turns, -1, -2) + 0.4
    R = wrist_rotation(hands, np.ones(shape, bool))
    assert R.shape == (*shape, 3, 3)
    assert_allclose(R, turns @ wrist_rotation(RIGHT_PALM_TO_CAMERA, True), atol=1e-9)
    assert_allclose(np.linalg.det(R), np.ones(shape))


def test_a_hand_without_a_palm_has_no_wrist_axes():
    assert np.isnan(wrist_rotation(np.zeros((21, 3)), True)).all()


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e3])
def test_the_wrist_axes_do_not_depend_on_the_size_of_the_hand(size):
    assert_allclose(wrist_rotation(size * POINTS, True), wrist_rotation(POINTS, True), atol=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("length", [1e-12, 0.1, 10.0])
def test_a_palm_whose_joints_lie_on_a_line_has_no_wrist_axes(length):
    line = 0.4 + np.linspace(0, length, 21)[:, None] * [0.3, -0.5, 0.8]
    assert np.isnan(wrist_rotation(line, True)).all()


def test_the_wrist_axes_of_one_hand_do_not_depend_on_the_hands_beside_it():
    hands = np.stack([RIGHT_PALM_TO_CAMERA, np.zeros((21, 3)), RIGHT_PALM_TO_CAMERA * MIRROR])
    R = wrist_rotation(hands, np.array([True, True, False]))
    assert_allclose(R[0], wrist_rotation(hands[0], True))
    assert np.isnan(R[1]).all()
    assert_allclose(R[2], wrist_rotation(hands[2], False))


def test_the_wrist_axes_of_hands_of_any_layout_and_type_are_those_of_their_values():
    hands = POINTS.astype(np.float32)
    R = wrist_rotation(hands.astype(float), True)
    assert_allclose(wrist_rotation(hands, True), R)
    assert_allclose(wrist_rotation(np.asfortranarray(hands[::-1]), True), R[::-1])
    assert_allclose(wrist_rotation(hands.tolist(), True), R)
    assert_allclose(wrist_rotation(np.broadcast_to(hands[0], (3, 21, 3)), True), R[[0, 0, 0]])


def test_similarity_finds_scale_rotation_and_translation():
    turn, shift = Rotation.from_euler("xyz", [0.3, -0.7, 2.0]).as_matrix(), np.array([0.1, -0.2, 0.5])
    s, R, t = similarity(POINTS, 1.7 * POINTS @ turn.T + shift)
    assert_allclose(s, np.full(4, 1.7))
    assert_allclose(R, np.broadcast_to(turn, (4, 3, 3)), atol=1e-9)
    assert_allclose(t, np.broadcast_to(shift, (4, 3)), atol=1e-9)


def test_similarity_never_reflects():
    _, R, _ = similarity(POINTS, POINTS * MIRROR)
    assert_allclose(np.linalg.det(R), np.ones(4))
