"""The interface of a hand network to the pipeline, and the table of available ones.

A new backend is one file with a class that has the members of `Backend`, and one line in BACKENDS.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Protocol

from handpose_ros.camera import Frame
from handpose_ros.crops.cropping import Crop, Region
from handpose_ros.hand import Observation


@dataclass(frozen=True)
class Detection:
    """A place in the image where a hand may be."""

    crop: Crop  # where to observe it
    score: float  # 0..1


class Backend(Protocol):
    """Finds hands and observes them."""

    name: str  # its key in BACKENDS
    model: str  # the networks in use, for example mediapipe-full@0.10.21
    license: str  # of the weights
    runtime: str  # library and device that run it, for people

    def detect(
        self, frame: Frame, squares: Sequence[Region] | None = None, meanwhile: bool = False
    ) -> Callable[[], list[Detection]]:
        """Starts a search in upright `squares` of the image, all at once; None: in the whole image.

        Returns a function that waits for the candidates, best first, a few more than hands wanted; `observe` decides
        which are hands.
        meanwhile: `observe` will be called before that function; the two then run in parallel, also on a CPU with
        several threads.
        """

    def observe(self, frame: Frame, crops: Sequence[Crop], glance: bool = False) -> list[Observation]:
        """One observation per crop, in their order, also for crops without a hand (they get a low score).

        `glance`: only tell whether and where hands are, as fast as possible.
        """

    def track(self, frame: Frame, observations: Sequence[Observation]) -> list[Crop]:
        """The crop for the next image, for each of the hands observed in this one."""

    def shared(self) -> "Backend":
        """A view of this backend for several threads; simultaneous requests are batched.

        It uses this backend's networks: do not use this backend, which is for one thread at a time, while the view is
        in use. Networks built with `frames` take that many frames at once.
        """


def _mediapipe(checkpoint: str = "", **options) -> Backend:
    if checkpoint:
        raise ValueError(
            f"mediapipe takes no checkpoint, and {checkpoint} was given: wildhands is the backend that does"
        )
    from handpose_ros.backends.mediapipe import MediaPipe  # torch takes a second to import: only who uses it waits

    _check_options(options, MediaPipe)
    return MediaPipe(**options)


def _wildhands(**options) -> Backend:
    from handpose_ros.backends.mediapipe import MediaPipe
    from handpose_ros.backends.wildhands import WildHands

    _check_options(options, WildHands, MediaPipe)
    return WildHands(**options)


BACKENDS: dict[str, Callable[..., Backend]] = {"mediapipe": _mediapipe, "wildhands": _wildhands}


def make_backend(name: str, **options) -> Backend:
    """The backend called `name`, built with its own options. For one thread at a time; several take its `shared()`.

    Raises: ValueError for an unknown name, TypeError for an unknown option; what the backend raises for its options.
    """
    if name not in BACKENDS:
        raise ValueError(f"no backend is called {name!r}, known are {', '.join(BACKENDS)}")
    return BACKENDS[name](**options)


def _check_options(options, *classes):
    """For the first of `classes`, which gives the next what it does not take itself."""
    takes = {
        each.name for one in classes for each in signature(one).parameters.values() if each.kind != each.VAR_KEYWORD
    }
    if unknown := sorted(set(options) - takes):
        raise TypeError(f"{classes[0].name} has no option {', '.join(unknown)}, known are {', '.join(sorted(takes))}")
