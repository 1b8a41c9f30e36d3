from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from handpose_ros.camera import Camera
from handpose_ros.messages.calibration import camera_from_info, camera_from_yaml, camera_to_yaml, fold_warning
from handpose_ros.messages.decoding import BadMessage

# f = 500 px, centre of a 640x480 image in the pixel-centre convention
K = [500.0, 0, 319.5, 0, 500.0, 239.5, 0, 0, 1]
P = [400.0, 0, 300.0, 0, 0, 400.0, 200.0, 0, 0, 0, 1, 0]


def info(**changes):
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    fields = {"width": 640, "height": 480, "k": K, "p": P, "d": [], "distortion_model": "plumb_bob"}
    fields |= {"binning_x": 0, "binning_y": 0, "roi": roi}
    return SimpleNamespace(**(fields | changes))


def intrinsics(camera):
    """fx, fy, cx, cy [px]"""
    return camera.K[[0, 1, 0, 1], [0, 1, 2, 2]]


def test_a_raw_image_is_seen_with_k_and_d():
    camera = camera_from_info(info(d=[0.1, 0.02, 0.003, 0.004, 0.005]), (640, 480))
    assert_allclose(intrinsics(camera), [500, 500, 319.5, 239.5])
    assert_allclose(camera.D, [0.1, 0.02, 0.003, 0.004, 0.005])


def test_a_rectified_image_is_seen_with_p_and_no_distortion():
    camera = camera_from_info(info(d=[0.1, 0.02, 0.003, 0.004, 0.005]), (640, 480), rectified=True)
    assert_allclose(intrinsics(camera), [400, 400, 300, 200])
    assert camera.D.size == 0


@pytest.mark.parametrize("rectified", [False, True])
def test_a_zero_focal_length_means_not_calibrated(rectified):
    assert camera_from_info(info(k=[0.0] * 9, p=[0.0] * 12, width=0, height=0), (640, 480), rectified) is None


def test_a_distortion_that_folds_within_half_of_the_image_is_refused_and_one_in_the_corners_is_worth_a_warning():
    """r - r^3 k has its maximum 2/3 r at r = 1 / sqrt(3 k)."""
    with pytest.raises(BadMessage, match="folds within the image, of which it describes only 1. %"):
        camera_from_info(info(d=[-3.0, 0, 0, 0, 0]), (640, 480))  # up to 111 px from the middle
    corners = camera_from_info(info(d=[-0.3, 0, 0, 0, 0]), (640, 480))  # up to 351 px
    assert 0.8 < corners.share_with_rays < 0.98 and "folds within the image" in fold_warning(corners)
    assert fold_warning(camera_from_info(info(d=[-0.2, 0, 0, 0, 0]), (640, 480))) == ""  # up to 430 px
    with pytest.raises(ValueError, match="folds within the image"):
        camera_from_yaml(
            camera_to_yaml(Camera(np.reshape(K, (3, 3)), (640, 480), [-3.0, 0, 0, 0, 0], "plumb_bob"), "x")
        )


def test_a_fisheyes_round_image_is_no_fault():
    wide = Camera(
        np.array([[150.0, 0, 319.5], [0, 150, 239.5], [0, 0, 1]]), (640, 480), [-0.05, 0, 0, 0], "equidistant"
    )
    assert wide.share_with_rays < 0.98 and fold_warning(wide) == ""


def test_half_the_size_halves_the_focal_length_and_keeps_the_centre_in_the_centre():
    assert_allclose(intrinsics(camera_from_info(info(), (320, 240))), [250, 250, 159.5, 119.5])


@pytest.mark.parametrize("size", [(640, 360), (480, 640), (640, 481)])
def test_other_proportions_are_refused(size):
    with pytest.raises(BadMessage, match=f"calibrated for 640x480 px but the image has {size[0]}x{size[1]}") as refusal:
        camera_from_info(info(), size)
    assert refusal.value.kind == "camera_size"


def test_a_region_of_interest_moves_the_principal_point():
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300)
    assert_allclose(intrinsics(camera_from_info(info(roi=roi), (400, 300))), [500, 500, 219.5, 199.5])


def test_a_region_is_cut_out_first_and_binned_then():
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300)
    camera = camera_from_info(info(roi=roi, binning_x=2, binning_y=2), (200, 150))
    assert camera.size == (200, 150)
    assert_allclose(intrinsics(camera), [250, 250, 109.5, 99.5])  # (219.5 + 0.5) / 2 - 0.5


def test_binning_differs_by_axis_and_drops_what_fills_no_bin():
    camera = camera_from_info(info(binning_x=2, binning_y=7), (320, 68))  # 480 = 68 * 7 + 4
    assert_allclose(intrinsics(camera), [250, 500 / 7, 159.5, 240 / 7 - 0.5])


def test_a_region_outside_the_sensor_is_refused():
    roi = SimpleNamespace(x_offset=500, y_offset=0, width=400, height=300)
    with pytest.raises(BadMessage, match="outside the sensor"):
        camera_from_info(info(roi=roi), (400, 300))


