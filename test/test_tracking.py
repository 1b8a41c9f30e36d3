from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.crops.cropping import Region
from handpose_ros.hand import Observation, Side, TrackingState
from handpose_ros.tracking.association import Outline
from handpose_ros.tracking.tracker import DETECT_EVERY, DETECT_EVERY_ALONE, HandTracker
from handpose_ros.tracking.tracks import Track

TRACKED, COASTING, LOST = TrackingState.TRACKED, TrackingState.COASTING, TrackingState.LOST
SHAPE = np.random.default_rng(0).uniform(-50, 50, (21, 2))  # a hand of 100 px
PERIOD = 1 / 30


def hand(x, *, score=0.9, right=0.9):
    """An observed hand centred at (x, 240) px."""
    return Observation(SHAPE + [x, 240.0], np.zeros((21, 3)), score, right)


def region(x):
    return Region(np.array([x, 240.0]), 200.0)


def follow(hands):
    """Where hands are to be looked for next: around where they are."""
    return [region(_x(each)) for each in hands]


class Scene:
    """Feeds a tracker with what the networks would report of hands at the given places."""

    def __init__(self, **options):
        self.tracker = HandTracker(**options)
        self.stamp = 0.0
        self.detections = 0

    def show(self, *hands, period=PERIOD):
        """One image with `hands`; a crop without one observes a score of 0."""
        self.stamp += period
        self.tracker.advance(self.stamp)
        crops = self.tracker.crops
        if self.tracker.wants_detection:
            self.detections += 1
            crops += self.tracker.admit([region(_x(each)) for each in hands])
        found = [self._nearest(place, hands) for place in crops]
        return self.tracker.update(found, follow)

    def _nearest(self, place, hands):
        near = [each for each in hands if abs(_x(each) - place.center[0]) < place.size / 2]
        return min(near, key=lambda each: abs(_x(each) - place.center[0]), default=hand(place.center[0], score=0.0))


def _x(observation):
    return observation.joints_2d.mean(axis=0)[0] - SHAPE.mean(axis=0)[0]


def ids(tracks, state=TRACKED):
    return [track.id for track in tracks if track.state is state]


def test_two_moving_hands_keep_their_ids():
    scene = Scene()
    for step in range(30):
        tracks = scene.show(hand(150 + 2 * step), hand(500 - 2 * step))
        assert ids(tracks) == [1, 2]
    assert tracks[0].observation.joints_2d.mean() < tracks[1].observation.joints_2d.mean()


def test_the_detector_rests_while_all_hands_are_followed():
    scene = Scene(max_hands=2)
    for _ in range(20):
        scene.show(hand(150), hand(500))
    assert scene.detections == 1


def test_the_detector_runs_every_few_images_while_a_hand_is_missing():
    scene = Scene(max_hands=2)
    for _ in range(3 * DETECT_EVERY):
        scene.show(hand(150))
    assert scene.detections == 3


def test_a_hand_missed_for_two_images_coasts_and_comes_back_with_its_id():
    scene = Scene(coast_time=0.25)
    scene.show(hand(150))
    scene.show(hand(150))
    assert ids(scene.show(), COASTING) == [1]
    assert ids(scene.show(), COASTING) == [1]
    assert ids(scene.show(hand(160))) == [1]


def test_a_hand_that_stopped_while_it_was_not_seen_is_not_taken_for_one_that_runs_back():
    scene = Scene(coast_time=0.25)
    for step in range(10):
        scene.show(hand(100 + 16 * step))
    for _ in range(5):
        scene.show()  # predicted 80 px further on
    (track,) = scene.show(hand(260))  # 16 px from where it was last seen, 0.2 s ago
    assert track.id == 1 and track.velocity[0] == pytest.approx(80, abs=15)


def test_a_coasting_hand_found_by_the_detector_beside_its_crop_keeps_its_id():
    scene = Scene(coast_time=0.25)
    scene.show(hand(150))
    scene.show(hand(150))
    scene.show()
    jumped = hand(150 + 0.9 * np.ptp(SHAPE, axis=0).max())
    scene.tracker.advance(scene.stamp + PERIOD)
    tracks = scene.tracker.update([hand(150, score=0.0), jumped], follow)
    assert ids(tracks) == [1]


def test_where_to_look_next_is_asked_for_hands_only():
    scene, asked = Scene(), []
    scene.tracker.advance(PERIOD)
    scene.tracker.update(
        [hand(150, score=0.2), hand(500), hand(501, score=0.8)], lambda hands: asked.extend(hands) or follow(hands)
    )
    assert [_x(each) for each in asked] == pytest.approx([500])


