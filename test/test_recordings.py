import json
import tracemalloc
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.hand import KEYPOINTS, DepthSource, HandPose, HandPoses, Side, TrackingState
from handpose_ros.recordings.joint_arrays import read_joints, write_joints
from handpose_ros.recordings.joint_tables import write_json_frames, write_npy
from handpose_ros.recordings.output import (
    VideoWriter,
    hands_as_json,
    make_directory,
    replacing,
    write_image,
    write_json,
)


def make_hand(side, track_id, x):
    joints_3d = np.full((21, 3), x)
    return HandPose(
        side,
        0.9,
        0.8,
        np.full((21, 2), 100 * x),
        joints_3d,
        depth_source=DepthSource.MONO,
        joint_sigma=joints_3d[:, 0] / 10,
        track_id=track_id,
    )


FRAMES = [
    HandPoses((make_hand(Side.LEFT, 1, 0.1), make_hand(Side.RIGHT, 2, 0.2)), (640, 480), stamp=10.0, calibrated=True),
    HandPoses((), (640, 480), stamp=10.1, calibrated=True),
    HandPoses((make_hand(Side.RIGHT, 2, 0.3),), (640, 480), stamp=10.2, calibrated=True),
]


def read_video(path):
    capture = cv2.VideoCapture(str(path))
    images = []
    while (read := capture.read())[0]:
        images.append(read[1][..., ::-1])
    return images, capture.get(cv2.CAP_PROP_FPS)


def test_joints_are_one_row_for_each_hand_and_know_their_frame(tmp_path):
    write_joints(tmp_path / "joints.npz", FRAMES)
    joints = np.load(tmp_path / "joints.npz")
    assert joints["frame"].tolist() == [0, 0, 2]
    assert joints["side"].tolist() == [Side.LEFT, Side.RIGHT, Side.RIGHT]
    assert joints["track_id"].tolist() == [1, 2, 2]
    assert_allclose(joints["joints_3d"][:, 4, 2], [0.1, 0.2, 0.3])
    assert_allclose(joints["joints_2d"][:, 4, 1], [10, 20, 30])
    assert_allclose(joints["joint_sigma"][:, 4], [0.01, 0.02, 0.03])
    assert_allclose(joints["stamp"], [10.0, 10.1, 10.2])
    assert tuple(joints["keypoints"]) == KEYPOINTS


def test_joints_that_were_written_are_read_back_hand_by_hand(tmp_path):
    known = replace(
        FRAMES[0].hands[0],
        joint_scores=np.linspace(0, 1, 21),
        wrist_covariance=np.arange(36.0).reshape(6, 6),
        wrist_velocity=np.arange(6.0),
        state=TrackingState.COASTING,
        reprojection_error=1.5,
        track_age=2.5,
    )
    frames = [replace(FRAMES[0], hands=(known, FRAMES[0].hands[1]), frame_id="eye"), *FRAMES[1:]]
    write_joints(tmp_path / "joints.npz", frames)
    back = read_joints(tmp_path / "joints.npz")
    assert [(each.stamp, each.size, each.frame_id, each.calibrated, len(each)) for each in back] == [
        (10.0, (640, 480), "eye", True, 2),
        (10.1, (640, 480), "", True, 0),
        (10.2, (640, 480), "", True, 1),
    ]
    for a, b in zip([hand for each in frames for hand in each], [hand for each in back for hand in each], strict=True):
        for field in fields(HandPose):
            one, other = getattr(a, field.name), getattr(b, field.name)
            assert one is other is None or type(one) is type(other), field.name
            if one is not None:
                np.testing.assert_array_equal(one, other, err_msg=field.name)


def damaged(path):
    """The joints of FRAMES with a byte of them changed."""
    write_joints(path, FRAMES)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def incomplete(path, **changes):
    """The joints of FRAMES without their sizes, or with other arrays."""
    write_joints(path, FRAMES)
    arrays = {**np.load(path), **changes}
    del arrays["size"]
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no zip"),
        lambda path: np.savez(path, other=np.zeros(3)),
        lambda path: write_npy(path, FRAMES),
        damaged,
        incomplete,
        lambda path: incomplete(path, frame=np.array([0, 0, 7])),
    ],
    ids=["nothing", "text", "other arrays", "an NPY of joints", "damaged", "no size", "no such frame"],
)
def test_a_file_without_joints_is_refused_by_name(tmp_path, write):
    write(tmp_path / "joints.npz")
    with pytest.raises(ValueError, match="joints.npz is no NPZ of joints"):
        read_joints(tmp_path / "joints.npz")


