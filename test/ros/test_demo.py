import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from handpose_ros import weights
from handpose_ros.demo import OLD_PROFILES, OUTPUTS, PROFILES, environment, free_domain
from handpose_ros.recordings.bags import read_messages
from handpose_ros.recordings.node_outputs import CAMERA_INFO, COMPRESSED_IMAGE, GRASPS, HAND_MODEL, HANDS
from handpose_ros.recordings.sources import DEMO_CLIP

FRAMES = 8
TIMEOUT = 240  # [s] a machine that is busy needs long to load torch


@pytest.fixture(scope="module", autouse=True)
def networks():
    if not all(file.ok for file in weights.inventory()):
        pytest.skip("the weights are not on this machine: run `handpose weights --fetch`")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of images without a hand."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(FRAMES):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((120, 160, 3), 20 * number, np.uint8))
    return folder


def start(*arguments):
    command = [sys.executable, "-m", "handpose_ros.cli", "demo", "--device", "cpu", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(process):
    output, _ = process.communicate(timeout=TIMEOUT)
    return process.returncode, output


def read_summary(out):
    return json.loads((out / "summary.json").read_text())


def children(pid):
    """The processes that `pid` started and that still run."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(entry))
    return found


def is_running(pid):
    return os.path.exists(f"/proc/{pid}")


def test_images_without_hands_are_answered_and_none_is_lost(pictures, tmp_path):
    code, output = finish(start("--source", pictures, "--out", tmp_path))
    assert code == 0, output
    assert {path.name for path in tmp_path.iterdir()} == set(OUTPUTS)
    summary = read_summary(tmp_path)
    assert (summary["frames"], summary["frames_with_a_hand"], summary["track_ids"]) == (FRAMES, 0, [])
    assert (summary["lost_frames"], summary["stale_frames"], summary["images_missed_by_recorder"]) == (0, 0, 0)
    assert summary["error"] is None and not summary["interrupted"]
    topics = [message.topic for message in read_messages(tmp_path / "hands.mcap")]
    for topic in (COMPRESSED_IMAGE, CAMERA_INFO, HANDS, GRASPS):
        assert topics.count(topic) == FRAMES, topic
    assert topics.count(HAND_MODEL) == 1


@pytest.mark.skipif(not DEMO_CLIP.exists(), reason="the demo clip is not in this checkout")
def test_both_hands_of_the_demo_clip_are_found_where_they_are(tmp_path):
    code, output = finish(start("--frames", FRAMES, "--out", tmp_path, "--fov", "120", "--palm-length", "0.1089"))
    assert code == 0 and "--fov is not used" in output, output  # the clip has its own calibration
    summary = read_summary(tmp_path)
    assert summary["frames"] == FRAMES and summary["lost_frames"] == 0
    assert summary["frames_with_both_hands"] >= FRAMES - 1
    assert sorted(side for sides in summary["sides"].values() for side in sides) == ["left", "right"]
    hands = [hand for message in read_messages(tmp_path / "hands.mcap", HANDS) for hand in message.message.hands]
    assert {round(hand.hand_scale, 6) for hand in hands} == {0.99} and summary["hand_scale"] == pytest.approx(0.99)
    error = summary["error"]
    # A wrong unit, frame, side or frame index is worse than these: the hands are 0.3 m apart and 0.6 m away.
    assert error["absolute_median_mm"] < 100 and error["root_relative_mm"] < 50 and error["pixels_2d"] < 15


def test_an_interrupted_demo_leaves_what_it_recorded_and_no_process(tmp_path, pictures):
    out = tmp_path / "out"
    many = tmp_path / "many"
    many.mkdir()
    for number in range(3000):
        (many / f"{number}.png").symlink_to(pictures / "0.png")
    process = start("--source", many, "--out", out)
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "fps" in line:
            break
    nodes = children(process.pid)
    assert len(nodes) == 3, "".join(seen)
    process.send_signal(signal.SIGINT)
    code, output = finish(process)
    assert code == 130, output
    assert not any(map(is_running, nodes))
    assert {path.name for path in out.iterdir()} == set(OUTPUTS)
    summary = read_summary(out)
    assert summary["interrupted"] and 0 < summary["frames"] < 3000


def test_a_node_that_dies_ends_the_demo_with_its_last_words(pictures, tmp_path):
    code, output = finish(start("--source", pictures, "--out", tmp_path, "--device", "abacus"))
    assert code == 1
    assert "hand_pose ended with exit code 1" in output and "abacus" in output
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_is_killed_while_it_works_ends_the_demo(tmp_path, pictures):
    many = tmp_path / "many"
    many.mkdir()
    for number in range(3000):
        (many / f"{number}.png").symlink_to(pictures / "0.png")
    process = start("--source", many, "--out", tmp_path / "out")
    while "fps" not in process.stdout.readline():
        assert process.poll() is None
    nodes = children(process.pid)
    (victim,) = (pid for pid in nodes if b"grasp_node" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(victim, signal.SIGKILL)
    code, output = finish(process)
    assert code == 1 and "grasp ended with exit code -9" in output
    deadline = time.monotonic() + 5
    while any(map(is_running, nodes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, nodes))


def test_what_the_user_set_is_left_alone():
    given = {"ROS_DOMAIN_ID": "7", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET", "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4"}
    chosen = environment(given)
    assert {name: chosen[name] for name in given} == given
    assert not {PROFILES, OLD_PROFILES} & set(chosen)


@pytest.mark.parametrize("name, other", [(PROFILES, OLD_PROFILES), (OLD_PROFILES, PROFILES)])
def test_the_profiles_that_the_user_set_under_either_name_are_the_only_ones(name, other):
    chosen = environment({name: "mine.xml"})
    assert chosen[name] == "mine.xml" and other not in chosen


@pytest.mark.parametrize(
    "distribution, name, other",
    [("", PROFILES, OLD_PROFILES), ("kilted", PROFILES, OLD_PROFILES), ("jazzy", OLD_PROFILES, PROFILES)],
)
def test_profiles_are_under_the_name_that_the_distributions_fast_dds_reads(distribution, name, other):
    chosen = environment({"ROS_DISTRO": distribution})
    assert os.path.isfile(chosen[name]) and other not in chosen


def test_without_settings_the_demo_keeps_to_this_machine_and_a_domain_of_its_own():
    chosen = environment({})
    assert chosen["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert 1 <= int(chosen["ROS_DOMAIN_ID"]) <= 100


def test_a_domain_with_a_participant_is_not_free():
    import rclpy

    from handpose_ros.demo import _is_free

    domain = free_domain()
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("occupant", context=context)
    try:
        assert not _is_free(domain)
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