def test_a_hand_that_appears_elsewhere_gets_a_new_id():
    scene = Scene(coast_time=0.25)
    scene.show(hand(150))
    scene.show(hand(550))
    assert ids(scene.show(hand(550))) == [2]


def test_a_hand_is_lost_once_after_the_coasting_time_and_its_id_is_not_used_again():
    scene = Scene(coast_time=0.1)
    scene.show(hand(150))
    scene.show(hand(150))
    states = [[track.state for track in scene.show()] for _ in range(6)]
    assert states == [[COASTING], [COASTING], [COASTING], [LOST], [], []]
    for _ in range(DETECT_EVERY):
        tracks = scene.show(hand(150))
    assert ids(tracks) == [2]


def test_at_two_images_a_second_a_hand_is_still_followed():
    scene = Scene(coast_time=0.25)
    assert [ids(scene.show(hand(150), period=0.5)) for _ in range(4)] == [[1]] * 4


def test_time_that_jumps_back_starts_new_tracks():
    scene = Scene()
    scene.show(hand(150))
    scene.stamp = -5.0
    after = scene.show(hand(150))
    assert (ids(after), ids(after, LOST)) == ([2], [1])
    assert ids(scene.show(hand(150)), LOST) == []


@pytest.mark.parametrize("coast_time, pause, ids_after", [(0.25, 1.9, [1]), (0.25, 2.1, [2]), (4.0, 3.0, [1])])
def test_after_a_long_pause_there_may_be_another_hand(coast_time, pause, ids_after):
    scene = Scene(coast_time=coast_time)
    for _ in range(20):
        scene.show(hand(150, right=0.02))
    after = scene.show(hand(150, right=0.98), period=pause)
    assert ids(after) == ids_after and ids(after, LOST) == [id for id in [1] if id not in ids_after]
    if ids_after == [2]:
        assert after[0].side is Side.RIGHT and after[0].age == 0.0


def test_one_hand_seen_by_two_tracks_stays_with_the_older_one():
    scene = Scene()
    scene.show(hand(150), hand(500))
    for _ in range(2):
        scene.tracker.advance(scene.stamp + PERIOD)
        tracks = scene.tracker.update([hand(300), hand(302)], follow)
    assert ids(tracks) == [1]


def test_a_detection_on_a_followed_hand_is_not_admitted():
    scene = Scene()
    scene.show(hand(150))
    scene.tracker.advance(scene.stamp + PERIOD)
    assert scene.tracker.admit([region(160), region(500)])[0].center[0] == 500


