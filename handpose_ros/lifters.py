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

from handpose_ros.geometry import cross
from handpose_ros.hand import MCPS, WRIST

# Bones of the average hand and their lengths [m]: those of the WebXR generic hand mesh, moved to where the networks put
# their landmarks (the wrist 11 mm and the MCPs 5 mm nearer the fingers than the mesh's joints, measured on renders).
TEMPLATE_BONES = np.array([(0, 5), (0, 9), (0, 13), (0, 17), (5, 17), (5, 6), (9, 10), (13, 14), (17, 18)])
TEMPLATE_LENGTHS = np.array([0.0876, 0.0857, 0.0807, 0.0769, 0.0612, 0.0386, 0.0419, 0.0379, 0.0296])
WEIGHTS = Path(__file__).parent / "data" / "lifter.npz"
SHAPE_UNIT = 0.05  # [m] in which the learned lifter counts, so that its numbers are near 1
# By maximum likelihood on 4,216 observations of renders that were not learned from: python -m tools.lifter.spread
_SPREAD_BELIEVED, _SPREAD_LEARNED = 0.053, 0.027
_INDEX, _MIDDLE, _RING, _ = MCPS
_MIRROR = np.array([-1.0, 1.0, 1.0])
_OF_JOINTS = slice(42, 105)  # of the features
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
    lengths = np.linalg.norm(joints[..., TEMPLATE_BONES[:, 0], :] - joints[..., TEMPLATE_BONES[:, 1], :], axis=-1)
    ratios = np.sort(TEMPLATE_LENGTHS / lengths, axis=-1)
    return joints * ratios[..., len(TEMPLATE_LENGTHS) // 2, None, None]


def believe(rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> Shape:
    """The network's own joints, of the average hand's size, on the rays as observed."""
    return Shape(scale_to_template(joints_local), rays, np.full(np.shape(rays)[:-2], _SPREAD_BELIEVED))


@dataclass(frozen=True)
class Look:
    """Hands as the learned lifter sees them: straight ahead, upright, all right ones, of the size of the picture."""

    R_camera_from_look: np.ndarray  # (..., 3, 3)
    mirror: np.ndarray  # (..., 1, 3) signs that make a right hand of any
    center: np.ndarray  # (..., 1, 2) middle of the keypoints on the plane at distance 1
    extent: np.ndarray  # (..., 1, 1) root mean square of the keypoints' distances from there
    plane: np.ndarray  # (..., 21, 2) keypoints from the center in extents
    joints: np.ndarray  # (..., 21, 3) the network's, of the average hand's size, about their mean [SHAPE_UNIT]

    @classmethod
    def at(cls, rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> "Look":
        """At hands with these finite `rays`. Turning the camera changes nothing but `R_camera_from_look`."""
        R = _upright(rays)
        mirror = np.where(np.asarray(right)[..., None, None], 1.0, _MIRROR)
        seen = (rays @ R) * mirror
        plane = seen[..., :2] / np.maximum(seen[..., 2:], _NARROWEST)
        center = _mean(plane)
        extent = np.sqrt(((plane - center) ** 2).sum(axis=(-1, -2), keepdims=True) / 21)
        joints = (scale_to_template(joints_local) @ R) * (mirror / SHAPE_UNIT)
        joints = joints - _mean(joints)
        return cls(R, mirror, center, extent, (plane - center) / extent, joints)

    @property
    def features(self) -> np.ndarray:
        """(..., 106) the learned lifter's input."""
        shape = self.plane.shape[:-2]
        parts = (self.plane.reshape(*shape, 42), self.joints.reshape(*shape, 63), np.log(self.extent[..., 0]))
        return np.concatenate(parts, axis=-1)

    def shape(self, plane: np.ndarray, joints: np.ndarray) -> Shape:
        """The way back, for `plane` and `joints` in the units and axes of this look's own."""
        rays = np.ones(joints.shape)
        rays[..., :2] = plane * self.extent + self.center
        rays *= self.mirror / np.linalg.norm(rays, axis=-1, keepdims=True)
        R = np.swapaxes(self.R_camera_from_look, -1, -2)
        return Shape((joints * self.mirror) @ R * SHAPE_UNIT, rays @ R, np.full(rays.shape[:-2], _SPREAD_LEARNED))


@dataclass(frozen=True)
class Network:
    """Residual networks side by side, M of them; what they correct is averaged."""

    mean: np.ndarray  # (106,) of the features
    deviation: np.ndarray  # (106,)
    first: tuple[np.ndarray, np.ndarray]  # (M, 106, H) weights and (M, 1, H) biases
    blocks: tuple[tuple[np.ndarray, np.ndarray], ...]  # (M, H, H) and (M, 1, H)
    last: tuple[np.ndarray, np.ndarray]  # (M, H, 105) and (M, 1, 105)

    @classmethod
    def load(cls, path: Path = WEIGHTS) -> "Network":
        with np.load(path) as file:
            arrays = {name: file[name].astype(np.float32) for name in file.files}
        pairs = [(arrays[f"weight{k}"], arrays[f"bias{k}"]) for k in range(len(arrays) // 2 - 1)]
        return cls(arrays["mean"], arrays["deviation"], pairs[0], tuple(pairs[1:-1]), pairs[-1])

    def __call__(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Corrections (..., 21, 2) of `Look.plane` and (..., 21, 3) of `Look.joints`."""
        shape = features.shape[:-1]
        x = ((features.reshape(-1, features.shape[-1]) - self.mean) / self.deviation).astype(np.float32)
        x = np.maximum(x @ self.first[0] + self.first[1], 0)
        for weight, bias in self.blocks:
            x = x + np.maximum(x @ weight + bias, 0)
        out = (x @ self.last[0] + self.last[1]).mean(axis=0, dtype=float)
        return out[:, :42].reshape(*shape, 21, 2), out[:, 42:].reshape(*shape, 21, 3)

    def lift(self, rays: np.ndarray, joints_local: np.ndarray, right: np.ndarray) -> Shape:
        """A `Lifter`. Hands with a joint outside of the camera's model are believed."""
        known = np.isfinite(rays).all(axis=(-1, -2), keepdims=True)
        look = Look.at(np.where(known, rays, _STRAIGHT_AHEAD), joints_local, right)
        learned = look.shape(*self._twice(look))
        if known.all():
            return learned
        believed = believe(rays, joints_local, right)
        return Shape(
            np.where(known, learned.joints, believed.joints),
            np.where(known, learned.rays, rays),
            np.where(known[..., 0, 0], learned.distance_spread, believed.distance_spread),
        )

    def _twice(self, look: Look) -> tuple[np.ndarray, np.ndarray]:
        """`Look.plane` and `Look.joints`, corrected: the mean of what it says with and without the network's joints.

        It has learned both. Joints that are wrong mislead only half of the answer.
        """
        features = np.stack([look.features] * 2)
        features[1, ..., _OF_JOINTS] = 0
        plane_correction, joints_correction = self(features)
        return look.plane + plane_correction.mean(axis=0), look.joints / 2 + joints_correction.mean(axis=0)


@cache
def _learned() -> Lifter:
    return Network.load().lift


LIFTERS: dict[str, Callable[[], Lifter]] = {"learned": _learned, "mediapipe": lambda: believe}
_STRAIGHT_AHEAD = np.stack([0.1 * np.cos(np.arange(21.0)), 0.1 * np.sin(np.arange(21.0)), np.ones(21)], axis=-1)


def _upright(rays):
    """(..., 3, 3) R_camera_from_look: z to the middle of the rays, y from the knuckles to the wrist."""
    z = _unit(_mean(rays)[..., 0, :])
    knuckles = ((rays[..., _INDEX, :] + rays[..., _RING, :]) / 2 + rays[..., _MIDDLE, :]) / 2
    down = rays[..., WRIST, :] - knuckles
    y = _unit(down - (down * z).sum(axis=-1, keepdims=True) * z)
    return np.stack([cross(y, z), y, z], axis=-1)


def _mean(points):
    return points.sum(axis=-2, keepdims=True) / 21


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
