"""What a lifter should make of what a network saw: inputs and answers, in the units of a `Look`."""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from handpose_ros.lifting.lifter_view import SHAPE_UNIT
from handpose_ros.lifting.lifters import Look, scale_to_template
from tools.lifter.dataset import Samples

OBSERVED = 105  # of the features: 21 x 2 of the plane, 21 x 3 of the shape
_MIRROR = np.array([-1.0, 1.0, 1.0])
_CANDIDATES = 48  # of which an imagined hand takes the errors of the most similar one


@dataclass(frozen=True)
class Lesson:
    """What goes into a lifter and what should come out, N times."""

    features: torch.Tensor  # (N, 106) of a `Look` at the observation
    plane: torch.Tensor  # (N, 21, 2) true, from the observed center in observed extents
    joints: torch.Tensor  # (N, 21, 3) true [SHAPE_UNIT], of the average hand's size, in the look's axes, in their place
    center: torch.Tensor  # (N, 1, 2)
    extent: torch.Tensor  # (N, 1, 1)

    def __len__(self):
        return len(self.features)

    def __getitem__(self, index) -> "Lesson":
        return Lesson(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def ideal(self) -> torch.Tensor:
        """(N, OBSERVED) what a network without errors would have seen."""
        shape = self.joints - self.joints.mean(dim=1, keepdim=True)
        return torch.cat([self.plane.flatten(1), shape.flatten(1)], dim=1)

    @property
    def errors(self) -> torch.Tensor:
        """(N, OBSERVED) of what the network did see."""
        return self.features[:, :OBSERVED] - self.ideal


def split(samples: Samples, share: float) -> tuple[Samples, Samples]:
    """Samples to learn from, and those of the last `share` of the pictures."""
    pictures = np.unique(samples.picture)
    first = pictures[int(len(pictures) * (1 - share))]
    return samples[samples.picture < first], samples[samples.picture >= first]


def network_offsets(samples: Samples) -> np.ndarray:
    """(21, 3) [m] from the mesh's joints to where the network puts its keypoints, in the joints' axes on a right hand.

    By least squares in the image, without the tenth of the observations that fits worst. What is called a wrist or a
    fingertip is a convention, and not an error to be learned.
    """
    depth = samples.keypoints[:, :, 2:]
    flat = samples.keypoints[..., :2] / depth
    residual = (samples.rays - flat) * depth  # [m]
    axes = samples.frames * _handed(samples)[:, None]
    design = axes[..., :2, :] - flat[..., None] * axes[..., 2:, :]
    offsets = np.empty((21, 3))
    for joint in range(21):
        size = np.linalg.norm(residual[:, joint], axis=-1)
        near = size <= np.quantile(size, 0.9)
        offsets[joint] = np.linalg.lstsq(design[near, joint].reshape(-1, 3), residual[near, joint].ravel())[0]
    return offsets


def truth(samples: Samples, offsets: np.ndarray) -> np.ndarray:
    """(N, 21, 3) [m] where the keypoints are by the network's convention."""
    return samples.keypoints + (samples.frames @ (offsets * _handed(samples))[..., None])[..., 0]


def prepare(samples: Samples, offsets: np.ndarray) -> Lesson:
    """The lesson of what was observed."""
    rays = np.pad(samples.rays, [(0, 0), (0, 0), (0, 1)], constant_values=1)
    look = Look.at(rays / np.linalg.norm(rays, axis=-1, keepdims=True), samples.local, samples.right)
    seen = scale_to_template(truth(samples, offsets)) @ look.axes
    plane = (seen[..., :2] / seen[..., 2:] - look.center) / look.extent
    arrays = (look.features, plane, seen / SHAPE_UNIT, look.center, look.extent)
    return Lesson(*(torch.from_numpy(np.ascontiguousarray(array, np.float32)) for array in arrays))


def imagine(poses: Samples, offsets: np.ndarray, observed: Lesson, rng: np.random.Generator) -> Lesson:
    """A lesson about `poses` of which no picture was made, with the errors that the network made on similar hands."""
    true = truth(poses, offsets)
    exact = prepare(replace(poses, rays=true[..., :2] / true[..., 2:], local=true), offsets)
    candidates = rng.integers(len(observed), size=(len(exact), _CANDIDATES))
    shapes, others = exact.ideal[:, 42:], observed.ideal[:, 42:]
    alike = [
        int(((others[some] - shape) ** 2).sum(dim=1).argmin()) for shape, some in zip(shapes, candidates, strict=True)
    ]
    features = exact.features.clone()
    features[:, :OBSERVED] += observed.errors[candidates[np.arange(len(exact)), alike]]
    return replace(exact, features=features)


def join(lessons: list[Lesson]) -> Lesson:
    return Lesson(*(torch.cat([getattr(lesson, field.name) for lesson in lessons]) for field in fields(Lesson)))


def _handed(samples):
    """(N, 1, 3) signs that take the axes of a right hand to those of each."""
    return np.where(samples.right[:, None, None], 1.0, _MIRROR)
