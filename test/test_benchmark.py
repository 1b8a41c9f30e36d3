"""What the benchmark measures on; how long anything takes is no test's business."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from handpose_ros import weights
from handpose_ros.backends import Detection
from handpose_ros.benchmark.latency import BLOCK, Spread, Stopwatch, make_scene, many_hands, time_block, time_scene
from handpose_ros.benchmark.report import LEAST_BLOCKS
from handpose_ros.benchmark.rival import compare
from handpose_ros.cli import main
from handpose_ros.crops.cropping import Region
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.tracking.tracker import DETECT_EVERY, DETECT_EVERY_ALONE


class NoHands:
    """A backend that finds nothing and counts how often it looks."""

    name, model, license = "nothing", "nothing@1", "Apache-2.0"

    def __init__(self):
        self.looks = 0

    def detect(self, frame, squares=None, meanwhile=False):
        self.looks += 1
        return list

    def observe(self, frame, crops, glance=False):
        return []

    def track(self, frame, observations):
        raise AssertionError("there is nothing to follow")


@pytest.fixture(scope="module")
def two():
    return make_scene("two_hands")


def test_the_help_says_how_many_images_are_compared_at_least(capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", "--help"])
    assert f"--growth at least {LEAST_BLOCKS * BLOCK};" in " ".join(capsys.readouterr().out.split())


def test_one_hand_is_the_right_half_of_two_and_no_hand_is_one_colour(two):
    one, none = make_scene("one_hand_of_two"), make_scene("no_hand")
    assert_array_equal(one.images[5][:, 320:], two.images[5][:, 320:])
    assert len(np.unique(one.images[5][:, :320].reshape(-1, 3), axis=0)) == 1
    assert len(np.unique(none.images[5].reshape(-1, 3), axis=0)) == 1


def test_the_camera_of_a_larger_image_sees_the_same_points_scaled_and_shifted(two):
    large = make_scene("two_hands", (1920, 1080))
    assert large.images[0].shape == (1080, 1920, 3) and large.frame(0).size == (1920, 1080)
    points = np.array([[0.1, 0.05, 0.5], [-0.1, 0.0, 0.6]])
    scaled = (two.camera.project(points) + 0.5) * 2.25 - 0.5 + [240, 0]  # 1440 of 1920 px are used
    assert_allclose(large.camera.project(points), scaled)


def test_three_hands_are_two_in_the_first_tile_and_one_in_the_second(two):
    image = many_hands(3).images[0]
    assert image.shape == (960, 1280, 3)
    assert_array_equal(image[:480, :640], two.images[0])
    assert_array_equal(image[:480, 960:], two.images[0][:, 320:])
    assert len(np.unique(image[480:].reshape(-1, 3), axis=0)) == 1


def test_stamps_go_on_when_the_images_start_again(two):
    count = len(two.images)
    assert two.frame(count).image is two.images[0]
    assert two.frame(count).stamp > two.frame(count - 1).stamp


def test_quantiles_are_those_of_a_hundred_numbers():
    spread = Spread.of(range(101))
    assert (spread.median, spread.quartiles, spread.p95, spread.p99) == (50, (25, 75), 95, 99)


def test_stages_that_never_ran_have_no_times_and_hands_are_counted(two):
    times = time_scene(HandPosePipeline(Stopwatch(NoHands())), two, images=6)
    assert times.aim is None and times.detect is not None
    assert (times.hands, times.images, times.cold, times.size) == (0, 6, False, (640, 480))


def test_cold_images_are_each_searched_and_others_by_the_schedule(two):
    looks = {}
    for cold in (False, True):
        backend = NoHands()
        time_scene(HandPosePipeline(Stopwatch(backend)), two, images=12, cold=cold)
        looks[cold] = backend.looks
    assert looks[True] == 12 + 2 * BLOCK
    assert looks[False] == looks[True] / DETECT_EVERY_ALONE


def test_a_block_is_whole_rounds_of_the_detector():
    numbers = []
    time_block(numbers.append, 24)
    assert numbers == list(range(24, 24 + BLOCK)) and BLOCK % DETECT_EVERY == BLOCK % DETECT_EVERY_ALONE == 0


def test_a_stopwatch_hands_on_what_the_backend_says(two):
    class Finds(NoHands):
        def detect(self, frame, squares=None, meanwhile=False):
            return lambda: [Detection(Region(np.array([9.0, 9.0]), 5.0), 0.7)]

    stopwatch = Stopwatch(Finds())
    assert stopwatch.detect(two.frame(0))()[0].score == 0.7
    assert stopwatch.take()["detect"] > 0 and stopwatch.take()["detect"] == 0


def test_the_default_backend_as_rival_sees_the_same_images_and_is_the_slower_one():
    try:
        weights.locate("palm_detection_full")
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")
    nothing = NoHands()
    result = compare(HandPosePipeline(nothing), "default", make_scene("no_hand"), 2, device="cpu", num_threads=1)
    assert nothing.looks == (2 + 2) * BLOCK / DETECT_EVERY_ALONE
    assert result.scene == "no_hand" and result.cpu_ratio.median < 1
