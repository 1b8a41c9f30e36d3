import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.body import Body, directed
from handpose_ros.hand import PARENTS, WRIST
from handpose_ros.kinematics import bend

HAND = bend(np.full(20, 0.3)) + [0.05, -0.02, 0.5]
TURNS = Rotation.random(6, random_state=0).as_matrix()


@pytest.mark.parametrize("shape", [(), (0,), (6,), (2, 3)])
def test_the_bones_of_a_hand_make_the_hand_again(shape):
    hands = (HAND @ TURNS)[: int(np.prod(shape))].reshape(*shape, 21, 3)
    body = Body.of(hands)
    assert_allclose(Body.made(body.R, body.directions, body.lengths).joints, hands, atol=1e-12)


def test_the_first_bone_is_the_wrists_bearing_and_distance_and_the_others_reach_from_their_parents():
    body = Body.of(HAND)
    assert_allclose(body.lengths[WRIST] * body.directions[WRIST], HAND[WRIST], atol=1e-12)
    bones = HAND[1:] - HAND[list(PARENTS[1:])]
    assert_allclose(body.lengths[1:], np.linalg.norm(bones, axis=-1))
    assert_allclose(body.directions[1:] @ body.R.T * body.lengths[1:, None], bones, atol=1e-12)


def test_the_bones_of_a_hand_that_turns_and_moves_stay_as_they_are_in_its_own_axes():
    still, turned = Body.of(HAND), Body.of(HAND @ TURNS[0].T + [0.1, 0.2, 0.3])
    assert_allclose(turned.directions[1:], still.directions[1:], atol=1e-9)
    assert_allclose(turned.R, TURNS[0] @ still.R, atol=1e-9)


def test_a_moved_body_has_its_wrist_there_and_its_bones_turned_about_it():
    body, wrist = Body.of(HAND), np.array([-0.1, 0.1, 0.4])
    moved = body.moved(wrist, TURNS[0] @ body.R)
    assert_allclose(moved.joints, (HAND - HAND[WRIST]) @ TURNS[0].T + wrist, atol=1e-12)
    assert_allclose(moved.wrist, wrist, atol=1e-12)
    assert_allclose(Body.of(moved.joints).lengths, moved.lengths, atol=1e-12)


def test_bodies_of_any_layout_are_those_of_their_values():
    hands = HAND @ TURNS
    body, apart = Body.of(hands), Body.of(np.asfortranarray(hands))
    assert_allclose(apart.directions, body.directions)
    parts = (np.asfortranarray(part)[::-1] for part in (body.R, body.directions, body.lengths))
    assert_allclose(Body.made(*parts).joints, hands[::-1], atol=1e-12)
    assert_allclose(directed(np.asfortranarray(hands))[0], directed(hands.copy())[0])


def test_bodies_of_another_number_than_their_rotations_cannot_be_made():
    bodies = Body.of(HAND @ TURNS)
    assert_allclose(Body.made(np.eye(3), bodies.directions, bodies.lengths).wrist, bodies.wrist, atol=1e-12)
    with pytest.raises(ValueError, match="broadcast"):
        Body.made(bodies.R[:2], bodies.directions, bodies.lengths)


def test_a_body_is_the_same_alone_and_beside_one_that_is_unknown():
    body = Body.of(np.stack([HAND, np.full((21, 3), np.nan)]))
    assert_allclose(body.directions[0], Body.of(HAND).directions)
    assert np.isnan(body.directions[1]).all() and np.isnan(body.R[1]).all()


@pytest.mark.filterwarnings("error")
def test_a_bone_without_a_length_has_the_direction_0_and_a_hand_without_a_palm_none():
    joints = HAND.copy()
    joints[4] = joints[3]
    assert (Body.of(joints).directions[4] == 0).all()
    direction, length = directed(np.zeros(3))
    assert (direction == 0).all() and 0 < length < 1e-6
    assert np.isnan(Body.of(np.broadcast_to(HAND[WRIST], (21, 3))).directions[1:]).all()
