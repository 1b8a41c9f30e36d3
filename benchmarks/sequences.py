"""How hands are kept and how steady they are, on sequences made of the demo clip: the tables of docs/tracking.md.

    python benchmarks/sequences.py [--only NAME]

The clip's two hands are cut out against its still background and put together again: crossing, leaving and coming
back, at rest in a noisy camera, moving at half a metre a second; and the clip as it is at other rates, with images
dropped and with motion blur. Truth is the clip's own, moved with the hands.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import handpose_ros
from handpose_ros.backends import make_backend
from handpose_ros.camera import Camera, Frame
from handpose_ros.hand import BONES, WRIST, HandPoses, Side, TrackingState
from handpose_ros.metrics import match_hands, root_relative_mpjpe
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.sequence_metrics import (
    acceleration_error,
    fragments,
    jitter,
    lag,
    switches,
    time_to_detection,
)
from handpose_ros.sources import open_source

DATA = Path(handpose_ros.__file__).parent / "data"
RATE = 30.0  # [Hz] of the clip
NOISE = 2.0  # [grey levels] standard deviation of the noise of each pixel, as of a webcam in a room
LOW_PASS = 6.4  # [Hz] of the fixed low-pass to compare with: 25 ms late
SETTLED = 45  # images after which a filter has settled


@dataclass(frozen=True)
class Sequence:
    """Images with their truth."""

    images: list[np.ndarray]  # (H, W, 3) uint8 each
    stamps: np.ndarray  # (N,) [s]
    joints_2d: np.ndarray  # (N, hands, 21, 2) [px], NaN where a hand is not in the image
    sides: np.ndarray  # (hands,)


class Clip:
    """The demo clip and its hands, cut out."""

    def __init__(self):
        with open_source("demo") as source:
            self.camera, self.images = source.camera, list(source)
        with np.load(DATA / "two_hands.npz") as truth:
            self.joints, self.sides = truth["joints_3d"].astype(float), truth["sides"]
        self.joints_2d = self.camera.project(self.joints)
        self.background = cv2.resize(self.images[0][:120], self.camera.size)  # the table

    def composed(self, index: int, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Image `index` with each hand moved by its of `offsets` (2, 2) [px], the second one in front; its joints."""
        image, size = self.background.astype(np.float32), self.camera.size
        for hand, offset in enumerate(offsets):
            shift = np.float32([[1, 0, offset[0]], [0, 1, offset[1]]])
            alpha = cv2.warpAffine(self._mask(index, hand), shift, size)[..., None]
            image = alpha * cv2.warpAffine(self.images[index], shift, size) + (1 - alpha) * image
        joints = self.joints_2d[index] + offsets[:, None]
        gone = ((joints < 0) | (joints >= size)).any(axis=-1).mean(axis=-1) > 0.5
        return image.astype(np.uint8), np.where(gone[:, None, None], np.nan, joints)

    def _mask(self, index, hand):
        """(H, W) 0..1 where a hand and its forearm are."""
        joints, metre = self.joints_2d[index, hand], self.camera.K[0, 0] / self.joints[index, hand, WRIST, 2]
        mask = np.zeros(self.camera.size[::-1], np.uint8)
        for parent, child in BONES:
            ends = np.round(joints[[parent, child]]).astype(int)
            cv2.line(mask, tuple(ends[0].tolist()), tuple(ends[1].tolist()), 255, round(0.024 * metre))
        palm = np.round(joints[[0, 1, 2, 5, 9, 13, 17]]).astype(np.int32)
        cv2.fillConvexPoly(mask, cv2.convexHull(palm), 255)
        elbow = joints[WRIST] + 3 * (joints[WRIST] - joints[9])
        ends = np.round([joints[WRIST], elbow]).astype(int).tolist()
        cv2.line(mask, ends[0], ends[1], 255, round(0.075 * metre))
        return cv2.GaussianBlur(mask, (7, 7), 0).astype(np.float32) / 255


def crossing(clip: Clip, seconds: float) -> Sequence:
    """The hands change places, the right one in front, and change back."""
    apart = np.diff(clip.joints_2d[0].mean(axis=1), axis=0)[0, 0]
    half = round(seconds * RATE)
    way = np.concatenate([np.zeros(15), np.linspace(0, 1, half), np.ones(15), np.linspace(1, 0, half), np.zeros(15)])
    made = [clip.composed(i % 300, np.array([[apart * s, 0], [-apart * s, 0]])) for i, s in enumerate(way)]
    return _sequence(clip, made)


