"""Which hand is which from image to image: the only module of the pipeline with memory.

A track is followed by looking where its last observation pointed. It is TRACKED while the network
sees a hand there, COASTING for a bounded time when it does not, then LOST, once. The palm detector
runs only while there is room for another hand: every few images, and at once after a loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from handpose_ros.cropping import Crop, region_iou, same_hand
from handpose_ros.hand import Observation, Side, TrackingState

DETECT_EVERY = 3  # images; one run of the detector costs about as much as following one hand
_VOTES = 15  # images over which the side is averaged
_FLIP_MARGIN = 0.2  # the average must pass 0.5 by this much before a track changes its side
_SAME_PLACE = 0.5  # intersection over union of two crops of one hand


@dataclass(frozen=True)
class Track:
    """One hand over time, as of the latest image."""

    id: int
    state: TrackingState
    observation: Observation  # the latest measurement
    crop: Crop  # where to look in the next image
    side: Side
    right_average: float  # P(right), averaged
    votes: int  # observations in the average
    first_seen: float  # [s]
    last_seen: float  # [s]
    stamp: float  # [s] of the latest image

    @property
    def age(self) -> float:
        """Time since the hand was first seen [s]."""
        return self.stamp - self.first_seen

    @property
    def side_score(self) -> float:
        """Probability of `side` over the track, 0.5 .. 1."""
        share = self.right_average if self.side is Side.RIGHT else 1 - self.right_average
        return max(share, 0.5)


class HandTracker:
    """Turns the observations of one image after the other into tracks with ids that are never reused."""

    def __init__(self, max_hands: int = 2, min_score: float = 0.5, coast_time: float = 0.25):
        """Follows at most `max_hands`; a score above `min_score` is a hand; coasts for `coast_time` [s]."""
        self.max_hands, self.min_score, self.coast_time = max_hands, min_score, coast_time
        self._next_id = 1
        self.reset()

    def reset(self):
        """Forgets all tracks. Ids go on counting."""
        self._tracks: tuple[Track, ...] = ()
        self._stamp = -np.inf
        self._images_since_detection = DETECT_EVERY

    def advance(self, stamp: float):
        """Begins the image of time `stamp` [s]; a jump back in time (a bag that loops) resets."""
        if stamp < self._stamp:
            self.reset()
        self._stamp = stamp
        self._images_since_detection += 1

    @property
    def crops(self) -> list[Crop]:
        """Where the tracks are to be looked for in this image, in their order."""
        return [track.crop for track in self._tracks]

    @property
    def wants_detection(self) -> bool:
        """Whether the detector should run on this image."""
        states = [track.state for track in self._tracks]
        if states.count(TrackingState.TRACKED) >= self.max_hands:
            return False
        return self._images_since_detection >= DETECT_EVERY or TrackingState.COASTING in states

    def admit(self, detected: Sequence[Crop]) -> list[Crop]:
        """Those of the `detected` crops, best first, that show a hand not yet followed and that there is room for."""
        self._images_since_detection = 0
        followed = [track.crop for track in self._tracks if track.state is TrackingState.TRACKED]
        admitted: list[Crop] = []
        for crop in detected:
            if len(followed) + len(admitted) >= self.max_hands:
                break
            if all(region_iou(crop, other) <= _SAME_PLACE for other in followed + admitted):
                admitted.append(crop)
        return admitted

    def update(self, observations: Sequence[Observation], next_crops: Sequence[Crop]) -> tuple[Track, ...]:
        """The tracks after this image, those LOST in it included.

        `observations` are those of `crops`, in their order, then those of the admitted ones;
        `next_crops` say for each where its hand is to be looked for next.
        """
        followed = len(self._tracks)
        seen = [index for index, found in enumerate(observations) if found.score > self.min_score]
        seen = _without_repetitions(seen, observations)
        measured = {index: index for index in seen if index < followed}
        new = [index for index in seen if index >= followed]
        for index, track in enumerate(self._tracks):  # a hand detected where a track was last seen is that track
            if index not in measured:
                again = next((i for i in new if _reach(track, observations[i])), None)
                if again is not None:
                    new.remove(again)
                    measured[index] = again
        tracks = [
            self._measured(track, observations[measured[index]], next_crops[measured[index]])
            if index in measured
            else self._unmeasured(track)
            for index, track in enumerate(self._tracks)
        ]
        room = self.max_hands - sum(track.state is TrackingState.TRACKED for track in tracks)
        newborn = [self._born(observations[i], next_crops[i]) for i in new[: max(room, 0)]]
        tracks = self._make_room(tracks, len(newborn)) + newborn
        self._tracks = tuple(track for track in tracks if track.state is not TrackingState.LOST)
        return tuple(tracks)

    def _make_room(self, tracks, newborn):
        """`tracks`, of which coasting ones give way to `newborn` others, the longest unseen first."""
        living = sum(track.state is not TrackingState.LOST for track in tracks)
        coasting = [track for track in tracks if track.state is TrackingState.COASTING]
        excess = max(living + newborn - self.max_hands, 0)
        dropped = {track.id for track in sorted(coasting, key=lambda track: track.last_seen)[:excess]}
        return [replace(track, state=TrackingState.LOST) if track.id in dropped else track for track in tracks]

    def _born(self, observation, crop):
        side = Side.RIGHT if observation.right_score > 0.5 else Side.LEFT
        track_id, self._next_id = self._next_id, self._next_id + 1
        state, stamp = TrackingState.TRACKED, self._stamp
        return Track(track_id, state, observation, crop, side, observation.right_score, 1, stamp, stamp, stamp)

    def _measured(self, track, observation, crop):
        votes = min(track.votes + 1, _VOTES)
        average = track.right_average + (observation.right_score - track.right_average) / votes
        side = track.side
        if abs(average - 0.5) > _FLIP_MARGIN:
            side = Side.RIGHT if average > 0.5 else Side.LEFT
        return replace(
            track,
            state=TrackingState.TRACKED,
            observation=observation,
            crop=crop,
            side=side,
            right_average=average,
            votes=votes,
            last_seen=self._stamp,
            stamp=self._stamp,
        )

    def _unmeasured(self, track):
        coasting = self._stamp - track.last_seen <= self.coast_time
        return replace(track, state=TrackingState.COASTING if coasting else TrackingState.LOST, stamp=self._stamp)


def _without_repetitions(indices, observations):
    """`indices` without those whose observation repeats an earlier one."""
    kept: list[int] = []
    for index in indices:
        if not any(same_hand(observations[other].joints_2d, observations[index].joints_2d) for other in kept):
            kept.append(index)
    return kept


def _reach(track, observation):
    """Whether the hand observed may be the track's: no further from its last place than the hand is large."""
    moved = np.linalg.norm(observation.joints_2d.mean(axis=0) - track.observation.joints_2d.mean(axis=0))
    return moved < np.ptp(track.observation.joints_2d, axis=0).max()
