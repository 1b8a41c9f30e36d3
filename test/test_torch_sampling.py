"""Crops sampled by torch are those sampled by OpenCV."""

from pathlib import Path

import numpy as np
import pytest
import torch

from handpose_ros.camera import Camera
from handpose_ros.crops.aiming import aim
from handpose_ros.crops.cropping import Region, node_pixels
from handpose_ros.runtimes.torch_sampling import sample

IMAGE = np.load(Path(__file__).parent / "data" / "networks.npz")["hand"][:200]  # (200, 240, 3)
PINHOLE = Camera.from_fov((240, 200), np.deg2rad(70))
FISHEYE = Camera(PINHOLE.K, PINHOLE.size, np.array([0.05, 0.01, 0, 0]), "equidistant")
INSIDE, BEYOND = Region(np.array([120.0, 100.0]), 90.0, 0.4), Region(np.array([30.0, 180.0]), 150.0, -1.2)


def by_torch(image, crops, size, border, room=0):
    pixels = np.concatenate([image.reshape(-1, 3), np.full((room, 3), 77, np.uint8)])
    nodes = node_pixels(crops, size)
    extent = np.array([*image.shape[1::-1], border == "replicate"])
    shown = sample(*map(torch.from_numpy, (pixels, extent, nodes)), size)
    return shown.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("border", ["replicate", "black"])
@pytest.mark.parametrize("size", [224, 192])
@pytest.mark.parametrize("camera", [None, PINHOLE, FISHEYE])
def test_every_kind_of_crop_is_sampled_as_opencv_does(camera, size, border):
    crops = [aim(region, camera) for region in (INSIDE, BEYOND)]
    for shown, crop in zip(by_torch(IMAGE, crops, size, border), crops, strict=True):
        difference = np.abs(shown - crop.sample(IMAGE, size, border))
        # OpenCV rounds places to 1/32 px: an edge from 0 to 255 may be off by 8.
        assert difference.mean() < 0.5 and np.percentile(difference, 99.9) <= 8


def test_the_places_of_whole_pixels_give_their_colours_exactly():
    square = Region(np.array([100.0, 100.0]), 64.0)
    (shown,) = by_torch(IMAGE, [square], 64, "black")
    np.testing.assert_array_equal(shown, IMAGE[68:132, 68:132])


def test_what_lies_behind_the_image_in_memory_is_never_seen():
    black, replicated = (by_torch(IMAGE, [BEYOND], 64, border, room=5000)[0] for border in ("black", "replicate"))
    np.testing.assert_array_equal(black, by_torch(IMAGE, [BEYOND], 64, "black")[0])
    np.testing.assert_array_equal(replicated, by_torch(IMAGE, [BEYOND], 64, "replicate")[0])
    assert (black == 0).all(axis=-1).mean() > 0.1 and not (replicated == 0).all(axis=-1).any()
