"""Pictures of random hands for training: cheap to render, and as varied and as bad as a camera's."""

from dataclasses import dataclass

import cv2
import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.hand import Side
from tools.forearm import skin_tube, sleeve_tube, vertex_normals
from tools.hand_mesh import KEYPOINT_JOINTS, TIP_JOINTS, HandMesh
from tools.lifter.backdrops import backdrop, degrade, solid
from tools.lifter.poses import random_angles, random_attitude, random_elbow, random_shape
from tools.rasterizer import rasterize

SIZE = 256  # [px] side of a picture
# Linear RGB of skin from light to dark.
SKINS = np.array([(0.70, 0.45, 0.35), (0.56, 0.32, 0.22), (0.42, 0.22, 0.14), (0.27, 0.13, 0.08), (0.13, 0.065, 0.04)])
_DISTANCES = (0.20, 1.2)  # [m]
_MARGIN = 1.12  # half of the picture over half of what the landmark network looks at
_PALM_JOINTS = [0, 5, 9, 13, 17]


@dataclass(frozen=True)
class Scene:
    """A picture with the hand in its middle, and the truth about it."""

    image: np.ndarray  # (SIZE, SIZE, 3) uint8 RGB
    camera: Camera
    side: Side
    keypoints: np.ndarray  # (21, 3) [m] hand.KEYPOINTS as the mesh has them, optical frame
    frames: np.ndarray  # (21, 3, 3) R_camera_from_joint of the keypoints, axes as in hand_mesh


@dataclass(frozen=True)
class Part:
    """Triangles with one colour per vertex."""

    vertices: np.ndarray  # (V, 3) [m] camera's frame
    normals: np.ndarray  # (V, 3) unit, outwards
    triangles: np.ndarray  # (F, 3), corners clockwise from outside
    albedo: np.ndarray  # (V, 3) linear RGB


def random_scene(meshes: tuple[HandMesh, HandMesh], rng: np.random.Generator) -> Scene:
    """A hand of the two `meshes`, other proportions, pose, place, skin, light and background at random."""
    first, second = rng.permutation(2)
    skin = _skin(rng)
    mesh, joints = random_hand(meshes[first], rng)
    keypoints = mesh.keypoints(joints)
    parts = _parts(mesh, joints, skin, rng)
    if rng.uniform() < 0.22:
        parts.append(_held(keypoints, joints, rng))
    if rng.uniform() < 0.08:
        aside = rng.normal(0, 1, 3) * [1, 1, 0.6]
        aside *= rng.uniform(0.08, 0.16) / np.linalg.norm(aside)
        other, pose = _pose(meshes[second], keypoints.mean(axis=0) + aside, rng)
        parts += _parts(other, pose, skin, rng)
    camera = _camera_around(keypoints, rng)
    image = degrade(_render(parts, camera, rng), rng)
    return Scene(image, camera, mesh.side, keypoints, keypoint_frames(joints))


def random_hand(mesh: HandMesh, rng: np.random.Generator) -> tuple[HandMesh, np.ndarray]:
    """`mesh` with other proportions, and its joints (25, 4, 4) T_camera_from_joint somewhere straight ahead."""
    return _pose(mesh, np.array([0, 0, np.exp(rng.uniform(*np.log(_DISTANCES)))]), rng)


def keypoint_frames(joints: np.ndarray) -> np.ndarray:
    """(21, 3, 3) R_camera_from_joint of hand.KEYPOINTS."""
    return joints[list(KEYPOINT_JOINTS), :3, :3]


def _pose(mesh, center, rng):
    """The mesh with other proportions and its joints (25, 4, 4), the middle of its palm at `center`."""
    mesh = random_shape(mesh, rng)
    T = np.eye(4)
    T[:3, :3] = random_attitude(mesh.side, rng)
    joints = mesh.joints(T, random_angles(rng))
    joints[:, :3, 3] += center - mesh.keypoints(joints)[_PALM_JOINTS].mean(axis=0)
    return mesh, joints


def _parts(mesh, joints, skin, rng):
    """A hand and its forearm, bare or in a sleeve."""
    vertices, normals = mesh.skin(joints)
    flush = np.zeros(len(vertices))
    for tip in TIP_JOINTS:
        flush = np.maximum(flush, np.exp(-((np.linalg.norm(vertices - joints[tip, :3, 3], axis=1) / 0.012) ** 2)))
    grain = 1 + 0.05 * rng.normal(size=(len(vertices), 1))
    albedo = skin * grain * (1 + flush[:, None] * rng.uniform(0, 0.4) * [0.4, -0.3, -0.3])
    parts = [Part(vertices, normals, _clockwise(mesh), albedo)]
    cloth = skin if rng.uniform() < 0.4 else rng.uniform(0.02, 0.7, 3) ** 1.5
    elbow = random_elbow(joints[0], rng)
    for (points, triangles), color in (
        (skin_tube(mesh, joints[0], elbow), skin),
        (sleeve_tube(joints[0], elbow), cloth),
    ):
        parts.append(Part(points, vertex_normals(points, triangles), triangles, np.tile(color, (len(points), 1))))
    return parts


