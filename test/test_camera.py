import copy
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.camera import Camera, Frame

K = np.array([[500.0, 0.0, 320.0], [0.0, 480.0, 240.0], [0.0, 0.0, 1.0]])
VGA = Camera(K, (640, 480))
CAMERAS = {
    "none": VGA,
    "plumb_bob": Camera(K, (640, 480), [-0.28, 0.09, 1e-3, -5e-4, -0.012], "plumb_bob"),
    "rational 8": Camera(K, (640, 480), [0.4, 0.1, 1e-3, -2e-3, 0.02, 0.7, 0.15, 0.03], "rational_polynomial"),
    "rational 12": Camera(
        K, (640, 480), [0.4, 0.1, 1e-3, -2e-3, 0.02, 0.7, 0.15, 0.03, 1e-3, -2e-3, 5e-4, 1e-4], "rational_polynomial"
    ),
    "rational 14": Camera(
        K,
        (640, 480),
        [0.4, 0.1, 1e-3, -2e-3, 0.02, 0.7, 0.15, 0.03, 1e-3, -2e-3, 5e-4, 1e-4, 0.02, -0.03],
        "rational_polynomial",
    ),
    "equidistant": Camera(K, (640, 480), [0.02, -0.01, 0.003, -5e-4], "equidistant"),
}
POINTS = np.random.default_rng(0).uniform([-0.3, -0.3, 0.4], [0.3, 0.3, 1.0], (50, 3))


def test_ten_centimetres_right_at_half_a_metre_is_a_hundred_pixels_right():
    assert_allclose(VGA.project(np.array([0.1, 0.0, 0.5])), [420.0, 240.0])


def test_ten_centimetres_down_at_half_a_metre_is_ninety_six_pixels_down():
    assert_allclose(VGA.project(np.array([0.0, 0.1, 0.5])), [320.0, 336.0])


@pytest.mark.parametrize("name", CAMERAS)
def test_projection_agrees_with_opencv(name):
    camera = CAMERAS[name]
    zero = np.zeros(3)
    if camera.model == "equidistant":
        expected, _ = cv2.fisheye.projectPoints(POINTS[:, None], zero, zero, camera.K, camera.D)
    else:
        expected, _ = cv2.projectPoints(POINTS, zero, zero, camera.K, camera.D)
    assert_allclose(camera.project(POINTS), expected[:, 0], atol=1e-9)


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 25)])
def test_unproject_is_the_inverse_of_project(name, shape):
    camera = CAMERAS[name]
    points = POINTS[: int(np.prod(shape))].reshape(*shape, 3)
    rays = camera.unproject(camera.project(points))
    assert rays.shape == points.shape
    assert_allclose(rays * np.linalg.norm(points, axis=-1, keepdims=True), points, atol=1e-9)


@pytest.mark.parametrize("name", [name for name in CAMERAS if name != "equidistant"])
def test_points_behind_a_pinhole_camera_have_no_pixel(name):
    assert np.isnan(CAMERAS[name].project(np.array([[0.1, 0.1, -0.5], [0.0, 0.0, 0.0]]))).all()


def test_a_fisheye_sees_beyond_ninety_degrees():
    camera = CAMERAS["equidistant"]
    behind = np.array([0.5, 0.2, -0.05])
    assert_allclose(camera.unproject(camera.project(behind)), behind / np.linalg.norm(behind), atol=1e-9)


def test_a_fisheye_takes_its_axis_to_the_principal_point_and_back():
    camera = CAMERAS["equidistant"]
    assert_allclose(camera.project(np.array([0.0, 0.0, 1.0])), [320.0, 240.0])
    assert_allclose(camera.unproject(np.array([320.0, 240.0])), [0.0, 0.0, 1.0])


# r - 0.5 r^3 has its maximum 0.54 at 0.82; r - 0.5 r^3 + 0.1 r^5 has 0.60 at 1, and rises again from 1.41 on.
@pytest.mark.parametrize("offset", [310.0, 330.0, 500.0, 1700.0])  # the first one's far branch, r < -1.4, reaches 1700
@pytest.mark.parametrize("D", [[-0.5, 0, 0, 0, 0], [-0.5, 0.1, 0, 0, 0]])
def test_a_pixel_beyond_the_fold_of_the_distortion_has_no_ray(offset, D):
    barrel = Camera(K, (640, 480), D, "plumb_bob")
    assert np.isnan(barrel.unproject(np.array([320.0 + offset, 240.0]))).all()


