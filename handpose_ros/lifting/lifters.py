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

from handpose_ros.compiled import compiled, plain
from handpose_ros.lifting.lifter_view import FEATURES, look_at, look_back, scaled_to_template

WEIGHTS = Path(__file__).parents[1] / "data" / "lifter.npz"
# By maximum likelihood on 4,216 observations of renders that were not learned from: python -m tools.lifter.spread
_SPREAD_BELIEVED, _SPREAD_LEARNED = 0.053, 0.027
_OBSERVED = FEATURES - 1  # features are `Look.plane` and `Look.joints`; the last one is the size in the picture
_OF_JOINTS = slice(42, _OBSERVED)


@dataclass(frozen=True, eq=False)
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
    return scaled_to_template(plain(joints).reshape(-1, 21, 3)).reshape(joints.shape)


def believe(rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> Shape:
    """The network's own joints, of the average hand's size, on the rays as observed."""
    return Shape(scale_to_template(joints_local), rays, np.full(np.shape(rays)[:-2], _SPREAD_BELIEVED))


@dataclass(frozen=True, eq=False)
class Look:
    """Hands as the learned lifter sees them: straight ahead, upright, all right ones, of the size of the picture."""

    axes: np.ndarray  # (..., 3, 3) unit columns in the camera's axes; of a left hand x points to the other side
    center: np.ndarray  # (..., 1, 2) middle of the keypoints on the plane at distance 1
    extent: np.ndarray  # (..., 1, 1) root mean square of the keypoints' distances from there
    features: np.ndarray  # (..., 106) the learned lifter's input: `plane`, `joints`, logarithm of the extent

    @classmethod
    def at(cls, rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> "Look":
        """At hands with these `rays`, NaN where one of them is. Turning the camera changes nothing but `axes`."""
        shape = rays.shape[:-2]
        right = np.full(shape, right, dtype=bool).reshape(-1)
        axes, center, extent, features = look_at(
            plain(rays).reshape(-1, 21, 3), plain(joints_local).reshape(-1, 21, 3), right
        )
        return cls(
            axes.reshape(*shape, 3, 3),
            center.reshape(*shape, 1, 2),
            extent.reshape(*shape, 1, 1),
            features.reshape(*shape, FEATURES),
        )

    @property
    def plane(self) -> np.ndarray:
        """(..., 21, 2) keypoints from the center in extents."""
        return self.features[..., :42].reshape(*self.features.shape[:-1], 21, 2)

    @property
    def joints(self) -> np.ndarray:
        """(..., 21, 3) the network's, of the average hand's size, about their mean [SHAPE_UNIT]."""
        return self.features[..., _OF_JOINTS].reshape(*self.features.shape[:-1], 21, 3)

    def shape(self, observed: np.ndarray) -> Shape:
        """The way back, for (..., 105) `plane` and `joints` like this look's own."""
        shape = observed.shape[:-1]
        axes, center, extent = self.axes.reshape(-1, 3, 3), self.center.reshape(-1, 2), self.extent.reshape(-1)
        joints, rays = look_back(axes, center, extent, plain(observed).reshape(-1, _OBSERVED))
        spread = np.full(shape, _SPREAD_LEARNED)
        return Shape(joints.reshape(*shape, 21, 3), rays.reshape(*shape, 21, 3), spread)


@dataclass(frozen=True, eq=False)
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
        x = _rectified(x @ self.first[0], self.first[1])
        for weight, bias in self.blocks:
            x += _rectified(x @ weight, bias)
        corrections = x.swapaxes(0, 1).reshape(-1, len(self.last[0])) @ self.last[0] + self.last[1]
        return features[..., :_OBSERVED] + corrections.reshape(*features.shape[:-1], _OBSERVED)

    def lift(self, rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> Shape:
        """A `Lifter`. Hands with a joint outside of the camera's model are believed."""
        look = Look.at(rays, joints_local, right)
        learned = look.shape(self._seen_and_blind(look.features))
        known = np.isfinite(look.extent)
        if known.all():
            return learned
        believed = believe(rays, joints_local, right)
        return Shape(
            np.where(known, learned.joints, believed.joints),
            np.where(known, learned.rays, rays),
            np.where(known[..., 0, 0], learned.distance_spread, believed.distance_spread),
        )

    def _seen_and_blind(self, features):
        """The mean of what it says with and without the network's joints.

        It has learned both. Joints that are wrong mislead only half of the answer.
        """
        both = np.array([features, features])
        both[1, ..., _OF_JOINTS] = 0
        seeing, blind = self(both)
        return (seeing + blind) / 2


@cache
def _learned() -> Lifter:
    return Network.load().lift


LIFTERS: dict[str, Callable[[], Lifter]] = {"learned": _learned, "mediapipe": lambda: believe}


@compiled("f4[:,:,::1](f4[:,:,::1], f4[:,:,::1])")
def _rectified(x, bias):
    """`x` (M, R, H), which is changed, plus `bias` (M, 1, H), at least 0."""
    members, rows, units = x.shape
    for member in range(members):
        for row in range(rows):
            for unit in range(units):
                value = x[member, row, unit] + bias[member, 0, unit]
                x[member, row, unit] = np.float32(0) if value < 0 else value  # not max(): NaN stays
    return x
