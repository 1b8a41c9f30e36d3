"""A checkpoint with the layout of the official wildhands.ckpt, at its real size, and none of its data."""

from pathlib import Path

import torch
from made_up_mano import PARENTS, TIPS, made_up_mano, write_mano
from torch import nn

from handpose_ros.backends.mano import read_mano
from handpose_ros.backends.resnet import ResNet50
from handpose_ros.backends.wildhands_network import WildHandsNetwork

BODY_KEYS = {"betas": (1, 10), "global_orient": (1, 3), "body_pose": (1, 3), "hand_pose": (1, 45)}


def made_up_network(folder: Path) -> WildHandsNetwork:
    """A network with random weights of sane sizes. `folder` receives the MANO files that it takes its bodies from."""
    torch.manual_seed(8)
    network = WildHandsNetwork()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.8, 1.2)
    for name, module in network.named_modules():
        if name.endswith("bn3") and isinstance(network.get_submodule(name.split(".")[0]), ResNet50):
            nn.init.constant_(module.weight, 0.3)
    for right, head, body in ((True, network.head_r, network.mano_r), (False, network.head_l, network.mano_l)):
        for decoder in head.hmr_layer.decoders.values():
            decoder.weight.data *= 0.05
        head.cam_init[4].weight.data *= 0.05
        head.cam_init[4].bias.data = torch.tensor([5.0, 0.0, 0.0])  # a scale that puts the hand at arm's length
        name = f"MANO_{'RIGHT' if right else 'LEFT'}.pkl"
        body["mano"] = read_mano(write_mano(folder / name, made_up_mano(right)))
    return network.eval()


def made_up_state_dict(network: WildHandsNetwork) -> dict[str, torch.Tensor]:
    """The tensors as training left them: under its prefix, with its copies of the bodies and what it alone needed."""
    tensors = {f"model.{key}": value for key, value in network.state_dict().items()}
    for side in ("r", "l"):
        body = network.get_submodule(f"mano_{side}.mano")
        extras = {key: torch.zeros(shape) for key, shape in BODY_KEYS.items()} | {
            "parents": torch.tensor(PARENTS),
            "pose_mean": torch.cat([torch.zeros(3), body.hand_mean]),
            "vertex_joint_selector.extra_joints_idxs": torch.tensor(TIPS),
        }
        for prefix in (f"model.mano_{side}.mano", f"mano_{side}"):
            tensors |= {f"{prefix}.{key}": value for key, value in (dict(body.named_buffers()) | extras).items()}
    return tensors | {"model.grasp_classifier.0.weight": torch.zeros(9, 128), "model.head_o.bias": torch.zeros(3)}


def write_checkpoint(path: Path, tensors: dict[str, torch.Tensor], **others) -> Path:
    """A Lightning file with these tensors and whatever else training put into it."""
    torch.save({"epoch": 3, "state_dict": tensors, "callbacks": {}, **others}, path)
    return path
