import json
import math
import os
import shutil
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from bag_maker import demo_images
from mp4_maker import write_video

from handpose_ros import __version__, commands
from handpose_ros.cli import main
from handpose_ros.recordings.sources import DEMO_CLIP, open_source, read_image, read_video
from handpose_ros.recordings.summary import DemoSummary


@pytest.fixture
def truncated_video(tmp_path):
    path = tmp_path / "truncated.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 30.0, (64, 48))
    for _ in range(30):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    path.write_bytes(path.read_bytes()[:500])
    return path


def wrong_sources(tmp_path, truncated_video):
    (tmp_path / "text.mp4").write_text("this is no video")
    (tmp_path / "empty").mkdir()
    return [tmp_path / "missing.mp4", tmp_path / "text.mp4", tmp_path / "empty", truncated_video]


def test_help_imports_nothing_heavy():
    code = "import sys; from handpose_ros.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'cv2', 'numpy', 'rclpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "before, then",
    [
        ("signal.signal(signal.SIGHUP, signal.SIG_IGN)", "signal.getsignal(signal.SIGHUP) is signal.SIG_IGN"),  # nohup
        ("del signal.SIGHUP", "signal.getsignal(signal.SIGTERM) is signal.default_int_handler"),  # Windows
    ],
)
def test_a_command_ends_as_by_ctrl_c_when_it_is_told_to_but_not_by_what_is_ignored(before, then):
    code = f"import signal; {before}; from handpose_ros.cli import main; main(['evaluate', 'nowhere']); print({then})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr


