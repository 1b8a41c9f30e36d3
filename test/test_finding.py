"""Hands of single images, and what the pipeline is told from outside, with the real networks on the demo clip."""

import re

import cv2
import numpy as np
import pytest
from test_pipeline import DATA, PERIOD, backend, by_side, clip, truth  # noqa: F401

from handpose_ros.camera import Frame
from handpose_ros.crops.searching import Search
from handpose_ros.finding import find_hands
from handpose_ros.hand import DepthSource, Side
from handpose_ros.pipeline import HandPosePipeline


@pytest.fixture
def pixels(truth):  # noqa: F811
    """(2, 21, 2) [px] the left and the right hand of the first image."""
    joints, camera = truth
    return camera.project(joints[0])


def boxes_of(pixels):
    return [np.concatenate([hand.min(axis=0), hand.max(axis=0)]) for hand in pixels]


def near(joints, pixels):
    return np.linalg.norm(joints - pixels, axis=-1).mean() < 15


def test_small_hands_are_found_in_tiles_where_the_whole_shows_none(backend, clip, pixels):  # noqa: F811
    scale = 0.13
    canvas = np.full((960, 1280, 3), 120, np.uint8)
    small = cv2.resize(clip[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas[300 : 300 + len(small), 200 : 200 + small.shape[1]] = small
    options = {"max_hands": 2, "min_score": 0.5}
    assert find_hands(backend, Frame(canvas, None), search=Search(tile_shares=()), **options) == []
    found = find_hands(backend, Frame(canvas, None), search=Search(tile_shares=(0.4, 0.25)), **options)
    assert found
    for hand in found:
        assert min(abs(hand.joints_2d - (scale * each + [200, 300])).max() for each in pixels) < 15


def test_a_hand_at_any_size_is_one_hand(backend, clip, pixels):  # noqa: F811
    left = clip[0][:, :320]
    for scale in (0.5, 1.0, 2.0):
        image = np.ascontiguousarray(cv2.resize(left, None, fx=scale, fy=scale))
        (hand,) = find_hands(backend, Frame(image, None), 2, 0.5, Search())
        assert near(hand.joints_2d / scale, pixels[0])


def test_boxes_of_another_detector_replace_the_own_one(backend, clip, truth, pixels):  # noqa: F811
    left, right = boxes_of(pixels)
    pipeline = HandPosePipeline(backend)
    (hand,) = pipeline(Frame(clip[0], truth[1], 0.0), boxes=[right])
    assert hand.side is Side.RIGHT and near(hand.joints_2d, pixels[1])
    assert len(HandPosePipeline(backend)(Frame(clip[0], truth[1], 0.0), boxes=[])) == 0
    both = HandPosePipeline(backend).alone(Frame(clip[0], truth[1]), [left, right])
    assert near(by_side(both, Side.LEFT).joints_2d, pixels[0]) and near(by_side(both, Side.RIGHT).joints_2d, pixels[1])


BOX = [100.0, 100.0, 300.0, 300.0]
NO_BOXES = {
    "with scores": ([[*BOX, 0.9]] * 4, "boxes are (4, 5), they must be (N, 4): low x"),
    "a single one": (BOX, "boxes are (4,), they must be (N, 4): low x"),
    "without area": (
        [BOX, [10, 10, 10, 10]],
        "a box is [10.0, 10.0, 10.0, 10.0], it must be low x, low y, high x, high y",
    ),
    "of several lengths": ([BOX, BOX[:3]], "boxes must be (N, 4): low x"),
    "no numbers": ([[{}] * 4], "boxes must be (N, 4): low x"),
    "unknown": ([[np.nan] * 4], "a box is [nan, nan, nan, nan], it must be"),
    "width and height": ([[300.0, 200.0, 150.0, 180.0]], "a box is [300.0, 200.0, 150.0, 180.0], it must be"),
}


@pytest.mark.parametrize("kind", NO_BOXES)
def test_boxes_of_another_form_are_refused_by_what_is_expected_also_while_nothing_is_searched(backend, clip, kind):  # noqa: F811
    boxes, words = NO_BOXES[kind]
    pipeline = HandPosePipeline(backend)
    assert len(pipeline(Frame(clip[0], None, 0.0))) == 2
    for give in (
        lambda: pipeline(Frame(clip[1], None, PERIOD), boxes),
        lambda: pipeline.alone(Frame(clip[0], None), boxes),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            give()
    assert len(pipeline.alone(Frame(clip[0], None), np.zeros((0, 4)))) == 0


def test_only_hands_in_the_region_are_found(backend, clip, truth, pixels):  # noqa: F811
    pipeline = HandPosePipeline(backend, region=[320, 0, 640, 480])
    for index in range(3):
        (hand,) = pipeline(Frame(clip[index], truth[1], index * PERIOD))
        assert hand.side is Side.RIGHT


def test_the_filter_can_be_left_out_and_an_unknown_one_is_refused(backend, clip, truth):  # noqa: F811
    smooth, raw = (HandPosePipeline(backend, filter=name) for name in ("one_euro", "none"))
    for index in range(4):
        frame = Frame(clip[index], truth[1], index * PERIOD)
        filtered, measured = smooth(frame), raw(frame)
    for hand, plain in zip(filtered, measured, strict=True):
        assert hand.depth_source is DepthSource.MONO
        np.testing.assert_array_equal(hand.joints_2d, plain.joints_2d)
        assert 1e-5 < abs(hand.joints_3d - plain.joints_3d).max() < 0.05
        assert np.isfinite(hand.wrist_velocity).all() and np.isnan(plain.wrist_velocity).all()
    with pytest.raises(ValueError, match="'kalman'.*one_euro, none"):
        HandPosePipeline(backend, filter="kalman")


def test_joints_below_the_least_score_are_unknown(backend, clip, truth):  # noqa: F811
    hands = HandPosePipeline(backend, min_joint_score=0.999).alone(Frame(clip[0], truth[1]))
    for hand in hands:
        doubtful = hand.joint_scores < 0.999
        assert doubtful.any()
        np.testing.assert_array_equal(np.isnan(hand.joints_3d).all(axis=-1), doubtful)