def _held(keypoints, joints, rng):
    """A thing between the palm and the fingertips."""
    palm = keypoints[_PALM_JOINTS].mean(axis=0) - 0.02 * joints[10, :3, 1]
    tips = keypoints[[4, 8, 12, 16, 20]].mean(axis=0)
    center = palm + rng.uniform(0.2, 1.0) * (tips - palm) + rng.normal(0, 0.01, 3)
    points, triangles = solid(rng)
    points = points @ joints[10, :3, :3].T + center
    color = rng.uniform(0.02, 0.9, 3) ** 1.5
    return Part(points, vertex_normals(points, triangles), triangles, np.tile(color, (len(points), 1)))


def _camera_around(keypoints, rng):
    """A camera whose picture has the hand in its middle, more or less, and room around it."""
    plane = keypoints[:, :2] / keypoints[:, 2:]
    low, high = plane.min(axis=0), plane.max(axis=0)
    half = _MARGIN * max(0.8 * (high - low).max(), 0.10 / keypoints[:, 2].mean()) * rng.uniform(0.95, 1.1)
    f = SIZE / 2 / half
    center = (low + high) / 2 + rng.normal(0, 0.04 * half, 2)
    middle = (SIZE - 1) / 2
    return Camera(np.array([[f, 0, middle - f * center[0]], [0, f, middle - f * center[1]], [0, 0, 1]]), (SIZE, SIZE))


def _render(parts, camera, rng):
    """(SIZE, SIZE, 3) uint8: lit per vertex by a lamp, the sky and the ground, darker in creases."""
    offsets = np.cumsum([0] + [len(part.vertices) for part in parts])
    vertices, normals, albedo = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("vertices", "normals", "albedo")
    )
    triangles = np.concatenate([part.triangles + start for part, start in zip(parts, offsets, strict=False)])
    colors = albedo * _light(normals, rng)
    in_front = np.maximum(vertices[:, 2], 0.02)
    pixels = np.column_stack([vertices[:, :2] / in_front[:, None] @ camera.K[:2, :2].T + camera.K[:2, 2], in_front])
    seen = rasterize(pixels, triangles, camera.size)
    image = backdrop(SIZE, rng)
    depth = np.full((SIZE, SIZE), seen.depths.max() + rng.uniform(0.05, 1.0), np.float32)
    depth[seen.rows, seen.columns] = seen.depths
    painted = seen.interpolate(colors, triangles) * _creases(depth, SIZE / 12)[seen.rows, seen.columns, None]
    image[seen.rows, seen.columns] = painted
    exposure = rng.uniform(0.55, 1.05) / max(np.quantile(painted, 0.95), 0.15)
    return (255 * np.clip(image * exposure, 0, 1) ** (1 / 2.2) + 0.5).astype(np.uint8)


def _light(normals, rng):
    """(V, 3) light on surfaces with `normals`."""
    lamp = rng.normal(0, 1, 3) + [0, -0.7, -0.9]
    lamp /= np.linalg.norm(lamp)
    wrap = np.clip((normals @ lamp + 0.25) / 1.25, 0, 1)[:, None]
    tint = 1 + rng.normal(0, 0.10, 3)
    sky = (0.5 - 0.5 * normals[:, 1:2]) * rng.uniform(0.1, 0.5)
    facing = np.clip(-normals[:, 2:], 0, 1) * rng.uniform(0.0, 0.4)
    return wrap * tint * rng.uniform(0.5, 1.2) + sky + facing + 0.12


def _creases(depth, reach):
    """(H, W) 0..1: dims what lies close behind something nearer (depth darkening, Luft et al. 2006)."""
    small = cv2.resize(depth, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), reach / 8), depth.shape[::-1])
    return np.clip(1 - 14 * np.clip(depth - blurred, 0, 0.03), 0.5, 1)


def _clockwise(mesh):
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    outwards = (np.cross(b - a, c - a) * mesh.normals[mesh.triangles[:, 0]]).sum() > 0
    return mesh.triangles[:, ::-1] if outwards else mesh.triangles


def _skin(rng):
    tone = rng.uniform(0, len(SKINS) - 1)
    lower = min(int(tone), len(SKINS) - 2)
    color = SKINS[lower] + (tone - lower) * (SKINS[lower + 1] - SKINS[lower])
    return color * (1 + rng.normal(0, 0.08, 3))
