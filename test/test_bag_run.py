import json
import re
import sqlite3

import numpy as np
import pytest
import yaml
from bag_maker import CAMERA_INFO, FRAME_ID, IMAGE, START, compressed_image, demo_messages, header, raw_image, write_bag
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from handpose_ros.camera import Camera
from handpose_ros.cli import main
from handpose_ros.hand import HandPose, HandPoses, Side
from handpose_ros.messages.encoding import hands_to_msg
from handpose_ros.recordings.bag_images import BagImages
from handpose_ros.recordings.bag_run import find_live_hands
from handpose_ros.recordings.bags import BagWriter, make_message, read_messages, read_topics, typestore
from handpose_ros.recordings.job import RecordingOptions
from handpose_ros.recordings.node_outputs import HANDS
from handpose_ros.recordings.output import make_directory
from handpose_ros.recordings.sources import DEMO_CLIP
from handpose_ros.share import share_path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A bag with four images of the demo clip."""
    return write_bag(tmp_path_factory.mktemp("demo") / "demo", demo_messages(4))


def grey(stamp=START, **changes):
    message = raw_image(np.full((48, 64, 3), 128, np.uint8), stamp)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("single", [False, True], ids=["directory", "file"])
def test_bags_of_both_storages_are_read_as_directory_and_as_file(tmp_path, storage, single):
    folder = write_bag(tmp_path / "bag", demo_messages(2), storage)
    images = list(BagImages(next(folder.glob("bag.*")) if single else folder))
    assert [image.stamp for image in images] == [START, START + 33_333_333]
    assert all(image.calibrated and image.frame.frame_id == FRAME_ID for image in images)
    assert images[0].frame.stamp == pytest.approx(START * 1e-9, abs=1e-6)


def test_a_png_in_a_bag_is_the_image_that_was_raw(tmp_path, demo):
    packed = demo_messages(1, encode=compressed_image, topic=f"{IMAGE}/compressed")
    (image,) = BagImages(write_bag(tmp_path / "bag", packed))
    raw = next(iter(BagImages(demo)))
    np.testing.assert_array_equal(image.frame.image, raw.frame.image)
    np.testing.assert_array_equal(image.frame.camera.K, raw.frame.camera.K)


def test_the_camera_is_that_of_the_images_frame_also_before_the_first_camera_info(tmp_path):
    (info_topic, stamp, info), (topic, _, image) = demo_messages(1)
    other = make_message(info.__msgtype__, **{**vars(info), "header": header(stamp), "k": info.k * 2})
    other.header.frame_id = "other"
    bag = write_bag(
        tmp_path / "bag", [(topic, stamp, image), (info_topic, stamp + 1, info), (info_topic, stamp, other)]
    )
    (found,) = BagImages(bag)
    np.testing.assert_array_equal(found.frame.camera.K.ravel(), info.k)


def test_without_camera_info_the_image_is_not_calibrated_unless_it_is_told_how(tmp_path):
    bag = write_bag(tmp_path / "bag", [(IMAGE, START, grey())])
    images = BagImages(bag)
    assert [image.frame.camera for image in images] == [None]
    assert re.search("no camera_info .*--camera-info.*--calibration", images.warnings[0])
    (guessed,) = BagImages(bag, guess=lambda size: Camera.from_fov(size, 1.0))
    assert guessed.frame.camera.size == (64, 48) and not guessed.calibrated
    (known,) = BagImages(bag, calibration=lambda size: Camera.from_fov(size, 1.0))
    assert known.calibrated


def test_a_given_calibration_that_folds_in_the_corners_is_said_to_once(tmp_path):
    bag = write_bag(tmp_path / "bag", [(IMAGE, START + k, grey()) for k in range(2)])
    K = Camera.from_fov((64, 48), 1.13).K
    images = BagImages(bag, calibration=lambda size: Camera(K, size, [-0.3, 0, 0, 0, 0], "plumb_bob"))
    assert all(image.calibrated for image in images)
    (warning,) = images.warnings
    assert "folds within the image" in warning


def test_a_bags_own_calibration_goes_before_a_guess_which_is_said_not_to_be_used(demo):
    images = BagImages(demo, guess=lambda size: Camera.from_fov(size, 1.0))
    assert all(image.calibrated for image in images)
    assert images.warnings == [f"{CAMERA_INFO}: the camera of '{FRAME_ID}' is calibrated, --fov is not used for it"]


def test_of_a_raw_image_and_its_compressed_twin_the_raw_one_is_taken(tmp_path):
    twin = compressed_image(np.zeros((48, 64, 3), np.uint8), START)
    bag = write_bag(tmp_path / "bag", [(f"{IMAGE}/compressed", START, twin), (IMAGE, START, grey())])
    assert BagImages(bag).topic.name == IMAGE
    assert BagImages(bag, f"{IMAGE}/compressed").topic.name == f"{IMAGE}/compressed"


def test_depth_and_debug_images_are_not_mistaken_for_the_cameras(tmp_path):
    others = ["/cam/depth/image_raw", "/hand_pose/debug_image"]
    bag = write_bag(tmp_path / "bag", [(topic, START, grey()) for topic in [*others, IMAGE]])
    assert BagImages(bag).topic.name == IMAGE


def test_two_cameras_are_named_and_one_must_be_chosen(tmp_path):
    bag = write_bag(tmp_path / "bag", [("/left/image", START, grey()), ("/right/image", START, grey())])
    with pytest.raises(ValueError, match=r"/left/image .*/right/image.*--image"):
        BagImages(bag)
    assert BagImages(bag, "/right/image").topic.name == "/right/image"


def test_an_image_without_a_stamp_has_that_of_its_recording(tmp_path):
    images = BagImages(write_bag(tmp_path / "bag", [(IMAGE, START, grey(stamp=0))]))
    (image,) = images
    assert image.stamp == START and image.header.stamp.sec == START // 10**9
    assert any("stamp" in warning for warning in images.warnings)


def test_a_bad_image_is_left_out_and_counted(tmp_path):
    bad = grey(START + 1, data=np.zeros(7, np.uint8))
    images = BagImages(write_bag(tmp_path / "bag", [(IMAGE, START, grey()), (IMAGE, START + 1, bad)]))
    assert len(list(images)) == 1 and images.failed == {"truncated": 1}
    assert images.warnings[0] == "1 image left out (truncated)"


def test_an_image_out_of_order_is_left_out_and_a_jump_back_is_not(tmp_path):
    stamps = [START, START - 40_000_000, START + 1, START - 10**9]
    images = BagImages(write_bag(tmp_path / "bag", [(IMAGE, START + k, grey(each)) for k, each in enumerate(stamps)]))
    assert [image.stamp for image in images] == [START, START + 1, START - 10**9]
    assert images.failed == {"order": 1}
    assert "an image is 40 ms earlier than the one before it, and is skipped: check the driver" in images.warnings


def test_an_image_before_1970_is_left_out_and_counted(tmp_path):
    early = grey()
    early.header.stamp.sec = -5
    images = BagImages(write_bag(tmp_path / "bag", [(IMAGE, START, early), (IMAGE, START + 1, grey(START + 1))]))
    assert [image.stamp for image in images] == [START + 1] and images.failed == {"stamp": 1}
    assert images.warnings[1] == "the image's stamp is -5 s, before 1970: set the camera's clock"


def test_a_made_message_has_every_field_and_survives_the_wire():
    message = make_message("visualization_msgs/msg/Marker", ns="left", id=3)
    type = message.__msgtype__
    back = typestore().deserialize_cdr(typestore().serialize_cdr(message, type), type)
    assert (back.ns, back.id, back.pose.orientation.w, len(back.points)) == ("left", 3, 0.0, 0)


def bad_bags(tmp_path):
    """(a bag that cannot be used, what must be said about it)"""
    (tmp_path / "empty.mcap").touch()
    (tmp_path / "text.db3").write_text("no database")
    (tmp_path / "folder").mkdir()
    for storage in ("mcap", "sqlite3"):
        bag = write_bag(tmp_path / storage, [(IMAGE, START + k, grey(START + k)) for k in range(9)], storage)
        file = next(bag.glob(f"{storage}.*"))
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
        yield file, "ros2 bag reindex"
    video = make_message(
        "sensor_msgs/msg/CompressedImage", header=header(START), format="h264", data=np.ones(9, np.uint8)
    )
    text = make_message("std_msgs/msg/String", data="hello")
    yield tmp_path / "missing.mcap", "missing.mcap"
    yield tmp_path / "empty.mcap", "reindex"
    yield tmp_path / "text.db3", "reindex"
    yield tmp_path / "folder", "reindex"
    yield write_bag(tmp_path / "speech", [("/chatter", START, text)]), "/chatter (String): name one with --image"
    yield write_bag(tmp_path / "codec", [(IMAGE, START, video)]), "h264"
    yield write_bag(tmp_path / "bad", [(IMAGE, START, grey(encoding="strange"))]), "strange"
    early = grey()
    early.header.stamp.sec = -5
    yield write_bag(tmp_path / "early", [(IMAGE, START, early)]), "-5 s, before 1970: set the camera's clock"


def test_a_bag_that_cannot_be_used_is_one_line_with_the_remedy_and_no_output(tmp_path, capsys, need_weights):
    for bag, remedy in bad_bags(tmp_path):
        assert main(["bag", str(bag), "--out", str(tmp_path / "out")]) == 1, bag
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("handpose")]
        assert len(lines) == 1 and remedy in lines[0], (bag, lines)
        assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == [], bag


def test_an_output_that_cannot_be_written_is_one_line_with_the_remedy(tmp_path, demo, capsys, need_weights):
    (tmp_path / "file").touch()
    assert main(["bag", str(demo), "--out", str(tmp_path / "file" / "out")]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("handpose bag: cannot write") and "choose another directory" in error


def test_an_error_in_the_middle_leaves_nothing_under_the_final_name(tmp_path):
    with pytest.raises(ZeroDivisionError), BagWriter(make_directory(tmp_path / "out") / "a.mcap") as bag:
        bag.write("/text", "std_msgs/msg/String", START, b"\0\1\0\0\1\0\0\0\0")
        raise ZeroDivisionError
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bag_becomes_hands_joints_a_summary_and_a_page(tmp_path, demo, need_weights):
    out = tmp_path / "out"
    assert main(["bag", str(demo), "--out", str(out), "--hand-scale", "1.1", "--max-hands", "3"]) == 0
    assert {path.name for path in out.iterdir()} == {"hands.mcap", "joints.npz", "summary.json", "report.html"}
    counts = {topic.name: topic.count for topic in read_topics(out / "hands.mcap")}
    answers = ("/hand_pose/hands", "/hand_pose/markers", "/grasp/grasps", "/grasp/markers")
    assert counts == {"/hand_pose/hand_model": 1, **dict.fromkeys(answers, 4)}
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["frames"], summary["coverage"]["both"], summary["warnings"]) == (4, 1.0, [])
    assert (summary["hand_scale"], summary["max_hands"]) == (1.1, 3)
    np.testing.assert_allclose(np.load(out / "joints.npz")["hand_scale"], 1.1)
    assert (summary["image_topic"], summary["camera_info_topic"]) == (IMAGE, CAMERA_INFO)
    page = (out / "report.html").read_text()
    assert "Joint angles, L" in page and "Joint angles, R" in page
    assert not re.search(r'points="[^"]*nan', page)
    addresses = re.findall(r'(?:src|href|url)="?(.{5})', page)
    assert addresses and set(addresses) == {"data:"}


def test_hands_recorded_live_are_compared_with(tmp_path, demo, capsys, need_weights):
    assert main(["bag", str(demo), "--out", str(tmp_path / "first")]) == 0
    messages = [(m.topic, m.stamp, m.message) for m in read_messages(demo)]
    for message in read_messages(tmp_path / "first" / "hands.mcap", HANDS):
        message.message.latency = 0.025
        for hand in message.message.hands:
            for joint in hand.joints:
                joint.x += 0.001
        messages.append((message.topic, message.stamp, message.message))
    both = write_bag(tmp_path / "both", messages)
    capsys.readouterr()
    assert main(["bag", str(both), "--out", str(tmp_path / "out"), "--compare"]) == 0
    *_, files, line = capsys.readouterr().out.splitlines()
    images = sum(topic == IMAGE for topic, _, _ in messages)
    assert line == f"live and offline: {images} images answered both times, joints apart by at most 1 mm (median 1)"
    assert "comparison.json" in files
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["comparison"]["worst_joint_max_mm"] == pytest.approx(1.0)
    assert summary["live_latency_p50_ms"] == pytest.approx(25, abs=0.01)
    rows = json.loads((tmp_path / "out" / "comparison.json").read_text())["differences"]
    assert [row["stamp"] for row in rows] == [m[1] for m in messages if m[0] == IMAGE]
    assert "Live and offline" in (tmp_path / "out" / "report.html").read_text()
    assert main(["bag", str(demo), "--out", str(tmp_path / "new"), "--compare"]) == 1
    assert "leave out --compare" in capsys.readouterr().err and not (tmp_path / "new").exists()


def types_without_joint_sigma():
    """The messages as they were before they had it."""
    types = get_typestore(Stores.ROS2_KILTED)
    for path in sorted(share_path("msg").glob("*.msg")):
        lines = [line for line in path.read_text().splitlines() if " joint_sigma " not in line]
        types.register(get_types_from_msg("\n".join(lines), f"handpose_ros/msg/{path.stem}"))
    return types


def older_bag(folder, storage):
    """A bag with an image and with hands of an older version of the messages."""
    hand = HandPose(Side.LEFT, 0.9, 0.8, np.zeros((21, 2)), np.ones((21, 3)), track_id=3)
    hands = hands_to_msg(make_message, HandPoses((hand,), (64, 48), START * 1e-9), header(START))
    messages = [(IMAGE, START, grey()), (HANDS, START, hands)]
    return write_bag(folder, messages, storage, types_without_joint_sigma())


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_live_hands_of_an_older_version_are_read_as_they_were_written(tmp_path, storage):
    (hands,) = find_live_hands(older_bag(tmp_path / "bag", storage)).hands.values()
    assert hands.hands[0].track_id == 3 and hands.hands[0].joints_3d[20, 2] == 1
    assert np.isnan(hands.hands[0].joint_sigma).all()


def test_live_hands_that_cannot_be_read_are_a_warning_unless_they_are_asked_for(tmp_path, need_weights, capsys):
    bag = older_bag(tmp_path / "bag", "sqlite3")
    with sqlite3.connect(next(bag.glob("*.db3"))) as database:
        database.execute("DELETE FROM message_definitions")  # as before ROS 2 Iron
    assert main(["bag", str(bag), "--out", str(tmp_path / "out")]) == 0
    assert "recorded live cannot be read" in capsys.readouterr().err
    assert "left out" in " ".join(json.loads((tmp_path / "out" / "summary.json").read_text())["warnings"])
    assert main(["bag", str(bag), "--out", str(tmp_path / "out"), "--compare"]) == 1
    assert "HandPoseArray" in capsys.readouterr().err


@pytest.mark.parametrize("rectified, focal_length", [(False, 525), (True, 400)])
def test_of_a_calibration_file_too_p_holds_where_the_images_are_rectified(rectified, focal_length):
    fields = yaml.safe_load(DEMO_CLIP.with_suffix(".yaml").read_text())
    fields["projection_matrix"]["data"][0] = 400.0
    options = RecordingOptions(calibration=yaml.safe_dump(fields), rectified=rectified)
    assert options.camera((640, 480)).K[0, 0] == focal_length
