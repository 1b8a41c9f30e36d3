"""The Python API: what `handpose_ros` itself offers."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from enum import IntEnum
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from bag_maker import demo_images, demo_messages, write_bag

import handpose_ros
from handpose_ros import Camera, HandPose, HandPoseEstimator, HandPoses, Side, read_bag, read_video, weights
from handpose_ros.grasps.grasp import Grasp


@pytest.fixture(scope="module")
def estimator():
    try:
        return HandPoseEstimator(device="cpu")
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not there: {error}")


@pytest.mark.parametrize("name", handpose_ros.API)
def test_every_name_of_the_api_is_what_its_module_says(name):
    assert getattr(handpose_ros, name) is getattr(import_module(f"handpose_ros.{handpose_ros.API[name]}"), name)
    assert name in dir(handpose_ros)


def test_what_a_hands_fields_are_compared_with_is_in_the_api():
    kinds = [each.type for each in fields(HandPose) if isinstance(each.type, type) and issubclass(each.type, IntEnum)]
    assert {kind.__name__ for kind in kinds} == {"Side", "TrackingState", "DepthSource"} < set(handpose_ros.API)


def test_the_page_about_the_api_has_every_name_and_every_field_of_the_results():
    page = (Path(__file__).parents[1] / "docs" / "python.md").read_text()
    names = {*handpose_ros.API, *(each.name for kind in (HandPose, HandPoses, Grasp) for each in fields(kind))}
    assert sorted(name for name in names if not re.search(rf"[`.({{ ]{name}\b", page)) == []


def test_hands_are_counted_gone_through_and_taken_by_their_number():
    left, right = (HandPose(side, 1.0, 1.0, np.zeros((21, 2)), np.zeros((21, 3))) for side in (Side.LEFT, Side.RIGHT))
    hands = HandPoses((left, right), (640, 480))
    assert hands[0] is left and hands[-1] is right and [*hands] == [left, right] and len(hands) == 2


def test_a_name_that_is_not_there_is_an_attribute_error_and_modules_are_still_imported():
    with pytest.raises(AttributeError, match="nothing"):
        handpose_ros.nothing  # noqa: B018
    assert weights.__name__ == "handpose_ros.weights"


def test_the_package_itself_imports_nothing_heavy():
    code = "import sys, handpose_ros; print(sorted({'torch', 'cv2', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_frames_of_a_video_have_stamps_and_the_camera_that_is_given():
    frames = read_video("demo")
    first, second = next(frames), next(frames)
    assert (first.stamp, second.stamp) == (0.0, pytest.approx(1 / 30, abs=2e-3))
    assert first.camera.size == first.size == (640, 480)
    camera = Camera.from_fov((640, 480), 1.0)
    assert next(read_video("demo", camera)).camera is camera


def test_frames_of_a_bag_have_its_camera_unless_another_is_given(tmp_path):
    bag = write_bag(tmp_path / "bag", demo_messages(2))
    images, camera = demo_images(2)
    frames = list(read_bag(str(bag)))
    np.testing.assert_array_equal(frames[1].image, images[1])
    np.testing.assert_array_equal(frames[0].camera.K, camera.K)
    half = Camera.from_fov((320, 240), 1.0)
    np.testing.assert_allclose(next(read_bag(bag, camera=half)).camera.K[0, 0], 2 * half.K[0, 0])


def test_a_batch_is_what_its_images_are_one_by_one(estimator):
    images, camera = demo_images(2)
    images = [images[0], images[1][:240]] * 3  # more than are in work at once
    cameras = [camera, None] * 3
    batch = estimator.estimate_batch(images, cameras)
    expected = [estimator.estimate(image, its_camera) for image, its_camera in zip(images[:2], cameras, strict=False)]
    for hands, alone, its_camera in zip(batch, expected * 3, cameras, strict=True):
        assert (len(hands), hands.size, hands.calibrated) == (len(alone), alone.size, its_camera is not None)
        for a, b in zip(hands, alone, strict=True):
            np.testing.assert_array_equal(a.joints_3d, b.joints_3d)
    assert [each.calibrated for each in estimator.estimate_batch(images[:1] * 2, camera)] == [True, True]
    with pytest.raises(ValueError, match="6 images and 1 camera are given"):
        estimator.estimate_batch(images, [camera])
    with pytest.raises(ValueError, match="uint8"):
        estimator.estimate_batch([images[0], images[0].astype(float)])
    assert estimator.estimate_batch([]) == []
    for its_camera in (camera, [camera, camera]):
        assert [len(each) for each in estimator.estimate_batch(iter(images[:1] * 2), its_camera)] == [2, 2]


@pytest.mark.parametrize("method", ["estimate", "estimate_batch"])
def test_threads_that_share_an_estimator_get_what_each_would_get_alone(estimator, method):
    images, camera = demo_images(2)
    images = [images[0], images[1][::-1, ::-1].copy()]  # whose hands are elsewhere
    expected = [estimator.estimate(image, camera) for image in images]

    def work(image):
        if method == "estimate_batch":
            return estimator.estimate_batch([image] * 8, camera)
        return [estimator.estimate(image, camera) for _ in range(8)]

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(work, images))
    for each, alone in zip(found, expected, strict=True):
        for hands in each:
            assert [hand.joints_2d.tolist() for hand in hands] == [hand.joints_2d.tolist() for hand in alone]
