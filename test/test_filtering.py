from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.signal import savgol_filter
from scipy.spatial.transform import Rotation

from handpose_ros.filtering.live import HandFilter, filter_lag
from handpose_ros.filtering.recorded import smooth_recording
from handpose_ros.hand import BONES, WRIST, DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.kinematics import bend

HAND = bend(np.full(20, 0.3)) @ Rotation.from_euler("xyz", [1.2, 0.3, 0.4]).as_matrix().T
PLACE = np.array([0.05, -0.02, 0.5])
RATE = 30.0
X, Z = np.eye(3)[0], np.eye(3)[2]


def pose(joints, *, track_id=1, state=TrackingState.TRACKED, metric=True, side=Side.RIGHT):
    source = DepthSource.MONO if metric else DepthSource.NONE
    pixels = np.arange(42.0).reshape(21, 2)
    return HandPose(side, 0.9, 0.9, pixels, joints, depth_source=source, track_id=track_id, state=state)


def image(stamp, *hands):
    return HandPoses(hands, (640, 480), stamp)


def at(places, hand=HAND):
    """(N, 21, 3) the hand at each of the `places` (N, 3)."""
    return hand + np.asarray(places)[:, None, :]


def moving(velocity, seconds=3.0, rate=RATE):
    """Stamps (N) and places (N, 3) of a wrist that moves through PLACE halfway."""
    stamps = np.arange(0, seconds, 1 / rate)
    return stamps, PLACE + (stamps - seconds / 2)[:, None] * np.asarray(velocity)


def played(joints, stamps=None, filter=None, **options):
    """The filtered hands of one track with these `joints` (N, 21, 3), an image each."""
    filter = filter or HandFilter()
    stamps = np.arange(len(joints)) / RATE if stamps is None else stamps
    return [filter(image(t, pose(each, **options))).hands[0] for t, each in zip(stamps, joints, strict=True)]


def joints_of(hands):
    return np.stack([hand.joints_3d for hand in hands])


