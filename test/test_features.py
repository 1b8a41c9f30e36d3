import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros import features
from handpose_ros.hand import Side
from handpose_ros.kinematics import HIGH, LOW, bend

MIRROR = np.array([-1.0, 1.0, 1.0])
SHAPES = [(), (0,), (2, 3)]
NTU = Path(__file__).parents[1] / ".." / "shared" / "data" / "hands" / "ntu_dev" / "annotations.json"

SCALAR_FEATURES = [
    features.finger_curl,
    features.finger_openness,
    features.openness,
    features.grab_strength,
    features.pinch_distance,
    features.pinch_strength,
    features.palm_size,
    features.tip_distances,
    features.tip_palm_distances,
    features.thumb_side_distances,
]
RATIOS = [features.finger_curl, features.openness, features.grab_strength, features.pinch_strength]


def random_angles(shape=(), seed=0):
    """Angles (..., 20) [rad] within a healthy hand's range, none of them near zero by accident."""
    return np.random.default_rng(seed).uniform(LOW, HIGH, size=(*shape, 20))


def hands(shape, seed=0):
    return bend(random_angles(shape, seed))


def moved(joints, seed=3):
    turn = Rotation.random(random_state=seed).as_matrix()
    return joints @ turn.T + [0.3, -0.2, 0.8]


FLAT = bend(np.zeros(20))
FIST = bend(np.radians([20, 30, 40, 50] + [0, 85, 105, 60] * 4))


def test_there_are_twenty_named_angles():
    assert len(set(features.ANGLE_NAMES)) == 20
    assert features.ANGLE_NAMES[4:8] == (
        "index_mcp_abduction",
        "index_mcp_flexion",
        "index_pip_flexion",
        "index_dip_flexion",
    )


@pytest.mark.parametrize("seed", range(5))
def test_angles_that_pose_a_hand_are_read_off_it_wherever_it_is(seed):
    angles = random_angles(seed=seed)
    assert_allclose(features.joint_angles(moved(bend(angles), seed), Side.RIGHT), angles, atol=1e-6)


@pytest.mark.parametrize("number", range(20))
def test_each_angle_has_its_own_place(number):
    angles = np.radians([20, 20, 10, 10] + [5, 20, 20, 10] * 4)
    angles[number] += 0.1
    assert_allclose(features.joint_angles(bend(angles), Side.RIGHT), angles, atol=1e-6)


def test_the_left_hand_in_the_mirror_has_the_same_angles():
    joints = moved(hands((2, 3)))
    assert_allclose(
        features.joint_angles(joints * MIRROR, Side.LEFT), features.joint_angles(joints, Side.RIGHT), atol=1e-9
    )


def test_sides_may_differ_within_a_batch():
    joints, sides = hands((2,)), np.array([Side.RIGHT, Side.LEFT])
    both = np.stack([joints[0], joints[1] * MIRROR])
    assert_allclose(features.joint_angles(both, sides), features.joint_angles(joints, Side.RIGHT), atol=1e-9)


def test_the_angles_of_a_hand_of_unknown_side_are_unknown_for_their_sign_depends_on_it():
    joints = hands((2,))
    angles = features.joint_angles(joints, [Side.RIGHT, Side.UNKNOWN])
    assert_allclose(angles[0], features.joint_angles(joints[0], Side.RIGHT))
    assert np.isnan(angles[1]).all()


@pytest.mark.parametrize("side", [[], np.array([], int), np.array([], object)])
def test_no_hands_have_no_angles(side):
    assert features.joint_angles(np.zeros((0, 21, 3)), side).shape == (0, 20)


def test_sides_may_be_an_array_of_anything_that_holds_sides():
    expected = features.joint_angles(hands((2,)), [Side.LEFT, Side.RIGHT])
    for kind in (object, np.int8):
        assert_allclose(features.joint_angles(hands((2,)), np.array([Side.LEFT, Side.RIGHT], kind)), expected)


@pytest.mark.parametrize("side", [True, np.array([True, False]), "right", None, 7, [0.5, 1.0]])
def test_what_is_no_side_is_refused_as_a_bool_for_true_would_be_a_left_hand(side):
    with pytest.raises(TypeError, match="give Side.LEFT or Side.RIGHT"):
        features.joint_angles(hands((2,)), side)


def test_calling_a_right_hand_left_turns_flexion_into_extension():
    assert features.joint_angles(FIST, Side.RIGHT)[5] > 1.4
    assert features.joint_angles(FIST, Side.LEFT)[5] < -1.4


def test_swapped_fingers_have_other_angles():
    joints = hands(())
    swapped = joints.copy()
    swapped[5:13] = joints[[9, 10, 11, 12, 5, 6, 7, 8]]
    assert abs(features.joint_angles(swapped, Side.RIGHT) - features.joint_angles(joints, Side.RIGHT)).max() > 0.1


def test_a_bent_thumb_ip_and_a_lifted_thumb_are_positive_in_the_hand_frame():
    joints = FLAT.copy()
    joints[2:5] = joints[1] + np.array([[0.03, 0.01, 0.03], [0.05, 0.0, 0.05], [0.05, -0.03, 0.05]])
    abduction, flexion, _, ip = features.joint_angles(joints, Side.RIGHT)[:4]
    assert_allclose([abduction, flexion], [np.arctan2(1, 3), np.arctan2(3, np.sqrt(10))])
    assert ip > 0.5


@pytest.mark.parametrize("feature", SCALAR_FEATURES)
def test_a_feature_is_the_same_for_the_moved_and_for_the_mirrored_hand(feature):
    joints = hands((2, 3))
    assert_allclose(feature(moved(joints)), feature(joints), atol=1e-9)
    assert_allclose(feature(joints * MIRROR), feature(joints), atol=1e-9)


