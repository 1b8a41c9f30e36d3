"""The WildHands backend with a made-up checkpoint of the official layout: what can be checked without the real one.

Agreement with the original network is checked by the golden fixtures in ../shared where they are at hand.
"""

import argparse
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_mano import made_up_mano, write_mano
from made_up_wildhands import made_up_network, made_up_state_dict, write_checkpoint
from numpy.testing import assert_allclose

from handpose_ros.backends import make_backend
from handpose_ros.backends.checkpoint import CheckpointError, read_state_dict
from handpose_ros.backends.undistortion import Undistortion, pinhole
from handpose_ros.backends.wildhands import keypoint_box
from handpose_ros.backends.wildhands_checkpoint import fill_network, read_network
from handpose_ros.backends.wildhands_crops import box_angles, hand_crop, normalised, small_frame
from handpose_ros.backends.wildhands_network import encode_angles
from handpose_ros.camera import Camera, Frame
from handpose_ros.hand import KEYPOINTS, WRIST, DepthSource, Side
from handpose_ros.pipeline import HandPoseEstimator

ROOT = Path(__file__).parents[1]
VERIFY = ROOT / ".." / "shared" / "wildhands" / "golden" / "verify.py"
K = np.array([[500.0, 0, 310], [0, 510, 250], [0, 0, 1]])
DISTORTED = [
    Camera(K, (640, 480), np.array([-0.25, 0.05, 0.001, -0.001, 0]), "plumb_bob"),
    Camera(K, (640, 480), np.array([0.02, -0.01, 0, 0]), "equidistant"),
]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where wildhands.ckpt and the MANO files are."""
    folder = tmp_path_factory.mktemp("wildhands")
    write_checkpoint(folder / "wildhands.ckpt", made_up_state_dict(made_up_network(folder)))
    return folder


@pytest.fixture(scope="module")
def network(folder):
    return read_network(folder / "wildhands.ckpt").prepare(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def estimator(folder) -> HandPoseEstimator:
    try:
        return HandPoseEstimator("wildhands", checkpoint=folder / "wildhands.ckpt", device="cpu")
    except FileNotFoundError as error:
        pytest.skip(f"the weights of the hand finder are not here and cannot be fetched: {error}")


@pytest.fixture(scope="module")
def drawing() -> np.ndarray:
    """(240, 240, 3) a left hand, its palm towards the camera, fingers up."""
    return np.load(ROOT / "test" / "data" / "networks.npz")["hand"]


def picture(width: int, height: int) -> np.ndarray:
    """A colourful image, uint8 RGB."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 200 // width], axis=-1).astype(np.uint8)


def inputs(seed: int = 0) -> dict[str, torch.Tensor]:
    """Two hands for the network: one frame, two crops, two sets of angles."""
    frame = small_frame(picture(640, 480), K)
    crops = [hand_crop(frame, box) for box in ([100, 100, 220, 240], [350, 200, 470, 300])]
    to = torch.from_numpy
    images = normalised(np.stack([frame.image, *(crop.image for crop in crops)]))
    angles = np.stack([crop.angles for crop in crops])
    return {"frame": to(images[:1]), "crops": to(images[1:]), "angles": to(angles), "K": to(frame.K)}


@torch.inference_mode()
def run(network, right, **changes):
    return network(**(inputs() | changes), right=right)


# What the network is shown


def test_the_camera_of_the_small_frame_sees_a_point_where_the_picture_of_it_went():
    small = small_frame(picture(640, 480), K)
    point = np.array([0.1, -0.05, 0.7])
    u, v, w = K @ point
    u_small, v_small, w_small = small.K @ point
    assert_allclose(u_small / w_small, 0.35 * (u / w - 320) + 112, rtol=1e-6)
    assert_allclose(v_small / w_small, 0.35 * (v / w - 240) + 112, rtol=1e-6)


def test_the_long_side_fills_the_small_frame_and_the_short_one_is_padded_with_black():
    small = small_frame(np.full((480, 640, 3), 255, np.uint8), K).image
    assert_allclose(small[112, [0, 223]], 1)  # 480 px become 168: rows 28 to 196
    assert_allclose(small[[0, 20, 203, 223]], 0)
    assert_allclose(small[[32, 192], 112], 1)


def test_colours_are_red_green_blue_and_become_zero_at_the_mean_of_the_training():
    image = np.zeros((2, 2, 3), np.float32) + [0.485, 0.456, 0.406]
    assert_allclose(normalised(image.astype(np.float32)), np.zeros((3, 2, 2)), atol=1e-6)
    image[..., 0] += 0.229
    assert_allclose(normalised(image.astype(np.float32))[:, 0, 0], [1, 0, 0], atol=1e-6)


