"""The pipeline with a backend that sees exact keypoints of a known hand: what it makes of sizes and depth images."""

from dataclasses import replace

import numpy as np
import pytest
from depth_maker import hand_depth
from made_up_hands import bent_hand
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.backends import Detection
from handpose_ros.camera import Camera, Frame
from handpose_ros.crops.cropping import Region
from handpose_ros.hand import WRIST, DepthSource, ManoHand, Observation, Side, TrackingState
from handpose_ros.lifting.lifters import make_lifter, scale_to_template
from handpose_ros.lifting.placing import Placer
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.tracking.association import Outline
from handpose_ros.tracking.tracks import Track

CAMERA = Camera([[500.0, 0, 319.5], [0, 500, 239.5], [0, 0, 1]], (640, 480))
SIZE = 1.12  # of the true hand
IMAGE = np.zeros((480, 640, 3), np.uint8)


def true_hand(curl=0.0):
    """(21, 3) [m] a right hand of SIZE, palm to the camera, 0.5 m away; `curl` [rad] bends each finger joint."""
    joints = bent_hand(curl, 0.028, 0.085)
    return SIZE * scale_to_template(joints) + [0.02, 0.06, 0.5]


class Sees:
    """A backend: see `handpose_ros.backends.Backend`."""

    name, model, license = "sees", "sees@1", "Apache-2.0"

    def __init__(self, joints):
        self._seen = Observation(CAMERA.project(joints), joints - joints.mean(axis=0), 0.9, right_score=0.95)

    def detect(self, frame, squares=None, meanwhile=False):
        return lambda: [Detection(crop, 0.9) for crop in self.track(frame, [self._seen])]

    def observe(self, frame, crops, glance=False):
        return [self._seen for _ in crops]

    def track(self, frame, observations):
        return [Region(each.joints_2d.mean(axis=0), 200.0) for each in observations]


class Stream:
    """Images of one hand at 30 Hz, with depth images where there is a `wall` [m] behind the hand."""

    def __init__(self, joints, **options):
        self.joints = joints
        self.pipeline = HandPosePipeline(Sees(joints), max_hands=1, lifter="mediapipe", **options)
        self._depth = hand_depth(joints, CAMERA, 0.7)
        self._stamp = 0.0

    def next(self, depth=False):
        self._stamp += 1 / 30
        frame = Frame(IMAGE, CAMERA, self._stamp, depth=self._depth if depth else None)
        return self.pipeline(frame).hands[0]

    def wrist_error(self, hand):
        """[m]"""
        return np.linalg.norm(hand.joints_3d[WRIST] - self.joints[WRIST])


def test_a_size_that_is_set_between_two_images_moves_the_hand_at_once_and_is_no_motion():
    stream = Stream(true_hand())
    for _ in range(10):
        before = stream.next()
    stream.pipeline.hand_scale = SIZE
    after = stream.next()
    assert stream.wrist_error(before) > 0.05
    assert stream.wrist_error(after) < 0.002
    assert (before.depth_source, after.depth_source) == (DepthSource.MONO, DepthSource.MONO_SCALED)
    assert np.isnan(before.hand_scale)
    assert after.hand_scale == SIZE
    assert np.isnan(after.wrist_velocity).all()
    assert_allclose(stream.next().wrist_velocity[:3], 0, atol=1e-6)


def test_the_first_depth_image_places_the_hand_and_ten_tell_its_size_that_stays_when_they_end():
    stream = Stream(true_hand())
    first = stream.next(depth=True)
    assert first.depth_source is DepthSource.SENSOR
    assert stream.wrist_error(first) < 0.005
    assert np.isnan(first.hand_scale)
    assert [stream.next() for _ in range(4)][-1].depth_source is DepthSource.MONO  # one look is not enough
    for _ in range(12):
        last = stream.next(depth=True)
    assert last.hand_scale == pytest.approx(SIZE, rel=0.01)
    without = [stream.next() for _ in range(4)][-1]
    assert without.depth_source is DepthSource.MONO_SCALED
    assert without.hand_scale == pytest.approx(SIZE, rel=0.01)
    assert stream.wrist_error(without) < 0.01


