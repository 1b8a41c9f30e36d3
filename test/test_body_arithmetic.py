import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.body_arithmetic import take_apart, turn, turn_between
from handpose_ros.kinematics import bend

AXES = np.random.default_rng(1).normal(size=(20, 3))
AXES /= np.linalg.norm(AXES, axis=-1, keepdims=True)
HAND = bend(np.full(20, 0.3)) + [0.05, -0.02, 0.5]


def rotation_vectors(rotations, start=None):
    """(N, 3) [rad] the turns from `start` (3, 3), or from no turn, to the `rotations` (N, 3, 3)."""
    start = np.eye(3) if start is None else start
    return np.array([turn_between(start, rotation) for rotation in rotations])


def rotation_matrices(vectors, start=None):
    """(N, 3, 3) `start` (3, 3), or no turn, turned about the `vectors` (N, 3) by as much as they are long."""
    rotations = np.tile(np.eye(3) if start is None else start, (len(vectors), 1, 1))
    for rotation, vector in zip(rotations, vectors, strict=True):
        turn(rotation, *vector)
    return rotations


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-6, 0.1, 1.0, 2.0, 3.0])
def test_the_turn_between_two_rotations_is_the_axis_as_long_as_the_turn(angle):
    rotations = Rotation.from_rotvec(angle * AXES).as_matrix()
    assert_allclose(rotation_vectors(rotations), angle * AXES, rtol=0, atol=1e-14)


@pytest.mark.parametrize("missing, accuracy", [(1e-3, 1e-12), (1e-6, 1e-9), (1e-8, 1e-7), (0.0, 1e-7)])
def test_nearly_half_a_turn_keeps_its_axis(missing, accuracy):
    vectors = (np.pi - missing) * np.concatenate([AXES, np.eye(3)])
    found = rotation_vectors(Rotation.from_rotvec(vectors).as_matrix())
    if missing < 1e-7:  # half a turn to one side is half a turn to the other
        found *= np.sign((found * vectors).sum(axis=-1, keepdims=True))
    assert_allclose(found, vectors, rtol=0, atol=accuracy)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 0.3, 3.1])
def test_a_turn_is_the_inverse_of_the_turn_between_two_rotations(angle):
    rotations = rotation_matrices(angle * AXES)
    assert_allclose(rotations, Rotation.from_rotvec(angle * AXES).as_matrix(), atol=1e-12)
    assert_allclose(rotation_vectors(rotations), angle * AXES, atol=1e-12)


@pytest.mark.parametrize("angle", [0.3, 3.1, np.pi])
def test_turns_are_about_the_axes_in_which_the_rotations_are_given(angle):
    start = Rotation.from_rotvec([0.4, -1.0, 0.7]).as_matrix()
    turned = rotation_matrices(angle * AXES, start)
    assert_allclose(turned, Rotation.from_rotvec(angle * AXES).as_matrix() @ start, atol=1e-12)
    again = rotation_matrices(rotation_vectors(turned, start), start)
    assert_allclose(again, turned, atol=1e-7)


def test_an_unknown_rotation_has_an_unknown_turn():
    assert np.isnan(turn_between(np.eye(3), np.full((3, 3), np.nan))).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("joint", range(21))
def test_a_hand_of_which_one_coordinate_is_unknown_is_not_all_known(joint, value):
    body = np.empty((3, 3)), np.empty((21, 3)), np.empty(21)
    assert take_apart(HAND, body)
    joints = HAND.copy()
    joints[joint, 1] = value
    assert not take_apart(joints, body)


def test_a_hand_without_a_palm_is_not_all_known():
    assert not take_apart(np.full((21, 3), 0.3), (np.empty((3, 3)), np.empty((21, 3)), np.empty(21)))