@pytest.mark.parametrize("feature", RATIOS)
def test_a_ratio_does_not_depend_on_the_size_of_the_hand(feature):
    joints = hands((4,))
    assert_allclose(feature(100 * joints), feature(joints), atol=1e-9)


def test_angles_do_not_depend_on_the_size_of_the_hand():
    joints = hands((4,))
    assert_allclose(
        features.joint_angles(0.01 * joints, Side.RIGHT), features.joint_angles(joints, Side.RIGHT), atol=1e-9
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_leading_dimensions_are_free(shape):
    joints = hands(shape)
    assert features.joint_angles(joints, Side.RIGHT).shape == (*shape, 20)
    assert features.palm_center(joints).shape == (*shape, 3)
    assert features.thumb_side_contact(joints).shape == (*shape, 3)
    assert features.tip_distances(joints).shape == (*shape, 4)
    assert features.tip_palm_distances(joints).shape == features.finger_curl(joints).shape == (*shape, 5)
    assert features.openness(joints).shape == features.opening(joints).shape == shape


@pytest.mark.parametrize("feature", SCALAR_FEATURES)
def test_an_unknown_hand_has_unknown_features_and_harms_no_other(feature):
    joints = hands((3,))
    joints[1] = np.nan
    known = np.isfinite(feature(joints)).reshape(3, -1)
    assert known.all(axis=-1).tolist() == [True, False, True]
    assert not known[1].any()


def test_an_unknown_thumb_tip_leaves_the_fingers_known():
    joints = FIST.copy()
    joints[4] = np.nan
    assert np.isnan(features.joint_angles(joints, Side.RIGHT)).tolist() == [False, False, False, True] + [False] * 16
    assert np.isnan(features.pinch_distance(joints))
    assert features.grab_strength(joints) > 0.9


def test_a_hand_of_zeros_is_unknown():
    assert np.isnan(features.joint_angles(np.zeros((21, 3)), Side.RIGHT)[:4]).all()
    assert np.isnan(features.pinch_strength(np.zeros((21, 3))))


def test_a_flat_hand_is_open_and_a_fist_is_not():
    assert features.openness(FLAT) == 1.0
    assert features.grab_strength(FLAT) == 0.0
    assert features.openness(FIST) < 0.05
    assert features.grab_strength(FIST) > 0.95


def test_a_pointing_hand_grabs_nothing():
    pointing = FIST.copy()
    pointing[5:9] = FLAT[5:9]
    assert features.grab_strength(pointing) == 0.0
    assert_allclose(features.finger_curl(pointing)[1:] > 0.9, [False, True, True, True])


def test_half_the_range_is_half_a_curl():
    bends = np.radians([0, 80, 60, 0])  # 140 of the 20 .. 260 degrees between straight and curled
    assert_allclose(features.finger_curl(bend(np.r_[np.zeros(16), bends]))[4], 0.5)


def test_distances_are_in_metres_between_joint_centres():
    joints = np.zeros((21, 3))
    joints[8] = [0.0, 0.03, 0.04]
    assert_allclose(features.pinch_distance(joints), 0.05)
    assert_allclose(features.tip_distances(joints), [0.05, 0, 0, 0])
    assert_allclose(features.tip_palm_distances(joints), [0, 0.05, 0, 0, 0], atol=1e-12)


def test_pads_that_touch_are_a_full_pinch_and_three_quarters_of_a_palm_are_none():
    joints = np.zeros((21, 3))
    joints[[5, 9, 13, 17], 0] = [0.083, 0.083, 0.083, -0.083]  # (4 * 0.083 + 0.166) / 5 = 0.0996
    size = 0.0996
    assert_allclose(features.palm_size(joints), size)
    touch = 0.016 / 0.083
    for ratio, strength in [(0.1, 1.0), (touch, 1.0), ((touch + 0.75) / 2, 0.5), (0.75, 0.0), (1.5, 0.0)]:
        joints[8, 2] = ratio * size
        assert_allclose(features.pinch_strength(joints), strength, atol=1e-12)


def test_the_thumb_on_the_side_of_the_index_is_measured_to_the_bone_not_to_its_ends():
    joints = np.zeros((21, 3))
    joints[6], joints[7] = [0.0, 0.0, 0.0], [0.0, 0.0, 0.03]
    joints[4] = [0.01, 0.0, 0.015]
    joints[[10, 14, 18], 0] = joints[[11, 15, 19], 0] = [0.02, 0.04, 0.06]
    joints[[11, 15, 19], 2] = 0.03
    assert_allclose(features.thumb_side_distances(joints), [0.01, 0.01, 0.03, 0.05])
    assert_allclose(features.thumb_side_contact(joints), [0.0, 0.0, 0.015])


def test_the_joints_of_real_hands_stay_within_what_joints_can_do():
    if not NTU.exists():
        pytest.skip("the annotated photos of real hands are not here")
    items = [item["hands"][0] for item in json.loads(NTU.read_text())["items"]]
    joints = np.array([hand["joints_3d"] for hand in items], dtype=float)
    angles = features.joint_angles(joints, [Side[hand["side"].upper()] for hand in items])
    low, high = np.degrees(np.percentile(angles, [2, 98], axis=0))
    flexion = [i for i, name in enumerate(features.ANGLE_NAMES) if "flexion" in name]
    assert (low[flexion] > -30).all()
    assert (high[flexion] > 40).all() and (high[flexion] < 130).all()
    abduction = [i for i, name in enumerate(features.ANGLE_NAMES) if "mcp_abduction" in name]
    assert (abs(low[abduction]) < 45).all() and (abs(high[abduction]) < 45).all()
