"""Crops through a virtual camera aimed at the hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.backends.mediapipe import tracked_squares
from handpose_ros.camera import Camera
from handpose_ros.crops.aiming import _write_turn_to, aim, place
from handpose_ros.crops.cropping import Region, View, node_pixels, region_iou, to_camera, to_image
from handpose_ros.crops.looks import Mirrored

K = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 240.0], [0.0, 0.0, 1.0]])
CAMERAS = {
    "none": Camera(K, (640, 480)),
    "plumb_bob": Camera(K, (640, 480), [-0.28, 0.09, 1e-3, -5e-4, -0.012], "plumb_bob"),
    "rational_polynomial": Camera(K, (640, 480), [0.4, 0.1, 1e-3, -2e-3, 0.02, 0.7, 0.15, 0.03], "rational_polynomial"),
    "equidistant": Camera(K, (640, 480), [0.02, -0.01, 0.003, -5e-4], "equidistant"),
}
WIDE = Camera(np.array([[200.0, 0, 320], [0, 200.0, 240], [0, 0, 1]]), (640, 480), np.zeros(4), "equidistant")
RNG = np.random.default_rng(0)


def ramps():
    """(480, 640, 3) float32: red is x, green is y, so that a sampled pixel tells where it came from."""
    y, x = np.mgrid[:480, :640]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.float32)


@pytest.mark.parametrize("angle", [0.0, 0.4, -2.5])
def test_through_a_long_lens_the_view_is_the_region_to_the_grey_level(angle):
    image = RNG.integers(0, 256, (480, 640, 3), np.uint8)
    lens = Camera(np.array([[1e7, 0, 320], [0, 1e7, 240], [0, 0, 1]]), (640, 480))
    region = Region(np.array([250.0, 200.0]), 224.0, angle)
    view = aim(region, lens)
    assert_allclose(view.to_image(np.array([[0, 0], [224, 112]]), 224), region.to_image([[0, 0], [224, 112]], 224))
    difference = np.abs(view.sample(image, 224, "replicate").astype(int) - region.sample(image, 224, "replicate"))
    # Positions are rounded to 1/32 px in both warps, not always to the same side: noise of 256 levels shows it.
    assert np.mean(difference) < 1.0
    assert np.mean(difference > 16) < 1e-3
    assert_allclose(view.to_camera(np.eye(3)), region.to_camera(np.eye(3)), atol=1e-4)


@pytest.mark.parametrize("name", CAMERAS)
def test_every_sampled_pixel_comes_from_where_it_is_mapped_back_to(name):
    view = aim(Region(np.array([450.0, 150.0]), 160.0, 0.3), CAMERAS[name])
    y, x = np.mgrid[:224, :224]
    expected = view.to_image(np.stack([x, y], axis=-1), 224)
    # OpenCV rounds positions to 1/32 px; between its nodes the view's grid is linear.
    assert_allclose(view.sample(ramps(), 224, "replicate")[..., :2], expected, atol=0.06)


@pytest.mark.parametrize("name", CAMERAS)
def test_a_point_on_the_views_plane_is_where_the_real_camera_sees_it(name):
    camera = CAMERAS[name]
    view = aim(Region(np.array([450.0, 150.0]), 160.0, 0.3), camera)
    crop_px = np.array([56.0, 168.0])  # a quarter of the square left of its centre and a quarter below
    local = np.array([-0.25 * view.extent, 0.25 * view.extent, 1.0])
    assert_allclose(view.to_image(crop_px, 224), camera.project(view.to_camera(local)))


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("angle", [0.0, 0.7, -3.0])
def test_a_view_has_its_regions_centre_size_and_roll(name, angle):
    region = Region(np.array([420.0, 180.0]), 100.0, angle)
    view = aim(region, CAMERAS[name])
    assert_allclose(view.to_image(np.array([0.5, 0.5]), 1), region.center, atol=1e-6)
    assert_allclose(view.to_image(np.array([0.5, 0.75]), 1), region.to_image(np.array([0.5, 0.75]), 1), atol=4)
    assert region_iou(view, region) > 0.9
    assert_allclose(np.linalg.det(view.R_camera_from_crop), 1.0)


def test_a_ball_at_fifty_degrees_fills_the_view_as_one_on_the_axis_does():
    camera = Camera(np.array([[300.0, 0, 320], [0, 300.0, 240], [0, 0, 1]]), (1200, 480))
    ring = 0.1 * np.stack([np.cos(a := np.linspace(0, 2 * np.pi, 40)), np.sin(a), np.zeros(40)], axis=-1)

    def bounds(points):
        low, high = points.min(axis=1), points.max(axis=1)
        return np.column_stack([(low + high) / 2, (high - low).max(axis=1), np.zeros(len(points))])

    turn = np.radians(50)
    R = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    views = place(bounds, camera.project(np.stack([(ring + [0, 0, 0.6]) @ R.T for R in (np.eye(3), R)])), camera)
    assert_allclose(views[1].extent, views[0].extent, rtol=0.01)
    assert_allclose(views[1].R_camera_from_crop[:, 2], R[:, 2], atol=1e-3)


def test_a_hand_at_seventy_degrees_of_a_fisheye_looks_as_it_does_on_the_axis():
    hand = np.concatenate([[[0, 0.08]], RNG.uniform(-0.06, 0.06, (20, 2))])
    hand = np.column_stack([hand, RNG.normal(0, 0.01, 21)]) + [0, 0, 0.5]
    turn = np.radians(70)
    R = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    hands, seen = np.stack([hand, hand @ R.T]), []
    for joints, view in zip(hands, place(tracked_squares, WIDE.project(hands), WIDE), strict=True):
        local = joints @ view.R_camera_from_crop
        seen.append(local[:, :2] / local[:, 2:] / view.extent)
    assert_allclose(seen[1], seen[0], atol=0.01)


def test_without_a_camera_the_square_is_one_of_the_image():
    points = RNG.uniform(100, 200, (2, 21, 2))
    for square, (x, y, side, angle) in zip(place(tracked_squares, points, None), tracked_squares(points), strict=True):
        assert_allclose([*square.center, square.size, square.angle], [x, y, side, angle])


@pytest.mark.parametrize("camera", [None, CAMERAS["plumb_bob"]])
def test_points_may_be_read_only_of_any_type_and_lie_anyhow_in_memory(camera):
    points = np.asfortranarray(RNG.uniform(100, 200, (2, 21, 2)).astype(np.float32))
    points.flags.writeable = False
    for square, own in zip(
        place(tracked_squares, points, camera), place(tracked_squares, points.astype(float), camera), strict=True
    ):
        assert_allclose(square.unit_span, own.unit_span)


@pytest.mark.parametrize("direction", [[0.0, 0.0, -1.0], [0.01, 0.02, -1.0], [1.0, 0.0, -0.2], [0.3, -0.4, 0.5]])
def test_a_view_is_aimed_anywhere_also_nearly_straight_behind(direction):
    turn = np.empty((3, 3))
    _write_turn_to(*direction, turn)
    assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    assert_allclose(turn[:, 2], direction / np.linalg.norm(direction), atol=0.03)  # any half turn leads behind


def test_where_the_camera_has_no_rays_the_square_is_one_of_the_image_and_other_hands_have_a_view():
    barrel = Camera(K, (2000, 480), [-0.5, 0, 0, 0, 0], "plumb_bob")
    points = RNG.uniform(0, 100, (21, 2)) + [1500, 200]
    outside, inside = place(tracked_squares, np.stack([points, points - [1250, 0]]), barrel)
    assert isinstance(outside, Region) and isinstance(inside, View)
    assert place(tracked_squares, np.zeros((0, 21, 2)), barrel) == []


@pytest.mark.parametrize("name", CAMERAS)
def test_each_of_several_hands_has_the_square_that_it_has_alone(name):
    points = RNG.uniform(-50, 50, (3, 21, 2)) + np.array([[[200, 150]], [[320, 240]], [[450, 300]]])
    for square, own in zip(place(tracked_squares, points, CAMERAS[name]), points, strict=True):
        (alone,) = place(tracked_squares, own[None], CAMERAS[name])
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        assert_allclose(square.to_image(corners, 1), alone.to_image(corners, 1))


def kinds_of_crops(camera):
    """Two views of `camera`, one of another camera, a mirrored view and a region."""
    here, there = Region(np.array([200.0, 150.0]), 160.0, 0.3), Region(np.array([420.0, 330.0]), 90.0, -2.0)
    return [aim(here, camera), aim(there, camera), aim(there, WIDE), Mirrored(aim(here, camera)), here]


@pytest.mark.parametrize("name", CAMERAS)
def test_crops_of_all_kinds_bring_back_together_what_each_brings_back_alone(name):
    crops, points, joints = kinds_of_crops(CAMERAS[name]), RNG.uniform(0, 224, (5, 21, 2)), RNG.normal(size=(5, 21, 3))
    for some in (slice(None), slice(0, 2), slice(4, 5)):
        assert_allclose(
            to_image(crops[some], points[some], 224),
            [crop.to_image(own, 224) for crop, own in zip(crops[some], points[some], strict=True)],
        )
        assert_allclose(
            to_camera(crops[some], joints[some]),
            [crop.to_camera(own) for crop, own in zip(crops[some], joints[some], strict=True)],
        )


@pytest.mark.parametrize("name", CAMERAS)
def test_nodes_are_the_middles_of_cells_of_eight_pixels_and_one_row_around(name):
    crops = kinds_of_crops(CAMERAS[name])
    nodes = node_pixels(crops, 64)
    assert nodes.shape == (5, 10, 10, 2) and nodes.dtype == np.float32
    for crop, own in zip(crops, nodes, strict=True):
        assert_allclose(own[2, 5], crop.to_image(np.array([35.5, 11.5]), 64), rtol=1e-6)


def test_what_is_behind_the_real_camera_is_unknown_and_its_nodes_lie_far_outside():
    pinhole = CAMERAS["none"]
    turn = np.radians(80)  # to the right: the square's right half is beyond 90 degrees
    R = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    view = View(pinhole, R, 1.0)
    left, right = view.to_image(np.array([[10.0, 112.0], [214.0, 112.0]]), 224)
    assert np.isfinite(left).all() and np.isnan(right).all()
    (nodes,) = node_pixels([view], 224)
    assert (nodes[:, -1] == -1e4).all() and (nodes[:, 0, 0] > 640).all()
