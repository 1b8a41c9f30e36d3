import json

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.camera import Camera
from handpose_ros.cli import main
from handpose_ros.evaluation.clip_sequences import clip_sequences
from handpose_ros.evaluation.sequence_evaluation import LOW_PASS, judged, low_pass
from handpose_ros.evaluation.sequence_report import as_json, as_text, rows
from handpose_ros.evaluation.sequences import NEVER, HandSequence
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.kinematics import bend
from handpose_ros.recordings.output import write_json

CAMERA = Camera.from_fov((640, 480), 1.0)
RIGHT = bend(np.zeros(20))[:, [1, 2, 0]] * [-1.0, -1.0, 1.0] + [0.15, 0.05, 0.5]
HANDS = np.stack([RIGHT * [-1.0, 1.0, 1.0], RIGHT])  # a left and a right one
RATE, COUNT = 30.0, 60
RNG = np.random.default_rng(0)


def sequence(joints=None, visible=None, resting=NEVER, moving=NEVER, stamps=None) -> HandSequence:
    """`joints` (N, 2, 21, 3) [m], at rest by default."""
    joints = np.broadcast_to(HANDS, (COUNT, 2, 21, 3)) if joints is None else joints
    visible = np.ones(joints.shape[:2], bool) if visible is None else visible
    stamps = np.arange(len(joints)) / RATE if stamps is None else stamps
    sides, pixels = np.array([Side.LEFT, Side.RIGHT]), CAMERA.project(joints)
    return HandSequence("made", CAMERA, None, stamps, sides, pixels, joints, visible, resting, moving)


def answers(joints, stamps, ids=(1, 2), sides=(Side.LEFT, Side.RIGHT), hidden=()) -> list[HandPoses]:
    """What a pipeline would say that sees `joints` (N, 2, 21, 3) [m]; `hidden` are (image, hand) that it misses."""
    return [
        HandPoses(
            tuple(
                HandPose(
                    sides[k], 0.9, 0.9, CAMERA.project(hand), hand, depth_source=DepthSource.MONO, track_id=ids[k],
                    state=TrackingState.TRACKED,
                )
                for k, hand in enumerate(hands)
                if (i, k) not in hidden
            ),
            CAMERA.size,
            float(stamp),
        )
        for i, (hands, stamp) in enumerate(zip(joints, stamps, strict=True))
    ]  # fmt: skip


def test_a_hand_that_is_seen_all_the_time_has_no_faults():
    true = sequence()
    followed = judged(true, answers(true.joints_3d, true.stamps))
    for hand in followed.hands:
        assert (hand.followed, hand.id_switches, hand.side_switches, hand.wrong_sides, hand.breaks) == (1, 0, 0, 0, 0)
        assert hand.first_detection_s == 0 and np.isnan(hand.recovery_s)
    assert followed.most_hands == 2


def test_hands_that_change_their_ids_and_their_sides_are_counted_for_each():
    true = sequence()
    said = answers(true.joints_3d, true.stamps)
    said[30:] = answers(true.joints_3d[30:], true.stamps[30:], (2, 1), (Side.RIGHT, Side.LEFT))
    for hand in judged(true, said).hands:
        assert (hand.id_switches, hand.side_switches, hand.wrong_sides) == (1, 1, 30)


def test_a_hand_that_is_missed_while_visible_is_a_break_and_one_that_comes_back_is_timed():
    visible = np.ones((COUNT, 2), bool)
    visible[20:40, 1] = False
    true = sequence(visible=visible)
    hidden = {(i, 0) for i in (10, 11)} | {(i, 1) for i in (0, 1, 2, *range(20, 46))}
    left, right = judged(true, answers(true.joints_3d, true.stamps, hidden=hidden)).hands
    assert (left.breaks, right.breaks) == (1, 0)
    assert_allclose(left.followed, 58 / 60)
    assert_allclose([right.first_detection_s, right.recovery_s], [0.1, 0.2])


def test_noise_of_two_millimetres_is_a_jitter_that_the_filters_reduce():
    true = sequence(resting=(1.0, np.inf))
    noise = 0.002 / np.sqrt(3) * RNG.standard_normal(true.joints_3d.shape)
    streams = judged(true, answers(true.joints_3d + noise, true.stamps)).hands[1].streams
    jitter = {name: stream.jitter_mm for name, stream in streams.items()}
    assert 1.8 < jitter["unfiltered"] < 2.2 and jitter["one_euro"] < jitter["low_pass"] < 1.5
    assert np.isnan(streams["one_euro"].lag_ms)