def test_a_box_grows_by_its_scale_about_its_middle_in_whole_pixels():
    frame = small_frame(picture(224, 224), np.array([[200.0, 0, 112], [0, 200, 112], [0, 0, 1]]))
    crop = hand_crop(frame, [50, 60, 90, 100], 1.75)  # corners move one pixel on: 51 61 91 101, middle 71 81, side 70
    assert crop.box.tolist() == [36, 46, 106, 116]


def test_a_box_at_the_border_is_recorded_within_the_frame_but_the_crop_stays_centred():
    frame = small_frame(picture(224, 224), np.array([[200.0, 0, 112], [0, 200, 112], [0, 0, 1]]))
    crop = hand_crop(frame, [-10, 60, 30, 100], 2.0)  # within the frame 0 .. 31: middle 15, side 80
    assert crop.box.tolist() == [0, 41, 55, 121]
    assert (crop.image[:, :60] == 0).all() and crop.image[112, 112].any()  # 25 of 80 columns lie outside


@pytest.mark.parametrize("box", [[700, 100, 800, 200], [300, 500, 400, 600], [50, 50, 50, 90]])
def test_a_hand_outside_of_the_frame_has_no_crop(box):
    assert hand_crop(small_frame(picture(640, 480), K), box) is None


def test_a_crop_is_not_mirrored():
    image = np.zeros((224, 224, 3), np.uint8)
    image[:, :70] = 255
    crop = hand_crop(small_frame(image, np.array([[200.0, 0, 112], [0, 200, 112], [0, 0, 1]])), [50, 60, 90, 100]).image
    assert crop[:, :90].mean() > 0.95 and crop[:, 134:].mean() < 0.05


def test_angles_are_those_from_the_optical_axis_x_before_y_and_left_corners_before_right_ones():
    K = np.array([[100, 0, 110], [0, 50, 90], [0, 0, 1]], np.float32)
    expected = np.arctan([0.5, 0.2, 0, 0, 0, 0.4, 1, 0, 1, 0.4])
    assert_allclose(box_angles(np.array([110, 90, 210, 110]), K), expected, rtol=1e-6)


@pytest.mark.parametrize("camera", DISTORTED, ids=lambda camera: camera.model)
def test_without_distortion_a_point_is_where_a_pinhole_camera_sees_it(camera):
    point = np.array([0.25, 0.15, 0.8])
    u, v = np.rint(camera.project(point)).astype(int)
    image = np.zeros((480, 640, 3), np.uint8)
    image[v - 2 : v + 3, u - 2 : u + 3] = 255
    straight = Undistortion()(Frame(image, camera))
    y, x = np.nonzero(straight.image[..., 0] > 100)
    assert_allclose([x.mean(), y.mean()], straight.camera.project(point), atol=1)
    assert np.linalg.norm(straight.camera.project(point) - [u, v]) > 5  # it did move
    box = keypoint_box(camera.project(np.array([point, [0, 0, 0.8]])), camera)
    assert_allclose(box, [*K[:2, 2], *pinhole(camera).project(point)], atol=1e-6)


def test_an_image_without_distortion_is_left_alone_and_another_camera_is_noticed():
    undistort, image = Undistortion(), picture(640, 480)
    frame = Frame(image, Camera(K, (640, 480)))
    assert undistort(frame) is frame
    first, second = (undistort(Frame(image, camera)).image for camera in DISTORTED)
    assert (first != second).any()
    assert (undistort(Frame(image, DISTORTED[0])).image == first).all()


# The network


def test_angles_are_encoded_centre_first_by_frequency_then_angle_then_sine_and_cosine():
    angles = torch.linspace(-0.6, 0.7, 10)[None]
    a, b, c = angles[0, 0], angles[0, 1], angles[0, 2]
    codes = encode_angles(angles)[0]
    assert codes.shape == (80,)
    assert_allclose(codes[:6], [a.sin(), a.cos(), b.sin(), b.cos(), (2 * a).sin(), (2 * a).cos()])
    assert_allclose(codes[[14, 15, 16, 17, 32]], [(8 * b).sin(), (8 * b).cos(), c.sin(), c.cos(), (2 * c).sin()])


def test_two_hands_at_once_are_the_same_as_one_after_the_other(network):
    both, given = run(network, [True, False]), inputs()
    for index, right in enumerate((True, False)):
        own = {key: given[key][index : index + 1] for key in ("crops", "angles")}
        alone = run(network, [right], **own)
        assert_allclose(both.joints[index], alone.joints[0], atol=1e-5)
        assert_allclose(both.translation[index], alone.translation[0], atol=1e-5)


