"""Sequences made of single photos with a camera and known joints, as a camera that turns in the same place sees them.

What a pinhole camera sees after a turn about its own centre follows from one photo exactly: there is no parallax, the
pixels move along with their rays, and the joints turn with them. A hand at distance z crosses the view of a camera that
turns by v / z [rad/s] as it would at the speed v. What lies outside of the photo is the photo's border, continued.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.crops.aiming import aim
from handpose_ros.crops.cropping import Region
from handpose_ros.evaluation.datasets import Sample
from handpose_ros.evaluation.sequences import NEVER, HandSequence, dropped, in_view, noisy

SIZE = (640, 480)  # [px] of the camera that turns; its focal length is the photo's
PHOTOS = 16  # of a data set, evenly chosen
RATES = (15.0, 30.0, 60.0)  # [Hz]
_SPEED = 0.5  # [m/s] across
_REST = 0.5  # [s] before the hand moves
_SETTLED = 0.4  # [s] after the start of a motion
_EXPOSURE = 1 / 60  # [s] of the images with motion blur
_BLURS = 6  # moments of an exposure
_CELL = 8  # [px] between nodes whose place in the photo is computed, linear in between


def photo_sequences(samples: Sequence[Sample], photos: int = PHOTOS) -> Iterator[HandSequence]:
    """All sequences of at most `photos` of `samples`, of those with a camera and one hand whose joints are all known.

    Raises ValueError where there is none.
    """
    usable = [sample for sample in samples if sample.camera is not None and len(sample.hands) == 1]
    usable = [each for each in usable if each.hands[0].whole]
    if not usable:
        raise ValueError("no sequence can be made: no photo has a camera and one hand with all joints in metres")
    chosen = np.unique(np.linspace(0, len(usable) - 1, min(photos, len(usable))).astype(int))
    for index in chosen:
        yield from _sequences(_Photo(usable[index]))


def _sequences(photo):
    rest = photo.seen("at rest", lambda stamp: 0.0, 30.0, 3.0)
    yield noisy(replace(rest, resting=(1.5, np.inf)))
    for rate in RATES:
        yield noisy(photo.crossing(f"moving across at 0.5 m/s, {rate:g} Hz", rate))
    yield noisy(photo.crossing("moving across at 0.5 m/s, blurred by 1/60 s", 30.0, _EXPOSURE))
    yield noisy(
        dropped(replace(photo.crossing("moving across at 0.5 m/s, a third of the images dropped", 30.0), moving=NEVER))
    )
    yield noisy(photo.leaving())


class _Photo:
    """A photo, and what a camera in its place sees that looks elsewhere."""

    def __init__(self, sample: Sample):
        self.camera, self.true = sample.camera, sample.hands[0]
        self.image = sample.read()
        focal = self.camera.K[0, 0]
        K = np.array([[focal, 0, (SIZE[0] - 1) / 2], [0, focal, (SIZE[1] - 1) / 2], [0, 0, 1]])
        self.view = Camera(K, SIZE)
        center = self.camera.project(self.true.joints_3d.mean(axis=0))
        self.R_photo_from_view = aim(Region(center, 1.0), self.camera).R_camera_from_crop
        self.distance = float(np.linalg.norm(self.true.joints_3d.mean(axis=0)))
        width, height = SIZE
        nodes = np.stack(
            np.meshgrid(*(np.arange(-_CELL, n + _CELL, _CELL) + (_CELL - 1) / 2 for n in (width, height))), -1
        )
        self._rays = self.view.unproject(nodes)

    def turned(self, pan: float) -> np.ndarray:
        """(3, 3) R_photo_from_view of the view panned to its left by `pan` [rad]: the hand moves to the right."""
        return self.R_photo_from_view @ cv2.Rodrigues(np.array([0.0, -pan, 0.0]))[0]

    def render(self, pan: float) -> np.ndarray:
        """What the view panned by `pan` [rad] sees, (H, W, 3) uint8."""
        coarse = np.float32(self.camera.project(self._rays @ self.turned(pan).T))
        coarse[np.isnan(coarse)] = -1e4
        pixels = cv2.resize(coarse, None, fx=_CELL, fy=_CELL)[_CELL:-_CELL, _CELL:-_CELL]
        return cv2.remap(
            self.image, pixels[: SIZE[1], : SIZE[0]], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    def seen(
        self, name: str, pan: Callable[[float], float], rate: float, seconds: float, exposure: float = 0.0
    ) -> HandSequence:
        """The view whose `pan` [rad] is a function of time [s], its images `exposure` [s] long until their stamps."""
        stamps = np.arange(round(seconds * rate)) / rate
        moments = np.linspace(-exposure, 0, _BLURS) if exposure else np.zeros(1)

        def image(index):
            return np.mean([self.render(pan(stamps[index] + moment)) for moment in moments], axis=0).astype(np.uint8)

        joints = np.stack([self.true.joints_3d @ self.turned(pan(stamp + moments.mean())) for stamp in stamps])[:, None]
        joints_2d = self.view.project(joints)
        visible = in_view(joints_2d, SIZE)
        return HandSequence(name, self.view, image, stamps, np.array([self.true.side]), joints_2d, joints, visible)

    def crossing(self, name: str, rate: float, exposure: float = 0.0) -> HandSequence:
        """From a rest at the left the hand moves to the right at half a metre a second, as far as it is seen."""
        half = np.arctan(SIZE[0] / 2 / self.view.K[0, 0])
        reach = 0.7 * half
        speed = _SPEED / self.distance
        end = _REST + 2 * reach / speed
        sequence = self.seen(name, lambda t: -reach + speed * np.clip(t - _REST, 0, None), rate, end, exposure)
        return replace(sequence, moving=(_REST + _SETTLED, np.inf))

    def leaving(self) -> HandSequence:
        """The hand leaves the view in 0.4 s, is away for a second, and comes back."""
        far = 2.0 * np.arctan(SIZE[0] / 2 / self.view.K[0, 0])
        times, pans = [0.5, 0.9, 1.9, 2.3], [0.0, far, far, 0.0]
        return self.seen("leaving for a second", lambda t: float(np.interp(t, times, pans)), 30.0, 3.0)