def test_with_stderr_closed_a_video_is_done_all_the_same(tmp_path, need_weights):
    write_video(tmp_path / "a.mp4")
    command = [sys.executable, "-m", "handpose_ros.cli", "video", str(tmp_path / "a.mp4"), "--out", str(tmp_path)]
    done = subprocess.run(["sh", "-c", 'exec "$@" 2>&-', "sh", *command], stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and done.stdout.startswith("30 frames") and (tmp_path / "summary.json").exists()


def test_a_name_that_is_no_text_can_be_printed_also_to_a_strict_stdout(tmp_path, need_weights):
    names = [str(tmp_path / name) for name in ("a\udcff.png", "b.png")]
    cv2.imwrite(names[1], np.zeros((48, 64, 3), np.uint8))
    shutil.copy(names[1], names[0])
    command = [sys.executable, "-m", "handpose_ros.cli", "image", *names, "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "a\\udcff.png: no hands" in done.stdout
    assert (tmp_path / "a\udcff_hands.json").exists() and (tmp_path / "b_hands.json").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["demo", "--frames", "0"],
        ["image"],
        ["video", "a", "--fov", "180"],
        ["video", "a", "--every", "1.5"],
        ["image", "a", "--hand-scale", "110"],
        ["bag", "a", "--hand-scale", "1.1", "--palm-length", "0.11"],
        ["batch", "a", "--max-hands", "0"],
        ["demo", "--max-hands", "9"],
        ["evaluate"],
        ["evaluate", "a", "--hand-scale", "1.7"],
        ["evaluate", "a", "--hand-scale", "large"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert " _" not in capsys.readouterr().err, "names of functions are not for users"


@pytest.mark.parametrize("command", [["demo", "--source"], ["video"]])
def test_a_wrong_source_is_one_line_that_names_it(command, tmp_path, truncated_video, capfd):
    for source in wrong_sources(tmp_path, truncated_video):
        assert main([*command, str(source), "--out", str(tmp_path / "out")]) == 1
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("handpose")]
        assert len(lines) == 1 and str(source) in lines[0], source
        assert not (tmp_path / "out").exists()


def test_a_directory_that_cannot_be_written_is_one_line_with_a_remedy(tmp_path, capsys):
    (tmp_path / "file").touch()
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    for command in (["demo", "--source", str(tmp_path)], ["image", str(picture)]):
        assert main([*command, "--out", str(tmp_path / "file" / "out")]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "choose another directory" in error


@pytest.mark.parametrize(
    "command", [["evaluate", "nowhere", "--json"], ["evaluate", "nowhere", "--html"], ["benchmark", "--json"]]
)
def test_where_figures_cannot_be_written_they_are_not_measured(command, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([*command, str(tmp_path / "file" / "a")]) == 1
    error = capsys.readouterr().err
    assert "cannot write to" in error and error.endswith("choose another directory\n") and "nowhere" not in error
    if command[-1] == "--json":
        assert main([*command, str(tmp_path)]) == 1
        assert "name a file" in capsys.readouterr().err


def test_a_wrong_calibration_is_one_line(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "a.yaml").write_text("image_width: 8")
    arguments = ["image", str(tmp_path / "a.png"), "--out", str(tmp_path), "--calibration", str(tmp_path / "a.yaml")]
    assert main(arguments) == 1
    assert "calibration" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, warning", [([], "relative to the wrist"), (["--fov", "60"], "guessed from --fov")])
def test_images_without_a_calibration_are_said_to_be_so_once(tmp_path, arguments, warning, need_weights, capsys):
    names = [str(tmp_path / name) for name in ("a.png", "b.png")]
    for name in names:
        cv2.imwrite(name, np.zeros((480, 640, 3), np.uint8))
    assert main(["image", *names, "--out", str(tmp_path), *arguments]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith("warning: ")
        and warning in line
        and line.endswith("--calibration" + " or --fov" * (not arguments))
    )


def test_a_folder_of_images_is_no_place_for_the_demo_of_it(tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert main(["demo", "--source", str(tmp_path), "--out", f"{tmp_path}/."]) == 1
    assert capsys.readouterr().err.endswith("is the folder of the images: choose another --out\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("interrupted, code", [(False, 1), (True, 130)])
def test_a_demo_that_was_never_answered_has_failed_and_says_what_to_do(interrupted, code, capsys):
    nothing = DemoSummary(
        frames=0 if interrupted else 8,
        frames_with_a_hand=0,
        frames_with_both_hands=0,
        track_ids=(),
        sides={},
        source="demo",
        model="",
        license="",
        latency_p50_ms=math.nan,
        latency_p95_ms=math.nan,
        inference_p50_ms=math.nan,
        lost_frames=0 if interrupted else 8,
        stale_frames=0,
        images_missed_by_recorder=0,
        grasps={},
        error=None,
        interrupted=interrupted,
    )
    assert commands.show_demo(nothing, "out") == code
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and ("ROS_DOMAIN_ID" in said.err) != interrupted


def test_the_version_is_the_packages(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"handpose {__version__}\n"


def test_a_video_is_not_asked_for_what_video_does_not_take(tmp_path, capsys):
    assert main(["video", str(tmp_path / "missing.mp4"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.endswith("give a video or a folder of images\n")


def test_a_video_that_may_not_be_read_is_said_to_be_so(tmp_path, capsys):
    (tmp_path / "a.mp4").touch(mode=0)
    if os.access(tmp_path / "a.mp4", os.R_OK):
        pytest.skip("root may read all")
    assert main(["video", str(tmp_path / "a.mp4"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"handpose video: {tmp_path / 'a.mp4'}: Permission denied\n"


@pytest.mark.parametrize("camera", ["--fov", "--calibration"])
def test_an_image_is_calibrated_by_a_calibration_and_not_by_a_guess(tmp_path, camera, need_weights):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((480, 640, 3), np.uint8))
    value = "60" if camera == "--fov" else str(DEMO_CLIP.with_suffix(".yaml"))
    assert main(["image", str(tmp_path / "a.png"), "--out", str(tmp_path), camera, value]) == 0
    assert json.loads((tmp_path / "a_hands.json").read_text())["calibrated"] == (camera == "--calibration")


def test_an_image_is_told_how_large_and_how_many_its_hands_are(tmp_path, need_weights, capsys):
    (image,), _ = demo_images(1)
    cv2.imwrite(str(tmp_path / "a.png"), image[..., ::-1])
    arguments = ["image", str(tmp_path / "a.png"), "--out", str(tmp_path), "--fov", "60", "--max-hands", "1"]
    assert main([*arguments, "--palm-length", "0.121"]) == 0
    (hand,) = json.loads((tmp_path / "a_hands.json").read_text())["hands"]
    assert hand["hand_scale"] == pytest.approx(1.1) and hand["depth_source"] == "mono_scaled"
    capsys.readouterr()
    assert main([*arguments, "--palm-length", "121"]) == 1
    assert "give metres" in capsys.readouterr().err


def write_turned_jpeg(path, image, orientation):
    """`image` with an EXIF orientation; the pixels are the same with each."""
    _, data = cv2.imencode(".jpg", image[..., ::-1])
    tag = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)  # one short
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + tag + bytes(4)
    path.write_bytes(data.tobytes()[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + data.tobytes()[2:])


@pytest.mark.parametrize("command", ["image", "video"])
def test_a_calibration_is_that_of_the_sensor_and_exif_turns_no_image(tmp_path, command, need_weights):
    (image,), _ = demo_images(1)
    joints = []
    for orientation in (1, 3, 6):
        folder = tmp_path / str(orientation)
        folder.mkdir()
        write_turned_jpeg(folder / "a.jpg", image, orientation)
        source = folder if command == "video" else folder / "a.jpg"
        format, name = (["--format", "json"], "joints.json") if command == "video" else ([], "a_hands.json")
        calibration = str(DEMO_CLIP.with_suffix(".yaml"))
        assert main([command, str(source), "--out", str(folder / "out"), "--calibration", calibration, *format]) == 0
        found = json.loads((folder / "out" / name).read_text())
        joints.append([hand["joints_3d"] for hand in (found[0] if command == "video" else found)["hands"]])
    assert len(joints[0]) == 2 and joints[0] == joints[1] == joints[2]
    assert read_image(folder / "a.jpg").shape == (640, 480, 3)  # as one would see it
    camera = open_source("demo").camera
    assert [next(read_video(folder, each)).size for each in (camera, None)] == [(640, 480), (480, 640)]


def test_weights_says_what_is_where_and_fails_if_one_is_wrong(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("HANDPOSE_WEIGHTS", raising=False)
    (tmp_path / "hand_landmark_full.tflite").write_bytes(b"wrong")
    assert main(["weights", "--path", str(tmp_path)]) == 1
    out = capsys.readouterr()
    assert "hand_landmark_full" in out.out and "WRONG FILE" in out.out
    assert out.err.endswith(": give another directory or wheel\n")
    (tmp_path / "handpose_ros").mkdir()
    (tmp_path / "hand_landmark_full.tflite").rename(tmp_path / "handpose_ros" / "hand_landmark_full.tflite")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["weights"]) == 1
    assert capsys.readouterr().err.endswith(": run `handpose weights --fetch`\n")


def test_a_folder_that_is_no_data_set_is_one_line(tmp_path, capsys):
    for folder in (tmp_path, tmp_path / "missing"):
        assert main(["evaluate", str(folder)]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and str(folder) in error and "annotations.json" in error


@pytest.mark.parametrize(
    "arguments",
    [
        ["--grasps", "--complexity", "lite"],
        ["--grasps", "--hand-scale", "1.1"],
        ["--synthetic", "--precision", "float32"],
        ["--synthetic", "--backend", "wildhands"],
        ["--sequences", "--looks", "4"],
    ],
)
def test_evaluate_refuses_an_option_that_would_change_nothing_by_name(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *arguments])
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith(f"{arguments[0]} goes without {arguments[1]}\n")


def test_the_synthetic_proof_is_a_table_a_file_and_exit_code_0(tmp_path, capsys):
    assert main(["evaluate", "--synthetic", "--json", str(tmp_path / "new" / "proof.json")]) == 0
    assert "within 1.0 mm" in capsys.readouterr().out
    proof = json.loads((tmp_path / "new" / "proof.json").read_text())
    assert proof["worst_mm"] < 1 and {each["model"] for each in proof["errors"]} >= {"plumb_bob", "equidistant"}
