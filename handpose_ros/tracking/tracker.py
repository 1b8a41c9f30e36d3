"""Which hand is which from image to image: the only module of the pipeline that remembers this.

A track is looked for where its last observation pointed and its motion leads. The detector runs only while there is
room for another hand: every few images, and at once while a hand is missing.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from handpose_ros.crops.aiming import shifted
from handpose_ros.crops.cropping import Crop, apart, region_iou
from handpose_ros.hand import Observation, Side, TrackingState
from handpose_ros.tracking.association import REACH, Outline, assign, distances, distinct
from handpose_ros.tracking.tracks import Track

DETECT_EVERY = 6  # images while a hand is followed and another may come
DETECT_EVERY_ALONE = 2  # images while there is none
_PAUSE = 2.0  # [s] without an image after which what is there may be anything, if hands do not coast for longer
_SPARE = 2  # detections observed beyond the room there is: not all of them are hands
_STRONG_SIDE, _STRONG_VOTES = 0.95, 10  # evidence for which one person is believed to show two hands of one side
_STILL_STRONG_SIDE = 0.9  # and down to which it goes on to be believed
_GIVES_WAY = 1.5  # times the other's evidence that a hand needs to get back the side that it gave up for it
_SAME_PLACE = 0.5  # intersection over union of two crops of one hand
_OWN_REACH = 2.0  # as REACH, for what was seen in the track's own crop
_STILL = 0.05  # hand sizes: a crop is not moved for less
_STEADY = 0.02  # sides of a crop: nearer to the last crop than this the next one is the last one. The joints depend a
# little on the crop and the crop on the joints: at rest that loop made up to half of the noise.


class HandTracker:
    """Turns the observations of one image after the other into tracks with ids that are never reused."""

    def __init__(self, max_hands: int = 2, min_score: float = 0.5, coast_time: float = 0.25):
        """Follows at most `max_hands`; a score above `min_score` is a hand; coasts for `coast_time` [s]."""
        self.max_hands, self.min_score, self.coast_time = max_hands, min_score, coast_time
        self.reset(ids_too=True)

    def reset(self, ids_too: bool = False):
        """Forgets all tracks. Ids go on counting, unless `ids_too`."""
        if ids_too:
            self._next_id = 1
        self._tracks: tuple[Track, ...] = ()
        self._ended: tuple[Track, ...] = ()  # LOST before this image
        self._crops: list[Crop] = []  # where to look for each of them in this image
        self._stamp = -np.inf
        self._images_since_detection = DETECT_EVERY

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The living tracks as of the latest image."""
        return self._tracks

    def advance(self, stamp: float, anew: bool = False) -> bool:
        """Begins the image of time `stamp` [s]. Whether all tracks end before it: `anew`, because time jumps back (a
        bag that loops), or after a pause."""
        anew = anew or not 0 <= stamp - self._stamp <= max(_PAUSE, self.coast_time)
        if anew:
            ended = [replace(track, state=TrackingState.LOST) for track in self._tracks]
            self.reset()
            self._ended = tuple(ended)
        self._stamp = stamp
        self._images_since_detection += 1
        self._crops = [self._ahead(track) for track in self._tracks]
        return anew

    @property
    def crops(self) -> list[Crop]:
        """Where the tracks are to be looked for in this image, in their order."""
        return list(self._crops)

    @property
    def wants_detection(self) -> bool:
        """Whether the detector should run on this image."""
        states = [track.state for track in self._tracks]
        if states.count(TrackingState.TRACKED) >= self.max_hands:
            return False
        every = DETECT_EVERY if TrackingState.TRACKED in states else DETECT_EVERY_ALONE
        return self._images_since_detection >= every or TrackingState.COASTING in states

    def admit(self, detected: Sequence[Crop]) -> list[Crop]:
        """Those of the `detected` crops, best first, that may show a hand not yet followed that there is room for."""
        self._images_since_detection = 0
        pairs = zip(self._tracks, self._crops, strict=True)
        followed = [crop for track, crop in pairs if track.state is TrackingState.TRACKED]
        admitted: list[Crop] = []
        for crop in detected:
            if len(admitted) >= self.max_hands - len(followed) + _SPARE:
                break
            if not any(region_iou(crop, other) > _SAME_PLACE for other in followed + admitted):  # NaN is elsewhere
                admitted.append(crop)
        return admitted

    def update(
        self, observations: Sequence[Observation], follow: Callable[[Sequence[Observation]], Sequence[Crop]]
    ) -> tuple[Track, ...]:
        """The tracks after this image, those LOST in it or before it included.

        `observations` are those of `crops`, in their order, then those of the admitted ones;
        `follow` says of hands among them where each is to be looked for next.
        """
        around = [Outline.of(found) for found in observations]
        seen = [index for index, found in enumerate(observations) if found.score > self.min_score]
        seen = distinct(seen, observations, around)
        next_crops = dict(zip(seen, follow([observations[index] for index in seen]), strict=True)) if seen else {}
        measured = self._assign(seen, observations, around)
        crops = self._steady(measured, next_crops)
        tracks = [
            track.measured(self._stamp, observations[measured[index]], around[measured[index]], crops[index])
            if index in measured
            else track.unmeasured(self._stamp, self.coast_time)
            for index, track in enumerate(self._tracks)
        ]
        if new := [index for index in seen if index not in measured.values()]:
            room = self.max_hands - sum(track.state is TrackingState.TRACKED for track in tracks)
            newborn = [self._born(observations[i], around[i], next_crops[i]) for i in new[: max(room, 0)]]
            tracks = self._make_room(tracks, len(newborn)) + newborn
        tracks = _two_sides(tracks) if self.max_hands == 2 else tracks
        self._tracks = tuple(track for track in tracks if track.state is not TrackingState.LOST)
        ended, self._ended = self._ended, ()
        return tuple(tracks) + ended

    def _assign(self, seen, observations, around):
        """Track -> index among `observations` of the hand that it is."""
        if not seen or not self._tracks:
            return {}
        expected = [track.outline.moved(*track.way(self._stamp)) for track in self._tracks]
        right = [track.right_average for track in self._tracks]
        away = distances(expected, right, [around[i] for i in seen], [observations[i].right_score for i in seen])
        reach = [[_OWN_REACH if index == track else REACH for index in seen] for track in range(len(self._tracks))]
        return {track: seen[column] for track, column in assign(away, reach).items()}

    def _ahead(self, track):
        """Where the track's hand is to be looked for in this image."""
        way = track.way(self._stamp)
        return shifted(track.crop, way) if math.hypot(*way) > _STILL * track.outline.size else track.crop

    def _steady(self, measured, next_crops):
        """Track -> its next crop, or its last one if that is nearly the same."""
        last, new = [self._crops[track] for track in measured], [next_crops[index] for index in measured.values()]
        away = apart(last, new)
        return {track: last[i] if away[i] < _STEADY else new[i] for i, track in enumerate(measured)}

    def _make_room(self, tracks, newborn):
        """`tracks`, of which coasting ones give way to `newborn` others, the longest unseen first."""
        living = sum(track.state is not TrackingState.LOST for track in tracks)
        coasting = [track for track in tracks if track.state is TrackingState.COASTING]
        excess = max(living + newborn - self.max_hands, 0)
        dropped = {track.id for track in sorted(coasting, key=lambda track: track.last_seen)[:excess]}
        return [replace(track, state=TrackingState.LOST) if track.id in dropped else track for track in tracks]

    def _born(self, observation, outline, crop):
        track = Track.born(self._next_id, self._stamp, observation, outline, crop)
        self._next_id += 1
        return track


def _two_sides(tracks):
    """`tracks`, of which two living ones on one side are taken for a left and a right hand, unless both are sure.

    Who gave way goes on to: hands that look alike would exchange their sides with every other image. A new hand and one
    that coasts may be one hand that jumped.
    """
    living = [track for track in tracks if track.state is not TrackingState.LOST]
    if len(living) != 2 or living[0].side is not living[1].side:
        return tracks
    if any(track.state is TrackingState.COASTING for track in living) and not any(track.gave_way for track in living):
        return tracks
    needed = _STRONG_SIDE if any(track.gave_way for track in living) else _STILL_STRONG_SIDE
    if all(track.side_score > needed and track.votes >= _STRONG_VOTES for track in living):
        return [replace(track, gave_way=False) for track in tracks]
    doubtful = min(living, key=lambda track: track.side_evidence / (_GIVES_WAY if track.gave_way else 1.0))
    other = Side.LEFT if doubtful.side is Side.RIGHT else Side.RIGHT
    return [
        replace(track, side=other, gave_way=True) if track is doubtful else replace(track, gave_way=False)
        for track in tracks
    ]
