"""Hands side by side: each is filtered as it is alone, whatever happens to the others."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.filtering.following import Followed
from handpose_ros.filtering.live import HandFilter
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.kinematics import bend

IMAGES, EVENT = 24, 9  # images of a sequence, and the one in which something happens
STAMPS = np.arange(IMAGES) / 30
TRACKS = (4, 7, 2)


def sequence(track):
    """The hand of a track in each image: it moves, turns, closes and is noisy, each hand in another way."""
    rng = np.random.default_rng(track)
    turns = Rotation.from_rotvec(STAMPS[:, None] * rng.normal(size=3)).as_matrix()
    hands = np.stack([bend(np.full(20, angle)) for angle in np.linspace(0.2, 0.2 + 0.1 * track, IMAGES)])
    places = rng.normal(size=3) * 0.1 + [0, 0, 0.6] + STAMPS[:, None] * rng.normal(size=3) * 0.4
    joints = hands @ turns.swapaxes(-1, -2) + places[:, None] + rng.normal(0, 0.001, (IMAGES, 21, 3))
    pixels = np.zeros((21, 2))
    return [HandPose(Side.RIGHT, 0.9, 0.9, pixels, j, depth_source=DepthSource.MONO, track_id=track) for j in joints]


def moved_in(images, shift):
    def event(hand, image):
        return replace(hand, joints_3d=hand.joints_3d + shift) if image - EVENT in images else hand

    return event


def with_joints(joints):
    def event(hand, image):
        return replace(hand, joints_3d=joints) if image == EVENT else hand

    return event


def in_state(state, images, **also):
    def event(hand, image):
        return replace(hand, state=state, **also) if image - EVENT in images else hand

    return event


def upside_down(hand, image):
    wrist = hand.joints_3d[0]
    joints = (hand.joints_3d - wrist) @ np.diag([-1.0, -1.0, 1.0]) + wrist
    return replace(hand, joints_3d=joints) if image == EVENT else hand


def from_the_wrist(hand, image):
    joints = hand.joints_3d - hand.joints_3d[0]
    return replace(hand, joints_3d=joints, depth_source=DepthSource.NONE)


def sensed(hand, image):
    return replace(hand, depth_source=DepthSource.SENSOR) if image >= EVENT else hand


FAR = np.array([0, 0, 0.5])
EVENTS = {
    "starts late": lambda hand, image: hand if image >= EVENT else None,
    "disappears": lambda hand, image: hand if image < EVENT else None,
    "is away for an image": lambda hand, image: None if image == EVENT else hand,
    "comes back under its number much later": lambda hand, image: None if image in range(2, 20) else hand,
    "jumps in one image": moved_in(range(1), FAR),
    "jumps to stay": moved_in(range(99), FAR),
    "reads upside down in one image": upside_down,
    "has unknown joints in one image": with_joints(np.full((21, 3), np.nan)),
    "has one point for all joints": with_joints(np.full((21, 3), 0.3)),
    "coasts": in_state(TrackingState.COASTING, range(3)),
    "coasts from its first image": in_state(TrackingState.COASTING, range(-EVENT, 2)),
    "coasts to its end": in_state(TrackingState.COASTING, range(99)),
    "coasts by another source of depth": in_state(TrackingState.COASTING, range(3), depth_source=DepthSource.SENSOR),
    "coasts for longer than is remembered": in_state(TrackingState.COASTING, range(-8, 10)),
    "is lost": in_state(TrackingState.LOST, range(1), joints_3d=np.full((21, 3), np.nan)),
    "has its distance from another source": sensed,
    "is relative to its wrist": from_the_wrist,
}


def images_of(hands_of_tracks, stamps=STAMPS):
    """An image for each stamp; the hands stand in another order in each."""
    images = []
    for image, stamp in enumerate(stamps):
        hands = [hands[image] for hands in hands_of_tracks if hands[image] is not None]
        turn = image % max(len(hands), 1)
        images.append(HandPoses((*hands[turn:], *hands[:turn]), (640, 480), stamp))
    return images


def filtered(hands_of_tracks, stamps=STAMPS):
    """For each image joints_3d and wrist_velocity by track, of one filter for all."""
    live = HandFilter()
    smooth = [live(hands) for hands in images_of(hands_of_tracks, stamps)]
    return [{hand.track_id: (hand.joints_3d, hand.wrist_velocity) for hand in hands} for hands in smooth]


def check_each_is_as_alone(hands_of_tracks, stamps=STAMPS):
    beside = filtered(hands_of_tracks, stamps)
    for hands in hands_of_tracks:
        for image, alone in enumerate(filtered([hands], stamps)):
            for track, (joints, velocity) in alone.items():
                assert_allclose(beside[image][track][0], joints, atol=1e-12, err_msg=f"joints in image {image}")
                assert_allclose(beside[image][track][1], velocity, atol=1e-9, err_msg=f"velocity in image {image}")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("happens", EVENTS)
def test_a_hand_is_filtered_as_alone_when_one_beside_it(happens):
    hands = [sequence(track) for track in TRACKS]
    calm = filtered(hands)
    hands[1] = [EVENTS[happens](hand, image) for image, hand in enumerate(hands[1])]
    check_each_is_as_alone(hands)
    after = filtered(hands)
    same = [
        TRACKS[1] in image and np.array_equal(image[TRACKS[1]][0], was[TRACKS[1]][0])
        for image, was in zip(after, calm, strict=True)
    ]
    assert not all(same), "nothing happened"


def test_hands_to_which_different_things_happen_at_once_are_filtered_as_alone():
    names = ["jumps in one image", "coasts", "jumps to stay", "starts late", "is away for an image", "is lost"]
    hands = [[EVENTS[name](hand, i) for i, hand in enumerate(sequence(track))] for track, name in enumerate(names)]
    check_each_is_as_alone(hands)


def test_hands_are_filtered_as_alone_at_slow_and_uneven_rates_and_when_an_image_comes_twice():
    rng = np.random.default_rng(0)
    hands = [sequence(track) for track in TRACKS]
    hands[2] = [EVENTS["jumps to stay"](hand, image) for image, hand in enumerate(hands[2])]
    check_each_is_as_alone(hands, STAMPS * 4)
    uneven = np.cumsum(rng.uniform(0.01, 0.2, IMAGES))
    uneven[[EVENT + 1, 15]] = uneven[[EVENT, 14]]
    check_each_is_as_alone(hands, uneven)


def test_time_that_jumps_back_starts_all_hands_anew():
    hands = [sequence(track) for track in TRACKS]
    stamps = np.concatenate([STAMPS[:EVENT], STAMPS[: IMAGES - EVENT] - 1])
    after = filtered(hands, stamps)[EVENT]
    for track, each in zip(TRACKS, hands, strict=True):
        assert_allclose(after[track][0], each[EVENT].joints_3d, atol=1e-12)
        assert np.isnan(after[track][1]).all()


def test_an_image_without_hands_forgets_all():
    hands = [[hand if image != EVENT else None for image, hand in enumerate(sequence(track))] for track in TRACKS]
    after = filtered(hands)
    assert after[EVENT] == {}
    assert all(np.isnan(velocity).all() for _, velocity in after[EVENT + 1].values())


def test_what_is_done_to_filtered_joints_does_not_reach_the_filter():
    live, calm = HandFilter(), filtered([sequence(1)])
    for image, hands in enumerate(images_of([sequence(1)])):
        (hand,) = live(hands)
        assert_allclose(hand.joints_3d, calm[image][1][0], atol=1e-12)
        hand.joints_3d[:] = 0


def test_bones_become_as_long_as_the_mean_of_what_was_measured():
    hand = sequence(1)[0].joints_3d
    followed = Followed(hand)
    for _ in range(4):
        assert followed.follow(hand[0] + 1.1 * (hand - hand[0]), 1 / 30, 1 / 30, 1.0, 1.0)
    bones, was = (np.linalg.norm(joints[1:5] - joints[:4], axis=-1) for joints in (followed.joints, hand))
    assert_allclose(bones, (1 + 4 * 1.1) / 5 * was)


def test_a_hand_that_is_not_all_known_or_too_far_away_is_not_followed_and_changes_nothing():
    hand, turned = sequence(1)[0].joints_3d, Rotation.from_rotvec([0, 0, 0.5]).as_matrix()
    unknown = hand.copy()
    unknown[4, 2] = np.nan
    followed, calm = Followed(hand), Followed(hand)
    for joints in (unknown, hand + [0, 0.11, 0], (hand - hand[0]) @ turned.T + hand[0]):
        assert not followed.follow(joints, 1 / 30, 1 / 30, farthest=0.1, widest=0.4)
    for each in (followed, calm):
        assert each.follow(hand + [0, 0.09, 0], 1 / 30, 1 / 30, farthest=0.1, widest=0.4)
    assert_allclose(followed.joints, calm.joints, rtol=0)
    assert_allclose(followed.velocity, calm.velocity, rtol=0)
    assert followed.known and not Followed(unknown).known


def read_only(joints):
    joints = joints.copy()
    joints.flags.writeable = False
    return joints


@pytest.mark.parametrize("lay", [np.asfortranarray, read_only, lambda joints: np.stack([joints] * 2, -1)[..., 1]])
def test_a_hand_is_filtered_the_same_however_its_joints_lie_in_memory(lay):
    hands = sequence(1)
    laid = [replace(hand, joints_3d=lay(hand.joints_3d)) for hand in hands]
    for a, b in zip(filtered([hands]), filtered([laid]), strict=True):
        assert_allclose(a[1][0], b[1][0], atol=1e-15)
