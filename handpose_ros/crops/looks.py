"""The same hand seen several times, a little differently each time: mirrored, or the crop turned.

The network's errors differ from look to look. Their mean is nearer to the truth than a single look is, and how far
the looks are from each other says how far to believe each joint.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.crops.cropping import Crop, Region, roll
from handpose_ros.hand import Observation

# (turn [rad], mirrored) of each look, the most useful first
_LOOKS = tuple(
    (np.radians(turn), mirrored)
    for turn, mirrored in (
        (0, False),
        (0, True),
        (10, False),
        (-10, True),
        (-10, False),
        (10, True),
        (20, True),
        (-20, False),
    )
)
MOST = len(_LOOKS)


@dataclass(frozen=True)
class Mirrored(Crop):
    """What a mirror shows of a crop: the last pixel first, and left hands like right ones."""

    crop: Crop

    def sample(self, image: np.ndarray, size: int, border: str, out: np.ndarray | None = None) -> np.ndarray:
        return cv2.flip(self.crop.sample(image, size, border), 1, out)

    def span(self, size: int) -> np.ndarray:
        return self.crop.span(size) @ np.array([[-1.0, 0.0, size - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])

    @property
    def unit_span(self) -> np.ndarray:
        return self.span(1)

    @property
    def lens(self) -> Camera | None:
        return self.crop.lens

    @property
    def R_camera_from_crop(self) -> np.ndarray:
        return self.crop.R_camera_from_crop * np.array([-1.0, 1.0, 1.0])


def varied(crop: Crop, count: int) -> list[Crop]:
    """`count` looks, 1 to MOST, at what `crop` shows. The first is the crop as it is."""
    turned = [(_turned(crop, angle), mirrored) for angle, mirrored in _LOOKS[:count]]
    return [Mirrored(each) if mirrored else each for each, mirrored in turned]


def together(looks: Sequence[Observation]) -> Observation:
    """One observation of what was observed in each of the crops of `varied`: the mean, and how far they are apart.

    The side is that of the hand itself, whether its network saw it mirrored or not. A joint that is not known in one of
    them is not known, and there is no hand then.
    """
    if len(looks) == 1:
        return looks[0]
    joints_2d = np.stack([look.joints_2d for look in looks])
    right = [
        1 - look.right_score if mirrored else look.right_score
        for look, (_, mirrored) in zip(looks, _LOOKS, strict=False)
    ]
    mean = joints_2d.mean(axis=0)
    return replace(
        looks[0],
        joints_2d=mean,
        joints_local=np.mean([look.joints_local for look in looks], axis=0),
        score=0.0 if np.isnan(mean).any() else float(np.mean([look.score for look in looks])),
        right_score=float(np.mean(right)),
        spread=np.sqrt(((joints_2d - mean) ** 2).sum(axis=-1).mean(axis=0)),
    )


def _turned(crop, angle):
    if isinstance(crop, Region):
        return replace(crop, angle=crop.angle + angle)
    return replace(crop, R_camera_from_crop=crop.R_camera_from_crop @ roll(angle))
