"""The demo clip of the package is what its ground truth and its calibration say."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.testing import assert_allclose

from handpose_ros.camera import Camera
from handpose_ros.geometry import wrist_rotation
from handpose_ros.hand import BONES, KEYPOINTS, MCPS, TIPS, WRIST, Side
from handpose_ros.messages.calibration import camera_to_yaml
from tools.render_demo_clip import CAMERA

DATA = Path(__file__).resolve().parents[1] / "handpose_ros" / "data"
LEFT, RIGHT = 0, 1  # places in the ground truth


@pytest.fixture(scope="module")
def truth():
    with np.load(DATA / "two_hands.npz") as data:
        return dict(data)


@pytest.fixture(scope="module")
def images():
    video = cv2.VideoCapture(str(DATA / "two_hands.mp4"))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1][..., ::-1])
    return np.array(frames)


@pytest.fixture(scope="module")
def pixels(truth):
    return Camera(truth["K"], tuple(truth["size"])).project(truth["joints_3d"])


def test_the_clip_is_ten_seconds_of_vga(images, truth):
    assert images.shape == (300, 480, 640, 3)
    assert cv2.VideoCapture(str(DATA / "two_hands.mp4")).get(cv2.CAP_PROP_FPS) == truth["fps"] == 30
    assert tuple(truth["size"]) == (640, 480)


def test_clip_and_ground_truth_stay_below_half_a_megabyte():
    assert sum((DATA / name).stat().st_size for name in ("two_hands.mp4", "two_hands.npz")) < 500_000


def test_the_ground_truth_has_both_hands_in_every_frame(truth):
    assert truth["joints_3d"].shape == (300, 2, 21, 3) and truth["joints_3d"].dtype == np.float32
    assert list(truth["sides"]) == [Side.LEFT, Side.RIGHT]
    assert np.isfinite(truth["joints_3d"]).all()


def test_every_joint_lies_inside_the_image(pixels):
    assert (pixels > 5).all() and (pixels < [635, 475]).all()


def test_hands_move_between_three_and_eight_tenths_of_a_metre_from_the_camera(truth):
    depth = truth["joints_3d"][..., 2]
    assert (depth > 0.3).all() and (depth < 0.8).all()
    assert (np.ptp(depth[:, :, WRIST], axis=0) > 0.08).all()


def test_bones_keep_their_length(truth):
    parents, children = np.array(BONES).T
    joints = truth["joints_3d"].astype(float)
    lengths = np.linalg.norm(joints[..., parents, :] - joints[..., children, :], axis=-1)
    assert (np.ptp(lengths, axis=0) < 0.001).all()
    middle = [BONES.index((WRIST, KEYPOINTS.index("middle_mcp"))), BONES.index((9, 10))]
    assert_allclose(lengths[0][:, middle], [[0.092, 0.047]] * 2, atol=0.003)  # a grown-up's hand, in metres


def test_fingers_curl_towards_the_palm_of_the_side_the_ground_truth_names(truth):
    """A left hand given as a right one has its palm where its back is, and its fingers would bend backwards."""
    for hand, side in ((LEFT, Side.LEFT), (RIGHT, Side.RIGHT)):
        joints = truth["joints_3d"][:, hand]
        out_of_palm = wrist_rotation(joints, side == Side.RIGHT)[..., 0]
        reach = joints[:, list(TIPS[1:])] - joints[:, list(MCPS)]
        curl = np.einsum("nfk,nk->nf", reach, out_of_palm).mean(axis=1)
        assert np.median(curl) > 0.01 and curl.min() > -0.01


def test_the_thumb_is_on_the_left_of_a_right_hand_seen_from_its_back(truth):
    for hand, sign in ((LEFT, 1), (RIGHT, -1)):
        joints = truth["joints_3d"][:, hand].astype(float)
        fingers = joints[:, 9] - joints[:, WRIST]
        across = joints[:, 5] - joints[:, 17]  # to the thumb's side
        curled = joints[:, 12] - joints[:, 9]  # towards the palm wherever the middle finger is bent
        volume = np.einsum("nk,nk->n", np.cross(fingers, across), curled)
        bent = np.einsum("nk,nk->n", fingers, curled) < 0.6 * np.linalg.norm(fingers, axis=1) * np.linalg.norm(
            curled, axis=1
        )
        assert bent.any() and (np.sign(volume[bent]) == sign).all()


def test_the_left_hand_is_on_the_left_and_the_boxes_never_meet(pixels):
    assert pixels[:, LEFT, :, 0].max(axis=1).max() < pixels[:, RIGHT, :, 0].min()


def test_each_hand_opens_pinches_points_and_grasps(truth):
    joints = truth["joints_3d"]
    to_thumb = np.linalg.norm(joints[:, :, TIPS[1:]] - joints[:, :, TIPS[:1]], axis=-1)  # (300, 2, 4)
    from_wrist = np.linalg.norm(joints[:, :, TIPS[1:]] - joints[:, :, [WRIST]], axis=-1)
    opened = (from_wrist[..., 1] > 0.17) & (to_thumb[..., 3] > 0.12)
    pinching = (to_thumb[..., 0] < 0.015) & (to_thumb[..., 1] > 0.04)
    pointing = (from_wrist[..., 0] > 0.16) & (from_wrist[..., 1:] < 0.10).all(axis=-1)
    grasping = (to_thumb > 0.03).all(axis=-1) & (to_thumb[..., :3] < 0.06).all(axis=-1)
    for gesture in (opened, pinching, pointing, grasping):
        assert (gesture.sum(axis=0) >= 15).all()  # half a second


def test_the_motion_is_smooth_and_the_last_frame_leads_into_the_first(truth):
    joints = truth["joints_3d"]
    step = np.linalg.norm(np.roll(joints, -1, axis=0) - joints, axis=-1)
    assert step.max() < 0.03  # at 30 frames/s: 0.9 m/s


def test_the_pictures_show_fingertips_where_the_ground_truth_has_them_and_not_where_its_mirror_image_has(
    images, pixels
):
    mirrored = pixels[:, ::-1] * [-1, 1] + [639, 0]
    assert _share_of_skin(images, pixels[:, :, list(TIPS)]) > 0.85
    assert _share_of_skin(images, mirrored[:, :, list(TIPS)]) < 0.40


def test_the_calibration_file_is_the_ground_truths_camera(truth):
    text = (DATA / "two_hands.yaml").read_text()
    info = yaml.safe_load(text)
    assert text == camera_to_yaml(CAMERA, info["camera_name"])
    assert (info["image_width"], info["image_height"]) == tuple(truth["size"])
    assert_allclose(np.reshape(info["camera_matrix"]["data"], (3, 3)), truth["K"])
    assert_allclose(np.reshape(info["projection_matrix"]["data"], (3, 4))[:, :3], truth["K"])
    assert_allclose(np.reshape(info["rectification_matrix"]["data"], (3, 3)), np.eye(3))
    assert info["distortion_model"] == "plumb_bob" and not any(info["distortion_coefficients"]["data"])


def _share_of_skin(images, pixels):
    """Of `pixels` (frames, hands, points, 2): skin is brighter than the wood and redder than the mat."""
    column, row = np.rint(pixels).astype(int).transpose(3, 0, 1, 2)
    red, _, blue = np.moveaxis(images[np.arange(len(images))[:, None, None], row, column].astype(int), -1, 0)
    return ((red > 145) & (red - blue > 30)).mean()
