"""MANO on a made-up hand: against geometry one can check by hand and against a naive twin; its files, safely."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_mano import FINGER_OF_TIP, PARENTS, TIPS, finger_point, joints, made_up_mano, write_mano
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.backends.mano import KEYPOINTS_FROM_MANO, difference, read_mano
from handpose_ros.backends.rotations import axis_angle_from_matrix, matrix_from_axis_angle, matrix_from_rows
from handpose_ros.backends.wildhands_network import pose_mano
from handpose_ros.hand import KEYPOINTS
from handpose_ros.hand import TIPS as KEYPOINT_TIPS

ATOL = 1e-6  # [m] float32 on a hand
INDEX_PIP = 2  # among MANO's joints


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mano")
    write_mano(folder / "MANO_RIGHT.pkl", made_up_mano(right=True))
    write_mano(folder / "MANO_LEFT.pkl", made_up_mano(right=False))
    return folder


@pytest.fixture(scope="module")
def right(folder):
    return read_mano(folder / "MANO_RIGHT.pkl")


@pytest.fixture(scope="module")
def left(folder):
    return read_mano(folder / "MANO_LEFT.pkl")


@pytest.fixture(scope="module")
def rigid(folder):
    """The right hand without pose correctives: vertices move with their joints and do nothing else."""
    content = made_up_mano(right=True)
    return read_mano(write_mano(folder / "rigid.pkl", content | {"posedirs": content["posedirs"] * 0}))


def flat(count: int = 1) -> np.ndarray:
    return np.tile(np.eye(3), (count, 16, 1, 1))


def posed(model, rotations, betas=None) -> tuple[np.ndarray, np.ndarray]:
    betas = np.zeros((len(rotations), 10)) if betas is None else betas
    return tuple(x.numpy() for x in model(*(torch.tensor(x, dtype=torch.float32) for x in (rotations, betas))))


def naive(content: dict, rotations: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """(778, 3) of one hand, vertex by vertex and joint by joint with 4 x 4 matrices."""
    shaped = content["v_template"] + content["shapedirs"] @ betas
    rest = content["J_regressor"] @ shaped
    shaped = shaped + content["posedirs"] @ np.concatenate([(R - np.eye(3)).ravel() for R in rotations[1:]])
    world = []
    for joint, parent in enumerate(PARENTS):
        local = np.eye(4)
        local[:3, :3] = rotations[joint]
        local[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
        world.append(local if parent < 0 else world[parent] @ local)
    result = np.zeros((778, 3))
    for vertex in range(778):
        for joint in np.flatnonzero(content["weights"][vertex]):
            at_joint = world[joint][:3, :3] @ (shaped[vertex] - rest[joint]) + world[joint][:3, 3]
            result[vertex] += content["weights"][vertex, joint] * at_joint
    return result


# The body model


def test_the_flat_hand_is_the_template_in_metres(right):
    vertices, _ = posed(right, flat())
    assert_allclose(vertices[0], made_up_mano(right=True)["v_template"], atol=ATOL)


def test_joints_come_in_the_order_of_the_keypoints(right):
    expected = dict(zip([name for name in KEYPOINTS if name.endswith("tip")], TIPS, strict=True))
    _, keypoints = posed(right, flat())
    for name, tip in expected.items():
        assert_allclose(keypoints[0, KEYPOINTS.index(name)], finger_point(FINGER_OF_TIP[tip], 3), atol=ATOL)
    assert_allclose(keypoints[0, KEYPOINTS.index("little_pip")], joints()[8], atol=ATOL)  # MANO: little before ring
    assert_allclose(keypoints[0, KEYPOINTS.index("ring_pip")], joints()[11], atol=ATOL)
    assert_allclose(keypoints[0, KEYPOINTS.index("wrist")], joints()[0], atol=ATOL)
    assert sorted(KEYPOINTS_FROM_MANO) == list(range(21))


def test_one_shape_coefficient_makes_this_hand_a_tenth_larger(right):
    small, large = posed(right, flat(2), np.array([[0.0] * 10, [1.0] + [0.0] * 9]))[1]
    assert_allclose(large, 1.1 * small, atol=ATOL)


def test_turning_the_wrist_turns_everything_about_the_wrist(right):
    R = Rotation.from_rotvec([0.3, -1.2, 0.5]).as_matrix()
    turned = flat()
    turned[0, 0] = R
    betas = np.random.default_rng(0).normal(size=(1, 10))
    (before, joints_before), (after, joints_after) = posed(right, flat(), betas), posed(right, turned, betas)
    wrist = joints_before[:, :1]
    assert_allclose(after, (before - wrist) @ R.T + wrist, atol=ATOL)
    assert_allclose(joints_after, (joints_before - wrist) @ R.T + wrist, atol=ATOL)


def test_bending_the_index_by_ninety_degrees_at_the_pip_points_its_tip_down_and_moves_no_other_finger(rigid):
    bent = flat()
    bent[0, INDEX_PIP] = Rotation.from_euler("x", 90, degrees=True).as_matrix()  # +z to -y: towards the palm
    before, after = posed(rigid, flat())[1][0], posed(rigid, bent)[1][0]
    pip, tip = KEYPOINTS.index("index_pip"), KEYPOINTS.index("index_tip")
    assert_allclose(after[tip] - after[pip], [0, -0.045, 0], atol=ATOL)
    assert_allclose(np.delete(after, [pip + 1, tip], axis=0), np.delete(before, [pip + 1, tip], axis=0), atol=ATOL)


@pytest.mark.parametrize("side", ["right", "left"])
def test_any_pose_and_shape_agree_with_a_naive_twin(side, right, left):
    model, content = (right, made_up_mano(right=True)) if side == "right" else (left, made_up_mano(right=False))
    rotations = Rotation.random(32, random_state=1).as_matrix().reshape(2, 16, 3, 3)
    betas = np.random.default_rng(2).normal(size=(2, 10))
    vertices, keypoints = posed(model, rotations, betas)
    assert_allclose(vertices, [naive(content, *each) for each in zip(rotations, betas, strict=True)], atol=ATOL)
    assert_allclose(keypoints[:, KEYPOINT_TIPS], vertices[:, TIPS])


def test_a_left_hand_in_the_mirrored_pose_is_the_mirror_image_of_the_right(right, left):
    vectors = np.random.default_rng(3).normal(0, 0.6, (1, 16, 3))
    mirrored = vectors * [1, -1, -1]
    betas = np.random.default_rng(4).normal(size=(1, 10))
    of_right, of_left = (
        pose_mano(model, *(torch.tensor(x, dtype=torch.float32) for x in (pose, betas)))
        for model, pose in ((right, vectors), (left, mirrored))
    )
    for a, b in zip(of_right, of_left, strict=True):
        assert_allclose(a.numpy() * [-1, 1, 1], b.numpy(), atol=ATOL)


def test_a_pose_is_relative_to_the_mean_hand(right):
    opposite = np.concatenate([np.zeros(3), -made_up_mano(right=True)["hands_mean"]]).reshape(1, 16, 3)
    vertices, _ = pose_mano(right, torch.tensor(opposite, dtype=torch.float32), torch.zeros(1, 10))
    assert_allclose(vertices[0].numpy(), made_up_mano(right=True)["v_template"], atol=ATOL)


def test_no_hands_are_a_batch_too(right):
    vertices, keypoints = posed(right, flat(0))
    assert vertices.shape == (0, 778, 3) and keypoints.shape == (0, 21, 3)


# Rotations


def test_six_numbers_become_a_rotation_whose_first_rows_they_span():
    sixes = torch.tensor(np.random.default_rng(5).normal(size=(50, 6)))
    R = matrix_from_rows(sixes).numpy()
    assert_allclose(R @ R.swapaxes(1, 2), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12)
    assert_allclose(np.linalg.det(R), 1)
    first = sixes[:, :3].numpy()
    assert_allclose(R[:, 0], first / np.linalg.norm(first, axis=1, keepdims=True))
    assert_allclose((R[:, 2] * sixes[:, 3:].numpy()).sum(axis=1), 0, atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.5, 3.0, np.pi - 1e-6, np.pi])
def test_axis_angle_vectors_and_matrices_are_inverse(angle):
    axes = np.random.default_rng(6).normal(size=(40, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    R = Rotation.from_rotvec(angle * axes).as_matrix()
    vectors = axis_angle_from_matrix(torch.tensor(R))
    assert_allclose(matrix_from_axis_angle(vectors).numpy(), R, atol=2e-7)  # the file format's 1e-8 under the root
    assert_allclose(matrix_from_axis_angle(torch.tensor(angle * axes)).numpy(), R, atol=2e-7)


def test_angles_beyond_half_a_turn_keep_the_sign_of_the_largest_component():
    # 170 degrees about (-0.8, 0.6, 0): the quaternion's largest component is x, taken positive, so the angle is -170.
    vector = np.deg2rad(170) * np.array([-0.8, 0.6, 0.0])
    found = axis_angle_from_matrix(torch.tensor(Rotation.from_rotvec(vector).as_matrix())[None])[0]
    assert_allclose(found, np.deg2rad(190) * np.array([0.8, -0.6, 0.0]), atol=1e-9)


# Files


def test_a_model_with_chumpy_objects_is_the_same_as_one_without(folder, right):
    assert "chumpy" not in sys.modules
    again = read_mano(write_mano(folder / "chumpy.pkl", made_up_mano(right=True), chumpy=True))
    assert difference(again, right) == 0


def test_the_two_sides_are_different_models(left, right):
    assert difference(left, right) > 0.01


class Malicious:
    def __reduce__(self):
        return os.system, ("touch broken_into",)


def test_a_pickle_that_asks_for_a_command_is_refused_and_the_command_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_mano(tmp_path / "MANO_RIGHT.pkl", made_up_mano(right=True) | {"bs_type": Malicious()})
    with pytest.raises(ValueError, match=r"MANO_RIGHT.pkl .*system, which is not part of MANO"):
        read_mano(path)
    assert not (tmp_path / "broken_into").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"posedirs": np.zeros((778, 3, 207))}, r"posedirs has shape \(207, 2334\)"),
        ({"v_template": np.zeros((6890, 3))}, r"v_template has shape \(6890, 3\)"),
        ({"kintree_table": np.zeros((2, 16), int)}, "not a MANO hand"),
    ],
)
def test_another_body_model_is_refused_and_what_is_wrong_is_named(tmp_path, change, complaint):
    path = write_mano(tmp_path / "model.pkl", made_up_mano(right=True) | change)
    with pytest.raises(ValueError, match=complaint):
        read_mano(path)


def test_files_that_are_no_model_are_refused_by_name(tmp_path):
    text, other = tmp_path / "text.pkl", tmp_path / "other.pkl"
    text.write_text("not a pickle")
    other.write_bytes(pickle.dumps({"f": np.zeros((1538, 3))}))
    with pytest.raises(ValueError, match="text.pkl cannot be read"):
        read_mano(text)
    with pytest.raises(ValueError, match="other.pkl is not a MANO model, it lacks J_regressor, hands_mean"):
        read_mano(other)
    with pytest.raises(FileNotFoundError, match="no MANO file"):
        read_mano(tmp_path / "none.pkl")
