from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.features import PAD_THICKNESS, PALM_SIZE, palm_size
from handpose_ros.grasps import distance_rule, taxonomy
from handpose_ros.grasps.claims import Claim
from handpose_ros.grasps.contacts import contacts
from handpose_ros.grasps.distance_rule import DistanceRule
from handpose_ros.grasps.grasp import CLASSIFIERS, DEFAULT_CLASSIFIER, Grasp, GraspTracker, aperture, make_classifier
from handpose_ros.grasps.gripper import GripperFollower
from handpose_ros.grasps.taxonomy import Category, CoarseType, GraspType, Opposition, Phase
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.kinematics import bend

MIRROR = np.array([1.0, -1.0, 1.0])
THUMB_TIP, INDEX_PIP, INDEX_DIP, INDEX_TIP, MIDDLE_TIP, RING_TIP, LITTLE_TIP = 4, 6, 7, 8, 12, 16, 20
FRAME = 1 / 30  # [s]
CLIP = Path(__file__).parents[1] / "handpose_ros" / "data" / "two_hands.npz"


def posed(thumb, finger, flexed=None, fingers=0):
    """A hand from angles [deg]: the thumb's four; MCP, PIP, DIP flexion of the first `fingers`, and of the others."""
    parallel = [-17, 0, 11, 23]
    flexions = [flexed if number < fingers else finger for number in range(4)]
    fingers = [[side, *flexion] for side, flexion in zip(parallel, flexions, strict=True)]
    return bend(np.radians([thumb, *fingers]).ravel())


FLAT = posed([40, 10, 0, 0], [5, 5, 5])
PADS = 2 * PAD_THICKNESS * palm_size(FLAT) / PALM_SIZE  # [m] of flesh between thumb and finger: large hands have more
FIST = posed([20, 30, 40, 50], [85, 105, 60])


def with_thumb_tip(joints, position):
    joints = joints.copy()
    joints[THUMB_TIP] = position
    return joints


def _pinching(fingers, gap=0.016):
    """The thumb tip `gap` [m] palmwards of the index tip, the tips of `fingers` beside that, the rest stretched out."""
    joints = posed([30, 40, 10, 10], [10, 15, 10], flexed=[55, 40, 20], fingers=fingers)
    for finger in range(fingers):
        joints[INDEX_TIP + 4 * finger] = joints[INDEX_TIP] + [0.0, -0.006 * finger, 0.0]
    return with_thumb_tip(joints, joints[INDEX_TIP] + [gap, 0.0, 0.0])


def _pointing():
    joints = FIST.copy()
    joints[5:9] = FLAT[5:9]
    return joints


def _enclosing(diameter=0.03):
    joints = posed([30, 50, 0, 0], [45, 45, 25])
    center = joints[[INDEX_TIP, MIDDLE_TIP, RING_TIP, LITTLE_TIP]].mean(axis=0)
    return with_thumb_tip(joints, center + [diameter + PADS, 0.0, 0.0])


def _lateral():
    joints = posed([20, 20, 20, 20], [80, 80, 30])
    phalanx = joints[INDEX_DIP] - joints[INDEX_PIP]
    radial = np.cross(phalanx, [-1.0, 0.0, 1.0])  # across the bone, to the thumb's side
    contact = (joints[INDEX_PIP] + joints[INDEX_DIP]) / 2
    return with_thumb_tip(joints, contact + (PADS + 0.001) * radial / np.linalg.norm(radial))


SHAPES = {
    "open": FLAT,
    "power": FIST,
    "palmar pinch": _pinching(1),
    "tripod": _pinching(2),
    "three-finger pinch": _pinching(3),
    "four-finger pinch": _pinching(4),
    "enclosing": _enclosing(),
    "lateral": _lateral(),
    "point": _pointing(),
}


def classify(joints, previous=taxonomy.UNKNOWN):
    return DistanceRule()(joints, True, Claim(previous))


def hand(joints, *, track_id=1, side=Side.RIGHT, score=0.9, state=TrackingState.TRACKED, depth=DepthSource.MONO):
    joints_2d = np.zeros((21, 2))
    return HandPose(side, 0.9, score, joints_2d, joints, depth_source=depth, track_id=track_id, state=state)


def poses(*hands, stamp=0.0):
    return HandPoses(hands, (640, 480), stamp)


