import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from bag_maker import demo_messages, write_bag

from handpose_ros.batch.executors import LocalProcesses, LocalThreads
from handpose_ros.batch.files import Recording, find_recordings
from handpose_ros.batch.job import Job, do_job
from handpose_ros.batch.ray_cluster import RayCluster
from handpose_ros.batch.run import choose_compute, choose_executor, run_batch
from handpose_ros.cli import main
from handpose_ros.recordings.bags import read_messages, typestore
from handpose_ros.recordings.job import Compute, RecordingOptions
from handpose_ros.recordings.output import VideoWriter
from handpose_ros.recordings.sources import open_source

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # [s] for what takes a second on an idle machine
HERE = Compute("cpu", num_threads=1)
TOGETHER = Compute("cpu", num_threads=1, recordings=3)


def write_clip(path, count):
    """The first images of the demo clip."""
    with open_source("demo") as source, VideoWriter(path, 30.0) as video:
        for image in islice(source, count):
            video.write(image)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A short video, one that is none, a longer one deeper down, and a bag."""
    folder = tmp_path_factory.mktemp("in")
    (folder / "deep").mkdir()
    write_clip(folder / "a.mp4", 3)
    (folder / "b.mp4").write_text("this is no video")
    write_clip(folder / "deep" / "long.mp4", 30)
    write_bag(folder / "z_bag", demo_messages(3))
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory, need_weights):
    """The results of a batch, and its exit code."""
    out = tmp_path_factory.mktemp("undisturbed")
    return out, main(["batch", str(folder), "--out", str(out), "--device", "cpu", "--jobs", "2"])


def start(folder, out):
    """`handpose batch` in a process of its own, which stands in the middle of the longer video."""
    command = [sys.executable, "-m", "handpose_ros.cli", "batch", str(folder), "--out", str(out)]
    process = subprocess.Popen([*command, "--device", "cpu", "--jobs", "1"], cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + PATIENCE
    while not any(out.glob("deep/.long.mp4.partial/.overlay*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return process


def content(out):
    """What lies in `out`, by name, without times."""
    return {path.relative_to(out).as_posix(): timeless(path) for path in out.rglob("*") if path.is_file()}


def timeless(path):
    if path.name in ("manifest.json", "processing_summary.json"):
        return without_seconds(json.loads(path.read_text()))
    if path.suffix != ".mcap":
        return path.read_bytes()
    messages = []
    for each in read_messages(path):
        if hasattr(each.message, "inference_time"):
            each.message.inference_time = 0.0
        messages.append((each.topic, each.stamp, bytes(typestore().serialize_cdr(each.message, each.type))))
    return messages


def without_seconds(value):
    if isinstance(value, dict):
        # A manifest's sizes: digits of a time in hands.mcap take no more or less room.
        return {key: without_seconds(each) for key, each in value.items() if key != "seconds"}
    return [without_seconds(each) for each in value] if isinstance(value, list) else value


def running_in(session):
    """Processes of the session that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # ended meanwhile
            continue
        found += [stat.parent.name] * (int(its_session) == session and state != "Z")
    return found


def test_a_batch_does_what_it_can_and_says_what_failed(undisturbed, folder):
    out, code = undisturbed
    summary = json.loads((out / "processing_summary.json").read_text())
    assert code == 1 and (summary["done"], summary["failed"], summary["frames"]) == (3, 1, 36)
    rows = {Path(row["source"]).name: row for row in summary["files"]}
    assert rows["b.mp4"]["status"] == "failed" and "cannot read a video" in rows["b.mp4"]["error"]
    assert (rows["z_bag"]["frames"], rows["z_bag"]["hands"], rows["z_bag"]["coverage"]["both"]) == (3, 6, 1.0)
    assert np.load(out / "deep" / "long.mp4" / "joints.npz")["stamp"].size == 30
    assert (out / "z_bag" / "hands.mcap").exists() and not (out / "b.mp4").exists()


