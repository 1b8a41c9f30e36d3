"""A forearm with a sleeve for a posed hand: tubes along a curve from the wrist to the elbow."""

import numpy as np

from tools.hand_mesh import HandMesh

SIDES = 48  # vertices around the arm
CUFF = 0.075  # [m] of bare arm between the wrist and the sleeve
_START = 0.006  # [m] behind the wrist joint, inside the hand's own mesh
_STRAIGHT = 0.06  # [m] over which the arm keeps the hand's direction
_LENGTH = 0.30  # [m]
_ELLIPSE = np.array([0.041, 0.036])  # [m] radii across the palm and through it, at the thickest


def skin_tube(mesh: HandMesh, T_camera_from_wrist: np.ndarray, elbow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) vertices [m] and (F, 3) triangles of the bare forearm that continues the hand."""
    stations = np.linspace(0, CUFF + 0.03, 16)
    growth = np.clip(stations / 0.20, 0, 1)[:, None, None] ** 1.2
    blend = np.clip(stations / 0.05, 0, 1)[:, None, None]
    wrist = _wrist_outline(mesh)
    oval = np.abs(wrist).max(axis=0) * _circle()
    outline = (1 - blend) * wrist + blend * oval
    outline = (1 - growth) * outline + growth * _ELLIPSE * _circle()
    return _sweep(outline, stations, T_camera_from_wrist, elbow)


def sleeve_tube(T_camera_from_wrist: np.ndarray, elbow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(V, 3) vertices [m] and (F, 3) triangles of the sleeve over the rest of the arm."""
    stations = np.concatenate([[CUFF + 0.004, CUFF, CUFF], np.linspace(CUFF + 0.003, _LENGTH, 46)])
    growth = np.clip(stations / 0.24, 0, 1) ** 1.2
    radii = (1 - growth)[:, None] * [0.030, 0.024] + growth[:, None] * (_ELLIPSE + 0.012)
    radii[:3] += np.array([-0.006, -0.004, 0.001])[:, None]
    along, around = stations[:, None], np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    soft = np.clip((along - CUFF - 0.03) / 0.05, 0, 1)
    folds = soft * (0.0016 * np.sin(110 * along + 2 * np.sin(around)) + 0.0012 * np.sin(60 * along + 3 * around))
    outline = (radii[:, None, :] + folds[..., None]) * _circle()
    return _sweep(outline, stations, T_camera_from_wrist, elbow)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, out of the side from which the corners turn clockwise in the camera's frame."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], np.cross(c - a, b - a))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _circle():
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _wrist_outline(mesh):
    """(SIDES, 2) x, y [m] in the wrist's frame of the hand's cross section behind the wrist."""
    points = (mesh.vertices - mesh.rest[0, :3, 3]) @ mesh.rest[0, :3, :3]
    points = points[np.abs(points[:, 2] - 0.006) < 0.006, :2]
    angle, radius = np.arctan2(points[:, 1], points[:, 0]), np.linalg.norm(points, axis=1)
    order = np.argsort(angle)
    wanted = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    return np.interp(wanted, angle[order] % (2 * np.pi), radius[order], period=2 * np.pi)[:, None] * _circle()


def _sweep(outline, stations, T_camera_from_wrist, elbow):
    """Moves the outlines (S, SIDES, 2) to their `stations` (S,) [m] along the arm and joins them."""
    R, wrist = T_camera_from_wrist[:3, :3], T_camera_from_wrist[:3, 3]
    start = wrist + _START * R[:, 2]
    bend = start + _STRAIGHT * R[:, 2]
    # A quadratic Bezier from the wrist by way of the bend, then straight to the elbow.
    end = bend + _STRAIGHT * _unit(elbow - bend)
    s = np.clip(stations / (2 * _STRAIGHT), 0, 1)[:, None]
    centre = (1 - s) ** 2 * start + 2 * s * (1 - s) * bend + s**2 * end
    tangent = _unit((1 - s) * (bend - start) + s * (end - bend))
    centre = centre + np.maximum(stations[:, None] - 2 * _STRAIGHT, 0) * tangent
    x = _unit(R[:, 0] - (tangent @ R[:, 0])[:, None] * tangent)
    y = np.cross(tangent, x)
    vertices = centre[:, None] + outline[..., :1] * x[:, None] + outline[..., 1:] * y[:, None]
    ring, corner = np.meshgrid(np.arange(len(stations) - 1), np.arange(SIDES), indexing="ij")
    a, b = ring * SIDES + corner, ring * SIDES + (corner + 1) % SIDES
    quads = np.stack([a, a + SIDES, b, b, a + SIDES, b + SIDES], axis=-1)
    return vertices.reshape(-1, 3), quads.reshape(-1, 3)


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
