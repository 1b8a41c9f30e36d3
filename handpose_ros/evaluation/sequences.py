"""Images over time with their true hands, and what a camera does to them: noise, motion blur, dropped images."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from handpose_ros.camera import Camera

NOISE = 2.0  # [grey levels] standard deviation of the noise of each pixel, as of a webcam in a room
DROPPED = 0.33  # share of the images that a busy machine loses
NEVER = (np.inf, np.inf)  # [s] from, until


@dataclass(frozen=True, eq=False)
class HandSequence:
    """N images of up to H hands whose truth is known. An image is made or read when it is asked for."""

    name: str
    camera: Camera | None  # None: not calibrated
    image: Callable[[int], np.ndarray]  # (H, W, 3) uint8 RGB of the image 0 .. N - 1
    stamps: np.ndarray  # (N,) [s], rising
    sides: np.ndarray  # (H,) hand.Side
    joints_2d: np.ndarray  # (N, H, 21, 2) [px]; NaN where a joint is not known
    joints_3d: np.ndarray  # (N, H, 21, 3) [m] optical frame; NaN where a joint is not known
    visible: np.ndarray  # (N, H) bool: the hand is there to be found
    resting: tuple[float, float] = NEVER  # [s] from, until: the hands do not move, and a filter has settled
    moving: tuple[float, float] = NEVER  # [s] from, until: they move at an even speed, and a filter has settled

    def __post_init__(self):
        count, hands = np.shape(self.visible)
        shapes = {"joints_2d": (count, hands, 21, 2), "joints_3d": (count, hands, 21, 3), "stamps": (count,)}
        for name, shape in {**shapes, "sides": (hands,)}.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} has shape {np.shape(getattr(self, name))}, it must be {shape}")
        if (np.diff(self.stamps) <= 0).any():
            raise ValueError(f"the stamps of the sequence {self.name} do not rise")

    def within(self, span: tuple[float, float]) -> np.ndarray:
        """(N,) bool: which images lie in `span` [s]."""
        return (self.stamps >= span[0]) & (self.stamps < span[1])


def noisy(sequence: HandSequence, noise: float = NOISE) -> HandSequence:
    """`sequence` taken by a sensor with `noise` [grey levels]; the same noise every time."""

    def image(index):
        clean = sequence.image(index)
        grain = np.random.default_rng(index).normal(0, noise, clean.shape)
        return np.clip(np.round(clean + grain), 0, 255).astype(np.uint8)

    return replace(sequence, image=image)


def dropped(sequence: HandSequence, share: float = DROPPED) -> HandSequence:
    """`sequence` without a `share` of its images, of which none is the first."""
    kept = np.random.default_rng(0).random(len(sequence.stamps)) >= share
    kept[0] = True
    return chosen(sequence, np.flatnonzero(kept))


def chosen(sequence: HandSequence, indices: np.ndarray) -> HandSequence:
    """Only the images `indices` (M,) of `sequence`."""
    return replace(
        sequence,
        image=lambda index: sequence.image(indices[index]),
        stamps=sequence.stamps[indices],
        joints_2d=sequence.joints_2d[indices],
        joints_3d=sequence.joints_3d[indices],
        visible=sequence.visible[indices],
    )


def in_view(joints_2d: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(...) bool: at least half of the joints (..., 21, 2) [px] lie inside of the image of `size` (width, height)."""
    inside = ((joints_2d >= -0.5) & (joints_2d < np.array(size) - 0.5)).all(axis=-1)
    return inside.mean(axis=-1) >= 0.5
