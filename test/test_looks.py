import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from handpose_ros.backends import make_backend
from handpose_ros.camera import Camera, Frame
from handpose_ros.crops.cropping import Region, View
from handpose_ros.crops.looks import MOST, Mirrored, together, varied
from handpose_ros.hand import Observation
from handpose_ros.recordings.sources import open_source

CAMERA = Camera(np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]]), (640, 480))
CROPS = {
    "region": Region(np.array([300.0, 200.0]), 220.0, 0.3),
    "view": View(CAMERA, Rotation.from_euler("yxz", [0.2, -0.1, 0.4]).as_matrix(), 0.4),
}
RNG = np.random.default_rng(0)
JOINTS_2D, LOCAL = RNG.uniform(100, 300, (21, 2)), RNG.normal(0, 0.05, (21, 3))


def looked(joints_2d, right, score=0.9, local=LOCAL):
    return Observation(joints_2d, local, score, right)


@pytest.mark.parametrize("name", CROPS)
def test_the_first_look_is_the_crop_itself(name):
    (first,) = varied(CROPS[name], 1)
    assert_allclose(first.to_image(JOINTS_2D, 224), CROPS[name].to_image(JOINTS_2D, 224))


@pytest.mark.parametrize("name", CROPS)
def test_every_look_has_the_crops_middle_and_size_and_half_of_them_are_mirrored(name):
    crop, looks = CROPS[name], varied(CROPS[name], MOST)
    middle, corner = np.array([112.0, 112.0]), np.array([0.0, 0.0])
    for look in looks:
        assert_allclose(look.to_image(middle, 224), crop.to_image(middle, 224), atol=1.0)  # a pixel of the crop
        reach = np.linalg.norm(look.to_image(corner, 224) - look.to_image(middle, 224))
        assert reach == pytest.approx(np.linalg.norm(crop.to_image(corner, 224) - crop.to_image(middle, 224)), rel=0.1)
    assert sum(isinstance(look, Mirrored) for look in looks) == MOST / 2


@pytest.mark.parametrize("name", CROPS)
def test_a_mirror_shows_on_the_left_what_the_crop_has_on_the_right(name):
    image = RNG.integers(0, 255, (480, 640, 3), np.uint8)
    crop, mirror = CROPS[name], Mirrored(CROPS[name])
    assert_array_equal(mirror.sample(image, 64, "black")[:, 0], crop.sample(image, 64, "black")[:, -1])
    assert_allclose(mirror.to_image(np.array([10.0, 30.0]), 64), crop.to_image(np.array([53.0, 30.0]), 64))
    assert_allclose(mirror.to_camera(np.array([0.1, 0.2, 0.3])), crop.to_camera(np.array([-0.1, 0.2, 0.3])))


def test_several_looks_give_their_mean_and_how_far_they_are_apart():
    aside = np.zeros((21, 2))
    aside[8] = [3.0, 4.0]
    one, other = looked(JOINTS_2D + aside, 0.9, 1.0), looked(JOINTS_2D - aside, 0.2, 0.5, LOCAL + 0.02)
    merged = together([one, other])
    assert_allclose(merged.joints_2d, JOINTS_2D)
    assert_allclose(merged.joints_local, LOCAL + 0.01)
    assert_allclose(merged.spread, np.where(np.arange(21) == 8, 5.0, 0.0))
    assert (merged.score, merged.right_score) == (0.75, pytest.approx(0.85))  # the mirror showed a left hand


def test_looks_of_which_one_has_a_joint_that_is_not_known_show_no_hand():
    aside = JOINTS_2D.copy()
    aside[3] = np.nan
    assert together([looked(JOINTS_2D, 0.9), looked(aside, 0.9), looked(JOINTS_2D, 0.9)]).score == 0


def test_one_look_is_what_was_observed_and_knows_of_no_spread():
    one = looked(JOINTS_2D, 0.9)
    assert together([one]) is one and one.spread is None


@pytest.fixture(scope="module")
def backend():
    try:
        return make_backend("mediapipe", device="cpu", num_threads=1, looks=4)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")


def test_four_looks_see_the_hands_where_one_does_on_the_same_sides_and_a_glance_is_one_look(backend):
    with open_source("demo") as source:
        frame = Frame(next(iter(source)), source.camera)
    crops = [detection.crop for detection in backend.detect(frame)()]
    glances, looks = backend.observe(frame, crops, glance=True), backend.observe(frame, crops)
    assert len(looks) == len(glances) == 2
    for glance, look in zip(glances, looks, strict=True):
        assert glance.spread is None and (look.spread > 0).all()
        box = np.ptp(glance.joints_2d, axis=0).max()
        assert np.linalg.norm(look.joints_2d - glance.joints_2d, axis=-1).mean() < 0.05 * box
        assert np.linalg.norm(look.joints_local - glance.joints_local, axis=-1).mean() < 0.01
        assert (look.right_score > 0.5) == (glance.right_score > 0.5)
        assert abs(look.right_score - 0.5) > 0.4
    assert {look.right_score > 0.5 for look in looks} == {True, False}


@pytest.mark.parametrize("looks", [0, MOST + 1])
def test_looks_that_there_are_not_are_refused(looks):
    with pytest.raises(ValueError, match=f"looks is {looks}, it must be 1 to {MOST}"):
        make_backend("mediapipe", looks=looks)
