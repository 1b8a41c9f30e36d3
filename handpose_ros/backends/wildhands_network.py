"""The WildHands network: one frame, crops of its hands and where they lie in the view -> MANO hands in metres.

Source: Prakash et al., 3D hand pose estimation in everyday egocentric images, ECCV 2024 (`WildHands`). Modules bear
the names of the official checkpoint. Written from a description of the method; holds none of its code or weights.
"""

from dataclasses import dataclass

import torch
from torch import nn

from handpose_ros.backends.mano import Mano
from handpose_ros.backends.resnet import CHANNELS, ResNet50, fold_normalisation
from handpose_ros.backends.rotations import axis_angle_from_matrix, matrix_from_axis_angle, matrix_from_rows

SIZE = 224  # [px] side of the frame and of the crops
_FREQUENCIES = (1, 2, 4, 8)
_CODES = 10 * len(_FREQUENCIES) * 2  # sine and cosine of ten angles
_FEATURES = 2048
_REFINEMENTS = 3
_MIN_SCALE = 0.1
_STATE = {"pose_6d": 96, "shape": 10, "cam_t/wp": 3}  # what is refined, in the order in which it is fed back


@dataclass(frozen=True, eq=False)
class MeshHands:
    """N hands as MANO has them, in the axes of the camera. Torch tensors."""

    joints: torch.Tensor  # (N, 21, 3) [m] without the translation, in the order of hand.KEYPOINTS
    vertices: torch.Tensor  # (N, 778, 3) [m] without the translation
    translation: torch.Tensor  # (N, 3) [m] from MANO's origin to the camera's optical frame
    rotations: torch.Tensor  # (N, 16, 3, 3) wrist, then fingers relative to the mean pose
    pose: torch.Tensor  # (N, 16, 3) [rad] the same as axis-angle vectors
    betas: torch.Tensor  # (N, 10)
    weak_camera: torch.Tensor  # (N, 3) scale, and x and y [m], as regressed


