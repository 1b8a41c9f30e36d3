"""Rotations and alignments of hands. Points are (..., N, 3) in metres, rotations (..., 3, 3)."""

import math

import cv2
import numpy as np

from handpose_ros.hand import MCPS, WRIST

_PALM = np.array([MCPS[0], MCPS[1], MCPS[3]])  # of index, middle and little finger
_NO_LENGTH, _NO_AREA = 1e-9, 1e-9  # of a palm: [m], and of the square of its length
_NOWHERE = ((math.nan,) * 3,) * 3
_ONES = np.ones(3)
_YZX, _ZXY = np.array([1, 2, 0]), np.array([2, 0, 1])


def wrist_rotation(joints: np.ndarray, right: np.ndarray | bool) -> np.ndarray:
    """(..., 3, 3) R_camera_from_wrist of hands given by `joints` (..., 21, 3) and `right` (...) bool.

    The columns are the wrist's axes: x out of the palm, z from the wrist to the middle finger's MCP,
    y = z x x, on both hands (the operator frame of dex-retargeting). NaN where the palm has no area.
    """
    joints = np.asarray(joints, dtype=float)
    lines = joints.take(_PALM, axis=-2) - joints[..., WRIST, None, :]
    R = np.array([_palm_axes(*hand) for hand in lines.reshape(-1, 3, 3).tolist()]).reshape(lines.shape)
    if right is True:
        return R
    return R * np.where(np.asarray(right)[..., None, None], 1.0, [-1.0, -1.0, 1.0])


def rotation_vectors(rotations: np.ndarray) -> list[list[float]]:
    """(N, 3) [rad] the axes of `rotations` (N, 3, 3), each as long as its turn, 0 to pi."""
    vectors = []
    for n, ((xx, xy, xz), (yx, yy, yz), (zx, zy, zz)) in enumerate(rotations.tolist()):
        axis = zy - yz, xz - zx, yx - xy  # twice the sine of the turn long
        sine, cosine = math.hypot(*axis) / 2, (xx + yy + zz - 1) / 2
        if sine < 1e-7 and cosine < 0:  # half a turn: what is left of the axis is noise
            axis, scale = cv2.Rodrigues(rotations[n])[0][:, 0], 1.0
        else:
            scale = math.atan2(sine, cosine) / (2 * sine) if sine else 0.5
        vectors.append([scale * coordinate for coordinate in axis])
    return vectors


def rotation_matrices(vectors: np.ndarray) -> np.ndarray:
    """(N, 3, 3) the rotations about `vectors` (N, 3) by as much as these are long [rad]."""
    return np.array([_rotation_matrix(*vector) for vector in vectors.tolist()]).reshape(-1, 3, 3)


def length(vectors: np.ndarray) -> np.ndarray:
    """(...) of `vectors` (..., 3)."""
    return np.sqrt(squared_length(vectors))


def squared_length(vectors: np.ndarray) -> np.ndarray:
    """(...) of `vectors` (..., 3)."""
    return (vectors * vectors) @ _ONES  # faster than a sum along so short an axis


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


def _palm_axes(index, middle, little):
    """Rows of the R of a right hand, whose lines from the wrist to three fingers' MCPs are these.

    In plain floats: for the few hands of an image a third of the time of the same on arrays.
    """
    (ix, iy, iz), (zx, zy, zz), (lx, ly, lz) = index, middle, little
    along_index, along_little = ix * zx + iy * zy + iz * zz, lx * zx + ly * zy + lz * zz
    yx = ix * along_little - lx * along_index  # y = z x (index x little)
    yy = iy * along_little - ly * along_index
    yz = iz * along_little - lz * along_index
    xx, xy, xz = yy * zz - yz * zy, yz * zx - yx * zz, yx * zy - yy * zx  # y x z
    x, y, z = math.hypot(xx, xy, xz), math.hypot(yx, yy, yz), math.hypot(zx, zy, zz)
    if not (z > _NO_LENGTH and x > _NO_AREA * z**4):
        return _NOWHERE
    return (xx / x, yx / y, zx / z), (xy / x, yy / y, zy / z), (xz / x, yz / y, zz / z)


def _rotation_matrix(x, y, z):
    """Rows of the rotation about (x, y, z) by its length [rad]: Rodrigues' formula, in plain floats as above."""
    angle = math.hypot(x, y, z)
    s = math.sin(angle) / angle if angle else 1.0
    c = 2 * (math.sin(angle / 2) / angle) ** 2 if angle else 0.5  # (1 - cos) / angle^2
    return (
        (1 - c * (y * y + z * z), c * x * y - s * z, c * x * z + s * y),
        (c * x * y + s * z, 1 - c * (x * x + z * z), c * y * z - s * x),
        (c * x * z - s * y, c * y * z + s * x, 1 - c * (x * x + y * y)),
    )