def test_depth_images_half_as_often_place_the_hand_in_every_image_and_the_filter_goes_on():
    stream = Stream(true_hand())
    hands = [stream.next(depth=index % 2 == 0) for index in range(40)]  # their size becomes known in between
    assert {hand.depth_source for hand in hands} == {DepthSource.SENSOR}
    assert max(map(stream.wrist_error, hands)) < 0.005
    assert max(np.linalg.norm(hand.wrist_velocity[:3]) for hand in hands[1:]) < 0.02  # and known in each
    assert (hands[1].joint_sigma > hands[0].joint_sigma).all()  # a little older


def test_what_a_depth_image_told_holds_for_a_tenth_of_a_second():
    stream = Stream(true_hand())
    sources = [stream.next(depth=index == 0).depth_source for index in range(6)]
    assert sources == [DepthSource.SENSOR] * 4 + [DepthSource.MONO] * 2


def test_hands_of_one_image_tell_the_same_size_although_the_first_ones_are_enough_to_know_it():
    seen = Observation(CAMERA.project(true_hand()), true_hand(), 0.9, right_score=0.95)
    track = Track.born(1, 0.0, seen, Outline.of(seen), Region(np.array([320.0, 240.0]), 200.0))
    depth = hand_depth(true_hand(), CAMERA, 0.7)
    placer = Placer(make_lifter("mediapipe"), None)
    placer((track,) * 100, Frame(IMAGE, CAMERA, 0.0, depth=depth))  # more than it remembers: each says the same
    (hand,) = placer((track,), Frame(IMAGE, CAMERA, 0.1))
    assert hand.hand_scale == pytest.approx(SIZE, rel=0.01)


def test_a_size_that_depth_told_is_that_of_joints_relative_to_the_wrist_too():
    seen = Observation(CAMERA.project(true_hand()), true_hand(), 0.9, right_score=0.95)
    track = Track.born(1, 0.0, seen, Outline.of(seen), Region(np.array([320.0, 240.0]), 200.0))
    placer = Placer(make_lifter("mediapipe"), None)
    (average,) = placer((track,), Frame(IMAGE, None, 0.0))
    placer((track,) * 100, Frame(IMAGE, CAMERA, 0.0, depth=hand_depth(true_hand(), CAMERA, 0.7)))
    (hand,) = placer((track,), Frame(IMAGE, None, 0.1))
    assert np.isnan(average.hand_scale) and hand.hand_scale == pytest.approx(SIZE, rel=0.01)
    assert_allclose(hand.joints_3d, hand.hand_scale * average.joints_3d)


BODY = ManoHand(np.zeros(48), np.zeros(10), np.zeros((778, 3)), np.zeros((1538, 3), int))


def tracked(joints, right_scores, network):
    """A hand that comes from the left by 8 px an image, each 1/30 s, is seen with these `right_scores`, and at last is
    where the true hand is; its `network`, if there is one, placed it as `joints` (21, 3) [m]."""
    track = None
    for image, score in enumerate(right_scores):
        pixels = CAMERA.project(true_hand()) - [8.0 * (len(right_scores) - 1 - image), 0.0]
        own = {"joints_3d": joints, "mano": BODY} if network else {}
        seen = Observation(pixels, true_hand(), 0.9, score, **own)
        then = image / 30, seen, Outline.of(seen), Region(pixels.mean(axis=0), 200.0)
        track = track.measured(*then) if track else Track.born(1, *then)
    return track


def placed(track, camera=CAMERA):
    (hand,) = Placer(make_lifter("mediapipe"), None)((track,), Frame(IMAGE, camera, track.stamp))
    return hand