def test_a_batch_says_how_many_recordings_have_warnings_and_where_they_are(tmp_path, need_weights, capsys):
    write_clip(tmp_path / "a.mp4", 2)
    write_bag(tmp_path / "b_bag", demo_messages(2))  # has a calibration
    assert main(["batch", str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cpu", "--jobs", "1"]) == 0
    assert "\n1 recording with warnings: see processing_summary.json\n" in capsys.readouterr().out


def test_of_bags_with_several_cameras_a_batch_takes_the_one_that_is_named(tmp_path, need_weights, capsys):
    both = [each for topic in ("/cam/image_raw", "/other/image_raw") for each in demo_messages(2, topic=topic)]
    write_bag(tmp_path / "bag", both)
    command = ["batch", str(tmp_path), "--out", str(tmp_path / "out"), "--device", "cpu", "--jobs", "1"]
    assert main(command) == 1 and "choose one with --image" in capsys.readouterr().err
    assert main([*command, "--image", "/other/image_raw", "--camera-info", "/cam/camera_info"]) == 0
    summary = json.loads((tmp_path / "out" / "bag" / "summary.json").read_text())
    assert (summary["image_topic"], summary["camera_info_topic"]) == ("/other/image_raw", "/cam/camera_info")


def test_killed_in_the_middle_and_started_again_it_comes_to_the_same(undisturbed, folder, tmp_path):
    process = start(folder, tmp_path)
    process.kill()
    process.wait()
    assert (tmp_path / "a.mp4" / "manifest.json").exists() and not (tmp_path / "deep" / "long.mp4").exists()
    assert not (tmp_path / "processing_summary.json").exists()
    done = (tmp_path / "a.mp4" / "joints.npz").stat().st_mtime_ns
    assert main(["batch", str(folder), "--out", str(tmp_path), "--device", "cpu", "--jobs", "1"]) == 1
    assert (tmp_path / "a.mp4" / "joints.npz").stat().st_mtime_ns == done
    assert content(tmp_path) == content(undisturbed[0])


def test_ctrl_c_ends_every_process_and_says_what_is_not_done(folder, tmp_path, need_weights, capfd):
    process = start(folder, tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(PATIENCE) == 130
    assert capfd.readouterr().err.endswith("interrupted, 2 not done: start it again\n")
    deadline = time.monotonic() + PATIENCE
    while running_in(process.pid):  # multiprocessing's resource tracker ends when it sees that the parent has
        assert time.monotonic() < deadline
        time.sleep(0.05)
    rows = json.loads((tmp_path / "processing_summary.json").read_text())["files"]
    assert [row["status"] for row in rows] == ["done", "failed", "not done", "not done"]
    assert not list(tmp_path.rglob(".*"))


def test_what_was_done_is_done_again_for_other_content_other_options_or_a_lost_file(tmp_path, need_weights):
    path, out = write_clip(tmp_path / "a.mp4", 2), tmp_path / "out"

    def do(**options):
        return do_job(Job(Recording(path, "a.mp4", 0), out, RecordingOptions(**options), HERE), lambda share: None)

    assert [do().found, do().found, do(every=2).found, do(every=2).found] == [False, True, False, True]
    assert do(every=2).frames == 1
    assert [do(**other).found for other in ({"hand_scale": 1.1}, {"max_hands": 1}, {"every": 2})] == [False] * 3
    (out / "a.mp4" / "joints.npz").unlink()
    assert not do(every=2).found
    write_clip(path, 3)
    assert [do(every=2).found, do(every=2).frames] == [False, 2]


def test_a_directory_that_no_batch_made_is_not_replaced(tmp_path):
    (tmp_path / "out" / "a.mp4").mkdir(parents=True)
    (tmp_path / "out" / "a.mp4" / "thesis.txt").write_text("mine")
    (tmp_path / "a.mp4").touch()
    job = Job(Recording(tmp_path / "a.mp4", "a.mp4", 0), tmp_path / "out", RecordingOptions(), HERE)
    for manifest in (None, "no JSON", "[1]", '{"name": "an extension of a browser", "version": "1"}'):
        if manifest:
            (tmp_path / "out" / "a.mp4" / "manifest.json").write_text(manifest)
        assert "move it away" in do_job(job, lambda share: None).error
        assert (tmp_path / "out" / "a.mp4" / "thesis.txt").read_text() == "mine"


def test_options_that_no_recording_can_be_answered_with_are_refused_at_once():
    for wrong in ({"classifier": "foo"}, {"backend": "foo"}, {"formats": ("foo",)}):
        with pytest.raises(ValueError, match="foo"):
            RecordingOptions(**wrong)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"formats": "npz"}, r"formats is 'npz': give a tuple of names, as \('npz',\)"),
        ({"fov": 500}, "fov is 500, it must be between 0 and 180 degrees"),
        ({"fov": float("nan")}, "fov is nan"),
        ({"every": 0}, "every is 0, it must be 1 or more"),
        ({"every": 1.5}, "every is 1.5, it must be a whole number"),
        ({"fov": "60"}, "fov is '60', it must be a number"),
        ({"start": None}, "start is None, it must be a number"),
        ({"every": "2"}, "every is '2', it must be a whole number"),
        ({"max_hands": "2"}, "max_hands is '2', it must be a whole number"),
        ({"max_hands": 0}, "max_hands is 0, it must be a whole number, 1 or more"),
        ({"hand_scale": 0.108}, "hand_scale is 0.108: it is a factor near 1"),
        ({"start": float("nan")}, "start is nan s"),
        ({"start": -1.0}, "start must be at least 0"),
        ({"end": float("nan")}, "end nan s"),
        ({"start": 2.0, "end": 1.0}, "start is 2.0 s and end 1.0 s: .* end after it"),
    ],
)
def test_numbers_and_names_that_mean_nothing_are_refused_in_a_sentence(wrong, said):
    with pytest.raises(ValueError, match=said):
        RecordingOptions(**wrong)


