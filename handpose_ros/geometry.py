"""Rotations and alignments of hands. Points are (..., N, 3) in metres, rotations (..., 3, 3)."""

import math

import cv2
import numpy as np

from handpose_ros.hand import MCPS, WRIST

_PALM = np.array([MCPS[0], MCPS[1], MCPS[3]])  # of index, middle and little finger
_NO_SIZE = 1e-12  # of axes before they are unit vectors: x [m^4], y [m^3], z [m]
_YZX, _ZXY = np.array([1, 2, 0]), np.array([2, 0, 1])


def wrist_rotation(joints: np.ndarray, right: np.ndarray | bool) -> np.ndarray:
    """(..., 3, 3) R_camera_from_wrist of hands given by `joints` (..., 21, 3) and `right` (...) bool.

    The columns are the wrist's axes: x out of the palm, z from the wrist to the middle finger's MCP,
    y = z x x, on both hands (the operator frame of dex-retargeting). NaN where the palm has no area.
    """
    joints = np.asarray(joints, dtype=float)
    lines = joints.take(_PALM, axis=-2) - joints[..., WRIST, None, :]
    index, z, little = lines[..., 0, :], lines[..., 1, :], lines[..., 2, :]
    along_z = lines @ z[..., None]
    y = index * along_z[..., 2, :] - little * along_z[..., 0, :]  # z x (index x little)
    axes = np.empty(lines.shape)
    axes[..., 0, :], axes[..., 1, :], axes[..., 2, :] = cross(y, z), y, z
    size = length(axes)
    size[size < _NO_SIZE] = np.nan
    R = (axes / size[..., None]).swapaxes(-1, -2)
    if right is True:
        return R
    return R * np.where(np.asarray(right)[..., None, None], 1.0, [-1.0, -1.0, 1.0])


def rotation_vectors(rotations: np.ndarray) -> list[list[float]]:
    """(N, 3) [rad] the axes of `rotations` (N, 3, 3), each as long as its turn, 0 to pi.

    In plain floats, which for a few rotations takes a third of the time of the same on arrays.
    """
    vectors = []
    for R, ((xx, xy, xz), (yx, yy, yz), (zx, zy, zz)) in zip(rotations, rotations.tolist(), strict=True):
        x, y, z = zy - yz, xz - zx, yx - xy  # along the axis, twice the sine of the turn long
        sine, cosine = math.sqrt(x * x + y * y + z * z) / 2, (xx + yy + zz - 1) / 2
        if sine < 1e-4 and cosine < 0:  # half a turn: what is left of the axis is noise
            vectors.append(cv2.Rodrigues(R)[0][:, 0].tolist())
            continue
        scale = math.atan2(sine, cosine) / (2 * sine) if sine else 0.5
        vectors.append([scale * x, scale * y, scale * z])
    return vectors


def rotation_matrices(vectors: np.ndarray) -> np.ndarray:
    """(N, 3, 3) the rotations about `vectors` (N, 3) by as much as these are long [rad]."""
    return np.array([cv2.Rodrigues(vector)[0] for vector in vectors]).reshape(-1, 3, 3)


def length(vectors: np.ndarray) -> np.ndarray:
    """(...) of `vectors` (..., 3)."""
    return np.sqrt(squared_length(vectors))


def squared_length(vectors: np.ndarray) -> np.ndarray:
    """(...) of `vectors` (..., 3)."""
    return np.add.reduce(vectors * vectors, axis=-1)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(..., 3) a x b, as np.cross, which takes seven times as long for a few vectors."""
    return a.take(_YZX, axis=-1) * b.take(_ZXY, axis=-1) - a.take(_ZXY, axis=-1) * b.take(_YZX, axis=-1)


def similarity(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(s (...), R (..., 3, 3), t (..., 3)) of least squares ||s R source + t - target||; never a reflection.

    Source: Umeyama, Least-squares estimation of transformation parameters between two point patterns, 1991.
    """
    mu_source, mu_target = source.mean(axis=-2, keepdims=True), target.mean(axis=-2, keepdims=True)
    a, b = source - mu_source, target - mu_target
    U, S, Vt = np.linalg.svd(np.swapaxes(b, -1, -2) @ a)
    signs = np.ones_like(S)
    signs[..., 2] = np.sign(np.linalg.det(U @ Vt))
    R = (U * signs[..., None, :]) @ Vt
    s = (S * signs).sum(axis=-1) / (a * a).sum(axis=(-1, -2))
    t = mu_target[..., 0, :] - s[..., None] * np.einsum("...ij,...j->...i", R, mu_source[..., 0, :])
    return s, R, t

