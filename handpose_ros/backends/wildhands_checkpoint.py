"""The official WildHands checkpoint (`wildhands.ckpt`, ECCV 2024) -> the network, strictly.

The checkpoint holds MANO's model of both hands, which is what the network runs with; the left one must stay as it is
there, its shape directions' well-known wrong sign included, because the network was trained with it.
"""

from pathlib import Path

import torch
from torch import nn

from handpose_ros.backends.checkpoint import CheckpointError, load_strictly, read_state_dict
from handpose_ros.backends.mano import BUFFERS, PARENTS, TIPS
from handpose_ros.backends.wildhands_network import WildHandsNetwork

_WHAT = "the WildHands checkpoint of ECCV 2024"
_TRAINING_ONLY = ("head_o", "arti_head", "grasp_classifier")  # parts of keys of tensors that inference does without
_COPIES = ("mano_r", "mano_l")  # training's own copies of the body models
_USED = ("model.mano_r.mano", "model.mano_l.mano")
_SKELETON = {"parents": PARENTS, "vertex_joint_selector.extra_joints_idxs": TIPS}
_BODY_EXTRAS = ("betas", "global_orient", "body_pose", "hand_pose", "pose_mean", *_SKELETON)


def read_network(path: Path | str) -> WildHandsNetwork:
    """The network with the weights and body models of the checkpoint at `path`.

    Raises: FileNotFoundError; CheckpointError, a ValueError, that names what is missing or should not be there.
    """
    return fill_network(read_state_dict(path), path)


def fill_network(state_dict: dict[str, torch.Tensor], path: Path | str) -> WildHandsNetwork:
    """The network with the tensors of `state_dict`, which came from `path`. Raises as `read_network`."""
    tensors = {key: value for key, value in state_dict.items() if not any(part in key for part in _TRAINING_ONLY)}
    unused = {f"{body}.{name}" for body in _COPIES for name in (*BUFFERS, *_BODY_EXTRAS)}
    unused |= {f"{body}.{name}" for body in _USED for name in _BODY_EXTRAS}
    with torch.device("meta"):  # no memory yet: every tensor comes from the checkpoint
        network = WildHandsNetwork()
    load_strictly(nn.ModuleDict({"model": network}), tensors, path, _WHAT, unused)
    for body in _USED:
        for name, expected in _SKELETON.items():
            if tuple(tensors[f"{body}.{name}"].tolist()) != expected:
                raise CheckpointError(path, f"is not {_WHAT}: {body}.{name} is not that of MANO")
    return network.float()
