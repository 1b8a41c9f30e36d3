"""Pictures of posed hands with forearms over a table, and nothing but numpy, OpenCV and a hand mesh to make them."""

from dataclasses import dataclass

import cv2
import numpy as np

from handpose_ros.camera import Camera
from tools.forearm import SIDES, skin_tube, sleeve_tube, vertex_normals
from tools.hand_mesh import TIP_JOINTS, HandMesh
from tools.rasterizer import Fragments, rasterize
from tools.shading import Shadows, noise, shade, table_light, tone
from tools.tabletop import tabletop

OVERSAMPLING = 2  # per axis
SKIN = np.array([0.53, 0.295, 0.20])  # linear RGB
FLUSH = np.array([0.56, 0.215, 0.15])  # fingertips and knuckles
NAIL = np.array([0.66, 0.39, 0.31])
CLOTH = np.array([0.05, 0.075, 0.13])


@dataclass(frozen=True)
class PosedHand:
    """One hand of a scene."""

    mesh: HandMesh
    T_camera_from_wrist: np.ndarray  # (4, 4)
    angles: np.ndarray  # (5, 5) [rad], see hand_mesh
    elbow: np.ndarray  # (3,) [m] in the camera's frame

    @property
    def joints(self) -> np.ndarray:
        """(25, 4, 4) T_camera_from_joint."""
        return self.mesh.joints(self.T_camera_from_wrist, self.angles)

    @property
    def keypoints(self) -> np.ndarray:
        """(21, 3) [m] hand.KEYPOINTS in the camera's optical frame."""
        return self.mesh.keypoints(self.joints)


@dataclass(frozen=True)
class Surface:
    """Triangles with what is known at their vertices."""

    vertices: np.ndarray  # (V, 3) [m] in the camera's frame
    normals: np.ndarray  # (V, 3)
    triangles: np.ndarray  # (F, 3)
    albedo: np.ndarray  # (V, 3) linear RGB
    skin: np.ndarray  # (V,) 1 skin, 0 cloth
    texture: np.ndarray  # (V, 3) [m] where the vertex lies on the body at rest
    nails: np.ndarray  # (V, 3) place in the frame of the nearest nail [nail half sizes], far away without one


class Studio:
    """A camera over a table; renders hands in front of it."""

    def __init__(self, camera: Camera):
        self.camera = camera
        self._fine = camera.resize(camera.size[0] * OVERSAMPLING, camera.size[1] * OVERSAMPLING)
        self._table, self._table_points = tabletop(self._fine)

    def render(self, hands: list[PosedHand]) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        surface = _merge([part for hand in hands for part in (_hand(hand), *_arm(hand))])
        pixels = np.column_stack([self._fine.project(surface.vertices), surface.vertices[:, 2]])
        seen = rasterize(pixels, surface.triangles, self._fine.size)
        shadows = Shadows.cast(surface.vertices, surface.triangles)
        image = self._table * table_light(shadows.on_table(self._table_points))
        depth = self._table_points[..., 2].copy()
        depth[seen.rows, seen.columns] = seen.depths
        image[seen.rows, seen.columns] = (
            _shade(surface, seen, shadows) * _occlusion(depth)[seen.rows, seen.columns, None]
        )
        return cv2.resize(tone(image), self.camera.size, interpolation=cv2.INTER_AREA)


def _hand(hand):
    mesh = hand.mesh
    vertices, normals = mesh.skin(hand.joints)
    triangles = mesh.triangles[:, ::-1] if _outwards(mesh) else mesh.triangles
    at_rest = mesh.vertices - mesh.rest[0, :3, 3]
    return Surface(vertices, normals, triangles, _skin_color(mesh), np.ones(len(vertices)), at_rest, _nail_places(mesh))