def test_each_side_has_its_own_regressor_and_its_own_body(network):
    given = inputs()
    same = {key: given[key][[0, 0]] for key in ("crops", "angles")}
    hands = run(network, [True, False], **same)
    assert (hands.rotations[0] - hands.rotations[1]).abs().max() > 0.01
    shape, pose = torch.zeros(2, 10), torch.eye(3).expand(2, 16, 3, 3)
    bodies = network.hands(pose, shape, torch.tensor([[5.0, 0, 0]] * 2), given["K"], [True, False])
    index, thumb = KEYPOINTS.index("index_mcp"), KEYPOINTS.index("thumb_tip")
    toward_thumb = bodies.joints[:, thumb, 0] - bodies.joints[:, index, 0]
    assert toward_thumb[0] > 0.01 and toward_thumb[1] < -0.01  # the made-up right hand's thumb is at +x


@pytest.mark.parametrize("moved", ["frame", "crops", "angles"])
def test_frame_crops_and_angles_all_matter(network, moved):
    given = inputs()
    changed = given[moved].flip(-1) if moved != "angles" else -given[moved]
    assert (
        run(network, [True, False], **{moved: changed}).joints - run(network, [True, False]).joints
    ).abs().max() > 1e-4


def test_the_translation_is_metres_in_the_camera_frame_and_depth_goes_with_the_focal_length(network):
    cameras = torch.tensor([[1.0, 0.2, -0.1], [0.05, 0, 0]])
    given = (torch.eye(3).expand(2, 16, 3, 3), torch.zeros(2, 10), cameras)
    hands = network.hands(*given, torch.tensor([[110.0, 0, 50], [0, 114, 60], [0, 0, 1]]), [True, True])
    assert_allclose(hands.translation, [[0.2, -0.1, 1.0], [0, 0, 10.0]], rtol=1e-6)  # 2 * 112 / 224; a scale is >= 0.1


def test_folding_the_normalisation_changes_nothing(folder, network):
    with torch.inference_mode():
        unfolded = read_network(folder / "wildhands.ckpt").eval()(**inputs(), right=[True, False])
    folded = run(network, [True, False])
    assert_allclose(folded.joints, unfolded.joints, atol=1e-5)
    assert_allclose(folded.translation, unfolded.translation, atol=1e-5)


def test_half_precision_moves_joints_by_less_than_a_millimetre_and_the_hand_by_less_than_a_hundredth(folder, network):
    half = read_network(folder / "wildhands.ckpt").prepare(torch.device("cpu"), torch.float16)
    a, b = (run(each, [True, False]) for each in (network, half))
    assert half.feature_conv[0].weight.dtype == torch.float16 and b.joints.dtype == torch.float32
    assert 0 < torch.linalg.vector_norm(a.joints - b.joints, dim=-1).max() < 0.001
    moved = torch.linalg.vector_norm(a.translation - b.translation, dim=-1)
    assert (moved < 0.01 * a.translation[:, 2]).all()


# The checkpoint


class Malicious:
    def __reduce__(self):
        return os.system, ("touch broken_into",)


def test_foreign_objects_beside_the_tensors_are_passed_over(tmp_path):
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.nn.Parameter(torch.ones(2))}
    others = {"hyper_parameters": argparse.Namespace(lr=1), "callbacks": {Path: [np.float64(3), {Path("x")}]}}
    found = read_state_dict(write_checkpoint(tmp_path / "a.ckpt", tensors, **others))
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[key], tensors[key]) for key in tensors)


def test_a_checkpoint_that_asks_for_a_command_does_not_get_it_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = read_state_dict(write_checkpoint(tmp_path / "a.ckpt", {"a": torch.ones(2)}, loops=Malicious()))
    assert torch.equal(found["a"], torch.ones(2))
    with pytest.raises(CheckpointError, match="no tensor as b"):
        read_state_dict(write_checkpoint(tmp_path / "a.ckpt", {"a": torch.ones(2), "b": Malicious()}))
    assert not (tmp_path / "broken_into").exists()


def test_files_that_are_no_checkpoint_are_refused_by_name(tmp_path):
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), tmp_path / "program.ckpt")
    for name in ("text", "list", "program"):
        with pytest.raises(CheckpointError, match=f"{name}.ckpt is not a checkpoint"):
            read_state_dict(tmp_path / f"{name}.ckpt")
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        read_state_dict(tmp_path / "none.ckpt")


def test_missing_unexpected_and_misshapen_tensors_are_reported(folder):
    tensors = read_state_dict(folder / "wildhands.ckpt")
    del tensors["model.head_l.cam_init.4.bias"], tensors["mano_r.parents"]
    tensors["model.backbone.fc.weight"] = torch.zeros(1000, 2048)
    tensors["model.feature_conv.7.bias"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=r"x.ckpt is not the WildHands checkpoint.* 2 missing") as error:
        fill_network(tensors, "x.ckpt")
    assert error.value.missing == ["mano_r.parents", "model.head_l.cam_init.4.bias"]
    assert error.value.unexpected == ["model.backbone.fc.weight"]
    assert "model.feature_conv.7.bias (3,) instead of (2048,)" in str(error.value)