class WildHandsNetwork(nn.Module):
    """See `forward`. Encoders may run in half precision; the regressors and MANO stay in float32."""

    def __init__(self):
        super().__init__()
        self.backbone = ResNet50()
        self.hand_backbone = ResNet50()
        self.feature_conv = nn.Sequential(
            nn.Conv2d(CHANNELS + _CODES, 1024, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(1024, 512, 3, bias=False),
            nn.ReLU(),
            nn.Conv2d(512, 256, 3, bias=False),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(256 * 3 * 3, _FEATURES),
            nn.ReLU(),
        )
        self.head_r, self.head_l = Regressor(), Regressor()
        self.mano_r, self.mano_l = (nn.ModuleDict({"mano": Mano()}) for _ in range(2))

    def forward(
        self, frame: torch.Tensor, crops: torch.Tensor, angles: torch.Tensor, K: torch.Tensor, right: torch.Tensor
    ) -> MeshHands:
        """N hands of one frame, or of N.

        frame: (1 or N, 3, 224, 224); crops: (N, 3, 224, 224); both normalised RGB. angles: (N, 10) [rad] of the hand's
        box from the optical axis, x before y: the centre, then the corners. K: (3, 3) or (N, 3, 3) [px] of the 224 px
        frame. right: (N,) bool, which of the hands are right ones; no value decides what is computed, so that a CUDA
        graph can repeat it.
        """
        rotations, betas, cameras = self._regress(self._features(frame, crops, angles), right)
        return self.hands(rotations, betas, cameras, K, right)

    def hands(
        self,
        rotations: torch.Tensor,
        betas: torch.Tensor,
        cameras: torch.Tensor,
        K: torch.Tensor,
        right: torch.Tensor,
    ) -> MeshHands:
        """The hands of what was regressed: `rotations`, `betas` and `cameras` (its weak_camera) as in MeshHands."""
        pose = axis_angle_from_matrix(rotations)
        vertices, joints = self._mesh(pose, betas, right)
        scale = cameras[:, 0].clamp(min=_MIN_SCALE)
        focal = (K[..., 0, 0] + K[..., 1, 1]) / 2
        depth = 2 * focal / (SIZE * scale + 1e-9)
        translation = torch.cat([cameras[:, 1:], depth[:, None]], dim=1)
        return MeshHands(joints, vertices, translation, rotations, pose, betas, cameras)

    def prepare(self, device: torch.device, precision: torch.dtype):
        """Turns a loaded network into what runs: on `device`, its encoders folded and in `precision`."""
        self.eval().requires_grad_(False)
        for encoder in (self.backbone, self.hand_backbone):
            fold_normalisation(encoder)
        for module in (self.backbone, self.hand_backbone, self.feature_conv):
            module.to(dtype=precision, memory_format=torch.channels_last)
        return self.to(device)

    def mano(self, right: bool) -> Mano:
        """The body model of one side."""
        return (self.mano_r if right else self.mano_l)["mano"]

    def _features(self, frame, crops, angles):
        """(N, 2048) of each hand, float32."""
        precision = self.feature_conv[0].weight.dtype
        frame, crops = (x.to(precision, memory_format=torch.channels_last) for x in (frame, crops))
        seen = self.hand_backbone(crops) + self.backbone(frame)
        codes = encode_angles(angles).to(precision)[..., None, None].expand(-1, -1, *seen.shape[2:])
        return self.feature_conv(torch.cat([seen, codes], dim=1)).float()

    def _regress(self, features, right):
        """Rotations (N, 16, 3, 3), betas (N, 10) and weak cameras (N, 3) by the regressor of each hand's side."""
        state = torch.where(right[:, None], self.head_r(features), self.head_l(features))
        pose, betas, cameras = state.split(list(_STATE.values()), dim=1)
        return matrix_from_rows(pose.unflatten(1, (16, 6))), betas, cameras

    def _mesh(self, pose, betas, right):
        """Vertices (N, 778, 3) and joints (N, 21, 3) by the MANO of each hand's side."""
        sides = (pose_mano(self.mano(side), pose, betas) for side in (True, False))
        return tuple(torch.where(right[:, None, None], *both) for both in zip(*sides, strict=True))


class Regressor(nn.Module):
    """(N, 2048) features -> (N, 109): a guess of pose, shape and camera, three times corrected."""

    def __init__(self):
        super().__init__()
        linear, relu = nn.Linear, nn.ReLU
        self.cam_init = nn.Sequential(linear(_FEATURES, 512), relu(), linear(512, 512), relu(), linear(512, 3))
        self.hmr_layer = nn.Module()
        # The checkpoint numbers the layers with the dropout of its training in between.
        self.hmr_layer.refine = nn.Sequential(
            linear(_FEATURES + sum(_STATE.values()), 1024), relu(), nn.Identity(), linear(1024, 1024), relu()
        )
        self.hmr_layer.decoders = nn.ModuleDict({name: linear(1024, size) for name, size in _STATE.items()})

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        identity = torch.eye(3, device=features.device)[:2].flatten()  # the first two rows of a rotation
        pose = identity.repeat(len(features), 16)
        state = torch.cat([pose, features.new_zeros(len(features), 10), self.cam_init(features)], dim=1)
        for _ in range(_REFINEMENTS):
            refined = self.hmr_layer.refine(torch.cat([features, state], dim=1))
            state = state + torch.cat([self.hmr_layer.decoders[name](refined) for name in _STATE], dim=1)
        return state


def encode_angles(angles: torch.Tensor) -> torch.Tensor:
    """(N, 80) sines and cosines of `angles` (N, 10): those of the centre (two angles), then those of the corners."""
    return torch.cat([_sinusoids(angles[:, :2]), _sinusoids(angles[:, 2:])], dim=1)


def pose_mano(mano: Mano, pose: torch.Tensor, betas: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Vertices and joints of `mano` in the `pose` (N, 16, 3) [rad] relative to its mean pose."""
    fingers = pose[:, 1:] + mano.hand_mean.unflatten(0, (15, 3))
    return mano(matrix_from_axis_angle(torch.cat([pose[:, :1], fingers], dim=1)), betas)


def _sinusoids(angles):
    """By frequency, then by angle, then sine before cosine."""
    scaled = torch.stack([angles * frequency for frequency in _FREQUENCIES], dim=1)
    return torch.stack([scaled.sin(), scaled.cos()], dim=-1).flatten(1)
