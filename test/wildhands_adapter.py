"""Our implementation under the names that verify.py of the golden fixtures (../shared/wildhands) calls:

    python ../shared/wildhands/golden/verify.py test/wildhands_adapter.py

The network is checked as it runs on a CPU: float32, normalisation folded into the convolutions.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from handpose_ros.backends import mano, rotations
from handpose_ros.backends.wildhands_checkpoint import fill_network
from handpose_ros.backends.wildhands_crops import box_angles, hand_crop, normalised, small_frame
from handpose_ros.backends.wildhands_network import WildHandsNetwork, encode_angles, pose_mano

MANO_FROM_KEYPOINTS = np.argsort(mano.KEYPOINTS_FROM_MANO)
SIDES = {"r": True, "l": False}
NO_HAND = np.array([0, 0, 223, 223])  # the box of the side that is not there


def tensor(array) -> torch.Tensor:
    return torch.as_tensor(np.asarray(array, np.float32))


load_mano = mano.read_mano


def mano_smplx(model, betas, pose):
    vertices, joints = pose_mano(model, tensor(pose).unflatten(1, (16, 3)), tensor(betas))
    return vertices, joints[:, MANO_FROM_KEYPOINTS]


def mano_openpose(model, betas, matrices):
    return model(tensor(matrices), tensor(betas))


def rot6d_rows(sixes):
    return rotations.matrix_from_rows(tensor(sixes))


def matrix_to_axis_angle(matrices):
    return rotations.axis_angle_from_matrix(tensor(matrices))


def mano_head(model, matrices, betas, cameras, K):
    network = WildHandsNetwork()
    network.mano_r["mano"] = model
    hands = network.hands(
        tensor(matrices), tensor(betas), tensor(cameras), tensor(K), torch.ones(len(K), dtype=torch.bool)
    )
    return named_outputs(hands, tensor(K))


def named_outputs(hands, K):
    """`MeshHands` under the names of the reference's results, joints in MANO's order."""
    joints = hands.joints[:, MANO_FROM_KEYPOINTS]
    absolute = joints + hands.translation[:, None]
    pixels = absolute @ K.mT
    return {
        "joints3d": joints,
        "vertices": hands.vertices,
        "cam_t": hands.translation,
        "cam_t.wp": hands.weak_camera,
        "j3d.cam": absolute,
        "v3d.cam": hands.vertices + hands.translation[:, None],
        "j2d.norm": 2 * pixels[..., :2] / pixels[..., 2:] / 224 - 1,
        "beta": hands.betas,
        "pose": hands.rotations,
    }


def wildhands_preprocess(image, box, is_right, focal, scale):
    height, width = image.shape[:2]
    frame = small_frame(image, np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]))
    crop = hand_crop(frame, box, scale)
    result = {"img": normalised(frame.image), "intrinsics": frame.K}
    for side, right in SIDES.items():
        present = right == is_right
        angles = crop.angles if present else box_angles(NO_HAND, frame.K)
        result |= {
            f"{side}_img": normalised(crop.image if present else frame.image),
            f"{side}_bbox": crop.box if present else NO_HAND,
            f"{side}_center_angle": angles[:2],
            f"{side}_corner_angle": angles[2:],
        }
    return result


def wildhands_load(state_dict):
    network = fill_network({key: torch.from_numpy(np.array(value)) for key, value in state_dict.items()}, "the recipe")
    return network.prepare(torch.device("cpu"), torch.float32)


@torch.inference_mode()
def wildhands_forward(network, inputs):
    result = {}
    for side, right in SIDES.items():
        angles = tensor(np.concatenate([inputs[f"{side}_center_angle"], inputs[f"{side}_corner_angle"]], axis=1))
        K = tensor(inputs["intrinsics"])
        with Recording(network, side) as recording:
            hands = network(
                tensor(inputs["img"]), tensor(inputs[f"{side}_img"]), angles, K, torch.full([len(K)], right)
            )
        codes = encode_angles(angles)
        result |= recording.results() | {f"enc/{side}.center": codes[:, :16], f"enc/{side}.corner": codes[:, 16:]}
        result |= {f"{name}.{side}": value for name, value in named_outputs(hands, K).items()}
    return result


class Recording:
    """What comes out of the network's stages, under the fixtures' names and thinned out as they are."""

    def __init__(self, network, side):
        head = getattr(network, f"head_{side}")
        self._once = {f"glob.{stage}": getattr(network.backbone, stage) for stage in ("maxpool", "layer1", "layer2")}
        self._once |= {f"glob.{stage}": getattr(network.backbone, stage) for stage in ("layer3", "layer4")}
        self._once |= {f"hand.{side}": network.hand_backbone, f"fused.{side}": network.feature_conv}
        self._refine, self._decoders = head.hmr_layer.refine, head.hmr_layer.decoders
        self._init, self._side = head.cam_init, side
        self._seen = defaultdict(list)

    def __enter__(self):
        watched = self._once | {f"delta.{name.replace('/', '_')}": layer for name, layer in self._decoders.items()}
        watched |= {"init": self._init}
        self._handles = [
            module.register_forward_hook(lambda _, __, output, name=name: self._seen[name].append(output))
            for name, module in watched.items()
        ]
        vector = self._refine.register_forward_pre_hook(lambda _, inputs: self._seen["vec"].append(inputs[0][:, 2048:]))
        self._handles.append(vector)
        return self

    def __exit__(self, *_):
        for handle in self._handles:
            handle.remove()

    def results(self):
        found = {f"feat/{name}": thinned(self._seen[name][0]) for name in self._once}
        repeated = (name for name in self._seen if name.startswith(("vec", "delta")))
        found |= {f"hmr/{self._side}.{name}": torch.stack(self._seen[name]) for name in repeated}
        return found | {f"cam_t.wp.init.{self._side}": self._seen["init"][0]}


def thinned(features):
    return features[:, ::37, ::3, ::3] if features.ndim == 4 else features
