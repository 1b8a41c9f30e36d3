"""From what a network saw of a hand to its shape: the table of ways there are.

A lifter takes the viewing rays of the keypoints and the network's own hand-relative joints, and gives the shape of a
hand of average size and the rays on which its joints really lie. `mediapipe` believes both and only corrects the
size; `learned` is a small network that has learned the errors of both on renders (docs/lifter.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from handpose_ros.hand import MCPS, WRIST

# Bones of the average hand and their lengths [m]: those of the WebXR generic hand mesh, moved to where the networks put
# their landmarks (the wrist 11 mm and the MCPs 5 mm nearer the fingers than the mesh's joints, measured on renders).
TEMPLATE_BONES = np.array([(0, 5), (0, 9), (0, 13), (0, 17), (5, 17), (5, 6), (9, 10), (13, 14), (17, 18)])
TEMPLATE_LENGTHS = np.array([0.0876, 0.0857, 0.0807, 0.0769, 0.0612, 0.0386, 0.0419, 0.0379, 0.0296])
# joints -> template bones, each over its length
_BONES_OF_JOINTS = np.diff(np.eye(21)[TEMPLATE_BONES], axis=1)[:, 0] / TEMPLATE_LENGTHS[:, None]
WEIGHTS = Path(__file__).parent / "data" / "lifter.npz"
SHAPE_UNIT = 0.05  # [m] in which the learned lifter counts, so that its numbers are near 1
# By maximum likelihood on 4,216 observations of renders that were not learned from: python -m tools.lifter.spread
_SPREAD_BELIEVED, _SPREAD_LEARNED = 0.053, 0.027
_INDEX, _MIDDLE, _RING, _ = MCPS
_AHEAD_AND_UP = np.full((2, 21), 1 / 21)  # of joints: their mean, and the way from the wrist to the knuckles
_AHEAD_AND_UP[1] = -np.eye(21)[WRIST]
_AHEAD_AND_UP[1, [_INDEX, _MIDDLE, _RING]] = 0.25, 0.5, 0.25
_MEAN = _AHEAD_AND_UP[:1]  # _MEAN @ joints is their mean, _ABOUT_MEAN @ joints how far they are from it
_ABOUT_MEAN = np.eye(21) - _MEAN
_CROSS = np.cross(np.eye(3)[:, None], np.eye(3)).reshape(3, 9)  # v @ (a @ _CROSS).reshape(3, 3) is a x v
_SUM = np.ones(3)  # x @ _SUM is x.sum(axis=-1), in half of its time for few numbers
_OVER_21 = np.full(42, 1 / 21)
_ZERO = np.zeros((), np.float32)  # a plain 0 is made one of these in each call
_OBSERVED = 105  # features are `Look.plane` and `Look.joints`; the last one is the size in the picture
_OF_JOINTS = slice(42, _OBSERVED)
_NARROWEST = 0.1  # least z of a unit ray about the middle of the hand: hands all around the camera are clipped


@dataclass(frozen=True)
class Shape:
    """Hands without place and size; the leading dimensions are those of the input."""

    joints: np.ndarray  # (..., 21, 3) [m] of an average hand in the camera's axes, with any origin
    rays: np.ndarray  # (..., 21, 3) unit rays of the joints; NaN where none is known
    # (...) relative standard deviation of the distance at which such a hand is placed, its size being known, where
    # shape and rays agree
    distance_spread: np.ndarray


# rays (..., 21, 3) unit, joints_local (..., 21, 3) of any size and origin, right (...) bool -> Shape
Lifter = Callable[[np.ndarray, np.ndarray, np.ndarray], Shape]


def make_lifter(name: str) -> Lifter:
    """The lifter called `name`. Raises ValueError for an unknown one."""
    if name not in LIFTERS:
        raise ValueError(f"no lifter is called {name!r}, known are {', '.join(LIFTERS)}")
    return LIFTERS[name]()


def scale_to_template(joints: np.ndarray) -> np.ndarray:
    """`joints` (..., 21, 3) scaled so that the template bones have, in the median, the average hand's lengths [m]."""
    bones = _BONES_OF_JOINTS @ joints
    squared = np.sort((bones * bones) @ _SUM, axis=-1)
    return joints / np.sqrt(squared[..., len(TEMPLATE_BONES) // 2, None, None])


def believe(rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> Shape:
    """The network's own joints, of the average hand's size, on the rays as observed."""
    return Shape(scale_to_template(joints_local), rays, np.full(np.shape(rays)[:-2], _SPREAD_BELIEVED))


@dataclass(frozen=True)
class Look:
    """Hands as the learned lifter sees them: straight ahead, upright, all right ones, of the size of the picture."""

    axes: np.ndarray  # (..., 3, 3) unit columns in the camera's axes; of a left hand x points to the other side
    center: np.ndarray  # (..., 1, 2) middle of the keypoints on the plane at distance 1
    extent: np.ndarray  # (..., 1, 1) root mean square of the keypoints' distances from there
    plane: np.ndarray  # (..., 21, 2) keypoints from the center in extents
    joints: np.ndarray  # (..., 21, 3) the network's, of the average hand's size, about their mean [SHAPE_UNIT]

    @classmethod
    def at(cls, rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> "Look":
        """At hands with these finite `rays`. Turning the camera changes nothing but `axes`."""
        axes = _axes(rays, right)
        seen = rays @ axes
        plane = seen[..., :2] / np.maximum(seen[..., 2:], _NARROWEST)
        center = _MEAN @ plane
        flat = (plane - center).reshape(*plane.shape[:-2], 42)
        extent = np.sqrt((flat * flat) @ _OVER_21)[..., None]
        joints = scale_to_template(_ABOUT_MEAN @ joints_local) @ axes / SHAPE_UNIT
        return cls(axes, center, extent[..., None], (flat / extent).reshape(plane.shape), joints)

    @property
    def features(self) -> np.ndarray:
        """(..., 106) the learned lifter's input."""
        shape = self.plane.shape[:-2]
        parts = (self.plane.reshape(*shape, 42), self.joints.reshape(*shape, 63), np.log(self.extent[..., 0]))
        return np.concatenate(parts, axis=-1)

    def shape(self, observed: np.ndarray) -> Shape:
        """The way back, for (..., 105) `plane` and `joints` like this look's own."""
        joints = observed[..., 42:].reshape(self.joints.shape)
        rays = np.ones(joints.shape)
        rays[..., :2] = observed[..., :42].reshape(self.plane.shape) * self.extent + self.center
        rays /= np.sqrt((rays * rays) @ _SUM)[..., None]
        back = np.swapaxes(self.axes, -1, -2)
        return Shape(joints @ back * SHAPE_UNIT, rays @ back, np.full(rays.shape[:-2], _SPREAD_LEARNED))


@dataclass(frozen=True)
class Network:
    """Residual networks side by side, M of them; what they correct is averaged."""

    first: tuple[np.ndarray, np.ndarray]  # (M, 106, H) weights and (M, 1, H) biases
    blocks: tuple[tuple[np.ndarray, np.ndarray], ...]  # (M, H, H) and (M, 1, H)
    last: tuple[np.ndarray, np.ndarray]  # (M H, 105) and (105,), of the average

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> "Network":
        with np.load(path) as file:
            arrays = {name: file[name].astype(float) for name in file.files}
        pairs = [(arrays[f"weight{k}"], arrays[f"bias{k}"]) for k in range(len(arrays) // 2 - 1)]
        (first, first_bias), *blocks, (last, last_bias) = pairs
        first = first / arrays["deviation"][:, None]  # takes the features as they are
        first_bias = first_bias - arrays["mean"] @ first[:, None]
        last = last.reshape(-1, last.shape[-1]) / len(last)  # takes all networks' units in a row
        layers = [(first, first_bias), *blocks, (last, last_bias.mean(axis=(0, 1)))]
        first, *blocks, last = [(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in layers]
        return cls(first, tuple(blocks), last)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(..., 105) the first of `features` (..., 106), `Look.plane` and `Look.joints`, corrected."""
        x = features.reshape(-1, features.shape[-1]).astype(np.float32)
        x = np.maximum(x @ self.first[0] + self.first[1], _ZERO)
        for weight, bias in self.blocks:
            x += np.maximum(x @ weight + bias, _ZERO)
        corrections = x.swapaxes(0, 1).reshape(-1, len(self.last[0])) @ self.last[0] + self.last[1]
        return features[..., :_OBSERVED] + corrections.reshape(*features.shape[:-1], _OBSERVED)

    def lift(self, rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> Shape:
        """A `Lifter`. Hands with a joint outside of the camera's model are believed."""
        finite = np.isfinite(rays)
        if finite.all():
            return self._correct(rays, joints_local, right)
        known = finite.all(axis=(-1, -2), keepdims=True)
        learned = self._correct(np.where(known, rays, _STRAIGHT_AHEAD), joints_local, right)
        believed = believe(rays, joints_local, right)
        return Shape(
            np.where(known, learned.joints, believed.joints),
            np.where(known, learned.rays, rays),
            np.where(known[..., 0, 0], learned.distance_spread, believed.distance_spread),
        )

    def _correct(self, rays, joints_local, right):
        """The mean of what it says with and without the network's joints, of hands whose `rays` are finite.

        It has learned both. Joints that are wrong mislead only half of the answer.
        """
        look = Look.at(rays, joints_local, right)
        features = np.array([look.features] * 2)
        features[1, ..., _OF_JOINTS] = 0
        seeing, blind = self(features)
        return look.shape((seeing + blind) / 2)


@cache
def _learned() -> Lifter:
    return Network.load().lift


LIFTERS: dict[str, Callable[[], Lifter]] = {"learned": _learned, "mediapipe": lambda: believe}
_STRAIGHT_AHEAD = np.stack([0.1 * np.cos(np.arange(21.0)), 0.1 * np.sin(np.arange(21.0)), np.ones(21)], axis=-1)


def _axes(rays, right):
    """(..., 3, 3) columns: z to the middle of the rays, y from the knuckles to the wrist, x = y x z of right hands."""
    ahead_and_up = _AHEAD_AND_UP @ rays
    ahead, up = ahead_and_up[..., :1, :], ahead_and_up[..., 1:, :]
    cross = (ahead @ _CROSS).reshape(*rays.shape[:-2], 3, 3)
    x = up @ cross
    rows = np.concatenate([x * np.where(right, 1.0, -1.0)[..., None, None], x @ cross, ahead], axis=-2)
    rows /= np.maximum(np.sqrt((rows * rows) @ _SUM), 1e-12)[..., None]
    return np.swapaxes(rows, -1, -2)
