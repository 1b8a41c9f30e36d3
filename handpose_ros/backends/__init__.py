"""What a hand network must offer to the pipeline, and the table of those there are.

A new backend is one file with a class that has the members of `Backend`, and one line in BACKENDS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from handpose_ros.cropping import Region
from handpose_ros.hand import Observation


@dataclass(frozen=True)
class Detection:
    """A place in the image where a hand may be."""

    region: Region  # where to observe it
    score: float  # 0..1


class Backend(Protocol):
    """Finds hands and observes them. Images are (H, W, 3) uint8 RGB."""

    name: str  # its key in BACKENDS
    model: str  # what runs, for example mediapipe-full@0.10.21
    license: str  # of the weights

    def detect(self, image: np.ndarray) -> list[Detection]:
        """Hands in the whole image, the best first."""

    def observe(self, image: np.ndarray, regions: Sequence[Region]) -> list[Observation]:
        """What the network sees in each region, in their order, those without a hand (a low score) too."""

    def track(self, observation: Observation) -> Region:
        """Where to look for this hand in the next image."""


def _mediapipe(**options) -> Backend:
    from handpose_ros.backends.mediapipe import MediaPipe  # torch takes a second to import: only who uses it waits

    return MediaPipe(**options)


BACKENDS: dict[str, Callable[..., Backend]] = {"mediapipe": _mediapipe}


def make_backend(name: str, **options) -> Backend:
    """The backend called `name`, built with its own options.

    Raises: ValueError for an unknown name; what the backend raises for its options.
    """
    if name not in BACKENDS:
        raise ValueError(f"no backend is called {name!r}, known are {', '.join(BACKENDS)}")
    return BACKENDS[name](**options)
