import json
import os
import pickle

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.evaluation.datasets import load_dataset, read_numpy_pickle
from handpose_ros.hand import KEYPOINTS, Side

K = [[300.0, 0.0, 32.0], [0.0, 310.0, 24.0], [0.0, 0.0, 1.0]]
JOINTS = np.random.default_rng(0).uniform([-0.05, -0.05, 0.4], [0.05, 0.05, 0.5], (21, 3))


def write_photo(path, size=(64, 48)):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((size[1], size[0], 3), np.uint8))


def write_annotations(folder, **changes):
    hand = {"side": "left", "joints_2d": [[1.0, 2.0]] * 21, "joints_3d": JOINTS.tolist(), "valid": [1] * 20 + [0]}
    item = {"image": "images/a.png", "width": 64, "height": 48, "K": K, "dist": None, "hands": [hand]} | changes
    (folder / "annotations.json").write_text(json.dumps({"meta": {}, "items": [item]}))


def write_freihand(folder, split="training", images=1):
    (folder / f"{split}_K.json").write_text(json.dumps([K]))
    (folder / f"{split}_xyz.json").write_text(json.dumps([JOINTS.tolist()]))
    for number in range(images):
        write_photo(folder / split / "rgb" / f"{number:08d}.jpg")


def write_ho3d(folder, joints, protocol=2, suffix=".jpg"):
    meta = folder / "train" / "ABF10" / "meta" / "0003.pkl"
    meta.parent.mkdir(parents=True, exist_ok=True)
    content = {"camMat": np.array(K), "handJoints3D": joints, "objName": "003_cracker_box", "handBeta": np.zeros(10)}
    meta.write_bytes(pickle.dumps(content, protocol))
    write_photo(folder / "train" / "ABF10" / "rgb" / f"0003{suffix}")
    return meta


def test_our_own_schema_is_read_as_it_is_written(tmp_path):
    write_annotations(tmp_path)
    [sample] = load_dataset(tmp_path)
    [hand] = sample.hands
    assert sample.image == tmp_path / "images" / "a.png" and sample.camera.size == (64, 48)
    assert_allclose(sample.camera.K, K)
    assert hand.side is Side.LEFT and hand.valid.tolist() == [True] * 20 + [False]
    assert_allclose(hand.joints_3d, JOINTS)
    assert_allclose(hand.joints_2d, [[1.0, 2.0]] * 21)


def test_a_photo_of_its_own_has_no_time_and_one_of_a_recording_has_its_sequences(tmp_path):
    write_annotations(tmp_path)
    assert np.isnan(load_dataset(tmp_path)[0].stamp) and load_dataset(tmp_path)[0].hands[0].id == "left"
    write_annotations(tmp_path, stamp=1.5, sequence="kitchen")
    [sample] = load_dataset(tmp_path)
    assert (sample.stamp, sample.sequence) == (1.5, "kitchen")


@pytest.mark.parametrize("size, model", [(4, "plumb_bob"), (5, "plumb_bob"), (8, "rational_polynomial")])
def test_distortion_is_opencvs_and_its_length_says_which(tmp_path, size, model):
    write_annotations(tmp_path, dist=[0.1, 0.01, 0.001, 0.002, 0.0, 0.0, 0.0, 0.0][:size])
    camera = load_dataset(tmp_path)[0].camera
    assert camera.model == model
    expected, _ = cv2.projectPoints(JOINTS, np.zeros(3), np.zeros(3), np.array(K), np.array([0.1, 0.01, 0.001, 0.002]))
    assert_allclose(camera.project(JOINTS), expected[:, 0])


def test_a_photo_without_calibration_has_no_camera(tmp_path):
    write_annotations(tmp_path, K=None)
    assert load_dataset(tmp_path)[0].camera is None


def test_freihand_holds_right_hands_that_project_onto_their_photo(tmp_path):
    write_freihand(tmp_path)
    [sample] = load_dataset(tmp_path)
    [hand] = sample.hands
    assert sample.image.name == "00000000.jpg" and sample.camera.size == (64, 48)
    assert hand.side is Side.RIGHT and hand.valid.all()
    x, y, z = JOINTS[8]
    assert_allclose(hand.joints_2d[8], [300 * x / z + 32, 310 * y / z + 24])


def test_the_other_backgrounds_of_freihands_training_photos_are_left_out(tmp_path):
    write_freihand(tmp_path, images=4)
    assert [sample.image.name for sample in load_dataset(tmp_path)] == ["00000000.jpg"]


def test_freihands_evaluation_set_goes_before_its_training_set(tmp_path):
    write_freihand(tmp_path, "training")
    write_freihand(tmp_path, "evaluation")
    assert load_dataset(tmp_path)[0].image.parent.parent.name == "evaluation"


