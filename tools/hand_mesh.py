"""A posable hand: the skinned WebXR mesh, its skeleton, and our 21 keypoints on it.

Frames   every joint has -z along its bone towards the fingertip, +y out of the back of the hand (WebXR Hand Input).
Angles   (5, 5) [rad] of thumb, index, middle, ring, little: spread (away from the middle finger; of the thumb: away
         from the palm's edge), twist about the bone, flexion of the three joints from the palm outwards.
         The same angles give mirrored left and right hands. Zero is the mesh as it was modelled, nearly flat.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from handpose_ros.hand import Side

_THUMB = ("thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal", "thumb-tip")
_FINGER = ("metacarpal", "phalanx-proximal", "phalanx-intermediate", "phalanx-distal", "tip")
JOINTS = ("wrist",) + _THUMB + tuple(f"{f}-finger-{j}" for f in ("index", "middle", "ring", "pinky") for j in _FINGER)
PARENTS = (-1, 0, 1, 2, 3) + sum(((0, k, k + 1, k + 2, k + 3) for k in (5, 10, 15, 20)), ())
# The joints that are hand.KEYPOINTS: all but the metacarpals of the four fingers.
KEYPOINT_JOINTS = tuple(k for k, joint in enumerate(JOINTS) if not joint.endswith("finger-metacarpal"))
TIP_JOINTS = tuple(k for k, joint in enumerate(JOINTS) if joint.endswith("tip"))
# Joints that flex: the thumb's CMC, MCP, IP; the others' MCP, PIP, DIP. The first one also spreads and twists.
FLEXING_JOINTS = ((1, 2, 3), (6, 7, 8), (11, 12, 13), (16, 17, 18), (21, 22, 23))
# A tip keypoint lies this deep in the flesh of the fingertip [m], where datasets annotate it; the mesh's own tip joint
# lies 10 to 13 mm deep.
TIP_DEPTH = 0.0045
_COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_DTYPES = {5121: "<u1", 5123: "<u2", 5126: "<f4"}


@dataclass(frozen=True)
class HandMesh:
    """A hand in its rest pose: V vertices, F triangles, 25 joints."""

    side: Side
    vertices: np.ndarray  # (V, 3) [m]
    normals: np.ndarray  # (V, 3) unit
    triangles: np.ndarray  # (F, 3) int
    weights: np.ndarray  # (V, 25) of JOINTS, rows sum to 1
    rest: np.ndarray  # (25, 4, 4) T_mesh_from_joint

    @classmethod
    def load(cls, path: Path, side: Side) -> "HandMesh":
        """The hand in a glTF binary. Raises ValueError where it is no skinned WebXR hand."""
        document, binary = _read_glb(Path(path))
        primitive = document["meshes"][0]["primitives"][0]
        attributes, skin = primitive["attributes"], document["skins"][0]
        names = [document["nodes"][node]["name"] for node in skin["joints"]]
        if sorted(names) != sorted(JOINTS):
            raise ValueError(f"{path} has the joints {names}, a WebXR hand has {list(JOINTS)}")

        def accessor(index):
            return _accessor(document, binary, index)

        vertices = accessor(attributes["POSITION"]).astype(float)
        order = np.array([JOINTS.index(name) for name in names])
        weights = np.zeros((len(vertices), len(JOINTS)))
        rows = np.arange(len(vertices))[:, None]
        np.add.at(weights, (rows, order[accessor(attributes["JOINTS_0"])]), accessor(attributes["WEIGHTS_0"]))
        # glTF stores matrices by columns.
        inverse = accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2).astype(float)
        rest = np.empty((len(JOINTS), 4, 4))
        rest[order] = np.linalg.inv(inverse)
        triangles = accessor(primitive["indices"]).reshape(-1, 3).astype(int)
        normals = accessor(attributes["NORMAL"]).astype(float)
        return cls(side, vertices, normals, triangles, weights / weights.sum(axis=1, keepdims=True), rest)

    def joints(self, T_camera_from_wrist: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """(25, 4, 4) T_camera_from_joint of the hand with its wrist at `T_camera_from_wrist` and bent by `angles`."""
        local = np.broadcast_to(np.eye(4), (len(JOINTS), 4, 4)).copy()
        mirror = 1 if self.side == Side.RIGHT else -1
        # On a right hand, seen along y, the little finger spreads to +x and the others to -x.
        outwards = np.array([1, 1, 1, -1, -1]) * mirror
        for finger, chain in enumerate(FLEXING_JOINTS):
            spread, twist, *flexion = angles[finger]
            for joint, angle in zip(chain, flexion, strict=True):
                local[joint, :3, :3] = Rotation.from_euler("x", -angle).as_matrix()
            turn = Rotation.from_euler("YZ", [outwards[finger] * spread, mirror * twist]).as_matrix()
            local[chain[0], :3, :3] = turn @ local[chain[0], :3, :3]
        transforms = np.empty_like(self.rest)
        transforms[0] = T_camera_from_wrist @ local[0]
        for joint, parent in enumerate(PARENTS[1:], start=1):
            bone = np.linalg.solve(self.rest[parent], self.rest[joint])
            transforms[joint] = transforms[parent] @ bone @ local[joint]
        return transforms

    def skin(self, transforms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(V, 3) vertices and (V, 3) unit normals in the camera's frame: linear blend skinning by `joints`' result."""
        motion = transforms @ np.linalg.inv(self.rest)
        blended = np.einsum("vj,jab->vab", self.weights, motion)
        vertices = np.einsum("vab,vb->va", blended[:, :3, :3], self.vertices) + blended[:, :3, 3]
        normals = np.einsum("vab,vb->va", blended[:, :3, :3], self.normals)
        return vertices, normals / np.linalg.norm(normals, axis=1, keepdims=True)

    def keypoints(self, transforms: np.ndarray) -> np.ndarray:
        """(21, 3) [m] hand.KEYPOINTS in the camera's frame."""
        points = transforms[:, :3, 3].copy()
        for tip in TIP_JOINTS:
            points[tip] -= transforms[tip, :3, 2] * (self.tip_extent(tip) - TIP_DEPTH)
        return points[list(KEYPOINT_JOINTS)]

    def tip_extent(self, tip: int) -> float:
        """[m] of flesh beyond the tip joint, along the bone."""
        flesh = self.vertices[self.weights[:, [tip - 1, tip]].sum(axis=1) > 0.9]
        return float(((self.rest[tip, :3, 3] - flesh) @ self.rest[tip, :3, 2]).max())


def _read_glb(path):
    data = path.read_bytes()
    if data[:4] != b"glTF":
        raise ValueError(f"{path} is not a glTF binary, it starts with {data[:4]!r}")
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def _accessor(document, binary, index):
    accessor = document["accessors"][index]
    view = document["bufferViews"][accessor["bufferView"]]
    width = _COMPONENTS[accessor["type"]]
    offset = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(binary, _DTYPES[accessor["componentType"]], accessor["count"] * width, offset)
    return values.reshape(accessor["count"], width)
