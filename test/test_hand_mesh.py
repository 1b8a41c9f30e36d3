"""The hand renderer's mesh: a made-up hand, a cross of four vertices around every joint."""

import json
import struct

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.hand import BONES, KEYPOINTS, Side
from tools.hand_mesh import JOINTS, PARENTS, HandMesh
from tools.rasterizer import rasterize

CROSS = np.array([[0.004, 0, 0], [-0.004, 0, 0], [0, 0.004, 0], [0, 0, -0.010]])


def rest_pose():
    """(25, 4, 4): fingers straight along -z, 2 cm apart, 3 cm per bone."""
    rest = np.tile(np.eye(4), (len(JOINTS), 1, 1))
    for joint, parent in enumerate(PARENTS[1:], start=1):
        rest[joint, :3, 3] = rest[parent, :3, 3] + [0, 0, -0.03]
        if parent == 0:
            rest[joint, 0, 3] = {1: -0.04, 5: -0.02, 10: 0.0, 15: 0.02, 20: 0.04}[joint]
    return rest


def write_glb(path):
    rest = rest_pose()[::-1]  # the file's order is its own
    vertices = (rest[:, None, :3, 3] + CROSS).reshape(-1, 3).astype("<f4")
    bones = np.zeros((len(vertices), 4), "<u1")
    bones[:, 0] = np.arange(len(vertices)) // 4
    weights = np.tile(np.array([1, 0, 0, 0], "<f4"), (len(vertices), 1))
    triangles = np.arange(len(vertices) // 4)[:, None] * 4 + np.array([0, 1, 2])
    inverse = np.linalg.inv(rest).swapaxes(1, 2).astype("<f4")
    arrays = [vertices, np.tile(np.array([0, 1, 0], "<f4"), (len(vertices), 1)), bones, weights]
    arrays += [triangles.ravel().astype("<u2"), inverse]
    kinds = [(5126, "VEC3"), (5126, "VEC3"), (5121, "VEC4"), (5126, "VEC4"), (5123, "SCALAR"), (5126, "MAT4")]
    chunks = [array.tobytes().ljust(-(-array.nbytes // 4) * 4, b"\0") for array in arrays]
    offsets = np.cumsum([0] + [len(chunk) for chunk in chunks])
    attributes = {"POSITION": 0, "NORMAL": 1, "JOINTS_0": 2, "WEIGHTS_0": 3}
    document = {
        "nodes": [{"name": name} for name in JOINTS[::-1]],
        "skins": [{"joints": list(range(len(JOINTS))), "inverseBindMatrices": 5}],
        "meshes": [{"primitives": [{"attributes": attributes, "indices": 4}]}],
        "bufferViews": [{"byteOffset": int(offset)} for offset in offsets[:-1]],
        "accessors": [
            {"bufferView": k, "componentType": kind, "type": shape, "count": len(array)}
            for k, ((kind, shape), array) in enumerate(zip(kinds, arrays, strict=True))
        ],
    }
    text, binary = json.dumps(document).encode(), b"".join(chunks)
    text += b" " * (-len(text) % 4)
    header = struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(binary))
    parts = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    path.write_bytes(header + parts)


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    path = tmp_path_factory.mktemp("mesh") / "hand.glb"
    write_glb(path)
    return {side: HandMesh.load(path, side) for side in (Side.LEFT, Side.RIGHT)}


def pose(seed=0):
    T = np.eye(4)
    T[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    T[:3, 3] = [0.1, -0.2, 0.5]
    return T, np.random.default_rng(seed).uniform(-0.5, 1.2, (5, 5))


def test_skinning_in_the_rest_pose_gives_the_mesh_back(hands):
    hand = hands[Side.RIGHT]
    vertices, normals = hand.skin(hand.joints(hand.rest[0], np.zeros((5, 5))))
    assert_allclose(vertices, hand.vertices, atol=1e-7)
    assert_allclose(normals, hand.normals, atol=1e-7)


def test_joints_are_found_by_name_and_not_by_their_order_in_the_file(hands):
    assert_allclose(hands[Side.RIGHT].rest, rest_pose(), atol=1e-7)


def test_bending_keeps_every_bone_as_long_as_it_was(hands):
    hand = hands[Side.LEFT]
    parents, children = np.array(BONES).T
    straight = hand.keypoints(hand.joints(np.eye(4), np.zeros((5, 5))))
    bent = hand.keypoints(hand.joints(*pose()))
    lengths = [np.linalg.norm(points[children] - points[parents], axis=1) for points in (straight, bent)]
    assert_allclose(lengths[1], lengths[0], atol=1e-7)


def test_moving_the_wrist_moves_the_hand_rigidly(hands):
    hand = hands[Side.RIGHT]
    T, angles = pose(3)
    at_origin = hand.keypoints(hand.joints(np.eye(4), angles))
    assert_allclose(hand.keypoints(hand.joints(T, angles)), at_origin @ T[:3, :3].T + T[:3, 3], atol=1e-9)


def test_flexion_goes_to_the_palm_and_spread_to_the_little_fingers_side_of_each_hand(hands):
    angles = np.zeros((5, 5))
    angles[4, 0], angles[1, 2] = 0.2, 0.5
    tip = {name: KEYPOINTS.index(name) for name in ("index_tip", "little_tip")}
    for side, outwards in ((Side.RIGHT, 1), (Side.LEFT, -1)):
        hand = hands[side]
        straight = hand.keypoints(hand.joints(np.eye(4), np.zeros((5, 5))))
        moved = hand.keypoints(hand.joints(np.eye(4), angles)) - straight
        assert moved[tip["index_tip"], 1] < -0.02  # +y is the back of the hand
        assert outwards * moved[tip["little_tip"], 0] > 0.01


def test_a_tip_keypoint_lies_under_the_skin_of_the_fingertip(hands):
    hand = hands[Side.RIGHT]
    points = hand.keypoints(hand.rest)
    # 3 cm from the wrist to the metacarpal, 3 cm for each of four bones, 1 cm of flesh, 4.5 mm back into it.
    assert_allclose(points[KEYPOINTS.index("index_tip")], [-0.02, 0, -0.1555], atol=1e-7)


def test_a_file_that_is_no_hand_is_refused_by_name(tmp_path):
    (tmp_path / "left.glb").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="left.glb is not a glTF"):
        HandMesh.load(tmp_path / "left.glb", Side.LEFT)


def test_the_nearer_of_two_triangles_is_seen_and_the_back_of_one_is_not():
    corners = np.array([[0.0, 0], [10, 0], [0, 10]])
    points = np.concatenate([np.column_stack([corners, np.full(3, depth)]) for depth in (0.5, 0.4, 0.3)])
    seen = rasterize(points, np.array([[0, 1, 2], [3, 4, 5], [6, 8, 7]]), (12, 12))
    assert set(seen.triangles) == {1}
    assert_allclose(seen.depths, 0.4)
    assert len(seen.rows) == 11 * 12 // 2  # pixel centres with u, v >= 0 and u + v <= 10


def test_depth_is_interpolated_in_space_and_not_in_the_image():
    points = np.array([[0.0, 0, 1.0], [8, 0, 3.0], [0, 8, 1.0]])
    triangles = np.array([[0, 1, 2]])
    seen = rasterize(points, triangles, (9, 9))
    middle = (seen.rows == 0) & (seen.columns == 4)
    assert_allclose(seen.depths[middle], 1.5)  # the harmonic mean of 1 and 3
    assert_allclose(seen.interpolate(points[:, 2:], triangles)[middle, 0], 1.5)
