"""Which squares of an image the detector searches: the whole, and in turn tiles, in which small hands are larger."""

from collections.abc import Sequence

import numpy as np

from handpose_ros.crops.cropping import Crop, Region

TILE_SHARES = (0.6, 0.4)  # of the longer side; with less, fingers of a near hand look like hands
_AROUND = 1.5  # crops of a hand that a search around it is wide


class Search:
    """The squares of one search after the other: the whole image, a tile, the whole image, the next tile, ...

    A search of one square costs the same every time, and every tile has its turn.
    """

    def __init__(self, region: np.ndarray | None = None, tile_shares: Sequence[float] = TILE_SHARES):
        """Searches only `region` (4,) low x, low y, high x, high y [px]; the whole image for None.

        Raises: ValueError for a region without area, and for a share that is none.
        """
        self.region = None if region is None else np.asarray(region, float)
        if self.region is not None and not (self.region.shape == (4,) and (self.region[2:] > self.region[:2]).all()):
            raise ValueError(f"the region is {region}: give low x, low y, high x, high y in pixels")
        self.tile_shares = tuple(tile_shares)
        if not all(0 < share <= 1 for share in self.tile_shares):
            raise ValueError(
                f"tile_shares are {self.tile_shares}: each is a share of the longer side, up to 1; () for none"
            )
        self._turn = 0

    def whole(self, image: np.ndarray) -> Region:
        """The square around all that is searched."""
        if self.region is None:
            return whole(image)
        low, high = self.region[:2], self.region[2:]
        return Region((low + high) / 2, float((high - low).max()))

    def tiles(self, image: np.ndarray, share: float) -> list[Region]:
        """The tiles of that, each `share` of its longer side long."""
        box = np.array([0, 0, *image.shape[1::-1]], float) if self.region is None else self.region
        return [Region(tile.center + box[:2], tile.size) for tile in tiles(tuple(box[2:] - box[:2]), share)]

    def next(self, image: np.ndarray, missing: Sequence[Crop] = ()) -> list[Region]:
        """The squares to search in this image: of the turn, and around hands that are `missing`, with the whole.

        Not around those that left what the camera sees.
        """
        if missing:
            boxes = [box for box in (crop.box for crop in missing) if np.isfinite(box).all()]
            around = [Region((box[:2] + box[2:]) / 2, float(_AROUND * (box[2] - box[0]))) for box in boxes]
            return [self.whole(image), *around]
        turn, self._turn = self._turn, self._turn + 1
        if turn % 2 == 0 or not self.tile_shares:
            return [self.whole(image)]
        small = [tile for share in self.tile_shares for tile in self.tiles(image, share)]
        return [small[turn // 2 % len(small)]]

    def reset(self):
        """Begins with the whole image again."""
        self._turn = 0


def whole(image: np.ndarray) -> Region:
    """The smallest upright region that holds all of the image (H, W, ...), in its middle."""
    height, width = image.shape[:2]
    return Region(np.array([width / 2, height / 2]), max(width, height))


def tiles(size: tuple[int, int], share: float, overlap: float = 0.35) -> list[Region]:
    """Upright squares that cover an image of `size` (width, height) [px], each `share` of the longer side long.

    Neighbours share at least `overlap` of their side, so that what is smaller than that is whole in one of them.
    """
    side = share * max(size)

    def centers(length):
        if length <= side:
            return [length / 2]
        count = int(np.ceil((length - side) / (side * (1 - overlap)) - 1e-9)) + 1
        return np.linspace(side / 2, length - side / 2, count)

    return [Region(np.array([x, y]), side) for y in centers(size[1]) for x in centers(size[0])]
