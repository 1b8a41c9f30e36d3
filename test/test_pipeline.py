"""The pipeline with the real networks on the demo clip, whose hands are known."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.backends import make_backend
from handpose_ros.camera import Camera, Frame
from handpose_ros.estimator import HandPoseEstimator
from handpose_ros.hand import WRIST, DepthSource, Side, TrackingState
from handpose_ros.metrics import pa_mpjpe
from handpose_ros.pipeline import HandPosePipeline

DATA = Path(__file__).parents[1] / "handpose_ros" / "data"
PERIOD = 1 / 30


@pytest.fixture(scope="module")
def clip():
    """The first twelve images, RGB, every third of the clip."""
    capture = cv2.VideoCapture(str(DATA / "two_hands.mp4"))
    images = [capture.read()[1] for _ in range(36)]
    return [np.ascontiguousarray(image[..., ::-1]) for image in images[::3]]


@pytest.fixture(scope="module")
def truth():
    """(12, 2, 21, 3) [m] the left and the right hand of these images, and their camera."""
    archive = np.load(DATA / "two_hands.npz")
    assert archive["sides"].tolist() == [Side.LEFT, Side.RIGHT]
    return archive["joints_3d"][:36:3].astype(float), Camera(archive["K"], (640, 480))


@pytest.fixture(scope="module")
def backend():
    try:
        return make_backend("mediapipe", device="cpu", num_threads=1)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")


@pytest.fixture(scope="module")
def results(backend, clip, truth):
    pipeline = HandPosePipeline(backend)
    return [pipeline(Frame(image, truth[1], index * PERIOD, "optical")) for index, image in enumerate(clip)]


class Noting:
    """A backend that notes in which order the one it stands before is asked."""

    def __init__(self, backend):
        self.model, self.track, self.asked, self._backend = backend.model, backend.track, [], backend

    def detect(self, frame, squares=None, meanwhile=False):
        self.asked.append("detect meanwhile" if meanwhile else "detect")
        found = self._backend.detect(frame, squares, meanwhile)

        def wait():
            self.asked.append("wait")
            return found()

        return wait

    def observe(self, frame, crops, glance=False):
        self.asked.append("observe")
        return self._backend.observe(frame, crops, glance)


def test_an_image_without_a_stamp_is_refused_for_nothing_could_be_followed(backend, clip, truth):
    with pytest.raises(ValueError, match="no stamp"):
        HandPosePipeline(backend)(Frame(clip[0], truth[1]))


def test_the_detector_searches_while_followed_hands_are_observed(backend, clip, truth):
    noting = Noting(backend)
    pipeline = HandPosePipeline(noting, max_hands=3)  # there is room for one more than there are
    for index, image in enumerate(clip):
        noting.asked.clear()
        hands = pipeline(Frame(image, truth[1], index * PERIOD))
        if not index:
            assert noting.asked[:3] == ["detect", "observe", "wait"]  # there is nothing to observe yet
        elif "detect meanwhile" in noting.asked:
            assert noting.asked[:3] == ["detect meanwhile", "observe", "wait"]
            return
    raise AssertionError(f"no search in {len(clip)} images, of {len(hands)} hands")


def by_side(hands, side):
    (hand,) = [hand for hand in hands if hand.side is side]
    return hand


def test_both_hands_are_measured_in_every_image_with_constant_ids_and_the_right_sides(results, truth):
    for hands, joints in zip(results, truth[0], strict=True):
        assert [hand.state for hand in hands] == [TrackingState.TRACKED] * 2
        for side, true_joints in zip((Side.LEFT, Side.RIGHT), joints, strict=True):
            pixels = truth[1].project(true_joints)
            assert np.linalg.norm(by_side(hands, side).joints_2d - pixels, axis=-1).mean() < 12
    assert len({hand.track_id for hands in results for hand in hands}) == 2
    assert len({(hand.track_id, hand.side) for hands in results for hand in hands}) == 2


def test_wrists_are_where_the_truth_has_them(results, truth):
    for hands, joints in zip(results, truth[0], strict=True):
        for side, true_joints in zip((Side.LEFT, Side.RIGHT), joints, strict=True):
            hand = by_side(hands, side)
            aside = (hand.joints_3d - true_joints)[WRIST, :2]
            assert np.linalg.norm(aside) < 0.03  # the networks put the wrist 11 mm nearer the fingers
            # The distance is as good as the guess of the hand's size.
            assert abs(hand.joints_3d[WRIST, 2] / true_joints[WRIST, 2] - 1) < 0.2


def test_shapes_are_those_of_the_truth_and_not_of_its_mirror_image(results, truth):
    for hands, joints in zip(results, truth[0], strict=True):
        left, right = (by_side(hands, side).joints_3d for side in (Side.LEFT, Side.RIGHT))
        own = pa_mpjpe(np.stack([left, right]), joints)
        other = pa_mpjpe(np.stack([right, left]), joints)
        assert (own < 0.02).all()
        assert (own < other).all()


def test_a_result_carries_its_images_stamp_frame_and_size(results):
    assert [hands.stamp for hands in results] == [index * PERIOD for index in range(12)]
    assert {(hands.frame_id, hands.size, hands.calibrated) for hands in results} == {("optical", (640, 480), True)}
    assert all(hand.depth_source is DepthSource.MONO for hands in results for hand in hands)


def test_confidence_is_between_nothing_and_the_hands_score(results):
    for hand in (hand for hands in results for hand in hands):
        assert ((hand.joint_scores >= 0) & (hand.joint_scores <= hand.score)).all()
        assert hand.score > 0.5
        assert 0 < hand.reprojection_error < 20
        assert ((hand.joint_sigma > 0.02) & (hand.joint_sigma < 0.1)).all()  # an average hand at half a metre


def test_a_hand_that_leaves_coasts_and_is_lost_once_with_unknown_geometry(backend, clip, truth):
    pipeline = HandPosePipeline(backend, coast_time=0.05)
    pipeline(Frame(clip[0], truth[1], -PERIOD))  # what is seen once only does not coast
    before = pipeline(Frame(clip[0], truth[1], 0.0))
    empty = np.full_like(clip[0], 90)
    after = [pipeline(Frame(empty, truth[1], index * PERIOD)) for index in range(1, 4)]
    assert [[hand.state.name for hand in hands] for hands in after] == [["COASTING"] * 2, ["LOST"] * 2, []]
    assert np.isfinite(after[0].hands[0].joints_3d).all()
    for seen, hand in zip(before, after[0], strict=True):  # 4 m/s^2 for a thirtieth of a second, and the ray moved on
        drift = 3 * (2 / 900) ** 2
        assert_allclose(hand.joint_sigma**2 - seen.joint_sigma**2, np.full(21, drift), rtol=0.1)
        added = hand.wrist_covariance[:3, :3] - seen.wrist_covariance[:3, :3]
        assert_allclose(np.trace(added), drift, rtol=0.1)
        turned = hand.wrist_covariance[3:, 3:] - seen.wrist_covariance[3:, 3:]
        assert_allclose(np.trace(turned), 3 * (20 / 900) ** 2, rtol=0.1)  # 40 rad/s^2
    for hand in after[1]:
        assert np.isnan(hand.joints_3d).all()
        assert np.isnan(hand.joint_sigma).all()
        assert np.isnan(hand.joints_2d).all()
        assert hand.track_id > 0


def test_joints_coast_with_their_keypoints(backend, clip, truth):
    pipeline = HandPosePipeline(backend)
    for index in range(12):  # both hands move by 300 px/s
        seen = pipeline(Frame(np.roll(clip[0], 10 * index, axis=1), truth[1], index * PERIOD))
    for index in range(12, 18):
        coasting = pipeline(Frame(np.full_like(clip[0], 90), truth[1], index * PERIOD))
    assert [hand.state for hand in coasting] == [TrackingState.COASTING] * 2
    for before, hand in zip(seen, coasting, strict=True):
        way = hand.joints_2d[WRIST] - before.joints_2d[WRIST]
        assert way[0] > 20
        was, now = (truth[1].project(each.joints_3d[WRIST]) for each in (before, hand))
        assert_allclose(now - was, way, atol=5)


def test_after_a_jump_back_in_time_the_first_image_has_both_hands_again(backend, clip, truth):
    pipeline = HandPosePipeline(backend)
    pipeline(Frame(np.full_like(clip[0], 90), truth[1], 100.0))  # the next search would be in a tile
    hands = pipeline(Frame(clip[0], truth[1], 0.0))
    assert {hand.side for hand in hands} == {Side.LEFT, Side.RIGHT}


def test_without_a_camera_joints_are_relative_to_the_wrist(clip):
    hands = estimate(clip[0], None)
    assert not hands.calibrated
    assert len(hands) == 2
    for hand in hands:
        assert hand.depth_source is DepthSource.NONE
        assert_allclose(hand.joints_3d[WRIST], 0)
        assert 0.1 < np.linalg.norm(hand.joints_3d[12]) < 0.25
        assert np.isnan(hand.wrist_covariance).all()
        assert np.isnan(hand.joint_sigma).all()


def test_a_calibrated_hand_size_scales_the_distance_and_says_so(clip, truth):
    average, larger = (estimate(clip[0], truth[1], hand_scale=scale) for scale in (None, 1.2))
    for side in (Side.LEFT, Side.RIGHT):
        assert_allclose(by_side(larger, side).joints_3d, 1.2 * by_side(average, side).joints_3d, rtol=1e-6)
        assert by_side(larger, side).depth_source is DepthSource.MONO_SCALED
        assert by_side(larger, side).hand_scale == 1.2
        surer = by_side(larger, side).joint_sigma / 1.2 / by_side(average, side).joint_sigma
        assert ((surer > 0.3) & (surer < 0.9)).all()  # relative to the distance


def test_the_mirrored_image_has_the_sides_exchanged(clip, truth):
    mirrored = np.ascontiguousarray(clip[0][:, ::-1])
    hands = estimate(mirrored, truth[1])
    x = {hand.side: hand.joints_2d[WRIST, 0] for hand in estimate(clip[0], truth[1])}
    assert by_side(hands, Side.LEFT).joints_2d[WRIST, 0] == pytest.approx(639 - x[Side.RIGHT], abs=8)
    assert by_side(hands, Side.RIGHT).joints_2d[WRIST, 0] == pytest.approx(639 - x[Side.LEFT], abs=8)


def test_an_image_of_another_type_or_size_is_refused(clip, truth):
    with pytest.raises(ValueError, match="uint8"):
        estimate(clip[0].astype(np.float32), None)
    with pytest.raises(ValueError, match=r"\(320, 480\).*\(640, 480\)"):
        estimate(np.ascontiguousarray(clip[0][:, ::2]), truth[1])


def test_the_ids_of_every_single_image_begin_with_one(clip, truth):
    try:
        estimator = HandPoseEstimator(device="cpu", num_threads=1)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    for image in clip[:2]:
        assert sorted(hand.track_id for hand in estimator.estimate(image, truth[1])) == [1, 2]


@pytest.mark.parametrize("size, frame_id", [((320, 240), "optical"), ((640, 480), "other")])
def test_with_the_image_of_another_camera_the_tracks_end_and_others_begin(backend, clip, truth, size, frame_id):
    pipeline = HandPosePipeline(backend)
    for index in range(3):
        before = pipeline(Frame(clip[0], truth[1], index * PERIOD, "optical"))
    image = cv2.resize(np.roll(clip[0], 40, axis=1), size)
    hands = pipeline(Frame(image, truth[1].resize(*size), 3 * PERIOD, frame_id))
    lost = [hand.track_id for hand in hands if hand.state is TrackingState.LOST]
    new = [hand for hand in hands if hand.state is TrackingState.TRACKED]
    assert lost == [hand.track_id for hand in before] and len(new) == 2
    assert not {hand.track_id for hand in new} & set(lost)
    alone = HandPosePipeline(backend)(Frame(image, truth[1].resize(*size), 0.0))
    for hand, expected in zip(new, alone, strict=True):
        assert_allclose(hand.joints_3d, expected.joints_3d)


@pytest.mark.parametrize("zoom, starts_anew", [(1.2, True), (1.002, False)])
def test_another_calibration_is_no_motion_of_the_hands(backend, clip, truth, zoom, starts_anew):
    camera = truth[1]
    zoomed = Camera(camera.K * [[zoom, 1, 1], [1, zoom, 1], [1, 1, 1]], camera.size)
    pipeline, bare = HandPosePipeline(backend), HandPosePipeline(backend, filter="none")
    cameras = [camera] * 4 + [zoomed]
    for index, each in enumerate(cameras):
        frame = Frame(clip[0], each, index * PERIOD)
        hands, measured = pipeline(frame), bare(frame)
    for hand, expected in zip(hands, measured, strict=True):
        assert np.isnan(hand.wrist_velocity).all() == starts_anew
        if starts_anew:
            assert_allclose(hand.joints_3d, expected.joints_3d)
        else:
            assert np.linalg.norm(hand.wrist_velocity[:3]) < 0.1


@pytest.mark.parametrize("hand_scale", [np.nan, -1.0, 0.108, 0.59, 1.61, 108.0, "1.2"])
def test_what_cannot_be_a_size_of_a_hand_is_refused(backend, hand_scale):
    pipeline, words = HandPosePipeline(backend), f"hand_scale is {hand_scale!r}.*factor near 1.*None"
    with pytest.raises(ValueError, match=words):
        HandPosePipeline(backend, hand_scale=hand_scale)
    with pytest.raises(ValueError, match=words):
        pipeline.hand_scale = hand_scale
    assert pipeline.hand_scale is None


@pytest.mark.parametrize(
    "option, value",
    [("max_hands", 0), ("max_hands", 2.5), ("min_score", 2), ("min_score", np.nan), ("min_joint_score", -0.1)]
    + [("coast_time", np.nan), ("coast_time", -1.0), ("tile_shares", (0.6, 0))],
)
def test_a_number_that_an_option_cannot_have_is_refused_before_the_first_image(backend, option, value):
    with pytest.raises(ValueError, match=re.escape(f"{value}")) as refusal:
        HandPosePipeline(backend, **{option: value})
    assert str(refusal.value).startswith(option)


def test_an_image_alone_is_no_frame(backend, clip):
    for take in (HandPosePipeline(backend), HandPosePipeline(backend).alone):
        with pytest.raises(ValueError, match="the frame is ndarray, it must be Frame"):
            take(clip[0])


def test_an_option_that_the_backend_has_not_is_named_with_those_that_it_has():
    with pytest.raises(TypeError, match="mediapipe has no option foo, known are complexity, .*weights_path"):
        HandPoseEstimator(foo=1)
    with pytest.raises(
        TypeError, match="wildhands has no option foo, known are checkpoint, complexity, .*weights_path"
    ):
        HandPoseEstimator("wildhands", foo=1)


def test_a_backend_that_two_threads_use_at_once_says_what_to_do(clip):
    pytest.importorskip("openvino", reason="openvino is not installed")
    try:
        backend = make_backend("mediapipe", device="cpu", num_threads=1)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    frames = [Frame(clip[0], None, float(stamp)) for stamp in range(30)]

    def follow(backend):
        pipeline = HandPosePipeline(backend)
        return [len(pipeline(frame)) for frame in frames]

    with ThreadPoolExecutor(2) as threads:
        alone = [threads.submit(follow, backend) for _ in range(2)]
        assert any("shared()" in str(each.exception()) for each in alone)
    shared = backend.shared()
    with ThreadPoolExecutor(2) as threads:
        assert [*threads.map(follow, [shared] * 2)] == [[2] * 30] * 2


def estimate(image, camera, **options):
    try:
        return HandPoseEstimator(device="cpu", num_threads=1, **options).estimate(image, camera)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