def test_another_network_s_checkpoint_is_refused_by_name(tmp_path):
    path = write_checkpoint(tmp_path / "resnet.ckpt", {"conv1.weight": torch.zeros(64, 3, 7, 7)})
    with pytest.raises(CheckpointError, match="resnet.ckpt is not the WildHands checkpoint"):
        read_network(path)


def test_a_body_with_another_skeleton_is_refused(folder):
    tensors = read_state_dict(folder / "wildhands.ckpt")
    tensors["model.mano_l.mano.parents"] = tensors["model.mano_l.mano.parents"].flip(0)
    with pytest.raises(CheckpointError, match="model.mano_l.mano.parents is not that of MANO"):
        fill_network(tensors, "x.ckpt")


# The backend


def test_a_hand_is_placed_in_metres_with_its_mesh_and_its_side(estimator, drawing):
    camera = Camera.from_fov((240, 240), np.deg2rad(70))
    (hand,) = estimator.estimate(drawing, camera)
    assert hand.side is Side.LEFT and hand.score > 0.5
    assert hand.depth_source is DepthSource.MONO and np.isnan(hand.hand_scale)
    assert 0.2 < hand.joints_3d[:, 2].mean() < 0.8  # the made-up scale of 5, for 171 px of focal length, is 0.31 m
    assert np.isfinite(hand.reprojection_error) and np.isfinite(hand.wrist_covariance[:3, :3]).all()
    assert hand.mano.pose.shape == (48,) and hand.mano.betas.shape == (10,)
    assert_allclose(hand.mano.vertices[744] + hand.joints_3d[WRIST], hand.joints_3d[KEYPOINTS.index("thumb_tip")])
    assert (hand.mano.faces[0] == made_up_mano(right=False)["f"][0]).all()


def test_without_a_camera_the_hand_is_relative_to_its_wrist(estimator, drawing):
    (hand,) = estimator.estimate(drawing)
    assert hand.depth_source is DepthSource.NONE
    assert_allclose(hand.joints_3d[WRIST], 0)
    assert_allclose(hand.joints_3d[KEYPOINTS.index("thumb_tip")], hand.mano.vertices[744], atol=1e-6)


def test_a_longer_focal_length_moves_the_hand_away(estimator, drawing):
    near, far = (estimator.estimate(drawing, Camera.from_fov((240, 240), fov)).hands[0] for fov in (1.6, 0.8))
    assert far.joints_3d[WRIST, 2] > 1.5 * near.joints_3d[WRIST, 2]


def test_an_image_without_hands_has_none(estimator):
    assert len(estimator.estimate(picture(240, 240), Camera.from_fov((240, 240), 1.2))) == 0


def test_a_missing_path_and_a_wrong_option_are_named(folder):
    with pytest.raises(ValueError, match="needs checkpoint"):
        make_backend("wildhands")
    with pytest.raises(ValueError, match="precision is 'int8'"):
        make_backend("wildhands", checkpoint=folder / "wildhands.ckpt", precision="int8")


def test_the_licences_of_all_that_runs_are_stated(estimator, folder):
    backend = make_backend("wildhands", checkpoint=folder / "wildhands.ckpt", device="cpu")
    for part in ("CC-BY-NC-4.0", "MANO licence", "non-commercial", "Apache-2.0"):
        assert part in backend.license
    assert backend.model.startswith("wildhands")


def test_mano_files_other_than_the_checkpoint_s_are_warned_about(estimator, folder, tmp_path):
    options = {"checkpoint": folder / "wildhands.ckpt", "device": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_backend("wildhands", mano=folder, **options)
    for name in ("MANO_LEFT.pkl", "MANO_RIGHT.pkl"):  # as if someone had mistaken one side for the other
        write_mano(tmp_path / name, made_up_mano(right=True))
    with pytest.warns(UserWarning, match="MANO_LEFT.pkl is not the body model in the checkpoint"):
        make_backend("wildhands", mano=tmp_path, **options)


# The original


def test_our_network_agrees_with_the_original_on_the_golden_fixtures():
    if not VERIFY.exists():
        pytest.skip("the golden fixtures of WildHands (../shared/wildhands) are not here")
    command = [sys.executable, "-B", str(VERIFY), str(Path(__file__).with_name("wildhands_adapter.py"))]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAIL", "skip"))]
    assert done.returncode == 0 and not failed, "\n".join(failed) or done.stderr
    assert done.stdout.endswith("182 checks, 0 failed\n")