def test_two_batches_do_not_write_to_one_directory(tmp_path):
    class Second:
        def run(self, work, jobs, shown):
            with pytest.raises(OSError, match="another run"):
                run_batch([], tmp_path, RecordingOptions(), HERE, LocalProcesses(1))
            yield from ()

    run_batch([], tmp_path, RecordingOptions(), HERE, Second())


def test_recordings_are_found_in_directories_and_by_name_but_not_among_the_results(tmp_path):
    for name in ("b.MP4", "deep/c.avi", "deep/notes.txt", ".hidden.mp4", "out/b.MP4/overlay.mp4", "strange.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"123")
    write_bag(tmp_path / "bag", demo_messages(1))
    shutil.copy(next((tmp_path / "bag").glob("*.mcap")), tmp_path / "deep" / "d.mcap")
    names = [each.name for each in find_recordings([tmp_path], tmp_path / "out")]
    assert names == ["b.MP4", "bag", "deep/c.avi", "deep/d.mcap"]
    (named,) = find_recordings([str(tmp_path / "strange.bin")], str(tmp_path / "out"))
    assert (named.name, named.size) == ("strange.bin", 3)


def test_what_other_commands_leave_is_no_recording(tmp_path):
    for name in ("video/overlay.mp4", "video/summary.json", "bag/hands.mcap", "bag/report.html", "bag/a.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in ("overlay.mp4", "hands.mcap", "summary.json"):  # a demo's bag holds its images
        (tmp_path / name).touch()
    assert [each.name for each in find_recordings(tmp_path, tmp_path / "out")] == ["bag/a.mp4", "hands.mcap"]
    assert len(find_recordings(tmp_path / "video" / "overlay.mp4", tmp_path / "out")) == 1


def test_the_results_of_earlier_batches_are_no_recordings(undisturbed, folder, tmp_path):
    shutil.copytree(folder, tmp_path / "in")
    shutil.copytree(undisturbed[0], tmp_path / "in" / "finished")
    shutil.copytree(undisturbed[0] / "z_bag", tmp_path / "in" / "killed" / "z_bag")
    names = [each.name for each in find_recordings([tmp_path / "in"], tmp_path / "in" / "new")]
    assert names == ["a.mp4", "b.mp4", "deep/long.mp4", "z_bag"]


@pytest.mark.parametrize("source, here", [(".", ""), ("..", "deeper")])
def test_a_bag_that_one_stands_in_has_results_under_its_own_name(tmp_path, monkeypatch, source, here):
    bag = write_bag(tmp_path / "bag", demo_messages(1))
    (bag / "deeper").mkdir()
    monkeypatch.chdir(bag / here)
    (recording,) = find_recordings([Path(source)], tmp_path / "out")
    assert recording.name == "bag"
    with pytest.raises(ValueError, match="would take its place"):
        find_recordings([Path(source)], tmp_path)


def test_recordings_whose_results_would_be_the_same_or_replace_them_are_refused(tmp_path):
    for name in ("a/x.mp4", "b/x.mp4"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match="a/x.mp4 and .*b/x.mp4 .*the directory that holds both"):
        find_recordings([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    with pytest.raises(ValueError, match="--out"):
        find_recordings([tmp_path / "a"], tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no videos"):
        find_recordings([tmp_path / "empty"], tmp_path / "out")


def test_the_digest_of_a_bag_is_that_of_its_files_and_their_names(tmp_path):
    bag = write_bag(tmp_path / "bag", demo_messages(1))
    digests = {Recording(bag, "bag", 0).digest() for _ in range(2)}
    next(bag.glob("*.mcap")).rename(bag / "other.mcap")
    assert len(digests) == 1 and Recording(bag, "bag", 0).digest() not in digests


def test_in_threads_that_share_the_networks_it_comes_to_the_same(undisturbed, folder, tmp_path):
    pytest.importorskip("openvino", reason="without OpenVINO a batch has other last digits than its images alone")
    summary = run_batch(find_recordings([folder], tmp_path), tmp_path, RecordingOptions(), TOGETHER)
    assert (summary.count("done"), summary.count("failed")) == (3, 1)
    assert content(tmp_path) == content(undisturbed[0])


def test_threads_that_were_interrupted_leave_nothing_half_done_and_the_next_run_goes_on(undisturbed, folder, tmp_path):
    class Interrupted(LocalThreads):
        def run(self, work, jobs, shown):
            def interrupt(number, share):
                raise KeyboardInterrupt

            yield from super().run(work, jobs, interrupt)

    recordings = find_recordings([folder], tmp_path)
    summary = run_batch(recordings, tmp_path, RecordingOptions(), TOGETHER, Interrupted(2))
    assert summary.interrupted and summary.files[2].status == "not done"
    assert not list(tmp_path.rglob(".*")) and not (tmp_path / "deep" / "long.mp4").exists()
    summary = run_batch(recordings, tmp_path, RecordingOptions(), TOGETHER)
    assert sum(each.found for each in summary.files) < summary.count("done") == 3
    assert content(tmp_path) == content(undisturbed[0])


def test_recordings_share_the_networks_on_a_gpu_and_have_their_own_on_a_cpu():
    assert choose_compute("cuda:1", 3) == Compute("cuda:1", num_threads=1, recordings=3)
    assert choose_compute("cuda").recordings >= 1 and choose_compute("cpu", 8) == HERE
    for compute in (choose_compute("cuda", 1), TOGETHER):
        assert isinstance(choose_executor(compute), LocalThreads)
    assert isinstance(choose_executor(HERE, 3), LocalProcesses)
    with pytest.raises(ValueError, match="gpu"):
        choose_compute("gpu")


def test_on_a_ray_cluster_it_comes_to_the_same(undisturbed, folder, tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'handpose_ros[ray]'")
    cluster = RayCluster("local")
    try:
        summary = run_batch(find_recordings([folder], tmp_path), tmp_path, RecordingOptions(), HERE, cluster)
    finally:
        cluster.close()
    assert summary.count("done") == 3
    assert content(tmp_path) == content(undisturbed[0])


def test_options_of_numpys_numbers_are_those_of_pythons():
    """JSON takes none of NumPy's, and a batch would fail when all is computed."""
    numbers = {"max_hands": np.int64(3), "every": np.int32(2), "hand_scale": np.float32(1.5), "fov": np.float32(60)}
    numbers |= {"smooth": np.True_, "formats": np.array(["npz", "csv"])}
    options = RecordingOptions(max_hands=3, every=2, hand_scale=1.5, fov=60.0, smooth=True, formats=("npz", "csv"))
    assert RecordingOptions(**numbers) == options
    assert json.loads(json.dumps(asdict(RecordingOptions(**numbers))))["max_hands"] == 3


def test_threads_for_which_the_networks_are_not_made_are_refused(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(b"")
    recordings = find_recordings(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match=r"2 threads .* for 1: give Compute\(..., recordings=2\)"):
        run_batch(recordings, tmp_path / "out", compute=HERE, executor=LocalThreads(3))
    with pytest.raises(ValueError, match="count is 0"):
        LocalThreads(0)


def test_a_single_source_needs_no_list(tmp_path):
    for source in (tmp_path, str(tmp_path)):
        with pytest.raises(FileNotFoundError, match=f"no bags in {tmp_path}: name"):
            find_recordings(source, tmp_path / "out")
    (tmp_path / "a.mp4").write_bytes(b"")
    for source in (tmp_path, str(tmp_path)):
        (found,) = find_recordings(source, tmp_path / "out")
        assert found.name == "a.mp4"