def test_a_freihand_with_too_few_photos_is_refused(tmp_path):
    write_freihand(tmp_path, images=0)
    with pytest.raises(ValueError, match="0 images for 1 hand and 1 camera"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_ho3ds_joints_come_into_our_order_and_axes(tmp_path, protocol, suffix):
    mano = ["wrist"] + [f"{f}_{j}" for f in ("index", "middle", "little", "ring") for j in ("mcp", "pip", "dip")]
    mano += ["thumb_cmc", "thumb_mcp", "thumb_ip"] + [
        f"{f}_tip" for f in ("thumb", "index", "middle", "ring", "little")
    ]
    opengl = np.array([JOINTS[KEYPOINTS.index(name)] for name in mano]) * [1, -1, -1]  # y up, z towards the viewer
    write_ho3d(tmp_path, opengl, protocol, suffix)
    [sample] = load_dataset(tmp_path)
    assert_allclose(sample.hands[0].joints_3d, JOINTS)
    assert_allclose(sample.hands[0].joints_2d, sample.camera.project(JOINTS))
    assert sample.image.suffix == suffix and sample.hands[0].side is Side.RIGHT
    assert (sample.stamp, sample.sequence) == (0.1, "ABF10")  # image 3 at 30 Hz


@pytest.mark.parametrize("joints", [None, np.zeros(3)])
def test_ho3ds_frames_without_a_hand_are_left_out(tmp_path, joints):
    write_ho3d(tmp_path, joints)
    assert load_dataset(tmp_path) == ()


class Exploit:
    def __reduce__(self):
        return os.mkdir, ("exploited",)


def test_a_pickle_that_asks_for_more_than_numbers_is_refused_and_nothing_of_it_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    meta = write_ho3d(tmp_path, np.zeros((21, 3)))
    meta.write_bytes(pickle.dumps({"handJoints3D": Exploit()}))
    with pytest.raises(ValueError, match="mkdir"):
        load_dataset(tmp_path)
    assert not (tmp_path / "exploited").exists()


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(np.zeros(100))[:60]])
def test_a_broken_pickle_is_named(tmp_path, content):
    (tmp_path / "a.pkl").write_bytes(content)
    with pytest.raises(ValueError, match="a.pkl"):
        read_numpy_pickle(tmp_path / "a.pkl")


def test_a_folder_that_is_no_data_set_is_one_sentence_that_says_what_would_be(tmp_path):
    with pytest.raises(ValueError, match="annotations.json.*FreiHAND.*HO-3D"):
        load_dataset(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        '{"items": [{}]}',
        '{"items": [{"image": "a", "K": null, "hands": [{"side": "both"}]}]}',
        "[]",
        '{"items": [{"image": "a", "K": null, "hands": [{"side": null, "joints_2d": 0, "joints_3d": null, "valid": 0}]}'
        "]}",
    ],
)
def test_annotations_that_do_not_keep_to_the_schema_are_named(tmp_path, content):
    (tmp_path / "annotations.json").write_text(content)
    with pytest.raises(ValueError, match="annotations.json"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("change", [{"valid": [0] * 21}, {"joints_3d": [[0, 0, 1]] * 20}, {"joints_2d": [[0, 0]] * 20}])
def test_a_hand_that_cannot_be_one_is_refused(tmp_path, change):
    hand = {"side": "left", "joints_2d": [[1.0, 2.0]] * 21, "joints_3d": None, "valid": [1] * 21} | change
    write_annotations(tmp_path, hands=[hand])
    with pytest.raises(ValueError):
        load_dataset(tmp_path)


HAND = {"side": "left", "joints_2d": [[1.0, 2.0]] * 21, "joints_3d": None, "valid": [1] * 21}


@pytest.mark.parametrize(
    "change, said",
    [
        ({"K": [[1, 2], [3]]}, "sequence"),
        ({"K": 5}, "K must be 3x3"),
        ({"stamp": "x"}, "'x'"),
        ({"dist": [0.0] * 3}, "plumb_bob takes 4 or 5"),
        ({"hands": [{**HAND, "joints_2d": [[1.0, 2.0]] * 20}]}, "(20, 2), valid (21,), they must be (21, 2) and (21,)"),
        ({"hands": [{**HAND, "valid": [0] * 21}]}, "a hand has 0 valid joints, it must be 2 or more: leave it out"),
        ({"hands": [{**HAND, "valid": [1] + [0] * 20}]}, "a hand has 1 valid joint, it must be 2 or more"),
        (
            {"hands": [{**HAND, "joints_2d": [[None, 2.0]] * 21}]},
            "a hand has 0 valid joints, it must be 2 or more: leave it out",
        ),
        ({"hands": None}, "does not keep to the schema: TypeError"),
    ],
)
def test_what_is_wrong_with_an_annotation_is_said_with_the_file_and_the_item(tmp_path, change, said):
    write_annotations(tmp_path, **change)
    with pytest.raises(ValueError) as error:
        load_dataset(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / 'annotations.json'}, items[0] (images/a.png)")
    assert said in str(error.value)


def test_a_joint_without_a_place_in_the_photo_is_not_annotated(tmp_path):
    write_annotations(tmp_path, hands=[{**HAND, "joints_2d": [[float("nan"), 2.0]] + [[1.0, 2.0]] * 20}])
    assert load_dataset(tmp_path)[0].hands[0].valid.tolist() == [False] + [True] * 20


def test_annotations_that_are_no_text_are_named(tmp_path):
    (tmp_path / "annotations.json").write_bytes(b"\0\xff")
    with pytest.raises(ValueError, match="annotations.json is no JSON"):
        load_dataset(tmp_path)
