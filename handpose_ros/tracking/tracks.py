"""A hand over time: where it is and goes, and which side many looks at it agree on.

It is TRACKED while the network sees a hand where it is looked for, COASTING for a bounded time when it does not, then
LOST, once.
"""

import math
from dataclasses import dataclass, replace

from handpose_ros.crops.aiming import shifted
from handpose_ros.crops.cropping import Crop
from handpose_ros.hand import Observation, Side, TrackingState
from handpose_ros.tracking.association import Outline

_VOTES = 15  # images over which the side is averaged
_FLIP_MARGIN = 0.2  # the average must pass 0.5 by this much before a track changes its side
_VELOCITY_TIME = 0.05  # [s] over which a hand's motion in the image is averaged
# [s] in which the velocity of a hand that is not seen falls to a third: hands that move fast soon turn back
# (docs/tracking.md).
_DECAY_TIME = 0.15
_EVENLY = 0.1  # [s] for which a hand that was seen in the last image moves on without slowing down


def coasting(time: float) -> tuple[float, float]:
    """After `time` [s] without a look at a hand: what is left of its velocity, 0..1, and the time [s] in which it would
    have come as far with all of it."""
    left = math.exp(-time / _DECAY_TIME)
    return left, _DECAY_TIME * (1 - left)


@dataclass(frozen=True, eq=False)
class Track:
    """One hand over time, as of the latest image."""

    id: int
    state: TrackingState
    observation: Observation  # the latest measurement
    outline: Outline  # of its joints
    crop: Crop  # where to look in the next image
    side: Side
    right_average: float  # P(right), averaged
    votes: int  # observations in the average
    first_seen: float  # [s]
    last_seen: float  # [s]
    stamp: float  # [s] of the latest image
    velocity: tuple[float, float]  # [px/s] of the hand in the image; decays while it is not seen
    gave_way: bool = False  # its side went to the other hand, which had more right to it
    coasted: tuple[float, float] = (0.0, 0.0)  # [px] that `observation` was moved on since it was made

    @classmethod
    def born(cls, id: int, stamp: float, observation: Observation, outline: Outline, crop: Crop) -> "Track":
        """A hand first seen at `stamp` [s], which is to be looked for in `crop` next."""
        return cls(
            id=id,
            state=TrackingState.TRACKED,
            observation=observation,
            outline=outline,
            crop=crop,
            side=Side.RIGHT if observation.right else Side.LEFT,
            right_average=observation.right_score,
            votes=1,
            first_seen=stamp,
            last_seen=stamp,
            stamp=stamp,
            velocity=(0.0, 0.0),
        )

    def measured(self, stamp: float, observation: Observation, outline: Outline, crop: Crop) -> "Track":
        """The track with what was observed at `stamp` [s]."""
        votes = min(self.votes + 1, _VOTES)
        average = self.right_average + (observation.right_score - self.right_average) / votes
        side = self.side
        if abs(average - 0.5) > _FLIP_MARGIN:
            side = Side.RIGHT if average > 0.5 else Side.LEFT
        agrees = side is self.side and abs(average - 0.5) > _FLIP_MARGIN  # that it gave way to another is over
        return Track(
            id=self.id,
            state=TrackingState.TRACKED,
            observation=observation,
            outline=outline,
            crop=crop,
            side=side,
            right_average=average,
            votes=votes,
            first_seen=self.first_seen,
            last_seen=stamp,
            stamp=stamp,
            velocity=self._velocity(stamp, outline),
            gave_way=self.gave_way and not agrees,
        )

    def unmeasured(self, stamp: float, coast_time: float) -> "Track":
        """The track moved on, or lost. What was seen in one image only may be no hand, and does not coast."""
        coasts = self.votes > 1 and stamp - self.last_seen <= coast_time
        left, time = coasting(stamp - self.stamp)
        way = self.velocity[0] * time, self.velocity[1] * time
        return replace(
            self,
            state=TrackingState.COASTING if coasts else TrackingState.LOST,
            observation=replace(self.observation, joints_2d=self.observation.joints_2d + way),
            outline=self.outline.moved(*way),
            crop=shifted(self.crop, way),
            stamp=stamp,
            velocity=(left * self.velocity[0], left * self.velocity[1]),
            coasted=(self.coasted[0] + way[0], self.coasted[1] + way[1]),
        )

    @property
    def age(self) -> float:
        """Time since the hand was first seen [s]."""
        return self.stamp - self.first_seen

    @property
    def unseen(self) -> float:
        """Time since the hand was last measured [s]; 0 also where images have no time."""
        return 0.0 if self.state is TrackingState.TRACKED else self.stamp - self.last_seen

    def way(self, stamp: float) -> tuple[float, float]:
        """[px] that the hand is likely to be further on at `stamp` [s].

        If it was seen in the last image it moves evenly at first: else the crop of a moving hand would always be late.
        """
        time = stamp - self.stamp
        even = min(time, _EVENLY) if self.state is TrackingState.TRACKED else 0.0
        time = even + coasting(time - even)[1]
        return self.velocity[0] * time, self.velocity[1] * time

    @property
    def side_score(self) -> float:
        """Probability of `side` over the track, 0.5 .. 1."""
        share = self.right_average if self.side is Side.RIGHT else 1 - self.right_average
        return max(share, 0.5)

    @property
    def side_evidence(self) -> float:
        """How much speaks for `side`: what one image says does not outweigh what many said."""
        return (self.side_score - 0.5) * self.votes

    def _velocity(self, stamp, outline):
        """[px/s] with a measurement at `stamp` [s]: by the way since the last one, without what was predicted since."""
        dt = stamp - self.last_seen
        if dt <= 0:
            return self.velocity
        share = 1 - math.exp(-dt / _VELOCITY_TIME)
        parts = zip(self.velocity, outline.center, self.outline.center, self.coasted, strict=True)
        x, y = (v + share * ((new - (old - coasted)) / dt - v) for v, new, old, coasted in parts)
        return x, y
