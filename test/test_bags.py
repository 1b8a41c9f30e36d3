import json
from pathlib import Path

import numpy as np
import pytest

from handpose_ros.hand import PARENTS
from handpose_ros.recordings.bags import BagWriter, read_messages, typestore
from handpose_ros.share import share_path

STAMP = 1_700_000_000_123_456_789
TYPES = [f"handpose_ros/msg/{name}" for name in ("HandPose", "HandPoseArray", "HandModel", "Grasp", "GraspArray")]
HAND_MODEL = "handpose_ros/msg/HandModel"


def hand_model(model="test"):
    names = ["joint"] * 21
    return typestore().types[HAND_MODEL](
        model, "Apache-2.0", names, np.array(PARENTS, np.int8), ["angle"] * 20, 0, 0, 0.0
    )


def write_model(bag, model="test", stamp=STAMP):
    bag.write("/hand_pose/hand_model", HAND_MODEL, stamp, typestore().serialize_cdr(hand_model(model), HAND_MODEL))


def test_every_message_of_the_package_has_a_definition():
    assert sorted(f"handpose_ros/msg/{path.stem}" for path in share_path("msg").glob("*.msg")) == sorted(TYPES)
    assert set(TYPES) <= set(typestore().fielddefs)


@pytest.mark.parametrize("name", TYPES)
def test_the_type_hash_in_a_bag_is_the_one_on_the_wire(name):
    package = pytest.importorskip("handpose_ros.msg", reason="the messages are not built")
    share = next(p / "share/handpose_ros/msg" for p in Path(package.__file__).parents if (p / "share").is_dir())
    description = share / f"{name.rpartition('/')[2]}.json"
    if not description.is_file():
        pytest.skip("this installation has no type descriptions")
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(description.read_text())["type_hashes"]}
    assert typestore().hash_rihs01(name) == hashes[name]


def test_a_message_comes_back_as_it_was_written(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        write_model(bag)
    (read,) = read_messages(tmp_path / "a.mcap")
    assert (read.topic, read.type, read.stamp) == ("/hand_pose/hand_model", HAND_MODEL, STAMP)
    assert read.message.model == "test" and tuple(read.message.parents) == PARENTS


def test_an_image_comes_back_upright_in_rgb_and_with_its_stamp(tmp_path):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24] = (250, 10, 10)  # red above black
    with BagWriter(tmp_path / "a.mcap") as bag:
        bag.write_image("/camera/image/compressed", image, STAMP, "camera_optical_frame")
    (read,) = read_messages(tmp_path / "a.mcap")
    cv2 = pytest.importorskip("cv2")
    decoded = cv2.imdecode(read.message.data, cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(decoded[[4, 44], 32].astype(int) - image[[4, 44], 32]).max() < 12
    assert read.message.header.stamp.sec * 10**9 + read.message.header.stamp.nanosec == STAMP == read.stamp
    assert (read.message.header.frame_id, read.message.format) == ("camera_optical_frame", "jpeg")


def test_only_the_topics_asked_for_are_read(tmp_path):
    with BagWriter(tmp_path / "a.mcap") as bag:
        write_model(bag)
        bag.write_image("/image", np.zeros((8, 8, 3), np.uint8), STAMP, "")
    assert [m.topic for m in read_messages(tmp_path / "a.mcap", "/image")] == ["/image"]
    assert list(read_messages(tmp_path / "a.mcap", "/none")) == []


def test_a_bag_appears_only_when_it_is_complete(tmp_path):
    bag = BagWriter(tmp_path / "a.mcap")
    write_model(bag)
    assert not (tmp_path / "a.mcap").exists()
    bag.close()
    bag.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mcap"]


def test_a_bag_without_messages_is_no_file(tmp_path):
    BagWriter(tmp_path / "a.mcap").close()
    assert list(tmp_path.iterdir()) == []


def test_a_bag_that_cannot_be_completed_leaves_nothing(tmp_path):
    with pytest.raises(OverflowError), BagWriter(tmp_path / "a.mcap") as bag:
        write_model(bag, stamp=-1)  # which its format cannot say
    assert list(tmp_path.iterdir()) == []


def test_an_older_bag_is_replaced(tmp_path):
    for model in ("old", "new"):
        with BagWriter(tmp_path / "a.mcap") as bag:
            write_model(bag, model)
    assert [m.message.model for m in read_messages(tmp_path / "a.mcap")] == ["new"]


def test_what_is_not_a_bag_is_named(tmp_path):
    (tmp_path / "a.mcap").write_text("hello")
    with pytest.raises(ValueError, match=r"a\.mcap is not a bag"):
        list(read_messages(tmp_path / "a.mcap"))