def tracker(min_confidence=0.5):
    return GraspTracker(make_classifier("distance"), min_confidence)


def follow(frames, track=None, start=0.0):
    """The grasps of one hand in `frames` of joints, FRAME apart."""
    track = track or tracker()
    return [track.update(poses(hand(joints), stamp=start + i * FRAME))[0] for i, joints in enumerate(frames)]


def morph(first, second, seconds):
    return [first + (second - first) * share for share in np.linspace(0, 1, round(seconds / FRAME))]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
@pytest.mark.parametrize("size", [0.6, 1.0, 1.4])
def test_a_shape_has_its_name_on_either_hand_of_any_size_anywhere(name, side, size):
    turn = Rotation.random(random_state=5).as_matrix()
    joints = SHAPES[name] * (MIRROR if side is Side.LEFT else 1.0)
    claim = DistanceRule()(size * joints @ turn.T + [0.2, -0.1, 0.7], side is Side.RIGHT, Claim())
    assert claim.type.name == name
    assert 0.5 < claim.confidence <= 1


def test_the_levels_of_the_taxonomy_follow_from_the_shape():
    pinch, tripod, power, lateral, enclosing = (
        classify(SHAPES[name]).type for name in ("palmar pinch", "tripod", "power", "lateral", "enclosing")
    )
    assert (pinch.category, pinch.opposition, pinch.feix_id) == (Category.PRECISION, Opposition.PAD, 9)
    assert (pinch.vf1, pinch.vf2) == (0b000001, 0b000010)
    assert (tripod.vf2, tripod.feix_id, tripod.coarse_type) == (0b000110, 14, CoarseType.PRECISION_CIRCULAR)
    assert (power.category, power.opposition, power.vf1, power.vf2) == (1, 1, 0b100000, 0b011110)
    assert (lateral.category, lateral.opposition, lateral.feix_id) == (Category.INTERMEDIATE, Opposition.SIDE, 16)
    assert (enclosing.category, enclosing.vf2) == (Category.UNKNOWN, 0b011110)


def test_what_the_distances_do_not_tell_is_not_claimed():
    for name in ("open", "point", "power", "enclosing", "three-finger pinch", "four-finger pinch"):
        assert classify(SHAPES[name]).type.feix_id == 0


def test_swapped_index_and_little_finger_make_a_pinch_no_palmar_pinch():
    joints = SHAPES["palmar pinch"].copy()
    joints[[5, 6, 7, 8, 17, 18, 19, 20]] = joints[[17, 18, 19, 20, 5, 6, 7, 8]]
    assert classify(joints).type.name == "open"


def test_a_pinch_is_left_later_than_it_is_entered():
    between = _pinching(1, gap=0.42 * palm_size(FLAT))  # entered at 0.36, left at 0.47
    assert classify(between).type.name == "open"
    assert classify(between, distance_rule.PALMAR_PINCH).type.name == "palmar pinch"
    assert classify(_pinching(1, gap=0.48 * palm_size(FLAT)), distance_rule.PALMAR_PINCH).type.name == "open"


def test_a_fist_is_left_later_than_it_is_entered():
    joints = FIST.copy()
    center = joints[[0, 5, 9, 13, 17]].mean(axis=0)
    joints[LITTLE_TIP] = center + [0.85 * palm_size(FIST), 0, 0]  # entered at 0.8, left at 0.91
    assert classify(joints).type.name != "power"
    assert classify(joints, distance_rule.POWER).type.name == "power"


def test_confidence_is_a_half_at_a_limit_and_grows_with_the_distance_from_it():
    size = palm_size(FLAT)
    at_limit, below = (classify(_pinching(1, gap)).confidence for gap in (0.3599 * size, 0.36 * size - 0.00707))
    assert_allclose(at_limit, 0.5, atol=0.01)
    assert_allclose(below, 0.841, atol=0.02)  # one standard deviation, in a hand of nearly average size


def test_a_thumb_before_straight_fingers_encloses_nothing():
    straight = posed([40, 10, 0, 0], [20, 5, 5])
    tips = straight[[INDEX_TIP, MIDDLE_TIP, RING_TIP, LITTLE_TIP]].mean(axis=0)
    assert classify(with_thumb_tip(straight, tips + [0.03, 0.0, 0.0])).type.name == "open"