@pytest.mark.parametrize(
    "model, D, expected",
    [
        ("plumb_bob", [], ("none", [])),
        ("plumb_bob", [0.0] * 5, ("plumb_bob", [0.0] * 5)),
        ("plumb_bob", [0.1, 0.02, 0.003, 0.004], ("plumb_bob", [0.1, 0.02, 0.003, 0.004, 0.0])),
        ("rational_polynomial", [0.1] * 8, ("rational_polynomial", [0.1] * 8)),
        ("equidistant", [0.1] * 4, ("equidistant", [0.1] * 4)),
        ("fisheye", [0.1] * 4, ("equidistant", [0.1] * 4)),
        ("", [], ("none", [])),
        ("none", [0.0] * 5, ("none", [])),
    ],
)
def test_the_distortion_model_keeps_its_meaning(model, D, expected):
    camera = camera_from_info(info(distortion_model=model, d=D), (640, 480))
    assert camera.model == expected[0]
    assert_array_equal(camera.D, expected[1])


@pytest.mark.parametrize(
    "changes, kind, words",
    [
        ({"k": [np.nan] * 9}, "camera_info", "not finite"),
        ({"d": [np.nan] * 5}, "camera_info", "not finite"),
        ({"distortion_model": "kannala", "d": [0.0] * 4}, "camera_model", "unknown distortion model 'kannala'"),
        ({"d": [0.1, 0.2]}, "camera_info", "plumb_bob takes"),
        ({"distortion_model": "", "d": [0.1] * 5}, "camera_info", "name the model"),
        ({"k": [1.0, 1, 0, 1, 1, 0, 0, 0, 1]}, "camera_info", "to one line"),
        ({"binning_x": 1000}, "camera_info", "bins of 1000x1 px leave nothing of 640x480 px"),
        ({"width": 0, "height": 0}, "camera_info", "image size"),
        ({"k": [-500.0, 0, 0, 0, 500, 0, 0, 0, 1]}, "camera_info", "focal length"),
    ],
)
def test_a_broken_camera_info_is_refused_with_its_kind_and_value(changes, kind, words):
    with pytest.raises(BadMessage, match=words) as refusal:
        camera_from_info(info(**changes), (640, 480))
    assert refusal.value.kind == kind


def test_a_rectified_image_without_a_projection_matrix_is_refused():
    with pytest.raises(BadMessage, match="P in camera_info is 0"):
        camera_from_info(info(p=[0.0] * 12), (640, 480), rectified=True)


@pytest.mark.parametrize("index, value", [(3, -60.0), (7, -60.0), (3, 60.0)])
def test_a_rectified_image_of_a_stereo_pairs_second_camera_is_refused_with_its_distance(index, value):
    """60 px m over 500 px: 12 cm beside, or below, the first camera."""
    p = [500.0, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0]
    p[index] = value
    with pytest.raises(BadMessage, match="second camera, 120 mm from the first: use the first camera") as refusal:
        camera_from_info(info(p=p), (640, 480), rectified=True)
    assert refusal.value.kind == "camera_info"
    assert camera_from_info(info(p=p), (640, 480)) is not None  # the raw image has K


CALIBRATION = """
image_width: 640
image_height: 480
camera_name: head
camera_matrix: {rows: 3, cols: 3, data: [500, 0, 319.5, 0, 501, 239.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, 0.02, 0.003, 0.004, 0.005]}
rectification_matrix: {rows: 3, cols: 3, data: [1, 0, 0, 0, 1, 0, 0, 0, 1]}
projection_matrix: {rows: 3, cols: 4, data: [500, 0, 319.5, 0, 0, 501, 239.5, 0, 0, 0, 1, 0]}
"""


def test_a_calibration_file_of_ros_is_read_as_it_stands():
    camera = camera_from_yaml(CALIBRATION)
    assert camera.size == (640, 480) and camera.model == "plumb_bob"
    assert_allclose(intrinsics(camera), [500, 501, 319.5, 239.5])
    assert_allclose(camera.D, [0.1, 0.02, 0.003, 0.004, 0.005])


@pytest.mark.parametrize("model, D", [("plumb_bob", [0.1] * 5), ("equidistant", [0.01] * 4), ("none", [])])
def test_a_calibration_file_written_and_read_is_the_same_camera(model, D):
    camera = Camera(np.reshape(K, (3, 3)), (640, 480), D, model)
    again = camera_from_yaml(camera_to_yaml(camera, "head"))
    points = np.array([[0.1, -0.2, 1.0], [0.0, 0.3, 0.7]])
    assert again.size == camera.size
    assert_array_equal(again.project(points), camera.project(points))


@pytest.mark.parametrize(
    "text, words",
    [
        ("image_width: 640", "lacks 'image_height'"),
        ("a: [", "not YAML"),
        ("just words", "another structure: .*camera_calibration"),
        (CALIBRATION.replace("[500, 0, 319.5, 0, 501", "[0, 0, 319.5, 0, 501"), "focal length is 0"),
    ],
)
def test_what_is_no_calibration_file_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        camera_from_yaml(text)