@pytest.mark.parametrize("D, fold", [([-0.5, 0, 0, 0, 0], np.sqrt(2 / 3)), ([-0.5, 0.1, 0, 0, 0], 1.0)])
def test_a_point_beyond_the_fold_of_the_distortion_has_no_pixel_and_one_within_has(D, fold):
    barrel = Camera(K, (640, 480), D, "plumb_bob")
    beyond = np.array([[1.01 * fold, 0, 1], [0, -1.01 * fold, 1], [2.0, 1.0, 0.5]])
    assert np.isnan(barrel.project(beyond)).all()
    assert np.isfinite(barrel.project(0.999 * beyond[:2] / [1.01, 1.01, 0.999])).all()


def test_straight_behind_a_fisheye_and_beyond_its_fold_there_is_no_pixel():
    folding = Camera(K, (640, 480), [-0.1, 0, 0, 0], "equidistant")  # 1.826 rad
    assert np.isnan(folding.project(np.array([[np.sin(1.83), 0, np.cos(1.83)], [0.1, 0, -1.0]]))).all()
    straight = Camera(K, (640, 480), np.zeros(4), "equidistant")
    assert np.isnan(straight.project(np.array([0.0, 0.0, -1.0]))).all()
    assert np.isfinite(straight.project(np.array([0.01, 0.0, -1.0]))).all()


def test_a_fisheye_whose_distortion_folds_has_rays_up_to_there_and_none_beyond():
    # theta - 0.1 theta^3 has its maximum 1.217 at 1.826
    folding = Camera(K, (640, 480), [-0.1, 0, 0, 0], "equidistant")
    theta = np.array([0.0, 1e-7, 1.0, 1.8])
    points = np.stack([np.sin(theta), np.zeros(4), np.cos(theta)], axis=-1)
    assert_allclose(folding.unproject(folding.project(points)), points, atol=1e-9)
    assert np.isnan(folding.unproject(K[:2, 2] + [1.22 * K[0, 0], 0])).all()


@pytest.mark.parametrize("radius", [0.5, 0.8, 0.812, 0.816])
def test_up_to_the_fold_of_the_distortion_all_pixels_have_their_rays(radius):
    barrel = Camera(K, (640, 480), [-0.5, 0, 0, 0, 0], "plumb_bob")
    points = np.array([[radius, 0, 1], [0, -radius, 1], [0.1, 0.1, 1]])
    rays = barrel.unproject(barrel.project(points))
    assert_allclose(rays / rays[:, 2:], points, atol=1e-7)


@pytest.mark.parametrize("D", [[0.2, 0.05, 0, 0, -0.05], [0.25, -0.1, 0, 0, 0], [0.065, 0.061, 0, 0, -0.025]])
def test_a_lens_that_bends_outwards_before_it_folds_has_a_ray_for_every_pixel_up_to_there(D):
    lens = Camera(K, (640, 480), D, "plumb_bob")
    radius = np.linspace(0, 3, 3000)
    points = np.stack([radius, 0.3 * radius, np.ones(3000)], axis=-1)
    seen = points[np.isfinite(lens.project(points)[:, 0])]
    assert 1.2 < np.hypot(*seen[-1, :2]) < 2.9  # the fold
    seen = seen[: int(0.99 * len(seen))]
    rays = lens.unproject(lens.project(seen))
    assert_allclose(rays / rays[:, 2:], seen, atol=1e-8)


def test_a_fold_far_from_the_axis_is_found_too():
    lens = Camera(K, (640, 480), [-0.02, 0, 0, 0, 0], "plumb_bob")  # r - 0.02 r^3 has its maximum at 4.08
    assert np.isfinite(lens.project(np.array([4.05, 0.0, 1.0]))).all()
    assert np.isnan(lens.project(np.array([[4.2, 0.0, 1.0], [7.0, 0.0, 1.0]]))).all()


@pytest.mark.parametrize("name", CAMERAS)
def test_points_may_be_read_only_of_any_type_and_lie_anyhow_in_memory(name):
    camera, points = CAMERAS[name], POINTS.astype(np.float32)
    points.flags.writeable = False
    strided = np.asfortranarray(points.astype(float))
    assert_allclose(camera.project(points), camera.project(strided))
    pixels = camera.project(points)
    pixels.flags.writeable = False
    assert_allclose(camera.unproject(pixels), camera.unproject(np.asfortranarray(pixels)))


@pytest.mark.parametrize("size", [(640.9, 480.9), (np.nan, 480), (np.inf, 480)])
def test_a_size_that_is_no_number_of_pixels_is_refused(size):
    with pytest.raises(ValueError, match="the image size is"):
        Camera(K, size)


def test_cropping_moves_a_pixel_by_the_corner_of_the_crop():
    camera = CAMERAS["plumb_bob"]
    assert_allclose(camera.crop(100, 50, 200, 200).project(POINTS), camera.project(POINTS) - [100, 50])