@pytest.mark.parametrize("joint", [THUMB_TIP, MIDDLE_TIP, 17])
def test_a_hand_with_an_unknown_joint_is_not_classified(joint):
    joints = FIST.copy()
    joints[joint] = np.nan
    claim = classify(joints)
    assert claim.type is taxonomy.UNKNOWN and np.isnan(claim.confidence)


def test_an_unknown_classifier_lists_the_known_ones():
    with pytest.raises(ValueError, match="'magic', known are distance, taxonomy"):
        make_classifier("magic")
    assert make_classifier("distance").name == "distance@1"
    assert set(CLASSIFIERS) == {"distance", "taxonomy"}


def test_a_finger_works_on_one_side_only():
    with pytest.raises(ValueError, match="two virtual fingers"):
        GraspType("impossible", vf1=0b1, vf2=0b11)
    with pytest.raises(ValueError, match="1..33"):
        GraspType("impossible", feix_id=34)


def test_the_aperture_of_a_pinch_is_the_gap_of_the_tips_less_two_pads():
    pinch = distance_rule.PALMAR_PINCH
    assert_allclose(aperture(_pinching(1, gap=PADS + 0.007), pinch), 0.007, atol=1e-9)
    assert_allclose(aperture(_pinching(1, gap=0.010), pinch), 0.0)


@pytest.mark.parametrize("diameter", [0.020, 0.035, 0.050])
def test_the_aperture_of_an_enclosing_hand_is_what_it_encloses(diameter):
    assert_allclose(aperture(_enclosing(diameter), distance_rule.ENCLOSE), diameter, atol=1e-9)


def test_the_aperture_of_a_lateral_grasp_is_measured_at_the_side_of_the_index():
    assert_allclose(aperture(_lateral(), distance_rule.LATERAL), 0.001, atol=1e-9)


def test_a_fist_holds_nothing_and_a_flat_hand_is_wide():
    assert aperture(FIST, distance_rule.POWER) < 0.015
    assert aperture(FLAT, taxonomy.OPEN) > 0.07


def test_a_hand_with_an_unknown_thumb_tip_has_no_known_aperture():
    assert np.isnan(aperture(with_thumb_tip(FLAT, np.nan), distance_rule.PALMAR_PINCH))


def grasp_frame(joints, type, depth_source=DepthSource.MONO):
    return contacts(joints, type, palm_size(joints)).frame(joints[0], depth_source)


def test_the_grasp_frame_closes_along_y_from_thumb_to_finger_and_looks_away_from_the_wrist():
    joints = _pinching(1, gap=0.02)
    T = grasp_frame(joints, distance_rule.PALMAR_PINCH)
    assert_allclose(T[:3, 3], (joints[THUMB_TIP] + joints[INDEX_TIP]) / 2)
    assert_allclose(T[:3, 1], [-1, 0, 0], atol=1e-9)  # the thumb is on the palm's side, which is +x
    assert T[:3, 2] @ (T[:3, 3] - joints[0]) > 0
    assert_allclose(np.cross(T[:3, 1], T[:3, 2]), T[:3, 0], atol=1e-9)
    assert_allclose(np.linalg.det(T[:3, :3]), 1.0)


def test_a_fist_closes_towards_its_palm():
    T = grasp_frame(FIST, distance_rule.POWER)
    assert T[:3, 1] @ [1, 0, 0] > 0.8  # from the palm outwards to the fingers
    assert T[:3, 2] @ [0, 0, 1] > 0.8


def test_without_absolute_depth_a_grasp_has_a_direction_but_no_place():
    T = grasp_frame(_pinching(1), distance_rule.PALMAR_PINCH, DepthSource.NONE)
    assert np.isnan(T[:3, 3]).all() and np.isfinite(T[:3, :3]).all()


def test_an_open_close_open_goes_through_every_phase_in_order():
    pinch = _pinching(1)
    frames = [FLAT] * 15 + morph(FLAT, pinch, 0.5) + [pinch] * 30 + morph(pinch, FLAT, 0.5) + [FLAT] * 30
    phases = [grasp.phase for grasp in follow(frames)]
    changes = [phase for i, phase in enumerate(phases) if i == 0 or phase is not phases[i - 1]]
    assert changes == [Phase.OPEN, Phase.PRESHAPE, Phase.HOLD, Phase.RELEASE, Phase.OPEN]


