"""MANO: pose and shape -> mesh and joints of one hand, by linear blend skinning.

Source: Romero, Tzionas, Black: Embodied hands, 2017. The model's files are their owner's (the MANO licence: non
commercial, not to be passed on); none comes with this package. Left and right hands have their own model.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from handpose_ros.backends.mano_pickle import read_pickle

LICENSE = "MANO licence (non-commercial, not to be passed on)"
VERTICES = 778
PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)  # wrist; index, middle, little, ring, thumb
TIPS = (744, 320, 443, 554, 671)  # vertices at the tips of thumb, index, middle, ring, little
# hand.KEYPOINTS among MANO's 16 joints followed by the TIPS
KEYPOINTS_FROM_MANO = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)
BUFFERS = {
    "v_template": (VERTICES, 3),  # [m] the mean hand
    "shapedirs": (VERTICES, 3, 10),  # [m] what each shape coefficient adds
    "posedirs": (135, VERTICES * 3),  # [m] what each entry of the fingers' R - I adds
    "J_regressor": (16, VERTICES),  # joints as means of vertices
    "lbs_weights": (VERTICES, 16),  # how much of each joint's motion a vertex takes
    "hand_mean": (45,),  # [rad] axis-angle vectors of the mean finger pose
    "faces_tensor": (1538, 3),  # triangles, counter-clockwise seen from outside
}


class Mano(nn.Module):
    """MANO of one side. Its buffers have the names and layouts they have inside of checkpoints."""

    def __init__(self):
        super().__init__()
        for name, shape in BUFFERS.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.int64 if name == "faces_tensor" else None))

    def forward(self, rotations: torch.Tensor, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Vertices (N, 778, 3) and joints (N, 21, 3) [m], the latter in the order of hand.KEYPOINTS.

        `rotations` (N, 16, 3, 3): the wrist's, then the fingers' relative to their parent, 0 being the flat hand;
        `betas` (N, 10). The wrist stays where the shape has it.
        """
        shaped = self.v_template + torch.einsum("nk,vck->nvc", betas, self.shapedirs)
        rest = self.J_regressor @ shaped
        bent = rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        shaped = shaped + (bent.flatten(1) @ self.posedirs).unflatten(1, (VERTICES, 3))
        turned, joints = _chain(rotations, rest)
        moved = joints - (turned @ rest[..., None])[..., 0]
        transforms = torch.cat([turned, moved[..., None]], dim=-1)  # (N, 16, 3, 4)
        blended = (self.lbs_weights @ transforms.flatten(2)).unflatten(2, (3, 4))
        vertices = (blended[..., :3] @ shaped[..., None])[..., 0] + blended[..., 3]
        # Not indexed by lists: those would be sent to the GPU each time, which a CUDA graph must not do.
        parts = [*joints.unbind(1), *(vertices[:, tip] for tip in TIPS)]
        return vertices, torch.stack([parts[index] for index in KEYPOINTS_FROM_MANO], dim=1)


def read_mano(path: Path | str) -> Mano:
    """The MANO in a MANO_RIGHT.pkl or MANO_LEFT.pkl; runs nothing of what a pickle may ask to run.

    Raises: FileNotFoundError; ValueError for a file that is not such a model, naming what is wrong with it.
    """
    content = read_pickle(path)
    missing = {*_FILE_KEYS.values(), "kintree_table"} - content.keys()
    if missing:
        raise ValueError(f"{path} is not a MANO model, it lacks {', '.join(sorted(missing))}")
    arrays = {name: np.asarray(content[key]) for name, key in _FILE_KEYS.items()}
    arrays["shapedirs"] = arrays["shapedirs"][..., :10]
    arrays["posedirs"] = arrays["posedirs"].reshape(VERTICES * 3, -1).T
    for name, shape in BUFFERS.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{path} is not a MANO model, {name} has shape {arrays[name].shape} instead of {shape}")
    if tuple(np.asarray(content["kintree_table"])[0, 1:]) != PARENTS[1:]:
        raise ValueError(f"{path} is not a MANO hand, its joints hang together otherwise: {content['kintree_table']}")
    mano = Mano()
    mano.load_state_dict({name: torch.tensor(np.ascontiguousarray(array)) for name, array in _typed(arrays).items()})
    return mano


def difference(a: Mano, b: Mano) -> float:
    """The largest absolute difference between two models."""
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return max(float((x.cpu() - y.cpu()).abs().max()) for x, y in pairs)


_FILE_KEYS = {name: name for name in BUFFERS} | {
    "lbs_weights": "weights",
    "hand_mean": "hands_mean",
    "faces_tensor": "f",
}


def _typed(arrays):
    return {name: array.astype(np.int64 if name == "faces_tensor" else np.float32) for name, array in arrays.items()}


def _chain(rotations, rest):
    """Absolute rotations (N, 16, 3, 3) and positions (N, 16, 3) of the joints; the five fingers go together."""
    turned, joints = [rotations[:, :1]], [rest[:, :1]]
    for segment in range(3):
        own = slice(1 + segment, None, 3)
        parents = slice(None, 1) if segment == 0 else slice(segment, None, 3)
        bones = rest[:, own] - rest[:, parents]
        joints.append((turned[-1] @ bones[..., None])[..., 0] + joints[-1])
        turned.append(turned[-1] @ rotations[:, own])
    return _by_finger(turned), _by_finger(joints)


def _by_finger(parts):
    """(N, 16, ...) of the wrist's (N, 1, ...) and three segments' (N, 5, ...)."""
    wrist, *segments = parts
    return torch.cat([wrist, torch.stack(segments, dim=2).flatten(1, 2)], dim=1)