def network_noise(count, seed=0):
    """(N, 21, 3) as of the networks: the whole hand along the ray by 0.5 %, and each joint by 1 mm."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.005, (count, 1, 1)) * PLACE + rng.normal(0, 0.001, (count, 21, 3))


def bone_lengths(joints):
    parents, children = np.array(BONES).T
    return np.linalg.norm(joints[..., children, :] - joints[..., parents, :], axis=-1)


def test_a_hand_at_rest_comes_out_as_it_went_in():
    assert_allclose(joints_of(played(at([PLACE] * 20))), at([PLACE] * 20), atol=1e-12)


def test_noise_of_the_networks_at_rest_falls_below_a_millimetre():
    joints = at([PLACE] * 120) + network_noise(120)
    raw, smooth = ((each - each.mean(axis=0))[30:] for each in (joints, joints_of(played(joints))))
    assert np.sqrt((raw**2).sum(axis=-1).mean()) > 0.002
    assert np.sqrt((smooth**2).sum(axis=-1).mean()) < 0.001


@pytest.mark.parametrize("rate", [15.0, 30.0, 60.0])
@pytest.mark.parametrize("axis", [X, Z])
def test_at_half_a_metre_a_second_the_wrist_is_less_than_25_ms_late(axis, rate):
    stamps, places = moving(0.5 * axis, seconds=1.6, rate=rate)
    wrists = joints_of(played(at(places), stamps))[:, WRIST]
    lag = ((places - (wrists - HAND[WRIST])) @ axis)[-5:] / 0.5
    assert (lag > 0.001).all() and (lag < 0.025).all()


def test_the_nominal_lag_is_what_a_steady_motion_at_half_a_metre_shows():
    stamps, places = moving(0.5 * X, seconds=1.6)
    middle = len(stamps) // 2 + 1  # there the hand is at half a metre
    wrists = joints_of(played(at(places), stamps))[:, WRIST]
    assert_allclose((places - wrists + HAND[WRIST])[middle, 0] / 0.5, filter_lag(0.5, 0.5), rtol=0.35)


def test_the_lag_falls_with_the_speed():
    lags = []
    for speed in (0.05, 0.2, 0.8):
        stamps, places = moving(speed * X, seconds=1.6)
        wrists = joints_of(played(at(places), stamps))[:, WRIST] - HAND[WRIST]
        lags.append((places - wrists)[-1, 0] / speed)
    assert lags[0] > 1.5 * lags[1] > 1.5 * 1.5 * lags[2] > 0


def test_bones_of_constant_length_keep_it_while_the_hand_closes_and_turns():
    closing = np.stack([bend(np.full(20, angle)) for angle in np.linspace(0, 1.2, 40)])
    turns = Rotation.from_rotvec(np.linspace(0, 1, 40)[:, None] * [0.5, -1.0, 0.7]).as_matrix()
    joints = closing @ np.swapaxes(turns, -1, -2) + PLACE
    expected = np.broadcast_to(bone_lengths(joints[0]), (40, 20))
    assert_allclose(bone_lengths(joints_of(played(joints))), expected, atol=1e-9)


def test_bones_of_noisy_length_become_nearly_constant():
    joints = at([PLACE] * 120) + network_noise(120)
    raw, smooth = bone_lengths(joints)[60:], bone_lengths(joints_of(played(joints)))[60:]
    assert smooth.std(axis=0).max() < 0.1 * raw.std(axis=0).min()


def test_wrist_velocity_is_metres_and_radians_a_second_in_the_cameras_axes():
    stamps, places = moving([0.3, 0.0, -0.4])
    turns = Rotation.from_rotvec(stamps[:, None] * [0.0, 2.0, 0.0]).as_matrix()
    centred = HAND - HAND[WRIST]
    joints = centred @ np.swapaxes(turns, -1, -2) + places[:, None]
    velocity = played(joints, stamps)[-1].wrist_velocity
    assert_allclose(velocity, [0.3, 0.0, -0.4, 0.0, 2.0, 0.0], atol=0.03)


def test_the_velocity_of_a_tracks_first_image_is_not_known():
    first, second = played(at([PLACE] * 2))
    assert np.isnan(first.wrist_velocity).all()
    assert_allclose(second.wrist_velocity, 0, atol=1e-9)


def test_one_measurement_that_jumps_is_passed_over_and_a_lasting_one_believed():
    once = [PLACE] * 10 + [PLACE + 0.5 * Z] + [PLACE] * 5
    assert abs(joints_of(played(at(once))) - at([PLACE] * 16)).max() < 1e-3
    lasting = [PLACE] * 10 + [PLACE + 0.5 * Z] * 10
    hands = played(at(lasting))
    assert_allclose(hands[-1].joints_3d, at(lasting)[-1], atol=1e-3)


def test_a_hand_that_reads_upside_down_in_one_image_does_not_turn():
    joints = at([PLACE] * 12)
    flipped = joints.copy()
    flipped[8] = (HAND - HAND[WRIST]) @ np.diag([-1.0, -1.0, 1.0]) + HAND[WRIST] + PLACE
    assert abs(joints_of(played(flipped)) - joints).max() < 1e-6


def test_a_hand_that_coasts_moves_on_and_slows_down():
    filter = HandFilter()
    stamps, places = moving(0.5 * X, seconds=1.0)
    last = played(at(places), stamps, filter)[-1].joints_3d[WRIST, 0]
    xs = []
    for step in range(1, 7):
        stale = pose(at(places)[-1], state=TrackingState.COASTING)
        xs.append(filter(image(stamps[-1] + step / RATE, stale)).hands[0].joints_3d[WRIST, 0])
    steps = np.diff([last, *xs])
    assert 0.005 < steps[0] < 0.5 / RATE
    assert (np.diff(steps) < 0).all() and (steps > 0).all()


def test_a_lost_hand_and_one_without_geometry_stay_unknown():
    filter = HandFilter()
    played(at([PLACE] * 3), filter=filter)
    nothing = np.full((21, 3), np.nan)
    lost = filter(image(1.0, pose(nothing, state=TrackingState.LOST))).hands[0]
    assert np.isnan(lost.joints_3d).all() and np.isnan(lost.wrist_velocity).all()
    new = HandFilter()(image(0.0, pose(nothing))).hands[0]
    assert np.isnan(new.joints_3d).all()


def test_an_image_whose_joints_are_unknown_is_bridged_by_prediction():
    filter = HandFilter()
    played(at([PLACE] * 5), filter=filter)
    bridged = filter(image(5 / RATE, pose(np.full((21, 3), np.nan)))).hands[0]
    assert_allclose(bridged.joints_3d, at([PLACE])[0], atol=1e-9)


def test_another_track_a_long_gap_and_time_that_jumps_back_start_anew():
    far = at([PLACE + 0.02 * X])[0]
    for stamp, track_id in ((1 / RATE, 2), (5.0, 1), (-3.0, 1)):
        filter = HandFilter()
        filter(image(0.0, pose(at([PLACE])[0])))
        (fresh,) = filter(image(stamp, pose(far, track_id=track_id)))
        assert_allclose(fresh.joints_3d, far, atol=1e-12)
        assert np.isnan(fresh.wrist_velocity).all()


def test_two_hands_are_filtered_apart():
    filter = HandFilter()
    left, right = (at([PLACE + shift * X])[0] for shift in (-0.2, 0.2))
    for step in range(10):
        both = filter(image(step / RATE, pose(left, track_id=1, side=Side.LEFT), pose(right, track_id=2)))
    assert_allclose(joints_of(both), [left, right], atol=1e-12)


def test_a_hand_relative_to_its_wrist_is_smoothed_and_stays_at_its_wrist():
    rng = np.random.default_rng(0)
    joints = HAND + rng.normal(0, 0.001, (60, 21, 3))
    joints -= joints[:, [WRIST]]
    hands = played(joints, metric=False)
    smooth = joints_of(hands)
    assert (smooth[:, WRIST] == 0).all()
    assert smooth[20:].std(axis=0).mean() < 0.5 * joints[20:].std(axis=0).mean()
    assert np.isnan(hands[-1].wrist_velocity[:3]).all() and np.isfinite(hands[-1].wrist_velocity[3:]).all()


def test_a_hand_that_changes_its_side_is_still_the_same_hand():
    joints = at([PLACE] * 10) + network_noise(10)
    filter, same = HandFilter(), joints_of(played(joints))
    sides = [Side.RIGHT] * 5 + [Side.LEFT] * 5
    changing = [filter(image(i / RATE, pose(joints[i], side=sides[i]))).hands[0] for i in range(10)]
    assert_allclose(joints_of(changing), same, atol=1e-12)


def test_the_same_image_twice_changes_nothing():
    filter = HandFilter()
    joints = at([PLACE] * 6) + network_noise(6)
    last = played(joints, filter=filter)[-1]
    again = filter(image(5 / RATE, pose(joints[-1]))).hands[0]
    assert_allclose(again.joints_3d, last.joints_3d, atol=1e-12)


def test_pixels_stay_what_was_measured():
    (hand,) = played(at([PLACE]))
    assert_allclose(hand.joints_2d, np.arange(42.0).reshape(21, 2))


# Recordings


def recorded(joints, stamps, **options):
    return [image(t, pose(each, **options)) for t, each in zip(stamps, joints, strict=True)]


def stacked(recording):
    """(N, 21, 3) joints of the one hand in each image."""
    return joints_of([hands.hands[0] for hands in recording])


def test_a_recording_is_smoothed_without_lag():
    stamps, places = moving(0.5 * X)
    noisy = recorded(at(places) + network_noise(len(stamps)), stamps)
    smooth = stacked(smooth_recording(noisy))
    error, raw = (abs((each - at(places))[:, WRIST]).mean() for each in (smooth, stacked(noisy)))
    assert error < 0.6 * raw
    assert abs((smooth - at(places))[:, WRIST, 0].mean()) < 0.0005  # 1 ms late


def test_the_velocity_of_a_recording_is_its_derivative():
    stamps, places = moving([0.2, 0.1, -0.3])
    hands = smooth_recording(recorded(at(places), stamps))
    assert_allclose(hands[10].hands[0].wrist_velocity, [0.2, 0.1, -0.3, 0, 0, 0], atol=1e-9)


def test_smoothing_a_recording_does_not_reach_across_a_gap():
    stamps = np.concatenate([np.arange(20) / RATE, 2.0 + np.arange(20) / RATE])
    places = np.repeat([PLACE, PLACE + 0.2 * X], 20, axis=0)
    smooth = smooth_recording(recorded(at(places), stamps))
    assert_allclose(joints_of([hands.hands[0] for hands in smooth]), at(places), atol=1e-9)


def test_a_recording_of_ten_images_a_second_is_smoothed():
    """0.3 s are three of them, through which a parabola goes whatever their noise: five are looked at."""
    stamps, places = moving(0.1 * X, rate=10.0, seconds=6.0)
    noisy = recorded(at(places) + network_noise(len(stamps)), stamps)
    smooth = smooth_recording(noisy)
    error, raw = (abs((joints - at(places))[:, WRIST]).mean() for joints in (stacked(smooth), stacked(noisy)))
    assert error < 0.8 * raw
    assert np.isfinite(smooth[0].hands[0].wrist_velocity).all()


def test_a_recording_of_two_images_a_second_stays_as_it_is():
    stamps, places = moving(0.1 * X, rate=2.0, seconds=10.0)
    noisy = recorded(at(places) + network_noise(len(stamps)), stamps)
    assert_allclose(stacked(smooth_recording(noisy)), stacked(noisy), atol=0)


def test_a_distance_from_something_else_is_no_motion_in_a_recording():
    """The first depth image moves a hand at rest from half a metre to 0.6 m, and its size with that."""
    sources = [DepthSource.MONO] * 15 + [DepthSource.SENSOR] * 15
    joints = np.array([at([PLACE])[0] * (1.0 if source is DepthSource.MONO else 1.2) for source in sources])
    stamps = np.arange(30) / RATE
    hands = [
        image(t, replace(pose(each), depth_source=source))
        for t, each, source in zip(stamps, joints, sources, strict=True)
    ]
    smooth = [each.hands[0] for each in smooth_recording(hands)]
    assert_allclose(joints_of(smooth), joints, atol=1e-9)
    assert_allclose([hand.wrist_velocity for hand in smooth], np.zeros((30, 6)), atol=1e-9)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("stamps", [np.full(20, np.nan), np.full(20, 3.0), np.r_[np.arange(19.0), np.nan]])
def test_a_recording_without_stamps_that_grow_stays_as_it_is(stamps):
    noisy = recorded(at([PLACE] * 20) + network_noise(20), stamps)
    assert_allclose(stacked(smooth_recording(noisy)), stacked(noisy), atol=0)


def test_bones_of_a_recording_have_one_length():
    stamps, places = moving(0.1 * X)
    smooth = smooth_recording(recorded(at(places) + network_noise(len(stamps)), stamps))
    lengths = bone_lengths(joints_of([hands.hands[0] for hands in smooth]))
    assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), atol=1e-9)


@pytest.mark.filterwarnings("error")
def test_a_recording_relative_to_the_wrist_stays_at_the_wrist():
    joints = HAND - HAND[WRIST] + network_noise(30) - network_noise(30)[:, [WRIST]]
    smooth = smooth_recording(recorded(joints, np.arange(30) / RATE, metric=False))
    assert abs(joints_of([hands.hands[0] for hands in smooth])[:, WRIST]).max() < 1e-12
    assert np.isnan(smooth[15].hands[0].wrist_velocity[:3]).all()


def test_what_was_not_measured_stays_as_it_is_in_a_recording():
    stamps, places = moving(0.1 * X, seconds=1.0)
    hands = recorded(at(places), stamps)
    hands[12] = replace(hands[12], hands=(pose(at(places)[3], state=TrackingState.COASTING),))
    hands[20] = image(stamps[20])
    smooth = smooth_recording(hands)
    assert_allclose(smooth[12].hands[0].joints_3d, at(places)[3])
    assert len(smooth[20]) == 0 and len(smooth) == len(hands)


def test_a_distance_from_something_else_is_no_motion():
    """The first depth image of a hand moves it by 8 cm at once; one that coasts in between changes nothing."""
    filter = HandFilter()
    for k in range(10):
        filter(image(k / RATE, pose(at([PLACE])[0])))
    nearer = at([0.85 * PLACE])[0]
    sensed = filter(image(10 / RATE, replace(pose(nearer), depth_source=DepthSource.SENSOR))).hands[0]
    assert_allclose(sensed.joints_3d, nearer, atol=1e-12)
    assert np.isnan(sensed.wrist_velocity).all()
    again = filter(image(11 / RATE, replace(pose(nearer), depth_source=DepthSource.SENSOR))).hands[0]
    assert np.abs(again.wrist_velocity).max() < 1e-6
    coasting = filter(image(12 / RATE, pose(nearer, state=TrackingState.COASTING))).hands[0]
    assert_allclose(coasting.joints_3d[WRIST], nearer[WRIST], atol=1e-6)


def test_a_recording_of_which_every_third_image_is_placed_otherwise_is_smoothed_as_far_as_its_steps_are_even():
    stamps, places = moving(0.5 * X)
    hands = recorded(at(places), stamps)
    for index in range(0, len(hands), 3):
        other = replace(hands[index].hands[0], depth_source=DepthSource.MONO_SCALED)
        hands[index] = replace(hands[index], hands=(other,))
    assert_allclose(stacked(smooth_recording(hands)), at(places), atol=1e-6)


def test_a_hand_that_coasts_for_long_moves_on_and_does_not_jump():
    filter = HandFilter()
    stamps, places = moving(0.4 * X, seconds=1.0)
    last = played(at(places), stamps, filter)[-1].joints_3d[WRIST]
    for step in range(1, 30):  # the tracker moves it on evenly
        coasting = pose(at([places[-1] + 0.4 * step / RATE * X])[0], state=TrackingState.COASTING)
        hand = filter(image(stamps[-1] + step / RATE, coasting)).hands[0]
        assert np.isfinite(hand.wrist_velocity).all()
        assert 0 <= hand.joints_3d[WRIST, 0] - last[0] < 1.2 * 0.4 / RATE
        last = hand.joints_3d[WRIST]


def test_stamps_that_are_not_even_are_no_noise_of_a_recording():
    stamps, _ = moving(0.5 * X)
    stamps = stamps + np.random.default_rng(1).uniform(-0.15, 0.15, len(stamps)) / RATE
    places = PLACE + (stamps - stamps[0])[:, None] * 0.5 * X
    smooth = [each.hands[0] for each in smooth_recording(recorded(at(places), stamps))]
    assert_allclose(joints_of(smooth), at(places), atol=1e-9)
    assert_allclose([hand.wrist_velocity[:3] for hand in smooth], [0.5 * X] * len(stamps), atol=1e-8)


@pytest.mark.parametrize("lost", [lambda k: k % 3 == 2, lambda k: np.random.default_rng(1).random(len(k)) < 0.33])
def test_a_recording_with_lost_images_is_smoothed_all_the_same(lost):
    stamps, places = (each[~lost(np.arange(120))] for each in moving(0.5 * X, seconds=4.0))
    hands = smooth_recording(recorded(at(places), stamps))
    assert_allclose([each.hands[0].wrist_velocity[:3] for each in hands], [0.5 * X] * len(stamps), atol=1e-8)
    noisy = recorded(at(places) + network_noise(len(stamps)), stamps)
    error, raw = (abs((stacked(each) - at(places))[:, WRIST]).mean() for each in (smooth_recording(noisy), noisy))
    assert error < 0.75 * raw


def test_where_a_recordings_rate_falls_smoothing_does_not_look_further():
    """Its nine images of 30 Hz would be 0.9 s of 10 Hz, in which a hand turns back."""
    stamps = np.r_[np.arange(90) / 30, 3 + np.arange(30) / 10]
    places = PLACE + 0.25 * np.sin(np.pi * stamps)[:, None] * X
    hands = smooth_recording(recorded(at(places), stamps))
    assert abs((stacked(hands) - at(places))[:, WRIST]).max() < 0.002
    assert all(np.isfinite(each.hands[0].wrist_velocity).all() for each in hands)


def test_a_recording_with_even_stamps_is_smoothed_by_savitzky_golay():
    joints = at(moving(0.5 * X)[1]) + network_noise(90)
    wrists = joints_of([each.hands[0] for each in smooth_recording(recorded(joints, np.arange(90) / RATE))])[:, WRIST]
    assert_allclose(wrists, savgol_filter(joints[:, WRIST], 9, 2, axis=0), atol=1e-12)
