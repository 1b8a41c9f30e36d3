"""What the WildHands network is shown: the small frame, the crops, their angles; lens distortion taken out before."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.backends.undistortion import Undistortion, pinhole
from handpose_ros.backends.wildhands import keypoint_box
from handpose_ros.backends.wildhands_crops import box_angles, hand_crop, normalised, small_frame
from handpose_ros.camera import Camera, Frame

K = np.array([[500.0, 0, 310], [0, 510, 250], [0, 0, 1]])
SMALL_K = np.array([[200.0, 0, 112], [0, 200, 112], [0, 0, 1]])
DISTORTED = [
    Camera(K, (640, 480), np.array([-0.25, 0.05, 0.001, -0.001, 0]), "plumb_bob"),
    Camera(K, (640, 480), np.array([0.02, -0.01, 0, 0]), "equidistant"),
]


def picture(width: int, height: int) -> np.ndarray:
    """A colourful image, uint8 RGB."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 200 // width], axis=-1).astype(np.uint8)


def test_the_camera_of_the_small_frame_sees_a_point_where_the_picture_of_it_went():
    small = small_frame(picture(640, 480), K)
    point = np.array([0.1, -0.05, 0.7])
    u, v, w = K @ point
    u_small, v_small, w_small = small.K @ point
    assert_allclose(u_small / w_small, 0.35 * (u / w - 320) + 112, rtol=1e-6)
    assert_allclose(v_small / w_small, 0.35 * (v / w - 240) + 112, rtol=1e-6)


def test_the_long_side_fills_the_small_frame_and_the_short_one_is_padded_with_black():
    small = small_frame(np.full((480, 640, 3), 255, np.uint8), K).image
    assert_allclose(small[112, [0, 223]], 1)  # 480 px become 168: rows 28 to 196
    assert_allclose(small[[0, 20, 203, 223]], 0)
    assert_allclose(small[[32, 192], 112], 1)


def test_colours_are_red_green_blue_and_become_zero_at_the_mean_of_the_training():
    image = np.zeros((2, 2, 3), np.float32) + [0.485, 0.456, 0.406]
    assert_allclose(normalised(image.astype(np.float32)), np.zeros((3, 2, 2)), atol=1e-6)
    image[..., 0] += 0.229
    assert_allclose(normalised(image.astype(np.float32))[:, 0, 0], [1, 0, 0], atol=1e-6)


def test_a_box_grows_by_its_scale_about_its_middle_in_whole_pixels():
    frame = small_frame(picture(224, 224), SMALL_K)
    crop = hand_crop(frame, [50, 60, 90, 100], 1.75)  # corners move one pixel on: 51 61 91 101, middle 71 81, side 70
    assert crop.box.tolist() == [36, 46, 106, 116]


def test_a_box_at_the_border_is_recorded_within_the_frame_but_the_crop_stays_centred():
    frame = small_frame(picture(224, 224), SMALL_K)
    crop = hand_crop(frame, [-10, 60, 30, 100], 2.0)  # within the frame 0 .. 31: middle 15, side 80
    assert crop.box.tolist() == [0, 41, 55, 121]
    assert (crop.image[:, :60] == 0).all() and crop.image[112, 112].any()  # 25 of 80 columns lie outside


@pytest.mark.parametrize("box", [[700, 100, 800, 200], [300, 500, 400, 600], [50, 50, 50, 90]])
def test_a_hand_outside_of_the_frame_has_no_crop(box):
    assert hand_crop(small_frame(picture(640, 480), K), box) is None


def test_a_crop_is_not_mirrored():
    image = np.zeros((224, 224, 3), np.uint8)
    image[:, :70] = 255
    crop = hand_crop(small_frame(image, SMALL_K), [50, 60, 90, 100]).image
    assert crop[:, :90].mean() > 0.95 and crop[:, 134:].mean() < 0.05


def test_angles_are_those_from_the_optical_axis_x_before_y_and_left_corners_before_right_ones():
    K = np.array([[100, 0, 110], [0, 50, 90], [0, 0, 1]], np.float32)
    expected = np.arctan([0.5, 0.2, 0, 0, 0, 0.4, 1, 0, 1, 0.4])
    assert_allclose(box_angles(np.array([110, 90, 210, 110]), K), expected, rtol=1e-6)


@pytest.mark.parametrize("camera", DISTORTED, ids=lambda camera: camera.model)
def test_without_distortion_a_point_is_where_a_pinhole_camera_sees_it(camera):
    point = np.array([0.25, 0.15, 0.8])
    u, v = np.rint(camera.project(point)).astype(int)
    image = np.zeros((480, 640, 3), np.uint8)
    image[v - 2 : v + 3, u - 2 : u + 3] = 255
    straight = Undistortion()(Frame(image, camera))
    y, x = np.nonzero(straight.image[..., 0] > 100)
    assert_allclose([x.mean(), y.mean()], straight.camera.project(point), atol=1)
    assert np.linalg.norm(straight.camera.project(point) - [u, v]) > 5  # it did move
    box = keypoint_box(camera.project(np.array([point, [0, 0, 0.8]])), camera)
    assert_allclose(box, [*K[:2, 2], *pinhole(camera).project(point)], atol=1e-6)


def test_an_image_without_distortion_is_left_alone_and_another_camera_is_noticed():
    undistort, image = Undistortion(), picture(640, 480)
    frame = Frame(image, Camera(K, (640, 480)))
    assert undistort(frame) is frame
    first, second = (undistort(Frame(image, camera)).image for camera in DISTORTED)
    assert (first != second).any()
    assert (undistort(Frame(image, DISTORTED[0])).image == first).all()