def leaving(clip: Clip) -> Sequence:
    """The left hand leaves the image in half a second, is away for a second, and comes back."""
    out = np.linspace(0, -350, 15)
    way = np.concatenate([np.zeros(20), out, np.full(30, -350), out[::-1], np.zeros(20)])
    return _sequence(clip, [clip.composed(i, np.array([[x, 0], [0, 0]])) for i, x in enumerate(way)])


def played(clip: Clip, rate: float, *, step: int = 1, dropped: float = 0.0, blur: int = 1) -> Sequence:
    """Every `step`-th image at `rate` [Hz], a share of them `dropped`, and the motion of `blur` images in each."""
    rng = np.random.default_rng(0)
    kept = [i for i in range(0, 300, step) if rng.random() >= dropped]
    images = [np.mean(clip.images[max(i - blur + 1, 0) : i + 1], axis=0).astype(np.uint8) for i in kept]
    return Sequence(images, np.array(kept) / step / rate, clip.joints_2d[kept], clip.sides)


def resting(clip: Clip, index: int, count: int = 105) -> Sequence:
    """One image again and again, each time with other noise."""
    rng = np.random.default_rng(0)
    image = clip.images[index].astype(float)
    noisy = [np.clip(image + rng.normal(0, NOISE, image.shape), 0, 255).astype(np.uint8) for _ in range(count)]
    return _sequence(clip, [(each, clip.joints_2d[index]) for each in noisy])


def sliding(clip: Clip, index: int, speed: float = 0.5) -> Sequence:
    """The left hand moves right at `speed` [m/s] after a second of rest; the other one is away."""
    step = speed / RATE * clip.camera.K[0, 0] / clip.joints[index, 0, WRIST, 2]
    way = np.concatenate([np.zeros(30), step * np.arange(1, int(400 / step))])
    return _sequence(clip, [clip.composed(index, np.array([[x - 60, 0], [900, 0]])) for x in way])


def _sequence(clip, made):
    images, joints = zip(*made, strict=True)
    return Sequence(list(images), np.arange(len(images)) / RATE, np.array(joints), clip.sides)


def answers(backend, sequence: Sequence, camera: Camera, filter: str) -> list[HandPoses]:
    """What the pipeline says of each image."""
    pipeline = HandPosePipeline(backend, filter=filter)
    frames = zip(sequence.images, sequence.stamps, strict=True)
    return [pipeline(Frame(image, camera, float(stamp))) for image, stamp in frames]


def kept(sequence: Sequence, results: list[HandPoses]) -> str:
    """A row of the table on identity."""
    count, hands = sequence.joints_2d.shape[:2]
    ids, sides, most = np.zeros((hands, count), int), np.zeros((hands, count), int), 0
    for i, result in enumerate(results):
        shown = [hand for hand in result if hand.state is not TrackingState.LOST]
        most = max(most, len(shown))
        visible = np.flatnonzero(np.isfinite(sequence.joints_2d[i]).all(axis=(-1, -2)))
        found = np.array([hand.joints_2d for hand in shown]).reshape(-1, 21, 2)
        for hand, match in zip(visible, match_hands(found, sequence.joints_2d[i, visible]), strict=True):
            if match >= 0:
                ids[hand, i], sides[hand, i] = shown[match].track_id, shown[match].side
    visible = np.isfinite(sequence.joints_2d).all(axis=(-1, -2)).T
    wrong = sum(int(((s != 0) & (s != side)).sum()) for s, side in zip(sides, sequence.sides, strict=True))
    times = [time_to_detection(i, v, sequence.stamps) for i, v in zip(ids, visible, strict=True)]
    first, again = max(t[0] for t in times if t), [x for t in times for x in t[1:]]
    cells = [
        f"{(ids != 0)[visible].mean():.1%}",
        sum(switches(i) for i in ids),
        sum(switches(s) for s in sides),
        wrong,
        sum(fragments(i, v) for i, v in zip(ids, visible, strict=True)),
        f"{first:.2f}",
        f"{max(again):.2f}" if again else "-",
        most,
    ]
    return " | ".join(map(str, cells))


def low_pass(joints: np.ndarray) -> np.ndarray:
    """`joints` (N, ...) behind a fixed low-pass of first order."""
    smooth = [joints[0]]
    for each in joints[1:]:
        smooth.append(smooth[-1] + (each - smooth[-1]) / (1 + RATE / (2 * np.pi * LOW_PASS)))
    return np.array(smooth)


def tracks(results: list[HandPoses], side: int) -> np.ndarray:
    """(N, 21, 3) [m] joints of the hand of one side, NaN where it is not measured."""
    joints = np.full((len(results), 21, 3), np.nan)
    for i, result in enumerate(results):
        for hand in result:
            if hand.side == side and hand.state is TrackingState.TRACKED:
                joints[i] = hand.joints_3d
    return joints