def test_closing_is_seen_within_150_ms_of_its_first_tenth_and_holding_within_100_ms_of_the_end_of_the_motion():
    pinch = _pinching(1)
    grasps = follow([FLAT] * 30 + morph(FLAT, pinch, 0.5) + [pinch] * 30)
    phases = [grasp.phase for grasp in grasps]
    assert 30 <= phases.index(Phase.PRESHAPE) <= 31.5 + 4.5  # a tenth of 15 frames is made after 1.5
    assert 42 <= phases.index(Phase.HOLD) <= 48  # 45 is where the fingers stop


def test_velocity_is_the_change_of_the_aperture_over_the_time_of_the_stamps():
    gaps = 0.050 - 0.03 * FRAME * np.arange(30)  # closing at 0.03 m/s, never so far that the pads touch
    grasps = follow([_enclosing(gap) for gap in gaps])
    assert np.isnan(grasps[0].aperture_velocity)
    assert_allclose(grasps[-1].aperture_velocity, -0.03, atol=1e-3)


def test_a_change_of_type_is_not_taken_for_a_motion():
    track = tracker()
    still = _pinching(1, gap=0.030)
    follow([_pinching(1, 0.020), _pinching(1, 0.020), still], track)
    grasps = follow([still] * 40 + [_pinching(2, gap=0.030)] * 2, track, start=1.0)
    assert abs(grasps[-3].aperture_velocity) < 1e-3
    assert abs(grasps[-1].aperture_velocity) < 0.02


def test_the_normalised_aperture_is_one_at_the_widest_so_far():
    grasps = follow([FLAT] + [_pinching(1)] * 30 + [FLAT * 1.1] * 60)
    assert grasps[0].aperture_normalized == 1.0
    assert grasps[30].aperture_normalized < 0.01
    assert grasps[90].aperture_normalized > 0.99


def test_one_outlier_does_not_become_the_widest():
    half = _enclosing(0.04)
    grasps = follow([half] * 30 + [FLAT * 1.5] + [half] * 30)
    assert grasps[-1].aperture_normalized > 0.8


def test_since_stays_and_changed_is_true_once():
    grasps = follow([FLAT] * 3 + [_pinching(1)] * 2)
    assert [grasp.changed for grasp in grasps[:4]] == [True, False, False, True]
    assert_allclose([grasp.since for grasp in grasps[:4]], [0, 0, 0, 3 * FRAME])


def test_a_coasting_hand_holds_its_last_state():
    track = tracker()
    held = follow([_pinching(1)] * 3, track)[-1]
    coasting = hand(FLAT, state=TrackingState.COASTING)
    grasp = track.update(poses(coasting, stamp=1.0))[0]
    assert (grasp.type, grasp.phase, grasp.since, grasp.aperture) == (held.type, Phase.HOLD, held.since, held.aperture)
    assert not grasp.changed and np.isnan(grasp.aperture_velocity)


@pytest.mark.parametrize("side", [Side.LEFT, Side.RIGHT])
def test_the_pose_of_a_grasp_goes_with_the_wrist_of_a_hand_that_coasts_and_the_grasp_stays(side):
    """The hand moves 2 cm and turns by 0.1 rad an image: the pose is what it would be if it were measured there."""
    joints = _pinching(1) * (MIRROR if side is Side.LEFT else 1.0)
    turns = Rotation.from_rotvec(np.arange(6)[:, None] * [0.0, 0.06, 0.08]).as_matrix()
    places = np.arange(6)[:, None] * [0.02, 0.0, 0.0] + [0.1, 0.0, 0.5]
    frames = joints @ np.swapaxes(turns, -1, -2) + places[:, None]
    track, measured = tracker(), tracker()
    for image, (each, state) in enumerate(zip(frames, 3 * ["TRACKED"] + 3 * ["COASTING"], strict=True)):
        shown = hand(each, side=side, state=TrackingState[state])
        grasp = track.update(poses(shown, stamp=image * FRAME))[0]
        expected = measured.update(poses(hand(each, side=side), stamp=image * FRAME))[0]
        assert_allclose(grasp.T_camera_from_grasp, expected.T_camera_from_grasp, atol=1e-9)
        assert grasp.type.name == "palmar pinch"


