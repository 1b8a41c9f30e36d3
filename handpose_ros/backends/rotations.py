"""Rotations as hand networks and MANO parametrise them, in torch. Matrices are (..., 3, 3)."""

import torch
from torch.nn.functional import normalize

_SMALL_ANGLE = 1e-6  # [rad] below this sin(x / 2) / x is its series
_MIN_COMPONENT = 0.1  # the largest component of a unit quaternion is at least 0.5, so this only guards unused branches
_AXIS_OFFSET = 1e-8  # [rad] added to each component of an axis-angle vector, so that zero has an axis


def matrix_from_rows(sixes: torch.Tensor) -> torch.Tensor:
    """Matrices whose first two ROWS are the two halves of `sixes` (..., 6), made orthonormal.

    Source: Zhou et al., On the continuity of rotation representations in neural networks, 2019 (who fill columns).
    """
    first = normalize(sixes[..., :3], dim=-1)
    second = sixes[..., 3:]
    second = normalize(second - (first * second).sum(-1, keepdim=True) * first, dim=-1)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=-2)


def axis_angle_from_matrix(matrix: torch.Tensor) -> torch.Tensor:
    """Axis-angle vectors (..., 3) [rad] by way of the quaternion with the largest component.

    The quaternion's sign stays as it falls, so angles lie in 0 .. 2 pi: MANO's mean pose is added to these vectors, and
    networks trained with this branch need it.
    """
    quaternion = _quaternion(matrix)
    sine = torch.linalg.vector_norm(quaternion[..., 1:], dim=-1, keepdim=True)
    angle = 2 * torch.atan2(sine, quaternion[..., :1])
    small = angle.abs() < _SMALL_ANGLE
    ratio = torch.where(small, 0.5 - angle**2 / 48, torch.sin(angle / 2) / torch.where(small, 1.0, angle))
    return quaternion[..., 1:] / ratio


def matrix_from_axis_angle(vectors: torch.Tensor) -> torch.Tensor:
    """Matrices of axis-angle vectors (..., 3) [rad] by Rodrigues' formula."""
    angle = torch.linalg.vector_norm(vectors + _AXIS_OFFSET, dim=-1, keepdim=True)
    x, y, z = (vectors / angle).unbind(-1)
    zero = torch.zeros_like(x)
    K = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    angle = angle[..., None]
    identity = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    return identity + torch.sin(angle) * K + (1 - torch.cos(angle)) * (K @ K)


def _quaternion(matrix):
    """(..., 4) w x y z, from whichever of the four components is the largest."""
    (m00, m01, m02), (m10, m11, m12), (m20, m21, m22) = (row.unbind(-1) for row in matrix.unbind(-2))
    squares = torch.stack([1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22], dim=-1)
    doubled = squares.clamp(min=0).sqrt()  # twice the absolute value of w, x, y, z
    candidates = torch.stack(
        [
            torch.stack([squares[..., 0], m21 - m12, m02 - m20, m10 - m01], dim=-1),
            torch.stack([m21 - m12, squares[..., 1], m10 + m01, m02 + m20], dim=-1),
            torch.stack([m02 - m20, m10 + m01, squares[..., 2], m12 + m21], dim=-1),
            torch.stack([m10 - m01, m20 + m02, m21 + m12, squares[..., 3]], dim=-1),
        ],
        dim=-2,
    ) / (2 * doubled.clamp(min=_MIN_COMPONENT)[..., None])
    largest = doubled.argmax(dim=-1)[..., None, None].expand(*doubled.shape[:-1], 1, 4)
    return candidates.gather(-2, largest)[..., 0, :]
