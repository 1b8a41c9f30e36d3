import csv
import json
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_up_hands import flat_hand
from mp4_maker import write_cut_off_video

from handpose_ros.camera import Camera
from handpose_ros.cli import main
from handpose_ros.grasps.grasp import Grasp
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.messages.calibration import camera_from_yaml
from handpose_ros.recordings.job import RecordingOptions
from handpose_ros.recordings.joint_arrays import write_joints
from handpose_ros.recordings.joint_tables import FORMATS, write_csv, write_npy
from handpose_ros.recordings.output import VideoWriter
from handpose_ros.recordings.report import write_report
from handpose_ros.recordings.results import Results
from handpose_ros.recordings.sources import DEMO_CLIP, UNUSED_FOV, open_source
from handpose_ros.recordings.video_results import Overlay
from handpose_ros.recordings.video_run import Excerpt, distance_warnings


@pytest.fixture
def clip(tmp_path):
    """A second of 64x48 at 30 Hz."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, 30.0) as writer:
        for k in range(30):
            writer.write(np.full((48, 64, 3), 8 * k, np.uint8))
    return path


def two_frames():
    """A left hand, 1.5 s old, in the second of two frames, its joint k at (k, 2 k) px and (0, 0, k) m."""
    k = np.arange(21.0)
    joints_2d, joints_3d = np.column_stack([k, 2 * k]), np.column_stack([0 * k, 0 * k, k])
    hand = HandPose(Side.LEFT, 0.9, 0.8, joints_2d, joints_3d, track_id=4, track_age=1.5)
    return [HandPoses((), (64, 48), 0.0), HandPoses((hand,), (64, 48), 0.5)]


def trembling(tremors):
    """Results of three images of right hands, whose wrists are so far [mm] from midway in the second image."""
    results = Results("hands.mp4", "model", "license")
    flat = flat_hand() + [0.0, 0.0, 0.5]
    for k in range(3):
        shifts = [np.array([0.0, tremor / 1000 * (k == 1), 0.0]) for tremor in tremors]
        hands = [
            HandPose(Side.RIGHT, 0.9, 0.8, 400 * flat[:, :2], flat + shift, depth_source=DepthSource.MONO, track_id=id)
            for id, shift in enumerate(shifts)
        ]
        results.add(np.zeros((48, 64, 3), np.uint8), HandPoses(tuple(hands), (64, 48), k / 30), ())
    return results


def images_of(path):
    with open_source(str(path)) as source:
        return list(source)


def test_an_excerpt_begins_at_start_ends_before_end_and_skips():
    stamped = [(k / 10, np.array(k)) for k in range(20)]
    assert [int(image) for _, image in Excerpt(0.5, 1.2, 3)(stamped)] == [5, 8, 11]


def test_the_number_of_images_of_an_excerpt_is_known_before(clip):
    with open_source(str(clip)) as source:
        for excerpt in (Excerpt(), Excerpt(0.2, 0.7), Excerpt(every=4), Excerpt(start=np.inf)):
            assert excerpt.count(source) == len(list(excerpt(source.stamped())))


def test_stamps_of_a_video_are_those_of_its_images(clip):
    with open_source(str(clip)) as source:
        np.testing.assert_allclose([stamp for stamp, _ in source.stamped()], np.arange(30) / 30, atol=2e-3)


def test_the_overlay_keeps_time_where_the_sources_rate_falls(tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", 10.0) as video:
        overlay = Overlay(video)
        for stamp in (5.0, 5.1, 5.5, 5.6):  # 0.4 s without an image
            overlay.add(image, HandPoses((), (64, 48), stamp), ())
    assert len(images_of(tmp_path / "a.mp4")) == 7


def test_the_overlay_keeps_time_where_the_sources_rate_rises(tmp_path):
    stamps = [*np.arange(20) / 2, *(10 + np.arange(100) / 30)]
    with VideoWriter(tmp_path / "a.mp4", 8.41) as video:  # of all images together, as the file says
        overlay = Overlay(video)
        for k, stamp in enumerate(stamps):
            overlay.add(np.full((48, 64, 3), 2 * k, np.uint8), HandPoses((), (64, 48), stamp), ())
    images = images_of(tmp_path / "a.mp4")
    assert len(images) == pytest.approx((stamps[-1] + 1 / 30) * 8.41, abs=1)
    shown = np.array([image.mean() for image in images]) / 2
    there = np.interp(np.arange(len(images)) / 8.41, stamps, np.arange(len(stamps)))
    np.testing.assert_allclose(shown[85:], there[85:], atol=4)  # one of the overlay is 3.6 of the source


def test_a_jump_of_the_stamps_stands_ten_seconds_and_time_goes_on_from_there(tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    with VideoWriter(tmp_path / "a.mp4", 10.0) as video:
        overlay = Overlay(video)
        for stamp in (0.0, 0.1, 95443.7, 95443.8, 95444.1):  # a clock of 33 bits at 90 kHz
            overlay.add(image, HandPoses((), (64, 48), stamp), ())
    assert len(images_of(tmp_path / "a.mp4")) == 2 + 100 + 1 + 1 + 3


def test_a_csv_has_a_line_for_each_hand_with_its_frames_stamp(tmp_path):
    write_csv(tmp_path / "a.csv", two_frames())
    (row,) = csv.DictReader((tmp_path / "a.csv").open())
    assert (row["frame"], row["stamp"], row["side"], row["track_id"]) == ("1", "0.5", "1", "4")
    assert (row["wrist_z"], row["little_tip_z"], row["little_tip_u"], row["little_tip_v"]) == (
        "0.0",
        "20.0",
        "20.0",
        "40.0",
    )
    assert row["hand_scale"] == row["wrist_sigma"] == "" and row["track_age"] == "1.5"


def test_an_npy_holds_what_the_npz_does(tmp_path):
    write_npy(tmp_path / "a.npy", two_frames())
    write_joints(tmp_path / "a.npz", two_frames())
    rows, arrays = np.load(tmp_path / "a.npy"), np.load(tmp_path / "a.npz")
    assert rows["stamp"].tolist() == [0.5]
    for name in set(rows.dtype.names) - {"stamp"}:
        np.testing.assert_array_equal(rows[name], arrays[name])


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "parquet"])
def test_every_format_is_written_also_without_a_hand(tmp_path, format):
    FORMATS[format](tmp_path / f"a.{format}", two_frames()[:1])
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{format}"]


def test_parquet_has_the_columns_of_the_csv(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    FORMATS["parquet"](tmp_path / "a.parquet", two_frames())
    assert parquet.read_table(tmp_path / "a.parquet")["little_tip_v"].to_pylist() == [40.0]
    write_csv(tmp_path / "a.csv", two_frames())
    names = next(csv.reader((tmp_path / "a.csv").open()))
    assert parquet.read_table(tmp_path / "a.parquet").column_names == names


def test_a_video_becomes_an_overlay_joints_a_summary_and_a_page(tmp_path, need_weights):
    out = tmp_path / "out"
    assert main(["video", "demo", "--out", str(out), "--end", "0.3", "--format", "npz,pkl,json", "--smooth"]) == 0
    names = {"overlay.mp4", "joints.npz", "joints.pkl", "joints.json", "summary.json", "report.html"}
    assert {path.name for path in out.iterdir()} == names
    assert len(images_of(out / "overlay.mp4")) == 9
    arrays = np.load(out / "joints.npz")
    assert set(arrays["side"]) == {Side.LEFT, Side.RIGHT} and arrays["stamp"].size == 9
    np.testing.assert_array_equal(pickle.loads((out / "joints.pkl").read_bytes())["joints_3d"], arrays["joints_3d"])
    frames = json.loads((out / "joints.json").read_text())
    np.testing.assert_allclose(frames[0]["hands"][0]["joints_3d"], arrays["joints_3d"][0])
    assert json.loads((out / "summary.json").read_text())["warnings"] == []


@pytest.mark.parametrize("tremors, jitter", [([2], "2.0 mm"), ([7, 2, 4], "2.0-7.0 mm"), ([], "-")])
def test_the_page_says_from_where_to_where_jitter_goes_and_of_one_hand_what_it_is(tmp_path, tremors, jitter):
    results = trembling(tremors)
    write_report(tmp_path / "a.html", results, results.summary())
    assert f"<b>{jitter}</b>jitter of the wrist" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize("images, said", [(1, "1</b>image<"), (2, "2</b>images<")])
def test_the_page_counts_in_words_that_fit_and_one_image_has_no_rate(tmp_path, images, said):
    results = Results("a.mp4", "model", "license")
    for k in range(images):
        results.add(np.zeros((48, 64, 3), np.uint8), HandPoses((), (64, 48), k / 30), ())
    write_report(tmp_path / "a.html", results, results.summary())
    page = (tmp_path / "a.html").read_text()
    assert said in page and ("at 30 Hz" in page) == (images > 1) and "nan" not in page


@pytest.mark.parametrize("start, said", [(0.0, False), (5.0, True)])
def test_the_page_says_which_stamp_its_time_begins_at(tmp_path, start, said):
    results = Results("a.mp4", "model", "license")
    results.add(np.zeros((48, 64, 3), np.uint8), HandPoses((), (64, 48), start), ())
    write_report(tmp_path / "a.html", results, results.summary())
    assert ("Time 0 is the first image, stamped 5.000 s." in (tmp_path / "a.html").read_text()) is said


def test_the_pages_tiles_fill_a_row(tmp_path):
    results = trembling([2])
    write_report(tmp_path / "a.html", results, results.summary())
    page = (tmp_path / "a.html").read_text()
    tiles = page.count('<div class="tile">')
    assert f".tiles{{display:grid;grid-template-columns:repeat({tiles},auto)" in page


def test_a_page_is_written_also_of_a_recording_whose_name_is_no_text(tmp_path):
    results = Results("a\udcff.mcap", "model", "license")
    write_report(tmp_path / "a.html", results, results.summary())
    assert "Hands in a?.mcap" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    "arguments, remedy",
    [
        (["--format", "xml"], "known are npz"),
        (["--start", "9", "--end", "10"], "--start"),
        (["--start", "100"], "no images from 100 s on, it is 1.0 s long"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_nothing(tmp_path, clip, need_weights, arguments, remedy, capsys):
    out = tmp_path / "out"
    assert main(["video", str(clip), "--out", str(out), *arguments]) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("handpose")]
    assert remedy in line
    assert not out.exists() or not list(out.iterdir())


def test_grasps_are_counted_in_images_in_which_the_hand_is_followed():
    results = Results("hands.mp4", "model", "license")
    (hand,) = two_frames()[1]
    for k, hands in enumerate(((hand,), (hand, replace(hand, track_id=3, state=TrackingState.LOST)))):
        grasps = tuple(Grasp(each.track_id, each.side) for each in hands)
        results.add(np.zeros((48, 64, 3), np.uint8), HandPoses(hands, (64, 48), k), grasps)
    assert results.summary([]).grasps == {"left": {"unknown": 2}}


@pytest.mark.parametrize("images, pictures", [(1, 1), (24, 24), (25, 13), (1000, 16)])
def test_pictures_of_a_recording_are_evenly_apart_however_long_it_turns_out_to_be(images, pictures):
    results = Results("hands.mp4", "model", "license")
    for k in range(images):
        results.add(np.zeros((48, 64, 3), np.uint8), HandPoses((), (64, 48), k), ())
    stamps = [picture.stamp for picture in results.pictures]
    assert len(stamps) == pictures and stamps[0] == 0 and len(set(np.diff(stamps))) <= 1


def test_a_video_that_was_cut_off_has_results_all_the_same(tmp_path, need_weights):
    path = write_cut_off_video(tmp_path / "cut.mkv")
    assert main(["video", str(path), "--every", "20", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.html").read_text().count("<figcaption>") > 12


def test_an_error_leaves_no_half_written_video(tmp_path):
    with pytest.raises(ZeroDivisionError), VideoWriter(tmp_path / "a.mp4", 30.0) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_breaks_off_is_said_to(tmp_path, need_weights, capsys):
    path = tmp_path / "long.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30.0, (64, 48))
    for k in range(60):
        writer.write(np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert main(["video", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "is the file whole?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, warning", [([], "relative to the wrist"), (["--fov", "60"], "guessed from --fov")])
def test_without_a_calibration_the_result_says_so(tmp_path, clip, need_weights, arguments, warning):
    assert main(["video", str(clip), "--out", str(tmp_path / "out"), "--end", "0.1", *arguments]) == 0
    assert not np.load(tmp_path / "out" / "joints.npz")["calibrated"].any()
    assert warning in json.loads((tmp_path / "out" / "summary.json").read_text())["warnings"][0]


def test_a_given_calibration_that_folds_in_the_corners_is_said_to():
    even = Camera.from_fov((640, 480), 1.13)
    (warning,) = distance_warnings(Camera(even.K, even.size, [-0.3, 0, 0, 0, 0], "plumb_bob"), True)
    assert "folds within the image" in warning and distance_warnings(even, True) == ()


@pytest.mark.skipif(not DEMO_CLIP.exists(), reason="the demo clip is not in this checkout")
def test_a_sources_own_calibration_goes_before_fov_which_is_said_not_to_be_used(tmp_path, need_weights):
    wrists = []
    for name, options, warnings in [("own", [], []), ("fov", ["--fov", "90"], [UNUSED_FOV])]:
        assert main(["video", "demo", "--out", str(tmp_path / name), "--end", "0.1", *options]) == 0
        arrays = np.load(tmp_path / name / "joints.npz")
        assert arrays["calibrated"].all()
        assert json.loads((tmp_path / name / "summary.json").read_text())["warnings"] == warnings
        wrists.append(arrays["joints_3d"][:, 0])
    np.testing.assert_allclose(wrists[1], wrists[0])


def test_the_camera_is_that_of_the_calibration_then_the_sources_own_then_a_guess():
    text, own = DEMO_CLIP.with_suffix(".yaml").read_text(), Camera.from_fov((640, 480), 1.0)
    known, guess = RecordingOptions(calibration=text), RecordingOptions(fov=60.0)
    assert known.camera((640, 480), own) == known.camera((640, 480)) == camera_from_yaml(text)
    assert guess.camera((640, 480), own) is own
    assert guess.camera((640, 480)) == Camera.from_fov((640, 480), np.radians(60))
    assert RecordingOptions().camera((640, 480)) is None
    with pytest.raises(ValueError, match="leave out fov"):
        RecordingOptions(calibration=text, fov=60.0)


def test_hands_that_are_said_to_be_larger_are_further_away_and_of_one_hand_there_is_one(tmp_path, need_weights):
    def wrists(name, *options):
        assert main(["video", "demo", "--out", str(tmp_path / name), "--end", "0.1", *options]) == 0
        arrays, summary = (
            np.load(tmp_path / name / "joints.npz"),
            json.loads((tmp_path / name / "summary.json").read_text()),
        )
        return arrays["joints_3d"][:, 0], arrays["hand_scale"], summary["hand_scale"], summary["max_hands"]

    average, unknown, *given = wrists("average")
    assert len(average) == 6 and np.isnan(unknown).all() and given == [None, 2]
    larger, scales, *given = wrists("larger", "--hand-scale", "1.1")
    np.testing.assert_allclose(np.linalg.norm(larger, axis=-1), 1.1 * np.linalg.norm(average, axis=-1), rtol=1e-3)
    np.testing.assert_allclose(scales, 1.1)
    assert given == [1.1, 2]
    np.testing.assert_allclose(wrists("palm", "--palm-length", "0.121")[0], larger)
    one, *_, most = wrists("one", "--max-hands", "1")
    assert len(one) == 3 and most == 1