def test_the_pose_of_a_grasp_goes_with_the_wrist_while_a_fingertip_is_missing():
    track = tracker()
    held = follow([_pinching(1)] * 3, track)[-1]
    moved = _pinching(1) + [0.02, 0.0, 0.0]
    moved[INDEX_TIP] = np.nan
    grasp = track.update(poses(hand(moved), stamp=0.1))[0]
    assert_allclose(grasp.T_camera_from_grasp[:3, 3], held.T_camera_from_grasp[:3, 3] + [0.02, 0.0, 0.0])
    assert_allclose(grasp.T_camera_from_grasp[:3, :3], held.T_camera_from_grasp[:3, :3], atol=1e-12)


def test_the_pose_of_a_grasp_has_no_place_where_the_hand_that_coasts_has_none():
    track = tracker()
    held = follow([_pinching(1)] * 3, track)[-1]
    coasting = replace(hand(_pinching(1), state=TrackingState.COASTING), depth_source=DepthSource.NONE)
    grasp = track.update(poses(coasting, stamp=0.1))[0]
    assert grasp.depth_source is DepthSource.NONE and np.isnan(grasp.T_camera_from_grasp[:3, 3]).all()
    assert_allclose(grasp.T_camera_from_grasp[:3, :3], held.T_camera_from_grasp[:3, :3], atol=1e-12)


def test_a_hand_that_coasts_without_a_grasp_has_no_pose_of_one():
    track = tracker()
    track.update(poses(hand(FIST, score=0.3)))
    grasp = track.update(poses(hand(FIST, state=TrackingState.COASTING), stamp=0.1))[0]
    assert np.isnan(grasp.T_camera_from_grasp).all()


def test_a_lost_hand_is_released_once_and_forgotten():
    track = tracker()
    follow([_pinching(1)] * 3, track)
    lost = track.update(poses(hand(np.full((21, 3), np.nan), state=TrackingState.LOST), stamp=1.0))[0]
    assert (lost.type, lost.phase, lost.changed, lost.since) == (taxonomy.UNKNOWN, Phase.UNKNOWN, True, 1.0)
    assert np.isnan(lost.aperture) and np.isnan(lost.T_camera_from_grasp).all()
    again = track.update(poses(hand(FLAT), stamp=1.1))[0]
    assert again.changed and np.isnan(again.aperture_velocity)


@pytest.mark.parametrize("doubtful", [hand(FIST, score=0.3), hand(np.full((21, 3), np.nan))])
def test_the_tracker_abstains_on_a_doubtful_hand_and_recovers(doubtful):
    track = tracker()
    follow([FIST] * 3, track)
    grasp = track.update(poses(doubtful, stamp=1.0))[0]
    assert (grasp.phase, grasp.type, grasp.changed) == (Phase.UNKNOWN, taxonomy.UNKNOWN, True)
    assert np.isnan(grasp.aperture)
    assert track.update(poses(hand(FIST), stamp=1.1))[0].type.name == "power"


def test_a_joint_that_is_missing_for_a_moment_does_not_end_a_grasp():
    track = tracker()
    held = follow([FIST] * 3, track)[-1]
    gap = FIST.copy()
    gap[8] = np.nan
    grasp = track.update(poses(hand(gap), stamp=0.1))[0]
    assert (grasp.type, grasp.phase, grasp.since, grasp.changed) == (held.type, held.phase, held.since, False)
    assert np.isnan(grasp.aperture_velocity)
    assert track.update(poses(hand(gap), stamp=0.4))[0].phase is Phase.UNKNOWN


def test_a_thin_claim_is_withheld_but_the_aperture_is_measured():
    near_limit = _pinching(1, gap=0.36 * palm_size(FLAT) - 0.001)
    grasp = follow([near_limit], tracker(min_confidence=0.8))[0]
    assert grasp.type is taxonomy.UNKNOWN and grasp.phase is Phase.UNKNOWN
    assert np.isnan(grasp.confidence) and grasp.aperture > 0.01
    assert follow([_pinching(1)], tracker(min_confidence=0.8))[0].type.name == "palmar pinch"


def test_a_grasp_is_no_surer_than_the_hand():
    grasp = tracker().update(poses(hand(FLAT, score=0.6)))[0]
    assert_allclose(grasp.confidence, 0.6)


