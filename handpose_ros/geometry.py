"""Rotations and alignments of hands. Points are (..., N, 3) in metres, rotations (..., 3, 3)."""

import numpy as np

from handpose_ros.body_arithmetic import wrist_axes
from handpose_ros.compiled import plain

_YZX, _ZXY = np.array([1, 2, 0]), np.array([2, 0, 1])


def wrist_rotation(joints: np.ndarray, right: np.ndarray | bool) -> np.ndarray:
    """(..., 3, 3) R_camera_from_wrist of hands given by `joints` (..., 21, 3) and `right` (...) bool.

    The columns are the wrist's axes: x out of the palm, z from the wrist to the middle finger's MCP,
    y = z x x, on both hands (the operator frame of dex-retargeting). NaN where the palm has no area.
    """
    joints = plain(joints)
    R = wrist_axes(joints.reshape(-1, 21, 3)).reshape(*joints.shape[:-2], 3, 3)
    if right is True:
        return R
    return R * np.where(np.asarray(right)[..., None, None], 1.0, [-1.0, -1.0, 1.0])


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
