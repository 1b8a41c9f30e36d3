"""What goes wrong with recordings: one line that says what to do, exit code 1, and nothing half-written."""

import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_maker import demo_messages, write_bag
from mp4_maker import rename_codec, write_video

from handpose_ros.batch.files import Recording
from handpose_ros.batch.job import Job, do_job
from handpose_ros.cli import main
from handpose_ros.failures import sentence
from handpose_ros.recordings.bags import BagWriter
from handpose_ros.recordings.job import Compute, RecordingOptions
from handpose_ros.recordings.lock import exclusive
from handpose_ros.recordings.output import VideoWriter, write_image, write_json


@contextmanager
def full_disk(size: int):
    """Within, no file can be longer than `size` bytes: the system refuses as for a full disk. Not longer than that,
    for the runner's own report goes to a file too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


NOISE = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)


def write_long_video(path):
    with VideoWriter(path, 30.0) as video:
        for _ in range(4):
            video.write(NOISE)


def write_long_bag(path):
    with BagWriter(path) as bag:
        for k in range(40):
            bag.write("/noise", "std_msgs/msg/String", k, NOISE.tobytes()[:100_000])


@pytest.mark.parametrize(
    "write, name",
    [
        (write_long_video, "a.mp4"),
        (write_long_bag, "a.mcap"),
        (lambda path: write_image(path, NOISE), "a.png"),
        (lambda path: write_json(path, NOISE[:16]), "a.json"),
    ],
)
def test_a_full_disk_is_said_with_a_remedy_and_leaves_no_file(tmp_path, write, name):
    with (
        full_disk(10_000),
        pytest.raises(OSError, match=f"{name} cannot be written .*free some space or choose another directory"),
    ):
        write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit, file", [(2_000, "out"), (50_000, "overlay.mp4"), (200_000, "report.html")])
def test_a_disk_that_fills_up_during_a_video_is_one_line(tmp_path, need_weights, limit, file, capfd):
    out = tmp_path / "out"
    with full_disk(limit):
        assert main(["video", "demo", "--end", "0.2", "--out", str(out), "--device", "cpu"]) == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("handpose")]
    assert f"{file} cannot be written" in line and "choose another directory" in line
    assert not (out / file).is_file() and not (out / "summary.json").exists() and not list(out.glob(".*"))


def test_a_disk_that_fills_up_during_a_bag_is_one_line(tmp_path, need_weights, capfd):
    bag = write_bag(tmp_path / "bag", demo_messages(2))
    with full_disk(20_000):
        assert main(["bag", str(bag), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 1
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("handpose")]
    assert "hands.mcap cannot be written" in line and "choose another directory" in line
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_up_during_a_batch_is_the_recordings_error(tmp_path, need_weights):
    recording = Recording(write_video(tmp_path / "a.mp4"), "a.mp4", 0)
    job = Job(recording, tmp_path / "out", RecordingOptions(), Compute("cpu"))
    with full_disk(500):
        outcome = do_job(job, lambda share: None)
    assert outcome.status == "failed" and f"{tmp_path / 'out' / 'a.mp4'}" in outcome.error
    assert ".partial" not in outcome.error and list((tmp_path / "out").iterdir()) == []


def damaged_videos(folder):
    """Videos that cannot be read."""
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video")
    cut = write_video(folder / "cut.mp4")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    rename_codec(write_video(folder / "codec.mp4"))
    return sorted(folder.glob("*.mp4"))


def test_a_video_that_cannot_be_read_is_one_line_that_names_it(tmp_path, capfd):
    for path in damaged_videos(tmp_path):
        assert main(["video", str(path), "--out", str(tmp_path / "out")]) == 1
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("handpose")]
        assert len(lines) == 1 and str(path) in lines[0] and "codec" in lines[0], path
        assert not (tmp_path / "out").exists()


def test_nobody_else_talks_about_a_video_that_cannot_be_read(tmp_path):
    for path in damaged_videos(tmp_path)[::2]:  # a process of its own: OpenCV looks at its environment once
        command = [sys.executable, "-m", "handpose_ros.cli", "video", str(path), "--out", str(tmp_path / "out")]
        done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True)
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and done.stdout == "", (path, done.stderr)


@pytest.mark.parametrize("names", [("a/x.png", "b/x.png"), ("a/x.png", "a/x.jpg")])
def test_two_images_whose_results_would_be_called_the_same_are_refused(tmp_path, names, capsys):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    files = [str(tmp_path / name) for name in names]
    assert main(["image", *files, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and all(file in error for file in files) and "--out" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["video", "bag", "demo"])
def test_results_that_would_replace_their_source_are_refused_and_it_stays(tmp_path, command, need_weights, capsys):
    path = tmp_path / ("hands.mcap" if command == "bag" else "overlay.mp4")
    if command == "bag":
        next(write_bag(tmp_path / "bag", demo_messages(1)).glob("*.mcap")).rename(path)
    else:
        write_video(path)
    (tmp_path / "summary.json").write_text("of an earlier run")
    content = path.read_bytes()
    source = ["--source", str(path)] if command == "demo" else [str(path)]
    assert main([command, *source, "--out", f"{tmp_path}/../{tmp_path.name}"]) == 1
    error = capsys.readouterr().err
    assert error.endswith(f"the results would take the place of {path}: choose another --out\n")
    assert path.read_bytes() == content and (tmp_path / "summary.json").exists()


@pytest.mark.parametrize("command", ["video", "bag"])
def test_a_directory_in_which_another_run_is_is_left_to_it(tmp_path, command, need_weights, capsys):
    source = write_video(tmp_path / "a.mp4") if command == "video" else write_bag(tmp_path / "bag", demo_messages(1))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "summary.json").write_text("of the other run")
    with exclusive(tmp_path / "out"):
        before = sorted((tmp_path / "out").iterdir())
        assert main([command, str(source), "--out", str(tmp_path / "out")]) == 1
        assert sorted((tmp_path / "out").iterdir()) == before
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("handpose")]
    assert line.endswith(f"another run is writing to {tmp_path / 'out'}: wait for it or choose another --out")
    assert (tmp_path / "out" / "summary.json").read_text() == "of the other run"
    assert main([command, str(source), "--out", str(tmp_path / "out")]) == 0
    assert not list((tmp_path / "out").glob(".*"))


def test_a_bag_in_a_directory_is_not_replaced_but_what_an_earlier_run_left_there_is(tmp_path, need_weights, capsys):
    bag = write_bag(tmp_path / "bag", demo_messages(1))
    for _ in range(2):
        assert main(["bag", str(bag), "--out", str(bag)]) == 0
    bag = write_bag(tmp_path / "hands", demo_messages(1))
    metadata = bag / "metadata.yaml"
    (file,) = bag.glob("*.mcap")
    metadata.write_text(metadata.read_text().replace(file.name, "hands.mcap"))
    file.rename(bag / "hands.mcap")
    assert main(["bag", str(bag), "--out", str(bag)]) == 1
    assert f"take the place of {bag / 'hands.mcap'}" in capsys.readouterr().err and (bag / "hands.mcap").exists()


def test_a_picture_of_an_image_does_not_replace_another_image_that_was_given(tmp_path, capsys):
    files = [tmp_path / name for name in ("a.jpg", "a_hands.png")]
    for file in files:
        cv2.imwrite(str(file), np.zeros((8, 8, 3), np.uint8))
    assert main(["image", *map(str, files), "--out", str(tmp_path)]) == 1
    assert f"take the place of {files[1]}" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == files


def test_an_unknown_classifier_is_one_line(tmp_path, need_weights, capsys):
    assert main(["video", "demo", "--out", str(tmp_path / "out"), "--classifier", "palmistry"]) == 1
    assert "palmistry" in capsys.readouterr().err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "error, said",
    [
        (FileNotFoundError(2, "No such file", "a.mp4"), "a.mp4: No such file"),
        (ValueError("two\n  lines"), "two lines"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_an_error_is_one_line(error, said):
    assert sentence(error) == said
