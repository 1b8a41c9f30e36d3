"""Teaches a lifter its lesson, examines it, and writes its weights."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from handpose_ros.geometry import similarity
from handpose_ros.lifting.lifter_view import SHAPE_UNIT
from tools.lifter.lessons import OBSERVED, Lesson


@dataclass(frozen=True)
class Recipe:
    """How a lifter is taught. The shares of errors say that photos are easier for the network than renders are."""

    width: int = 128
    blocks: int = 3
    members: int = 4
    steps: int = 2500
    batch: int = 256
    rate: float = 2e-3
    decay: float = 1e-3
    plane_errors: tuple[float, float] = (0.4, 1.0)  # share that is left of the network's errors, uniform between these
    shape_errors: tuple[float, float] = (0.5, 1.0)
    plane_noise: float = 0.03  # [extents]
    shape_noise: float = 0.06  # [SHAPE_UNIT]
    blind: float = 0.4  # share of the examples in which the network's joints are hidden


@dataclass(frozen=True)
class Score:
    """Means over an exam, for hands of the average size."""

    root_relative: float  # [mm]
    aligned: float  # [mm] after a similarity transform
    distance: float  # share of the true distance

    def __str__(self):
        return f"root-relative {self.root_relative:.1f} mm, PA {self.aligned:.1f} mm, place {100 * self.distance:.1f} %"


class Pupil(torch.nn.Module):
    """The same computation as one member of `handpose_ros.lifting.lifters.Network`."""

    def __init__(self, recipe: Recipe, features: torch.Tensor):
        super().__init__()
        self.register_buffer("mean", features.mean(dim=0))
        self.register_buffer("deviation", features.std(dim=0).clamp_min(0.05))
        self.first = torch.nn.Linear(features.shape[1], recipe.width)
        self.blocks = torch.nn.ModuleList(torch.nn.Linear(recipe.width, recipe.width) for _ in range(recipe.blocks))
        self.last = torch.nn.Linear(recipe.width, OBSERVED)
        torch.nn.init.zeros_(self.last.weight)  # it begins by believing what was observed
        torch.nn.init.zeros_(self.last.bias)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """`Look.plane` (N, 21, 2) and `Look.joints` (N, 21, 3), corrected."""
        x = torch.relu(self.first((features - self.mean) / self.deviation))
        for block in self.blocks:
            x = x + torch.relu(block(x))
        return as_hand(features[:, :OBSERVED] + self.last(x))


def as_hand(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, OBSERVED) -> (N, 21, 2) and (N, 21, 3)."""
    return values[:, :42].unflatten(1, (21, 2)), values[:, 42:].unflatten(1, (21, 3))


def place(plane, joints, center, extent):
    """(N, 21, 3) the joints in space: linear least squares for the place, then each onto its own ray."""
    flat = plane * extent + center
    rays = torch.nn.functional.normalize(torch.nn.functional.pad(flat, (0, 1), value=1.0), dim=-1)
    projector = torch.eye(3) - rays[..., :, None] * rays[..., None, :]
    target = -(projector @ joints[..., None]).sum(dim=1)
    there = torch.linalg.solve(projector.sum(dim=1), target)[..., 0]
    return rays * ((joints + there[:, None]) * rays).sum(dim=-1, keepdim=True)


def teach(lesson: Lesson, recipe: Recipe, seed: int) -> Pupil:
    """One pupil; the same for the same arguments."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    pupil = Pupil(recipe, lesson.features)
    optimizer = torch.optim.AdamW(pupil.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.steps, pct_start=0.1)
    for _ in range(recipe.steps):
        some = lesson[torch.randint(len(lesson), (recipe.batch,), generator=generator)]
        optimizer.zero_grad()
        _loss(pupil(_observed_again(some, recipe, generator)), some).backward()
        optimizer.step()
        schedule.step()
    return pupil


def _observed_again(lesson, recipe, generator):
    """(N, 106) the features with smaller errors and some noise, at times without the network's joints."""

    def share(low, high):
        return low + (high - low) * torch.rand(len(lesson), 1, generator=generator)

    noise = torch.randn(len(lesson), OBSERVED, generator=generator)
    plane, shape = slice(0, 42), slice(42, OBSERVED)
    ideal, errors, features = lesson.ideal, lesson.errors, lesson.features.clone()
    features[:, plane] = (
        ideal[:, plane] + share(*recipe.plane_errors) * errors[:, plane] + recipe.plane_noise * noise[:, plane]
    )
    features[:, shape] = (
        ideal[:, shape] + share(*recipe.shape_errors) * errors[:, shape] + recipe.shape_noise * noise[:, shape]
    )
    features[:, shape] *= torch.rand(len(lesson), 1, generator=generator) >= recipe.blind
    return features


def _loss(answer, lesson):
    plane, joints = answer
    true = lesson.joints
    placed = place(plane, joints, lesson.center, lesson.extent)
    distance = true.mean(dim=1).norm(dim=-1)[:, None, None]

    def l1(values):
        return values.abs().mean()

    def rooted(values):
        return values - values[:, :1]

    def centred(values):
        return values - values.mean(dim=1, keepdim=True)

    shape = l1(rooted(placed) - rooted(true)) + l1(rooted(joints) - rooted(true)) + l1(centred(joints) - centred(true))
    return shape + l1(plane - lesson.plane) + 2 * l1((placed - true) / distance)


@torch.no_grad()
def examine(pupils: list[Pupil], exam: Lesson) -> Score:
    """The mean of what the pupils answer; of what was observed, as it is, without a pupil."""
    answers = [pupil(exam.features) for pupil in pupils] or [as_hand(exam.features[:, :OBSERVED])]
    plane, joints = (torch.stack(values).mean(dim=0) for values in zip(*answers, strict=True))
    found = place(plane, joints, exam.center, exam.extent).double().numpy() * SHAPE_UNIT
    true = exam.joints.double().numpy() * SHAPE_UNIT
    s, R, t = similarity(found, true)
    aligned = s[:, None, None] * found @ np.swapaxes(R, -1, -2) + t[:, None]
    away = np.linalg.norm(found.mean(axis=1) - true.mean(axis=1), axis=-1) / np.linalg.norm(true.mean(axis=1), axis=-1)
    return Score(
        root_relative=1e3 * float(np.linalg.norm(found - found[:, :1] - true + true[:, :1], axis=-1).mean()),
        aligned=1e3 * float(np.linalg.norm(aligned - true, axis=-1).mean()),
        distance=float(away.mean()),
    )


def export(pupils: list[Pupil], path: Path):
    """Writes what `handpose_ros.lifting.lifters.Network.load` reads, the weights in half precision."""
    arrays = {"mean": pupils[0].mean.numpy(), "deviation": pupils[0].deviation.numpy()}
    layers = [[pupil.first, *pupil.blocks, pupil.last] for pupil in pupils]
    for number, same in enumerate(zip(*layers, strict=True)):
        arrays[f"weight{number}"] = np.stack([layer.weight.detach().numpy().T for layer in same]).astype(np.float16)
        arrays[f"bias{number}"] = np.stack([layer.bias.detach().numpy()[None] for layer in same]).astype(np.float16)
    np.savez(path, **arrays)