def test_halving_the_image_halves_the_distance_to_its_corner_at_minus_a_half():
    half = VGA.resize(320, 240)
    assert half.size == (320, 240)
    assert_allclose(half.project(POINTS) + 0.5, (VGA.project(POINTS) + 0.5) / 2)


def test_a_field_of_view_of_ninety_degrees_puts_the_image_border_at_forty_five():
    camera = Camera.from_fov((640, 480), np.pi / 2)
    assert_allclose(camera.project(np.array([1.0, 0.0, 1.0])), [639.5, 239.5])


@pytest.mark.parametrize(
    "broken, word",
    [
        ({"K": np.zeros((3, 3))}, "not calibrated"),
        ({"K": np.full((3, 3), np.nan)}, "finite"),
        ({"K": [[1, 1, 0], [1, 1, 0], [0, 0, 1]]}, "to one line"),
        ({"K": [[1, 2, 0], [2, 1, 0], [0, 0, 1]]}, "mirrors the image"),
        ({"model": "kannala", "D": [0, 0, 0, 0]}, "kannala"),
        ({"model": "plumb_bob", "D": [0.1, 0.2]}, "plumb_bob takes 4 or 5"),
        ({"D": np.zeros(5)}, "name the model .* plumb_bob, rational_polynomial, equidistant"),
        ({"size": (0, 480)}, "positive"),
        ({"size": (640,)}, "positive width and height"),
    ],
)
def test_a_wrong_calibration_gets_a_sentence_that_says_what_is_wrong(broken, word):
    with pytest.raises(ValueError, match=word):
        Camera(**{"K": K, "size": (640, 480), **broken})


def test_opencvs_forms_are_taken_without_k3_and_by_the_name_fisheye():
    D = [0.1, 0.02, 0.003, 0.004]
    assert Camera(K, (640, 480), D, "plumb_bob") == Camera(K, (640, 480), [*D, 0.0], "plumb_bob")
    assert Camera(K, (640, 480), D, "fisheye") == Camera(K, (640, 480), D, "equidistant")


class Named(Camera):
    """A camera of a user's own kind."""


def test_a_cameras_numbers_cannot_be_changed_for_rays_were_made_of_them():
    K_given = K.copy()
    camera = Camera(K_given, (640, 480), [0.1] * 5, "plumb_bob")
    for array in (camera.K, camera.D):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    for copied in (copy.deepcopy(camera), pickle.loads(pickle.dumps(camera))):
        assert copied == camera and not (copied.K.flags.writeable or copied.D.flags.writeable)
    assert type(copy.copy(Named(K, (640, 480)))) is Named
    K_given[0, 0] = 1.0  # the caller's own array stays the caller's
    assert camera == Camera(K, (640, 480), [0.1] * 5, "plumb_bob")


EQUAL = Camera(K.tolist(), [640, 480], [0.02, -0.01, 0.003, -5e-4], "equidistant")


def test_cameras_of_the_same_numbers_are_equal_and_have_the_same_hash():
    assert EQUAL == CAMERAS["equidistant"] and hash(EQUAL) == hash(CAMERAS["equidistant"])
    assert {EQUAL: 1}[CAMERAS["equidistant"]] == 1
    assert len({*CAMERAS.values(), EQUAL}) == len(CAMERAS)
    assert VGA != "a camera" and VGA != None  # noqa: E711


@pytest.mark.parametrize(
    "change", [{"K": K + np.eye(3)}, {"size": (640, 481)}, {"D": [0.02, -0.01, 0.003, 0]}, {"model": "none", "D": []}]
)
def test_a_camera_of_which_one_number_differs_is_another_one(change):
    assert EQUAL != replace(EQUAL, **change)


@pytest.mark.parametrize("size", [[640, 480], np.array([640, 480]), (640.0, 480.0)])
def test_a_size_that_is_given_as_another_sequence_is_a_pair_of_whole_numbers(size):
    camera = Camera(K, size)
    assert camera.size == (640, 480) and [type(length) for length in camera.size] == [int, int]
    assert Frame(np.zeros((480, 640, 3), np.uint8), camera).camera is camera


@pytest.mark.parametrize(
    "image, camera, words",
    [(None, None, "could its file be read"), ("a.png", None, "is str"), (np.zeros((9, 9, 3), np.uint8), K, "a Camera")]
    + [(np.zeros((*size, 3), np.uint8), None, "no pixels") for size in ((0, 0), (0, 9), (9, 0))],
)
def test_a_frame_says_what_it_was_given_in_place_of_an_image_or_a_camera(image, camera, words):
    with pytest.raises(ValueError, match=words):
        Frame(image, camera)


def test_a_frame_refuses_an_image_of_another_size_than_its_camera():
    with pytest.raises(ValueError, match=r"\(320, 240\).*\(640, 480\)"):
        Frame(np.zeros((240, 320, 3), np.uint8), VGA)