@pytest.mark.parametrize("max_hands", [1, 2, 3])
def test_there_are_never_more_hands_than_allowed(max_hands):
    scene = Scene(max_hands=max_hands)
    for step in range(40):
        present = [x for x in (100, 300, 500, 700) if (step // 5 + x // 100) % 3]
        tracks = scene.show(*(hand(x) for x in present))
        assert len([track for track in tracks if track.state is not LOST]) <= max_hands


def test_a_new_hand_takes_the_room_of_one_that_only_coasts():
    scene = Scene(max_hands=1, coast_time=1.0)
    scene.show(hand(150))
    scene.show(hand(150))
    scene.show(hand(500))
    tracks = scene.show(hand(500))
    assert ids(tracks) == [2]
    assert ids(tracks, LOST) == [1]


def test_a_few_wrong_votes_do_not_change_the_side():
    scene = Scene()
    for _ in range(10):
        scene.show(hand(150, right=0.95))
    tracks = [scene.show(hand(150, right=0.05)) for _ in range(3)][-1]
    assert tracks[0].side is Side.RIGHT
    assert 0.5 <= tracks[0].side_score < 0.95


def test_lasting_evidence_changes_the_side():
    scene = Scene()
    for _ in range(10):
        scene.show(hand(150, right=0.95))
    tracks = [scene.show(hand(150, right=0.05)) for _ in range(60)][-1]
    assert tracks[0].side is Side.LEFT
    assert tracks[0].side_score > 0.9


def test_a_score_of_exactly_the_threshold_is_no_hand():
    assert ids(Scene(min_score=0.5).show(hand(150, score=0.5))) == []


def test_a_track_knows_its_age():
    scene = Scene()
    for _ in range(4):
        tracks = scene.show(hand(150))
    assert tracks[0].age == pytest.approx(3 * PERIOD)


def test_a_track_knows_for_how_long_it_has_not_been_measured():
    scene = Scene(coast_time=1.0)
    scene.show(hand(150))
    assert scene.show(hand(150))[0].unseen == 0.0
    scene.show()
    assert scene.show()[0].unseen == pytest.approx(2 * PERIOD)
    assert scene.show(hand(150))[0].unseen == 0.0


def test_hands_that_cross_keep_their_ids_while_the_one_behind_is_hidden():
    scene = Scene(coast_time=0.5)
    for step in range(41):
        left, right = hand(100 + 10 * step, right=0.1), hand(500 - 10 * step, right=0.9)
        hidden = abs(step - 20) < 5  # the right hand is in front
        tracks = scene.show(*([right] if hidden else [left, right]))
        assert {track.id for track in tracks} == {1, 2}
    sides = {track.id: track.side for track in tracks}
    assert [sides[1], sides[2]] == [Side.LEFT, Side.RIGHT]
    places = {track.id: _x(track.observation) for track in tracks}
    assert places == pytest.approx({1: 500, 2: 100})


def test_a_hand_in_front_does_not_take_the_id_of_the_one_behind():
    scene = Scene(coast_time=1.0)
    for _ in range(5):
        scene.show(hand(300, right=0.1), hand(450, right=0.9))
    for step in range(5):
        tracks = scene.show(hand(430 - 25 * step, right=0.9))  # over the left hand
    assert ids(tracks) == [2] and ids(tracks, COASTING) == [1]


def test_a_coasting_hand_moves_on_and_slows_down():
    scene = Scene(coast_time=0.5)
    for step in range(12):
        (seen,) = scene.show(hand(100 + 8 * step))
    coasting = [scene.show()[0] for _ in range(12)]
    assert {track.state for track in coasting} == {COASTING}
    times = PERIOD * np.arange(1, 13)
    ways = 8 / PERIOD * 0.15 * (1 - np.exp(-times / 0.15))
    assert_allclose([_x(track.observation) - _x(seen.observation) for track in coasting], ways, atol=0.2)
    assert_allclose([track.crop.center[0] - seen.crop.center[0] for track in coasting], ways, atol=0.2)


@pytest.mark.parametrize("unseen, gap, even", [(2, 0.3, 0.0), (0, 0.5, 0.1), (0, 0.05, 0.05)])
def test_a_hand_is_looked_for_evenly_ahead_for_a_tenth_of_a_second_and_slower_after_that_or_while_it_coasts(
    unseen, gap, even
):
    scene = Scene(coast_time=0.5)
    for step in range(12):
        (track,) = scene.show(hand(100 + 8 * step))
    for _ in range(unseen):
        (track,) = scene.show()
    scene.tracker.advance(scene.stamp + gap)
    way = track.velocity[0] * (even + 0.15 * (1 - np.exp(-(gap - even) / 0.15)))
    assert scene.tracker.crops[0].center[0] - track.crop.center[0] == pytest.approx(way)


def test_how_far_a_hand_coasts_does_not_depend_on_the_rate_of_the_images():
    track = Track.born(1, 0.0, hand(100), Outline.of(hand(100)), region(100))
    track = replace(track, velocity=(300.0, -150.0), votes=9)
    at_once, piece_by_piece = track.unmeasured(0.2, 1.0), track
    for time in np.linspace(0, 0.2, 12)[1:]:
        piece_by_piece = piece_by_piece.unmeasured(time, 1.0)
    assert_allclose(piece_by_piece.coasted, at_once.coasted)
    assert_allclose(piece_by_piece.velocity, at_once.velocity)


def test_a_fast_hand_is_looked_for_where_it_is_going():
    scene = Scene()
    for step in range(12):
        scene.show(hand(100 + 20 * step))
    scene.tracker.advance(scene.stamp + PERIOD)
    assert scene.tracker.crops[0].center[0] == pytest.approx(100 + 20 * 12, abs=0.02 * 200)


def test_the_crop_of_a_hand_stays_where_it_is_while_the_hand_trembles_and_follows_when_it_moves():
    scene, rng = Scene(), np.random.default_rng(0)
    scene.show(hand(150))
    places = []
    for _ in range(20):
        scene.show(hand(150 + rng.uniform(-1.5, 1.5)))
        places.append(scene.tracker.crops[0].center[0])
    assert len(set(places)) == 1
    for step in range(30):
        scene.show(hand(150 + step))
        assert scene.tracker.crops[0].center[0] == pytest.approx(150 + step, abs=0.03 * 200)


def test_what_was_seen_in_one_image_only_does_not_coast():
    scene = Scene(coast_time=0.25)
    scene.show(hand(150))
    assert ids(scene.show(), LOST) == [1]
    assert not scene.show()


def test_with_no_hand_the_detector_runs_more_often_than_with_one():
    scene = Scene()
    for _ in range(4 * DETECT_EVERY_ALONE):
        scene.show()
    assert scene.detections == 4 and DETECT_EVERY_ALONE < DETECT_EVERY


def test_with_one_hand_of_two_in_view_the_detector_runs_on_a_fifth_of_the_images_at_most():
    scene = Scene(max_hands=2)
    for _ in range(120):
        scene.show(hand(150))
    assert scene.detections <= 120 / 5


def test_two_hands_are_a_left_and_a_right_one_unless_both_are_sure():
    scene = Scene(max_hands=2)
    for _ in range(20):
        tracks = scene.show(hand(150, right=0.99), hand(500, right=0.7))
        assert [track.side for track in tracks] == [Side.RIGHT, Side.LEFT]
    assert tracks[1].side_score == 0.5
    sure = Scene(max_hands=2)
    for _ in range(20):
        tracks = sure.show(hand(150, right=0.99), hand(500, right=0.99))
    assert [track.side for track in tracks] == [Side.RIGHT, Side.RIGHT]


def test_a_hand_seen_for_long_keeps_its_side_when_something_of_that_side_appears_for_an_instant():
    scene = Scene(max_hands=2)
    for _ in range(20):
        scene.show(hand(150, right=0.09))
    tracks = ()
    while len(tracks) < 2:  # until the detector looks for it
        tracks = scene.show(hand(150, right=0.09), hand(400, right=0.06))
    assert [track.side for track in tracks] == [Side.LEFT, Side.RIGHT]


def test_hands_of_several_people_may_all_be_right_ones():
    scene = Scene(max_hands=4)
    tracks = scene.show(hand(150, right=0.8), hand(500, right=0.8))
    assert [track.side for track in tracks] == [Side.RIGHT, Side.RIGHT]


@pytest.mark.parametrize("means, spread", [((0.9, 0.9), 0.02), ((0.95, 0.99), 0.03)])
def test_two_hands_that_look_alike_do_not_exchange_their_sides(means, spread):
    scene, rng, sides = Scene(max_hands=2), np.random.default_rng(5), []
    for _ in range(300):
        right = np.clip(rng.normal(means, spread), 0, 1)
        tracks = scene.show(hand(150, right=right[0]), hand(500, right=right[1]))
        sides.append([track.side for track in tracks])
    assert sum(before != after for before, after in zip(sides[30:], sides[31:], strict=False)) <= 1


def test_a_hand_that_jumps_keeps_its_side():
    scene = Scene(coast_time=0.25)
    for _ in range(20):
        scene.show(hand(100, right=0.97))
    tracks = [track for _ in range(12) for track in scene.show(hand(560, right=0.97))]
    assert {(track.id, track.state) for track in tracks} == {(1, COASTING), (1, LOST), (2, TRACKED)}
    assert {track.side for track in tracks} == {Side.RIGHT}


def test_a_hand_that_gave_way_does_while_the_other_one_coasts():
    scene = Scene(coast_time=0.5)
    for _ in range(20):
        scene.show(hand(150, right=0.99), hand(500, right=0.8))
    for _ in range(5):
        tracks = scene.show(hand(500, right=0.8))
        assert {track.state: track.side for track in tracks} == {COASTING: Side.RIGHT, TRACKED: Side.LEFT}


def test_that_a_hand_gave_way_is_forgotten_when_its_own_side_is_clear():
    scene = Scene(max_hands=2)
    scene.show(hand(150, right=0.6), hand(500, right=0.9))
    for _ in range(60):
        scene.show(hand(150, right=0.22), hand(500, right=0.9))
    for _ in range(120):  # the right one is misread
        tracks = scene.show(hand(150, right=0.22), hand(500, right=0.27))
        assert [track.side for track in tracks] == [Side.LEFT, Side.RIGHT]


def test_two_hands_are_of_one_side_only_if_both_are_sure_and_not_one():
    scene = Scene(max_hands=2)
    for _ in range(3):
        scene.show(hand(150, right=0.9))
    for _ in range(30):
        tracks = scene.show(hand(150, right=0.9), hand(500, right=0.97))
        assert len(tracks) == 1 or tracks[0].side is not tracks[1].side
