"""Sequences that were recorded and annotated image by image: the samples of a data set that have stamps."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np

from handpose_ros.evaluation.datasets import Sample
from handpose_ros.evaluation.sequences import HandSequence


def recorded_sequences(samples: Sequence[Sample]) -> Iterator[HandSequence]:
    """The sequences that `samples` belong to, each in the order of its stamps; samples without a stamp are left out.

    A hand of a sequence is known by its id. Raises ValueError for two images at one time or of two cameras, and for two
    hands of an image with one id.
    """
    stamped = sorted((s for s in samples if np.isfinite(s.stamp)), key=lambda s: (s.sequence, s.stamp))
    for name, group in groupby(stamped, key=lambda s: s.sequence):
        yield _sequence(name, list(group))


def _sequence(name, samples):
    if len({sample.camera for sample in samples}) > 1:
        raise ValueError(f"the images of the sequence {name} are of several cameras: give each its own sequence")
    ids = sorted({hand.id for sample in samples for hand in sample.hands})
    shape = len(samples), len(ids), 21
    joints_2d, joints_3d, visible = (
        np.full((*shape, 2), np.nan),
        np.full((*shape, 3), np.nan),
        np.zeros(shape[:2], bool),
    )
    sides = np.zeros(len(ids), int)
    for i, sample in enumerate(samples):
        if len({hand.id for hand in sample.hands}) < len(sample.hands):
            called = ", ".join(hand.id for hand in sample.hands)
            raise ValueError(f"hands of {sample.image} are called the same ({called}): give each an id")
        for hand in sample.hands:
            h = ids.index(hand.id)
            joints_2d[i, h] = np.where(hand.valid[:, None], hand.joints_2d, np.nan)
            if hand.joints_3d is not None:
                joints_3d[i, h] = np.where(hand.valid[:, None], hand.joints_3d, np.nan)
            visible[i, h], sides[h] = True, hand.side
    return HandSequence(
        name or "recorded",
        samples[0].camera,
        lambda index: samples[index].read(),
        np.array([sample.stamp for sample in samples]),
        sides,
        joints_2d,
        joints_3d,
        visible,
    )