def _arm(hand):
    for tube, color, skin in (
        (skin_tube(hand.mesh, hand.T_camera_from_wrist, hand.elbow), SKIN, 1.0),
        (sleeve_tube(hand.T_camera_from_wrist, hand.elbow), CLOTH, 0.0),
    ):
        vertices, triangles = tube
        count = len(vertices)
        ring, corner = np.divmod(np.arange(count), SIDES)
        angle = 2 * np.pi * corner / SIDES
        place = np.column_stack([0.035 * np.cos(angle), 0.035 * np.sin(angle), 0.007 * ring])
        albedo, nails = np.tile(color, (count, 1)), np.full((count, 3), 99.0)
        normals = vertex_normals(vertices, triangles)
        yield Surface(vertices, normals, triangles, albedo, np.full(count, skin), place, nails)


def _merge(parts):
    offsets = np.cumsum([0] + [len(part.vertices) for part in parts])
    triangles = np.concatenate([part.triangles + offset for part, offset in zip(parts, offsets, strict=False)])
    names = ("vertices", "normals", "albedo", "skin", "texture", "nails")
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return Surface(triangles=triangles, **joined)


def _shade(surface: Surface, seen: Fragments, shadows: Shadows):
    def at(values):
        return seen.interpolate(values, surface.triangles)

    points, normals, place = at(surface.vertices), at(surface.normals), at(surface.texture)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    skin = at(surface.skin[:, None])[:, 0]
    mottle = 0.035 * noise(place, 0.004) + 0.03 * noise(place + 1, 0.015)
    albedo = at(surface.albedo) * (1 + mottle[:, None] * np.where(skin[:, None] > 0.5, [0.6, 1.0, 1.1], 2.0))
    nail = np.clip(6 * (1 - (at(surface.nails) ** 2).sum(axis=1)), 0, 1)
    albedo = albedo + nail[:, None] * (NAIL - albedo)
    gloss = 0.075 * skin + 0.05 * nail + 0.01 * (1 - skin)
    to_eye = -points / np.linalg.norm(points, axis=1, keepdims=True)
    return shade(albedo, normals, to_eye, shadows.at(points, normals), skin, gloss)


def _skin_color(mesh):
    """(V, 3): redder near fingertips and knuckles."""
    joints = [mesh.rest[k, :3, 3] for k in (2, 3, 6, 7, 8, 11, 12, 13, 16, 17, 18, 21, 22, 23)]
    tips = [mesh.rest[k, :3, 3] - 0.004 * mesh.rest[k, :3, 2] for k in TIP_JOINTS]
    flush = np.zeros(len(mesh.vertices))
    for centres, reach, strength in ((joints, 0.011, 0.32), (tips, 0.013, 0.55)):
        distance = np.linalg.norm(mesh.vertices[:, None] - np.array(centres), axis=2).min(axis=1)
        flush = np.maximum(flush, strength * np.exp(-((distance / reach) ** 2)))
    return SKIN + flush[:, None] * (FLUSH - SKIN)


def _nail_places(mesh):
    """(V, 3) place relative to the vertex's own finger's nail, in half sizes of the nail."""
    places = np.full((len(mesh.vertices), 3), 99.0)
    for finger, tip in enumerate(TIP_JOINTS):
        own = mesh.weights[:, [tip - 1, tip]].sum(axis=1) > 0.5
        width = 0.0068 if finger == 0 else 0.0056 if finger < 4 else 0.0047
        local = (mesh.vertices[own] - mesh.rest[tip, :3, 3]) @ mesh.rest[tip, :3, :3]
        centre = np.array([0, 0.0075, -0.0012])
        places[own] = (local - centre) / [width, 0.0055, 0.0072]
    return places


def _occlusion(depth):
    """(H, W) 0..1: dims what lies close behind something nearer (depth darkening, Luft et al. 2006)."""
    behind = np.zeros_like(depth)
    for sigma, strength in ((6, 9.0), (18, 3.0)):
        small = cv2.resize(depth, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        blurred = cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 2), depth.shape[::-1])
        behind += strength * np.clip(depth - blurred, 0, 0.03)
    return np.clip(1 - behind, 0.45, 1)


def _outwards(mesh):
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    return (np.cross(b - a, c - a) * mesh.normals[mesh.triangles[:, 0]]).sum() > 0