def test_a_backward_stamp_starts_anew():
    track = tracker()
    follow([_pinching(1)] * 10, track, start=5.0)
    grasp = track.update(poses(hand(_pinching(1)), stamp=0.0))[0]
    assert (grasp.since, grasp.changed) == (0.0, True)
    assert np.isnan(grasp.aperture_velocity)


def test_an_image_that_comes_twice_changes_nothing():
    track = tracker()
    last = follow(morph(FLAT, _pinching(1), 0.3), track)[-1]
    again = track.update(poses(hand(_pinching(1)), stamp=8 * FRAME))[0]
    assert again.aperture_velocity == last.aperture_velocity


def test_hands_keep_their_order_and_do_not_mix():
    track = tracker()
    left = hand(_pinching(1) * MIRROR, track_id=9, side=Side.LEFT)
    both = track.update(poses(hand(FIST, track_id=2), left, stamp=0.0))
    swapped = track.update(poses(left, hand(FIST, track_id=2), stamp=FRAME))
    assert [(grasp.track_id, grasp.type.name) for grasp in both] == [(2, "power"), (9, "palmar pinch")]
    assert [(grasp.track_id, grasp.side) for grasp in swapped] == [(9, Side.LEFT), (2, Side.RIGHT)]
    assert not any(grasp.changed for grasp in swapped)


def test_no_hands_have_no_grasps():
    assert tracker().update(poses()) == ()


def test_metres_taken_for_centimetres_are_seen_in_the_aperture():
    assert follow([100 * FLAT])[0].aperture > 5.0


@pytest.mark.parametrize("name", ["distance", "taxonomy"])
@pytest.mark.parametrize("factor", [0.001, 1000])
def test_a_hand_in_a_wrong_unit_is_unknown_and_moves_no_gripper(name, factor):
    grasps = follow([factor * FLAT] * 5, GraspTracker(make_classifier(name)))
    assert {(grasp.type, grasp.phase) for grasp in grasps} == {(taxonomy.UNKNOWN, Phase.UNKNOWN)}
    gripper = GripperFollower(0.085, 0.15, Side.UNKNOWN)
    assert [gripper.update((grasp,), index / 30) for index, grasp in enumerate(grasps)] == [None] * 5


@pytest.mark.parametrize("name", ["distance", "taxonomy"])
@pytest.mark.parametrize("shapeless", [np.zeros((21, 3)), np.outer(np.arange(21), [0.01, 0, 0]) + [0, 0, 0.5]])
def test_one_image_of_a_hand_without_a_shape_does_not_end_the_measuring(name, shapeless):
    track = GraspTracker(make_classifier(name))
    follow([FLAT] * 5, track)
    assert track.update(poses(hand(shapeless), stamp=0.2))[0].type is not taxonomy.UNKNOWN  # kept for a moment
    after = follow([FLAT] * 30, track, start=0.25)[-1]
    assert np.isfinite([after.aperture, after.aperture_velocity, *after.scores]).all()
    assert after.type is not taxonomy.UNKNOWN


def test_joints_on_a_line_a_million_kilometres_away_have_no_frame():
    line = np.outer(np.arange(1.0, 22), [3e7, 1e7, 4e7])
    frame = contacts(line, taxonomy.OPEN, 1.0).frame(line[0], DepthSource.MONO)
    assert np.isnan(frame[:3, :3]).any() or np.linalg.det(frame[:3, :3]) > 0.99


def test_hands_of_single_images_have_no_grasps_over_time():
    with pytest.raises(ValueError, match="no stamp"):
        GraspTracker(make_classifier()).update(poses(hand(FLAT), stamp=np.nan))


def test_a_grasp_starts_out_unknown():
    grasp = Grasp(1, Side.LEFT)
    assert np.isnan(replace(grasp, track_id=2).T_camera_from_grasp).all()
    assert grasp.type is taxonomy.UNKNOWN


class Stubborn:
    """Says open whatever it sees, but knows by the distance of thumb and index whether the hand is closed."""

    name = "stubborn@1"

    def __call__(self, joints, right, previous, dt, min_confidence):
        near = float(np.linalg.norm(joints[THUMB_TIP] - joints[INDEX_TIP]) < 0.03)
        return Claim(taxonomy.OPEN, 0.9, closed=near)