def test_a_hand_that_its_network_placed_coasts_with_its_keypoints_and_keeps_its_body_and_distance():
    joints = true_hand() + [0.03, 0.01, 0.05]  # elsewhere than the keypoints say, as of another network
    track = tracked(joints, [0.95] * 30, network=True)
    seen = placed(track)
    assert_allclose(seen.joints_3d, joints)
    for image in range(1, 5):
        track = track.unmeasured(track.last_seen + image / 30, coast_time=0.25)
        hand = placed(track)
        assert hand.state is TrackingState.COASTING
        way = (hand.joints_2d - seen.joints_2d)[WRIST]
        assert_allclose(way, [240 * 0.15 * (1 - np.exp(-image / 4.5)), 0.0], atol=0.1)  # 240 px/s that decay in 0.15 s
        assert_allclose(CAMERA.project(hand.joints_3d[WRIST]) - CAMERA.project(joints[WRIST]), way, atol=0.3)
        assert_allclose(np.linalg.norm(hand.joints_3d[WRIST]), np.linalg.norm(joints[WRIST]), rtol=0.01)
        assert_allclose(hand.joints_3d - hand.joints_3d[WRIST], joints - joints[WRIST], atol=1e-12)
        assert hand.mano is BODY
        assert hand.reprojection_error == pytest.approx(seen.reprojection_error, abs=1.0)


def test_a_hand_coasts_at_the_distance_that_its_last_depth_image_gave_it():
    placer, depth = Placer(make_lifter("mediapipe"), None), hand_depth(true_hand(), CAMERA, 0.7)
    track = tracked(true_hand(), [0.95] * 30, network=False)
    (seen,) = placer((track,), Frame(IMAGE, CAMERA, track.stamp, depth=depth))
    before = seen
    for image in range(1, 6):  # longer than what it told of a hand that is seen
        track = track.unmeasured(track.last_seen + image / 30, coast_time=0.25)
        (hand,) = placer((track,), Frame(IMAGE, CAMERA, track.stamp, depth=depth))
        assert (hand.state, hand.depth_source) == (TrackingState.COASTING, DepthSource.SENSOR)
        assert hand.joints_3d[WRIST, 2] == pytest.approx(seen.joints_3d[WRIST, 2], rel=0.01)
        drift = 0.5 * 4.0 * (image / 30) ** 2  # m/s^2
        assert (hand.joint_sigma**2 - seen.joint_sigma**2 > 3 * drift**2).all()
        assert (hand.joint_sigma > before.joint_sigma).all()
        before = hand
    again = replace(track, state=TrackingState.TRACKED)  # seen again, but no depth image came
    stamps = track.stamp + np.arange(1, 5) / 25
    sources = [placer((again,), Frame(IMAGE, CAMERA, stamp))[0].depth_source for stamp in stamps]
    assert sources == [DepthSource.SENSOR] * 2 + [DepthSource.MONO] * 2


def test_a_hand_whose_depth_was_too_old_when_it_was_seen_coasts_without_it():
    placer, depth = Placer(make_lifter("mediapipe"), None), hand_depth(true_hand(), CAMERA, 0.7)
    track = tracked(true_hand(), [0.95] * 30, network=False)
    placer((track,), Frame(IMAGE, CAMERA, track.stamp - 0.15, depth=depth))
    assert placer((track,), Frame(IMAGE, CAMERA, track.stamp))[0].depth_source is DepthSource.MONO
    track = track.unmeasured(track.stamp + 1 / 30, coast_time=0.25)
    assert placer((track,), Frame(IMAGE, CAMERA, track.stamp))[0].depth_source is DepthSource.MONO


