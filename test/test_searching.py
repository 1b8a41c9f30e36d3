import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.camera import Camera
from handpose_ros.crops.aiming import aim, shifted
from handpose_ros.crops.cropping import Region
from handpose_ros.crops.searching import Search, tiles, whole

VGA = np.zeros((480, 640, 3), np.uint8)


@pytest.mark.parametrize("size, share", [((640, 480), 0.6), ((480, 640), 0.4), ((1280, 720), 0.25), ((64, 64), 1.0)])
def test_what_is_a_third_of_a_tile_is_whole_in_one_of_them_wherever_it_is(size, share):
    squares = tiles(size, share)
    side = share * max(size)
    for x in np.linspace(0, size[0] - 0.35 * side, 13):
        for y in np.linspace(0, size[1] - 0.35 * side, 13):
            box = np.array([x, y, x + 0.35 * side, y + 0.35 * side])
            inside = [(box[:2] >= s.box[:2] - 1e-6).all() and (box[2:] <= s.box[2:] + 1e-6).all() for s in squares]
            assert any(inside)


@pytest.mark.parametrize("size", [(640, 480), (480, 640)])
def test_the_whole_image_is_letterboxed_in_the_middle(size):
    region = whole(np.zeros((size[1], size[0], 3), np.uint8))
    assert_allclose(region.center, np.array(size) / 2)
    assert region.size == 640


def test_one_tile_is_the_whole():
    (tile,) = tiles((640, 480), 1.0)
    assert_allclose([*tile.center, tile.size], [320, 240, 640])


def test_every_other_search_is_of_the_whole_and_each_tile_has_its_turn():
    search = Search(tile_shares=(0.6,))
    turns = [search.next(VGA) for _ in range(2 * len(tiles((640, 480), 0.6)))]
    assert all(len(squares) == 1 for squares in turns)
    assert [squares[0].size for squares in turns[::2]] == [640.0] * len(turns[::2])
    assert {tuple(squares[0].center) for squares in turns[1::2]} == {tuple(t.center) for t in tiles((640, 480), 0.6)}


def test_without_tiles_the_whole_is_searched_every_time():
    search = Search(tile_shares=())
    assert [search.next(VGA)[0].size for _ in range(3)] == [640.0] * 3


def test_a_hand_that_is_missing_is_searched_around_its_place_and_everywhere():
    everywhere, around = Search().next(VGA, [Region(np.array([100.0, 200.0]), 80.0)])
    assert everywhere.size == 640
    assert_allclose([*around.center, around.size], [100, 200, 120])


def test_only_the_region_given_is_searched():
    search = Search(region=[100, 50, 300, 150], tile_shares=(0.5,))
    assert_allclose([*search.whole(VGA).center, search.whole(VGA).size], [200, 100, 200])
    boxes = np.stack([tile.box for tile in search.tiles(VGA, 0.5)])
    assert_allclose([*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)], [100, 50, 300, 150])


@pytest.mark.parametrize("region", [[10, 10, 10, 20], [10, 10, 5, 20], [1, 2, 3]])
def test_a_region_without_area_is_refused(region):
    with pytest.raises(ValueError, match="low x, low y, high x, high y"):
        Search(region)


def test_a_crop_is_shifted_by_pixels_of_the_image_in_a_view_too():
    camera = Camera(np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]), (640, 480))
    region = Region(np.array([200.0, 240.0]), 100.0, 0.4)
    offset = np.array([30.0, -20.0])
    assert_allclose(shifted(region, offset).center, [230, 220])
    view, moved = aim(region, camera), shifted(aim(region, camera), offset)
    assert_allclose(moved.to_image(np.array([0.5, 0.5]), 1), [230, 220], atol=1e-9)
    up, up_moved = (v.to_image(np.array([[0.5, 0.5], [0.5, 0.4]]), 1) for v in (view, moved))
    assert_allclose(up_moved[1] - up_moved[0], up[1] - up[0], atol=1.0)


def test_around_a_hand_that_coasted_beyond_the_fold_of_the_lens_nothing_is_searched():
    K = np.array([[360.0, 0, 320], [0, 360, 240], [0, 0, 1]])
    folding = Camera(K, (640, 480), [-0.33, 0.12, 0, 0, -0.02], "plumb_bob")
    crop, search = aim(Region(np.array([560.0, 240.0]), 120.0), folding), Search()
    counts = []
    for _ in range(115):
        crop = shifted(crop, np.array([1.0, 0.0]))
        counts.append(len(search.next(VGA, [crop])))
    assert counts[0] == 2 and counts[-1] == 1