@pytest.mark.parametrize("write", [write_joints, write_npy])
def test_joints_are_written_under_the_name_that_was_given(tmp_path, write):
    write(tmp_path / "joints.dat", FRAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["joints.dat"]


@pytest.mark.parametrize("frames", [[], [HandPoses((), (640, 480))]])
def test_joints_of_no_hands_keep_their_shapes(tmp_path, frames):
    write_joints(tmp_path / "joints.npz", frames)
    joints = np.load(tmp_path / "joints.npz")
    assert (joints["joints_3d"].shape, joints["joints_2d"].shape) == ((0, 21, 3), (0, 21, 2))
    assert joints["joint_sigma"].shape == (0, 21)
    assert (joints["wrist_covariance"].shape, joints["size"].shape) == ((0, 6, 6), (len(frames), 2))


def test_json_of_a_hand_has_its_side_in_words_and_null_for_the_unknown(tmp_path):
    left, right = FRAMES[0]
    hands = (replace(left, track_age=2.5, reprojection_error=1.5), right)
    write_json(tmp_path / "a.json", hands_as_json(replace(FRAMES[0], hands=hands)))
    read = json.loads((tmp_path / "a.json").read_text())
    assert [hand["side"] for hand in read["hands"]] == ["left", "right"]
    assert read["hands"][1]["joints_3d"][20] == [0.2, 0.2, 0.2]
    assert read["hands"][1]["joint_sigma"] == [0.02] * 21
    assert read["hands"][0]["joint_scores"] == [None] * 21
    followed = ("track_id", "state", "track_age", "hand_scale", "reprojection_error", "depth_source")
    assert [[hand[name] for name in followed] for hand in read["hands"]] == [
        [1, "tracked", 2.5, None, 1.5, "mono"],
        [2, "tracked", 0.0, None, None, "mono"],
    ]
    assert (read["width"], read["height"], read["calibrated"]) == (640, 480, True)


@pytest.mark.parametrize("frames", [FRAMES, []])
def test_json_of_a_recording_is_that_of_a_list(tmp_path, frames):
    write_json_frames(tmp_path / "frames.json", frames)
    write_json(tmp_path / "list.json", [{"stamp": frame.stamp, **hands_as_json(frame)} for frame in frames])
    assert (tmp_path / "frames.json").read_bytes() == (tmp_path / "list.json").read_bytes()


def test_json_of_hours_needs_no_memory_for_all_of_them(tmp_path):
    tracemalloc.start()
    write_json_frames(tmp_path / "frames.json", 300 * FRAMES[:1])
    assert tracemalloc.get_traced_memory()[1] < (tmp_path / "frames.json").stat().st_size
    tracemalloc.stop()


@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_a_video_has_its_images_in_order_in_rgb_at_its_rate(tmp_path, size):
    colors = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    with VideoWriter(tmp_path / "a.mp4", 12.5) as video:
        for color in colors:
            video.write(np.full((size[1], size[0], 3), color, np.uint8))
    images, fps = read_video(tmp_path / "a.mp4")
    assert fps == pytest.approx(12.5)
    assert [image.shape for image in images] == [(48, 64, 3)] * 3
    assert_allclose([image[24, 32] for image in images], colors, atol=12)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    "fps, written",
    [
        (29.97, 29.97),
        (65.535, 65.535),
        (66.667, 66.67),
        (114.23735984768352, 114.24),
        (1000 / 7, 142.86),
        (655.354, 655.35),
        (90000.0, 65535.0),
        (1 / 3600, 0.002),
    ],
)
def test_a_rate_keeps_the_digits_that_mpeg_4_has_room_for(tmp_path, fps, written):
    with VideoWriter(tmp_path / "a.mp4", fps) as video:
        video.write(np.zeros((48, 64, 3), np.uint8))
    assert video.fps == read_video(tmp_path / "a.mp4")[1] == pytest.approx(written, rel=1e-9)


def test_an_image_that_is_too_large_for_a_video_is_made_smaller_as_a_whole(tmp_path):
    image = np.zeros((1000, 10000, 3), np.uint8)
    image[:, 5000:] = 200
    with VideoWriter(tmp_path / "a.mp4", 30.0) as video:
        video.write(image)
    ((written,), _) = read_video(tmp_path / "a.mp4")
    assert written.shape == (818, 8190, 3)
    assert_allclose(written[409, [4000, 4190], 0], [0, 200], atol=12)


def test_a_video_without_images_is_no_file(tmp_path):
    VideoWriter(tmp_path / "a.mp4", 30.0).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "A.PNG"])
def test_a_picture_is_written_in_rgb(tmp_path, name):
    image = np.full((4, 6, 3), (250, 100, 5), np.uint8)
    write_image(tmp_path / name, image)
    assert (cv2.imread(str(tmp_path / name))[..., ::-1] == image).all()


@pytest.mark.parametrize("name", ["a.foo", "a", ".png", "a.pgm", "a.exr"])
def test_a_picture_under_a_name_of_no_format_is_refused_with_those_that_work(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}: its name must end with .*, .jpg, .png, ") as refusal:
        write_image(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
    for suffix in str(refusal.value).rpartition(" end with ")[2].split(", "):
        write_image(str(tmp_path / f"a{suffix}"), np.zeros((4, 4, 3), np.uint8))


def test_a_picture_that_its_format_does_not_take_is_refused_with_its_size(tmp_path):
    with pytest.raises(OSError, match=".jpg does not take 70000x1 px"):
        write_image(tmp_path / "a.jpg", np.zeros((1, 70000, 3), np.uint8))


def test_an_interrupted_file_leaves_the_old_one_and_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_directory_that_cannot_hold_files_is_refused_with_a_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="choose another directory"):
        make_directory(tmp_path / "file" / "out")
    assert make_directory(tmp_path / "a" / "b").is_dir()