def test_what_a_network_made_of_a_hand_of_the_other_side_is_dropped_and_the_hand_placed_by_its_keypoints():
    """One image says left, the fourteen before it right: the body is a left one's, the hand is a right one."""
    doubtful, by_keypoints = (tracked(true_hand() + 0.1, [0.95] * 14 + [0.3], network) for network in (True, False))
    hand = placed(doubtful)
    assert hand.side is Side.RIGHT and hand.mano is None
    assert_allclose(hand.joints_3d, placed(by_keypoints).joints_3d)
    alone = placed(doubtful, camera=None)
    assert alone.mano is None
    assert_allclose(alone.joints_3d, placed(by_keypoints, camera=None).joints_3d)
    sure = placed(tracked(true_hand() + 0.1, [0.95] * 15, network=True))
    assert sure.mano is BODY
    assert_allclose(sure.joints_3d, true_hand() + 0.1)


def test_a_bent_hand_is_placed_by_depth_but_tells_no_size():
    stream = Stream(true_hand(curl=1.1))
    for _ in range(15):
        hand = stream.next(depth=True)
    assert hand.depth_source is DepthSource.SENSOR
    assert np.isnan(hand.hand_scale)


def test_a_size_that_is_given_is_kept_although_depth_says_another_one():
    stream = Stream(true_hand(), hand_scale=0.9)
    for _ in range(15):
        hand = stream.next(depth=True)
    assert hand.hand_scale == 0.9
    assert stream.wrist_error(hand) < 0.005
    assert stream.next().hand_scale == 0.9
    stream.pipeline.hand_scale = None
    assert np.isnan(stream.next().hand_scale)


def test_a_new_beginning_forgets_the_size_that_depth_told():
    stream = Stream(true_hand())
    for _ in range(15):
        stream.next(depth=True)
    stream.pipeline.reset()
    assert np.isnan(stream.next().hand_scale)


def test_without_a_camera_the_joints_are_of_the_size_that_is_known():
    average, large = (Stream(true_hand(), hand_scale=scale).pipeline for scale in (None, 1.2))
    average, large = (each(Frame(IMAGE, None, 1.0)).hands[0] for each in (average, large))
    assert_allclose(large.joints_3d, 1.2 * average.joints_3d)
    assert np.isnan(average.hand_scale) and large.hand_scale == 1.2


def test_without_a_camera_depth_says_nothing():
    stream = Stream(true_hand())
    hands = stream.pipeline(Frame(IMAGE, None, 1.0, depth=hand_depth(stream.joints, CAMERA)))
    assert hands.hands[0].depth_source is DepthSource.NONE
    assert_allclose(hands.hands[0].joints_3d[WRIST], 0)


def test_joints_are_believed_as_seen_from_the_direction_of_the_hand():
    turn = Rotation.from_euler("y", 50, degrees=True)
    shape = turn.apply(true_hand() - true_hand().mean(axis=0))
    wide = Camera(np.array([[200.0, 0, 640], [0, 200.0, 480], [0, 0, 1]]), (1280, 960))
    seen = Observation(wide.project(shape + turn.apply([0, 0, 0.5])), shape, 1.0, 0.95)
    track = Track.born(1, 0.0, seen, Outline.of(seen), Region(np.array([640.0, 480.0]), 200.0))
    (hand,) = Placer(make_lifter("mediapipe"), None)((track,), Frame(np.zeros((960, 1280, 3), np.uint8), wide, 0.0))
    assert hand.joint_scores.min() > 0.9


def test_a_hand_that_its_network_placed_and_that_leaves_what_the_camera_sees_stays_known_where_it_has_rays():
    barrel = Camera(CAMERA.K, CAMERA.size, [-0.5, 0, 0, 0, 0], "plumb_bob")
    track = tracked(true_hand(), [0.95] * 30, network=True)
    track = replace(track, coasted=(250.0, 0.0), state=TrackingState.COASTING)
    track = replace(track, observation=replace(track.observation, joints_2d=track.observation.joints_2d + [250.0, 0.0]))
    hand = placed(track, barrel)
    known = np.isfinite(barrel.unproject(hand.joints_2d)).all(axis=-1)
    assert not known[WRIST] and known.sum() >= 3
    assert hand.mano is None and np.isfinite(hand.joints_3d[known]).all()
