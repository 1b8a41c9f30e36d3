"""The WildHands backend with a made-up checkpoint of the official layout: what can be checked without the real one.

Agreement with the original network is checked by the golden fixtures in ../shared where they are at hand.
"""

import json
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_up_mano import made_up_mano, write_mano
from numpy.testing import assert_allclose

from handpose_ros.backends import make_backend
from handpose_ros.backends.wildhands_checkpoint import read_network
from handpose_ros.backends.wildhands_crops import hand_crop, normalised, small_frame
from handpose_ros.backends.wildhands_network import encode_angles
from handpose_ros.camera import Camera, Frame
from handpose_ros.cli import main
from handpose_ros.estimator import HandPoseEstimator
from handpose_ros.hand import KEYPOINTS, WRIST, DepthSource, HandPoses, Side, TrackingState
from handpose_ros.pipeline import HandPosePipeline

ROOT = Path(__file__).parents[1]
VERIFY = ROOT / ".." / "shared" / "wildhands" / "golden" / "verify.py"
GOLDEN = ROOT / "test" / "data" / "networks.npz"
K = np.array([[500.0, 0, 310], [0, 510, 250], [0, 0, 1]])
NARROW = Camera.from_fov((240, 240), np.deg2rad(70))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network(wildhands_folder):
    return read_network(wildhands_folder / "wildhands.ckpt").prepare(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def backend(wildhands_folder):
    try:
        return make_backend("wildhands", checkpoint=wildhands_folder / "wildhands.ckpt", device="cpu", num_threads=1)
    except FileNotFoundError as error:
        pytest.skip(f"the weights of the hand finder are not here and cannot be fetched: {error}")


@pytest.fixture(scope="module")
def drawing() -> np.ndarray:
    """(240, 240, 3) a left hand, its palm towards the camera, fingers up."""
    return np.load(GOLDEN)["hand"]


def picture(width: int, height: int) -> np.ndarray:
    """A colourful image, uint8 RGB."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 200 // width], axis=-1).astype(np.uint8)


def inputs() -> dict[str, torch.Tensor]:
    """Two hands for the network: one frame, two crops, two sets of angles."""
    frame = small_frame(picture(640, 480), K)
    crops = [hand_crop(frame, box) for box in ([100, 100, 220, 240], [350, 200, 470, 300])]
    to = torch.from_numpy
    images = normalised(np.stack([frame.image, *(crop.image for crop in crops)]))
    angles = np.stack([crop.angles for crop in crops])
    return {"frame": to(images[:1]), "crops": to(images[1:]), "angles": to(angles), "K": to(frame.K)}


def hands_in(backend, image: np.ndarray, camera: Camera | None = None, **options) -> HandPoses:
    return HandPosePipeline(backend, **options)(Frame(image, camera, stamp=0.0))


@torch.inference_mode()
def run(network, right, **changes):
    return network(**(inputs() | changes), right=torch.tensor(right))


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
    bodies = network.hands(pose, shape, torch.tensor([[5.0, 0, 0]] * 2), given["K"], torch.tensor([True, False]))
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
    hands = network.hands(*given, torch.tensor([[110.0, 0, 50], [0, 114, 60], [0, 0, 1]]), torch.tensor([True, True]))
    assert_allclose(hands.translation, [[0.2, -0.1, 1.0], [0, 0, 10.0]], rtol=1e-6)  # 2 * 112 / 224; a scale is >= 0.1


def test_folding_the_normalisation_changes_nothing(wildhands_folder, network):
    with torch.inference_mode():
        unfolded = read_network(wildhands_folder / "wildhands.ckpt").eval()(
            **inputs(), right=torch.tensor([True, False])
        )
    folded = run(network, [True, False])
    assert_allclose(folded.joints, unfolded.joints, atol=1e-5)
    assert_allclose(folded.translation, unfolded.translation, atol=1e-5)


def test_half_precision_moves_joints_by_less_than_a_millimetre_and_the_hand_by_less_than_one_percent(
    wildhands_folder, network
):
    half = read_network(wildhands_folder / "wildhands.ckpt").prepare(torch.device("cpu"), torch.float16)
    a, b = (run(each, [True, False]) for each in (network, half))
    assert half.feature_conv[0].weight.dtype == torch.float16 and b.joints.dtype == torch.float32
    assert 0 < torch.linalg.vector_norm(a.joints - b.joints, dim=-1).max() < 0.001
    moved = torch.linalg.vector_norm(a.translation - b.translation, dim=-1)
    assert (moved < 0.01 * a.translation[:, 2]).all()


# The backend


def test_a_hand_is_placed_in_metres_with_its_mesh_and_its_side(backend, drawing):
    (hand,) = hands_in(backend, drawing, NARROW)
    assert hand.side is Side.LEFT and hand.score > 0.5
    assert hand.depth_source is DepthSource.MONO
    assert 0.2 < hand.joints_3d[:, 2].mean() < 0.8  # the made-up scale of 5, for 171 px of focal length, is 0.31 m
    assert np.isfinite(hand.wrist_covariance[:3, :3]).all()
    errors = np.linalg.norm(NARROW.project(hand.joints_3d) - hand.joints_2d, axis=-1)
    assert_allclose(hand.reprojection_error, errors.mean())
    assert hand.mano.pose.shape == (48,) and hand.mano.betas.shape == (10,)
    assert_allclose(hand.mano.vertices[744] + hand.joints_3d[WRIST], hand.joints_3d[KEYPOINTS.index("thumb_tip")])
    assert (hand.mano.faces[0] == made_up_mano(right=False)["f"][0]).all()


def test_the_person_s_hand_size_does_not_scale_what_the_network_measured(backend, drawing):
    (hand,) = hands_in(backend, drawing, NARROW)
    (again,) = hands_in(backend, drawing, NARROW, hand_scale=1.3)
    assert_allclose(again.joints_3d, hand.joints_3d, atol=1e-6)
    assert again.depth_source is DepthSource.MONO and np.isnan(again.hand_scale)


def test_without_a_camera_the_hand_is_relative_to_its_wrist(backend, drawing):
    (hand,) = hands_in(backend, drawing)
    assert hand.depth_source is DepthSource.NONE
    assert_allclose(hand.joints_3d[WRIST], 0)
    assert_allclose(hand.joints_3d[KEYPOINTS.index("thumb_tip")], hand.mano.vertices[744], atol=1e-6)


def test_a_longer_focal_length_moves_the_hand_away(backend, drawing):
    near, far = (hands_in(backend, drawing, Camera.from_fov((240, 240), fov)).hands[0] for fov in (1.6, 0.8))
    assert far.joints_3d[WRIST, 2] > 1.5 * near.joints_3d[WRIST, 2]


def test_two_hands_of_one_image_are_placed_apart(backend, drawing):
    both = np.concatenate([drawing, drawing[:, ::-1]], axis=1)  # a left hand and its mirror image, which is a right one
    left, right = sorted(hands_in(backend, both, Camera.from_fov((480, 240), 1.2)), key=lambda hand: hand.bbox[0])
    assert (left.side, right.side) == (Side.LEFT, Side.RIGHT)
    assert (left.mano.faces[0] == right.mano.faces[0][::-1]).all()


def test_the_network_is_shown_a_hand_behind_a_distorting_lens_as_without_it(backend, drawing):
    lens = Camera(NARROW.K, NARROW.size, np.array([0.35, 0.1, 0, 0, 0]), "plumb_bob")
    pixels = np.stack(np.meshgrid(np.arange(240), np.arange(240)), axis=-1)
    source = NARROW.project(lens.unproject(pixels)).astype(np.float32)
    bent = cv2.remap(drawing, source, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    joints = np.load(GOLDEN)["hand_joints"][17:].astype(
        float
    )  # the little finger alone: the whole hand fills the frame
    bent_joints = lens.project(NARROW.unproject(joints))
    small, (hand,) = backend.shown(Frame(drawing, NARROW), [joints])
    straight_small, (straight_hand,) = backend.shown(Frame(bent, lens), [bent_joints])
    assert_allclose(straight_small.K, small.K)
    assert np.abs(straight_small.image - small.image)[40:-40, 40:-40].mean() < 0.01
    assert np.abs(straight_hand.box - hand.box).max() <= 2
    assert np.abs(straight_hand.angles - hand.angles).max() < 0.01
    _, (ignored,) = backend.shown(Frame(bent, NARROW), [bent_joints])
    assert np.abs(ignored.angles - hand.angles).max() > 0.015


def test_threads_that_share_it_get_what_each_would_alone(backend, drawing):
    mirrored = np.ascontiguousarray(drawing[:, ::-1])
    bent = Camera(NARROW.K, NARROW.size, np.array([-0.1, 0, 0, 0, 0]), "plumb_bob")
    given, shared = [(drawing, NARROW), (mirrored, NARROW), (drawing, bent)], backend.shared()
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda each: hands_in(shared, *each), given))
    for hands, each in zip(together, given, strict=True):
        (hand,), (alone,) = hands, hands_in(backend, *each)
        assert hand.side is alone.side
        assert_allclose(hand.joints_3d, alone.joints_3d, atol=1e-5)
        assert_allclose(hand.mano.vertices, alone.mano.vertices, atol=1e-5)


def test_a_lost_hand_has_no_mesh(backend, drawing):
    pipeline = HandPosePipeline(backend, coast_time=0.1)
    (seen,) = pipeline(Frame(drawing, NARROW, stamp=0.0))
    (lost,) = pipeline(Frame(np.zeros_like(drawing), NARROW, stamp=1.0))
    assert seen.mano is not None
    assert lost.state is TrackingState.LOST and lost.mano is None and np.isnan(lost.joints_3d).all()


def test_an_image_without_hands_has_none(backend):
    assert len(hands_in(backend, picture(240, 240), NARROW)) == 0


def test_the_estimator_takes_the_checkpoint_as_an_option(backend, wildhands_folder, drawing):
    estimator = HandPoseEstimator("wildhands", checkpoint=wildhands_folder / "wildhands.ckpt", device="cpu", looks=1)
    expected_hands = HandPosePipeline(backend).alone(Frame(drawing, NARROW))
    (hand,), (expected,) = estimator.estimate(drawing, NARROW), expected_hands
    assert_allclose(hand.joints_3d, expected.joints_3d, atol=1e-6)


def test_a_missing_path_and_a_wrong_option_are_named(wildhands_folder):
    with pytest.raises(ValueError, match="needs checkpoint"):
        make_backend("wildhands")
    with pytest.raises(ValueError, match="precision is 'int8'"):
        make_backend("wildhands", checkpoint=wildhands_folder / "wildhands.ckpt", precision="int8")


def test_the_licences_of_all_that_runs_are_stated(backend):
    for part in ("CC-BY-NC-4.0", "MANO licence", "non-commercial", "Apache-2.0"):
        assert part in backend.license
    assert backend.model.startswith("wildhands")
    assert "encoders float32" in backend.runtime and "OpenVINO" in backend.runtime


def test_torch_takes_the_number_of_threads_that_the_backend_is_given(wildhands_folder):
    try:
        for threads in (2, 1):
            make_backend("wildhands", checkpoint=wildhands_folder / "wildhands.ckpt", device="cpu", num_threads=threads)
            assert torch.get_num_threads() == threads
    except FileNotFoundError as error:
        pytest.skip(f"the weights of the hand finder are not here and cannot be fetched: {error}")


def test_mano_files_other_than_the_checkpoint_s_are_warned_about(backend, wildhands_folder, tmp_path):
    options = {"checkpoint": wildhands_folder / "wildhands.ckpt", "device": "cpu"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_backend("wildhands", mano=wildhands_folder, **options)
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


def test_the_commands_image_and_evaluate_take_the_checkpoint(wildhands_folder, drawing, tmp_path):
    photo, chosen = tmp_path / "hand.png", ["--checkpoint", str(wildhands_folder / "wildhands.ckpt"), "--device", "cpu"]
    cv2.imwrite(str(photo), drawing[..., ::-1])
    chosen = ["--backend", "wildhands", *chosen]
    assert main(["image", str(photo), "--fov", "34", "--out", str(tmp_path / "out"), *chosen]) == 0
    (hand,) = json.loads((tmp_path / "out" / "hand_hands.json").read_text())["hands"]
    assert hand["side"] == "left"
    truth = {"side": "left", "joints_2d": np.load(GOLDEN)["hand_joints"].tolist(), "joints_3d": None, "valid": [1] * 21}
    item = {"image": photo.name, "width": 240, "height": 240, "K": NARROW.K.tolist(), "dist": None, "hands": [truth]}
    meta = {"source": "drawn", "licence": "none", "kind": "synthetic"}
    (tmp_path / "annotations.json").write_text(json.dumps({"meta": meta, "items": [item]}))
    assert main(["evaluate", str(tmp_path), "--json", str(tmp_path / "report.json"), *chosen]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["detected"], report["hands"]) == (1, 1)
