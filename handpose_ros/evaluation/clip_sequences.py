"""Sequences made of the demo clip, whose two rendered hands are cut out along their true skeletons.

They cross, one leaves and comes back, they rest in front of a noisy camera, one moves at half a metre a second; and
the clip as it is at other rates, with images dropped and with motion blur. Where a hand was moved in the image, it has
no truth in space.
"""

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from handpose_ros.evaluation.sequences import HandSequence, chosen, dropped, in_view, noisy
from handpose_ros.hand import BONES, WRIST
from handpose_ros.recordings.sources import DEMO_TRUTH, open_source

RATE = 30.0  # [Hz] of the clip
RESTED = (40, 100, 150, 220)  # images that are shown again and again
_SETTLED = 1.5  # [s] after which a filter has settled
_SPEED = 0.5  # [m/s]
_PALM = [0, 1, 2, 5, 9, 13, 17]
_HAND_WIDTH, _FOREARM_WIDTH = 0.024, 0.075  # [m] of a finger and of the forearm, cut out with a margin


def clip_sequences() -> Iterator[HandSequence]:
    """All of them, one after the other."""
    clip = _Clip()
    whole = clip.played(RATE)
    yield whole
    yield replace(clip.played(60.0), name="the clip at 60 Hz")
    halved = chosen(clip.played(RATE), np.arange(0, clip.count, 2))
    yield replace(halved, name="the clip at 15 Hz")
    yield replace(dropped(whole), name="a third of the images dropped")
    yield replace(whole, name="motion blur of 3 images", image=clip.blurred)
    for seconds in (0.5, 1.0, 2.0):
        yield clip.crossing(seconds)
    yield clip.leaving()
    yield clip.alone()
    yield from (clip.resting(index) for index in RESTED)
    yield from (clip.sliding(index) for index in RESTED)


class _Clip:
    """The demo clip and its hands, cut out."""

    def __init__(self):
        with open_source("demo") as source:
            self.camera, self.images = source.camera, list(source)
        with np.load(DEMO_TRUTH) as truth:
            self.joints, self.sides = truth["joints_3d"].astype(float), truth["sides"]
        self.count = len(self.images)
        self.joints_2d = self.camera.project(self.joints)
        self.background = cv2.resize(self.images[0][:120], self.camera.size)  # the table

    def played(self, rate: float) -> HandSequence:
        """The clip, with its images at `rate` [Hz]."""
        visible = np.ones(self.joints.shape[:2], bool)
        stamps = np.arange(self.count) / rate
        truth = self.sides, self.joints_2d, self.joints, visible
        return HandSequence("the clip at 30 Hz", self.camera, self.images.__getitem__, stamps, *truth)

    def blurred(self, index: int, images: int = 3) -> np.ndarray:
        """The mean of image `index` and the ones before it, `images` in all."""
        return np.mean(self.images[max(index - images + 1, 0) : index + 1], axis=0).astype(np.uint8)

    def crossing(self, seconds: float) -> HandSequence:
        """The hands change places, the right one in front, and change back."""
        apart = np.diff(self.joints_2d[0].mean(axis=1), axis=0)[0, 0]
        half, rest = round(seconds * RATE), np.zeros(15)
        there = np.linspace(0, apart, half)
        way = np.concatenate([rest, there, rest + apart, there[::-1], rest])
        return self._moved(f"crossing in {seconds:g} s and back", np.stack([way, -way], axis=-1))

    def leaving(self) -> HandSequence:
        """The left hand leaves the image in half a second, is away for a second, and comes back."""
        out, rest = np.linspace(0, -350, 15), np.zeros(20)
        way = np.concatenate([rest, out, np.full(30, -350), out[::-1], rest])
        return self._moved("leaving for a second", np.stack([way, 0 * way], axis=-1))

    def alone(self) -> HandSequence:
        """The clip without its left hand."""
        played = self.played(RATE)
        truth = {name: getattr(played, name)[:, 1:] for name in ("joints_2d", "joints_3d", "visible")}

        def image(index):
            hidden = self.images[index].copy()
            hidden[:, : self.camera.size[0] // 2 - 10] = np.median(hidden, axis=(0, 1))
            return hidden

        return replace(played, name="one hand in view", image=image, sides=self.sides[1:], **truth)

    def resting(self, index: int) -> HandSequence:
        """Image `index` again and again, each time with other noise."""
        stamps = np.arange(105) / RATE
        joints_2d, joints_3d = (np.repeat(j[[index]], len(stamps), axis=0) for j in (self.joints_2d, self.joints))
        truth = self.sides, joints_2d, joints_3d, np.ones(joints_2d.shape[:2], bool)
        image = self.images[index]
        still = HandSequence("at rest", self.camera, lambda _: image, stamps, *truth, resting=(_SETTLED, np.inf))
        return noisy(still)

    def sliding(self, index: int) -> HandSequence:
        """The left hand of image `index` moves right at half a metre a second after a second of rest."""
        step = _SPEED / RATE * self.camera.K[0, 0] / self.joints[index, 0, WRIST, 2]
        way = np.concatenate([np.zeros(30), step * np.arange(1, int(400 / step))]) - 60
        sequence = self._moved("moving across at 0.5 m/s", np.stack([way, 0 * way + 900], axis=-1), index)
        return replace(sequence, moving=(42 / RATE, (len(way) - 4) / RATE))

    def _moved(self, name, offsets, index=None):
        """The hands moved to the right by `offsets` (N, 2) [px]; of image `index`, or of one after the other."""
        indices = np.arange(len(offsets)) % self.count if index is None else np.full(len(offsets), index)
        joints = self.joints_2d[indices] + offsets[..., None, None] * [1, 0]
        visible = in_view(joints, self.camera.size)
        return HandSequence(
            name,
            self.camera,
            lambda i: self._composed(indices[i], offsets[i]),
            np.arange(len(offsets)) / RATE,
            self.sides,
            joints,
            np.full((*visible.shape, 21, 3), np.nan),
            visible,
        )

    def _composed(self, index, offsets):
        """Image `index` with each hand moved to the right by its of `offsets` (2,) [px], the second one in front."""
        image, size = self.background.astype(np.float32), self.camera.size
        for hand, offset in enumerate(offsets):
            shift = np.float32([[1, 0, offset], [0, 1, 0]])
            alpha = cv2.warpAffine(self._mask(index, hand), shift, size)[..., None]
            image = alpha * cv2.warpAffine(self.images[index], shift, size) + (1 - alpha) * image
        return image.astype(np.uint8)

    def _mask(self, index, hand):
        """(H, W) 0..1 where a hand and its forearm are."""
        joints, metre = self.joints_2d[index, hand], self.camera.K[0, 0] / self.joints[index, hand, WRIST, 2]
        mask = np.zeros(self.camera.size[::-1], np.uint8)
        for parent, child in BONES:
            ends = np.round(joints[[parent, child]]).astype(int)
            cv2.line(mask, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 255, round(_HAND_WIDTH * metre))
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(joints[_PALM]).astype(np.int32)), 255)
        elbow = joints[WRIST] + 3 * (joints[WRIST] - joints[9])
        ends = np.round([joints[WRIST], elbow]).astype(int).tolist()
        cv2.line(mask, ends[0], ends[1], 255, round(_FOREARM_WIDTH * metre))
        return cv2.GaussianBlur(mask, (7, 7), 0).astype(np.float32) / 255