def test_the_low_pass_is_as_late_as_its_frequency_says():
    moving = HANDS + 0.5 / RATE * np.arange(COUNT)[:, None, None, None] * [-1.0, 0, 0]
    true = sequence(moving + [0.4, 0, 0], moving=(1.0, np.inf))
    streams = judged(true, answers(true.joints_3d, true.stamps)).hands[0].streams
    assert streams["unfiltered"].lag_ms == 0
    assert_allclose(streams["low_pass"].lag_ms, 1000 / (2 * np.pi * LOW_PASS), rtol=0.02)
    assert 2 < streams["one_euro"].lag_ms < 25
    assert streams["unfiltered"].acceleration_error < 1e-6


def test_the_low_pass_starts_anew_after_a_gap():
    values = np.array([0.0, np.nan, 1.0, 1.0])[:, None]
    assert low_pass(values, np.arange(4) / RATE)[2:, 0].tolist() == [1.0, 1.0]


def test_uneven_stamps_have_no_lag_and_no_acceleration():
    stamps = np.sort(RNG.uniform(0, 2, COUNT))
    true = sequence(stamps=stamps, moving=(0.0, np.inf))
    stream = judged(true, answers(true.joints_3d, stamps)).hands[0].streams["one_euro"]
    assert np.isnan([stream.lag_ms, stream.acceleration_error]).all() and stream.root_relative_mm < 1e-6


def test_sequences_of_one_name_are_one_row_with_the_spread_of_their_hands(tmp_path):
    true = sequence(resting=(1.0, np.inf))
    followed = [
        judged(
            true, answers(true.joints_3d + size / np.sqrt(3) * RNG.standard_normal(true.joints_3d.shape), true.stamps)
        )
        for size in (0.001, 0.004)
    ]
    [row] = rows(followed).values()
    jitter = row.streams["unfiltered"]["jitter_mm"]
    assert (row.sequences, row.images, row.hands, jitter.n) == (2, 120, 4, 4)
    assert jitter.least < 1.1 and jitter.most > 3.6 and jitter.least < jitter.median < jitter.most
    text = as_text(rows(followed))
    assert "| made | 4 | 100.0 % | 0 | 0 | 0 | 0 | 0.00 | - | 2 |" in text and "One Euro" in text and "lag" not in text
    write_json(tmp_path / "a.json", as_json(rows(followed)))
    made = json.loads((tmp_path / "a.json").read_text())["sequences"]["made"]
    assert made["recovery_s"] is None and made["streams"]["unfiltered"]["jitter_mm"]["median"] == jitter.median


def test_a_recorded_sequence_is_evaluated_by_the_command(tmp_path, capsys):
    clip = next(clip_sequences())
    items = []
    for i in range(8):
        cv2.imwrite(str(tmp_path / f"{i}.png"), cv2.cvtColor(clip.image(i), cv2.COLOR_RGB2BGR))
        hands = [
            {"side": Side(s).name.lower(), "joints_2d": p.tolist(), "joints_3d": j.tolist(), "valid": [1] * 21}
            for s, p, j in zip(clip.sides, clip.joints_2d[i], clip.joints_3d[i], strict=True)
        ]
        item = {"image": f"{i}.png", "width": 640, "height": 480, "K": clip.camera.K.tolist(), "dist": None}
        items.append(item | {"hands": hands, "stamp": float(clip.stamps[i]), "sequence": "start"})
    (tmp_path / "annotations.json").write_text(json.dumps({"items": items}))
    assert main(["evaluate", str(tmp_path), "--sequences", "--device", "cpu", "--json", str(tmp_path / "f.json")]) == 0
    assert "| start | 2 | 100.0 % | 0 | 0 | 0 | 0 | 0.00 | - | 2 |" in capsys.readouterr().out
    start = json.loads((tmp_path / "f.json").read_text())["sequences"]["start"]
    assert 5 < start["streams"]["one_euro"]["root_relative_mm"]["median"] < 30


@pytest.mark.parametrize("others", [["--grasps"], ["--synthetic"], ["--calibrate-size"], ["--html", "page"]])
def test_sequences_go_with_a_folder_or_alone(others):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "--sequences", *others])
    assert end.value.code == 2