class Counted:
    """A backend that counts the squares it searches. See `handpose_ros.backends.Backend`."""

    def __init__(self, backend):
        self.squares, self._backend = 0, backend
        self.observe, self.track, self.model = backend.observe, backend.track, backend.model

    def detect(self, frame, squares=None):
        self.squares += len(squares or [None])
        return self._backend.detect(frame, squares)


def print_identity(clip: Clip, backend):
    print("| sequence | followed | id switches | side switches | wrong side | breaks | first [s] | again [s] | most |")
    print("|---|" + "---|" * 8)
    made = {
        "the clip, 30 Hz": played(clip, 30),
        "played at 60 Hz": played(clip, 60),
        "every second image, 15 Hz": played(clip, 15, step=2),
        "a third of the images dropped": played(clip, 30, dropped=0.33),
        "motion blur of 3 images": played(clip, 30, blur=3),
        "crossing in 0.5 s and back": crossing(clip, 0.5),
        "crossing in 1 s and back": crossing(clip, 1.0),
        "crossing in 2 s and back": crossing(clip, 2.0),
        "leaving for a second": leaving(clip),
    }
    for name, sequence in made.items():
        print(f"| {name} | {kept(sequence, answers(backend, sequence, clip.camera, 'one_euro'))} |", flush=True)


def print_steadiness(clip: Clip, backend):
    print("\n| at rest: rms [mm] | not filtered | fixed low-pass | One Euro |\n|---|---|---|---|")
    for index in (40, 100, 150, 220):
        sequence = resting(clip, index)
        raw, smooth = (answers(backend, sequence, clip.camera, name) for name in ("none", "one_euro"))
        for side in clip.sides:
            plain, filtered = tracks(raw, side), tracks(smooth, side)
            values = [1e3 * jitter(each[SETTLED:]) for each in (plain, low_pass(plain), filtered)]
            print(f"| image {index}, {Side(side).name.lower()} hand | " + " | ".join(f"{v:.2f}" for v in values) + " |")
    print("\n| moving at 0.5 m/s: lag [ms] | fixed low-pass | One Euro |\n|---|---|---|")
    for index in (40, 150):
        sequence = sliding(clip, index)
        plain, filtered = (
            tracks(answers(backend, sequence, clip.camera, name), clip.sides[0]) for name in ("none", "one_euro")
        )
        steady = slice(42, len(plain) - 4)
        values = [
            1e3 * lag(each[steady, WRIST], plain[steady, WRIST], 1 / RATE) for each in (low_pass(plain), filtered)
        ]
        print(f"| image {index} | " + " | ".join(f"{v:.1f}" for v in values) + " |")


def print_accuracy(clip: Clip, backend):
    print("\n| the clip | not filtered | fixed low-pass | One Euro |\n|---|---|---|---|")
    sequence = played(clip, 30)
    raw, smooth = (answers(backend, sequence, clip.camera, name) for name in ("none", "one_euro"))
    rows: dict[str, list[float]] = {
        "error of the joints, root-relative [mm]": [],
        "error of the acceleration [m/s2]": [],
    }
    plain, filtered = (np.stack([tracks(each, side) for side in clip.sides], axis=1) for each in (raw, smooth))
    for each in (plain, low_pass(plain), filtered):
        rows["error of the joints, root-relative [mm]"].append(1e3 * root_relative_mpjpe(each, clip.joints).mean())
        rows["error of the acceleration [m/s2]"].append(acceleration_error(each, clip.joints, 1 / RATE))
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{v:.1f}" for v in values) + " |")


def print_cost(clip: Clip, backend):
    hidden = [image.copy() for image in clip.images]
    for image in hidden:
        image[:, :310] = np.median(image, axis=(0, 1))
    sequence = Sequence(hidden, np.arange(len(hidden)) / RATE, clip.joints_2d, clip.sides)
    counted = Counted(backend)
    answers(counted, sequence, clip.camera, "one_euro")
    print(f"\nOne hand in view of two: {counted.squares / len(hidden):.3f} runs of the palm network an image.")


TABLES = {"identity": print_identity, "steadiness": print_steadiness, "accuracy": print_accuracy, "cost": print_cost}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--only", choices=TABLES)
    args = arguments.parse_args()
    clip, backend = Clip(), make_backend("mediapipe")
    for name, show in TABLES.items():
        if args.only in (None, name):
            show(clip, backend)


if __name__ == "__main__":
    main()