def test_a_hand_that_holds_is_unknown_rather_than_open():
    pinch = _pinching(1)
    grasps = follow([FLAT] * 30 + morph(FLAT, pinch, 0.4) + [pinch] * 30, GraspTracker(Stubborn()))
    held = [grasp for grasp in grasps if grasp.phase is Phase.HOLD]
    assert len(held) > 20 and grasps[0].type is taxonomy.OPEN
    assert all(grasp.type is taxonomy.UNKNOWN and np.isnan(grasp.confidence) for grasp in held)


@pytest.mark.parametrize("name", ["distance", "taxonomy"])
def test_no_held_hand_of_a_noisy_reach_is_called_open(name):
    rng, pinch = np.random.default_rng(4), _pinching(1, gap=0.03)
    frames = [FLAT] * 20 + morph(FLAT, pinch, 0.3) + [pinch] * 30 + morph(pinch, FLAT, 0.3) + [FLAT] * 15
    frames = [joints + 0.005 * rng.standard_normal((21, 3)) for joints in frames]
    held = [grasp for grasp in follow(frames, GraspTracker(make_classifier(name))) if grasp.phase is Phase.HOLD]
    assert held
    assert all(grasp.type is taxonomy.UNKNOWN or grasp.type.closed for grasp in held)


class FistOrNot:
    """A user's classifier: one number, no memory."""

    name = "fist@1"

    def __call__(self, joints, right, previous, dt, min_confidence):
        near = np.linalg.norm(joints[MIDDLE_TIP] - joints[0]) < np.linalg.norm(joints[9] - joints[0])
        return Claim(distance_rule.POWER if near else taxonomy.OPEN, 0.9)


def test_a_tracker_has_the_default_classifier_unless_it_is_given_one():
    assert GraspTracker().classifier.name == make_classifier(DEFAULT_CLASSIFIER).name == "taxonomy@1"
    assert GraspTracker(make_classifier("distance")).classifier.name == "distance@1"


def test_a_classifier_of_ones_own_is_plugged_in_with_one_line(monkeypatch):
    monkeypatch.setitem(CLASSIFIERS, "fist", FistOrNot)
    track = GraspTracker(make_classifier("fist"))
    frames = [FLAT] * 30 + morph(FLAT, FIST, 0.4) + [FIST] * 30 + morph(FIST, FLAT, 0.4) + [FLAT] * 30
    grasps = follow(frames, track)
    phases = [grasp.phase for grasp in grasps]
    order = [phase for i, phase in enumerate(phases) if i == 0 or phase is not phases[i - 1]]
    assert order == [Phase.OPEN, Phase.PRESHAPE, Phase.HOLD, Phase.RELEASE, Phase.OPEN]
    assert (grasps[0].type, grasps[60].type, grasps[-1].type) == (taxonomy.OPEN, distance_rule.POWER, taxonomy.OPEN)
    assert grasps[60].scores == () and grasps[60].aperture < 0.015 and grasps[60].confidence == 0.9


@pytest.mark.parametrize(
    "hand_index, story", [(0, ["point", "palmar pinch", "enclosing"]), (1, ["palmar pinch", "enclosing", "point"])]
)
def test_the_hands_of_the_demo_clip_do_what_they_were_posed_to_do(hand_index, story):
    if not CLIP.exists():
        pytest.skip("the ground truth of the demo clip is not here")
    clip = np.load(CLIP)
    side, track = Side(int(clip["sides"][hand_index])), tracker()
    seen = []
    for image, joints in enumerate(clip["joints_3d"][:, hand_index].astype(float)):
        grasp = track.update(poses(hand(joints, side=side), stamp=image / float(clip["fps"])))[0]
        held = grasp.phase is Phase.HOLD and grasp.type.closed or grasp.type.name == "point"
        if held and grasp.type.name not in seen[-1:]:
            seen.append(grasp.type.name)
    assert seen == story


def test_a_hand_that_is_younger_than_the_last_of_its_id_is_another_one():
    track = tracker()
    for image in range(10):  # of a node hand_pose that ended and was started again
        track.update(poses(replace(hand(SHAPES["palmar pinch"]), track_age=image * FRAME), stamp=image * FRAME))
    (grasp,) = track.update(poses(replace(hand(FLAT), track_age=0.0), stamp=5.0))
    (alone,) = tracker().update(poses(hand(FLAT), stamp=5.0))
    assert (grasp.phase, grasp.since, grasp.aperture) == (Phase.OPEN, 5.0, alone.aperture)
