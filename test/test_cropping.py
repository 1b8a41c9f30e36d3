import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.camera import Camera
from handpose_ros.crops.aiming import aim, upright_angle
from handpose_ros.crops.cropping import Region, View, apart, box_iou, region_iou

RNG = np.random.default_rng(2)
QUARTER = np.pi / 2


def ramps() -> np.ndarray:
    """(100, 120, 3): red is x, green is y, so that a sampled pixel tells where it came from."""
    y, x = np.mgrid[:100, :120]
    return np.stack([x, y, np.full_like(x, 255)], axis=-1).astype(np.uint8)


def test_a_region_of_the_samples_own_size_is_a_plain_cut():
    image = RNG.integers(0, 256, (100, 120, 3), np.uint8)
    crop = Region(np.array([60.0, 50.0]), 40.0).sample(image, 40, "black")
    assert (crop == image[30:70, 40:80]).all()


def test_pixel_zero_is_the_regions_corner():
    region = Region(np.array([60.0, 50.0]), 40.0)
    assert_allclose(region.to_image(np.array([[0, 0], [10, 10], [20, 5]]), 20), [[40, 30], [60, 50], [80, 40]])
    assert region.sample(ramps(), 20, "black")[5, 0].tolist() == [40, 40, 255]


def test_a_positive_angle_turns_clockwise_as_seen():
    region = Region(np.array([60.0, 50.0]), 40.0, QUARTER)
    # What lies to the right of the centre in the crop lies below it in the image.
    assert_allclose(region.to_image(np.array([30.0, 20.0]), 40), [60, 60])


@pytest.mark.parametrize("angle", [0.0, 0.3, QUARTER, -2.5, np.pi])
def test_every_sampled_pixel_comes_from_where_it_is_mapped_back_to(angle):
    region = Region(np.array([62.3, 48.9]), 50.5, angle)
    y, x = np.mgrid[:32, :32]
    expected = region.to_image(np.stack([x, y], axis=-1), 32)
    assert_allclose(region.sample(ramps(), 32, "black")[..., :2], expected, atol=0.55)


def test_outside_is_black_or_the_nearest_edge():
    image = np.full((10, 10, 3), 200, np.uint8)
    region = Region(np.array([0.0, 5.0]), 10.0)
    assert (region.sample(image, 10, "black")[:, 0] == 0).all()
    assert (region.sample(image, 10, "replicate") == 200).all()


@pytest.mark.parametrize("angle", [0.0, 0.4, QUARTER, 3.0])
def test_joints_turn_with_the_image_and_keep_their_depth(angle):
    points = RNG.normal(size=(2, 21, 3))
    region = Region(np.zeros(2), 1.0, angle)
    turned = region.to_camera(points)
    assert_allclose(turned[..., :2], region.to_image(points[..., :2] + 0.5, 1))
    assert_allclose(turned[..., 2], points[..., 2])


def test_a_point_below_in_the_crop_is_to_the_left_after_a_quarter_turn():
    assert_allclose(Region(np.zeros(2), 1.0, QUARTER).to_camera(np.array([0.0, 0.1, 0.2])), [-0.1, 0, 0.2], atol=1e-12)


@pytest.mark.parametrize(
    "offset, angle", [((0, -1), 0), ((1, 0), QUARTER), ((-1, 0), -QUARTER), ((1, -1), QUARTER / 2)]
)
def test_the_upright_angle_brings_the_top_straight_above_the_bottom(offset, angle):
    assert upright_angle(*offset) == pytest.approx(angle)


@pytest.mark.parametrize(
    "center, size, angle", [((0, 0), 0, 0), ((0, np.nan), 1, 0), ((0, 0, 0), 1, 0), ((0, 0), 1, np.inf)]
)
def test_a_region_that_is_none_is_refused(center, size, angle):
    with pytest.raises(ValueError, match="not a region"):
        Region(np.array(center), size, angle)


def test_two_squares_that_share_half_of_each_overlap_by_a_third():
    a, b = Region(np.array([0.0, 0.0]), 2.0), Region(np.array([1.0, 0.0]), 2.0, 0.7)
    assert region_iou(a, b) == pytest.approx(1 / 3)
    assert region_iou(a, a) == 1
    assert region_iou(a, Region(np.array([3.0, 3.0]), 2.0)) == 0


def test_boxes_are_compared_over_any_leading_dimensions():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6], [4, 4, 4, 4]], float)
    assert_allclose(box_iou(boxes[0], boxes), [1, 1 / 7, 0, 0])
    assert box_iou(boxes[:, None], boxes[None]).shape == (4, 4)
    assert box_iou(boxes[:0], boxes[0]).shape == (0,)


def test_crops_are_apart_by_the_corner_that_moved_most_in_sides_of_the_first():
    crop, small = Region(np.array([60.0, 50.0]), 40.0), Region(np.array([60.0, 50.0]), 20.0)
    moved, larger = Region(np.array([63.0, 54.0]), 40.0), Region(np.array([60.0, 50.0]), 44.0)
    turned = Region(np.array([60.0, 50.0]), 40.0, QUARTER)
    assert_allclose(apart([crop] * 4, [crop, moved, larger, turned]), [0, 5 / 40, np.sqrt(8) / 40, 1], atol=1e-12)
    assert_allclose(apart([small, crop], [crop, small]), [np.sqrt(200) / 20, np.sqrt(200) / 40])
    assert apart([], []) == []


def test_views_are_apart_as_the_regions_that_they_look_at():
    camera = Camera.from_fov((640, 480), 1.0)
    here, there = (Region(np.array([x, 240.0]), 60.0) for x in (320.0, 326.0))
    assert_allclose(apart([aim(here, camera)], [aim(there, camera)]), apart([here], [there]), rtol=0.01)


def test_crops_of_cameras_with_the_same_numbers_are_compared_and_of_other_ones_not():
    K, place = Camera.from_fov((640, 480), 1.0).K, Region(np.array([320.0, 240.0]), 60.0)
    lens, same, other = (Camera(K, (640, 480), [k1, 0, 0, 0, 0], "plumb_bob") for k1 in (-0.2, -0.2, -0.1))
    here = aim(place, lens)
    assert apart([here] * 3, [aim(place, same), aim(place, other), place]) == pytest.approx([0, np.inf, np.inf])


def test_how_far_a_crop_is_from_one_that_its_camera_does_not_see_is_unknown():
    camera = Camera.from_fov((640, 480), 1.0)
    ahead = aim(Region(np.array([320.0, 240.0]), 60.0), camera)
    behind = View(camera, np.diag([1.0, -1.0, -1.0]), ahead.extent)
    assert apart([ahead, behind], [behind, ahead]) == [np.inf, np.inf]
