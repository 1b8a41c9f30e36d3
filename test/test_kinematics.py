import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.features import ANGLE_NAMES, joint_angles
from handpose_ros.hand import BONES, KEYPOINTS, Side
from handpose_ros.kinematics import AVERAGE, HIGH, LOW, bend, random_hands, random_people

ANGLES = np.random.default_rng(0).uniform(LOW, HIGH, (7, 20))
RIGHT_ANGLE = np.pi / 2


def bone_lengths(joints):
    first, second = (np.array(BONES)[:, end] for end in (0, 1))
    return np.linalg.norm(joints[..., second, :] - joints[..., first, :], axis=-1)


def posed(**angles):
    """Joint -> (3,) [m] in the wrist's axes of the average hand with these of its angles [rad], the others 0."""
    return dict(zip(KEYPOINTS, bend([angles.get(name, 0.0) for name in ANGLE_NAMES]), strict=True))


def test_the_angles_of_a_bent_hand_are_those_it_was_bent_by():
    for people in (AVERAGE, random_people(7, np.random.default_rng(3))):
        assert_allclose(joint_angles(bend(ANGLES, people), Side.RIGHT), ANGLES, atol=1e-6)


def test_a_straight_middle_finger_points_along_z_and_a_right_angle_turns_what_follows_out_of_the_palm():
    """Its bones are 49, 30 and 21 mm long, its knuckle is 92 mm from the wrist."""
    assert_allclose(posed()["middle_tip"], [0.0, 0.0, 0.192], atol=1e-12)
    assert_allclose(posed(middle_mcp_flexion=RIGHT_ANGLE)["middle_tip"], [0.1, 0.0, 0.092], atol=1e-12)
    assert_allclose(posed(middle_pip_flexion=RIGHT_ANGLE)["middle_tip"], [0.051, 0.0, 0.141], atol=1e-12)
    assert_allclose(posed(middle_dip_flexion=RIGHT_ANGLE)["middle_tip"], [0.021, 0.0, 0.171], atol=1e-12)
    assert_allclose(posed(middle_mcp_abduction=RIGHT_ANGLE)["middle_tip"], [0.0, 0.1, 0.092], atol=1e-12)


def test_the_thumbs_metacarpal_goes_to_the_side_by_abduction_and_out_of_the_palm_by_flexion():
    """It is 45 mm long and begins at (5, 25, 30) mm."""
    assert_allclose(posed()["thumb_mcp"], [0.005, 0.025, 0.075], atol=1e-12)
    assert_allclose(posed(thumb_cmc_abduction=RIGHT_ANGLE)["thumb_mcp"], [0.005, 0.07, 0.03], atol=1e-12)
    assert_allclose(posed(thumb_cmc_flexion=RIGHT_ANGLE)["thumb_mcp"], [0.05, 0.025, 0.03], atol=1e-12)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_leading_dimensions_of_the_angles_are_free(shape):
    angles = np.random.default_rng(1).uniform(LOW, HIGH, (*shape, 20))
    joints = bend(angles)
    assert joints.shape == (*shape, 21, 3)
    one_by_one = [bend(each) for each in angles.reshape(-1, 20)]
    assert_allclose(joints, np.reshape(one_by_one, joints.shape), atol=1e-12)
    if shape:
        people = random_people(shape[-1], np.random.default_rng(2))
        assert bend(angles, people).shape == joints.shape


def test_people_have_bones_of_their_own_within_a_fifth_of_the_average():
    people = random_people(200, np.random.default_rng(1))
    ratio = bone_lengths(bend(np.zeros((200, 20)), people)) / bone_lengths(bend(np.zeros(20)))
    assert 0.8 < ratio.min() < 0.85 and 1.15 < ratio.max() < 1.22
    assert_allclose(people.palm_center.mean(axis=0), AVERAGE.palm_center, atol=0.002)


def test_bending_does_not_stretch_a_bone():
    people = random_people(7, np.random.default_rng(2))
    assert_allclose(bone_lengths(bend(ANGLES, people)), bone_lengths(bend(np.zeros((7, 20)), people)), atol=1e-12)


def test_random_hands_have_the_bones_of_one_hand_and_angles_within_its_limits():
    hands = random_hands(5, np.random.default_rng(0))
    lengths = bone_lengths(hands)
    assert_allclose(lengths, np.broadcast_to(bone_lengths(bend(np.zeros(20))), lengths.shape))
    angles = joint_angles(hands, Side.RIGHT)
    assert (angles >= LOW - 1e-9).all() and (angles <= HIGH + 1e-9).all() and not np.allclose(hands[0], hands[1])
