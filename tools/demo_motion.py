"""What the two hands of the demo clip do: named hand poses, and when and where each hand takes them."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from handpose_ros.hand import Side
from tools.hand_mesh import HandMesh
from tools.render_hands import PosedHand

DURATION = 10  # [s]; at its end everything is where it began
ELBOW = np.array([0.24, 0.42, 0.36])  # [m] of the right arm in the camera's frame, out of its sight

# Degrees: spread, twist, three flexions; rows thumb, index, middle, ring, little (see hand_mesh).
POSES = {
    "open": [[15, 0, -5, 0, 0], [8, 0, -3, 3, 2], [0, 0, -3, 3, 2], [6, 0, -3, 3, 2], [12, 0, 0, 3, 2]],
    "reach": [[20, 2, 8, 8, 10], [5, 0, 18, 22, 13], [0, 0, 20, 24, 15], [3, 0, 22, 26, 16], [6, 0, 24, 28, 17]],
    "pinch": [[33, 9, 40, 3, -8], [3, 0, 60, 39, 24], [0, 0, 25, 30, 18], [3, 0, 18, 25, 15], [6, 0, 12, 20, 12]],
    "point": [[20, -11, 14, 50, 75], [2, 0, 4, 6, 4], [0, 0, 70, 88, 50], [0, 0, 74, 90, 52], [0, 0, 76, 86, 50]],
    "grasp": [[58, 15, 42, -2, -8], [4, 0, 42, 45, 28], [0, 0, 44, 48, 30], [2, 0, 46, 50, 32], [4, 0, 48, 52, 34]],
}


@dataclass(frozen=True)
class Key:
    """Where a hand is at a time. A left hand mirrors its outwards, supination and yaw."""

    time: float  # [s]
    pose: str  # a name in POSES
    outwards: float  # [m] of the wrist from the middle of the image, to the hand's own side
    down: float  # [m] of the wrist below the middle of the image
    depth: float  # [m] of the wrist
    supination: float  # [deg] 0: back of the hand to the camera, 90: thumb to the camera, 180: palm
    pitch: float  # [deg] of the fingers away from the image plane, into the image
    yaw: float  # [deg] of the fingers outwards


MOTION = {
    Side.RIGHT: (
        Key(0.0, "open", 0.135, 0.06, 0.47, 150, 10, 8),
        Key(0.7, "open", 0.140, 0.06, 0.45, 150, 10, 10),
        Key(1.6, "pinch", 0.120, 0.06, 0.43, 132, 8, 4),
        Key(2.6, "pinch", 0.100, 0.03, 0.42, 138, 8, 2),
        Key(3.4, "reach", 0.122, 0.06, 0.45, 88, 12, -6),
        Key(4.1, "open", 0.135, 0.07, 0.49, 18, 18, 12),
        Key(4.7, "open", 0.135, 0.07, 0.50, 18, 18, 12),
        Key(5.6, "grasp", 0.120, 0.08, 0.51, 36, 18, 4),
        Key(6.6, "grasp", 0.120, 0.03, 0.53, 44, 18, 2),
        Key(7.3, "reach", 0.130, 0.05, 0.52, 100, 10, 4),
        Key(8.2, "point", 0.120, 0.06, 0.48, 148, 5, 2),
        Key(9.2, "point", 0.095, 0.04, 0.46, 145, 5, -8),
        Key(10.0, "open", 0.135, 0.06, 0.47, 150, 10, 8),
    ),
    Side.LEFT: (
        Key(0.0, "open", 0.135, 0.06, 0.49, 150, 10, 8),
        Key(0.8, "open", 0.140, 0.05, 0.50, 150, 10, 10),
        Key(1.7, "point", 0.125, 0.06, 0.50, 148, 5, 4),
        Key(2.7, "point", 0.110, 0.04, 0.47, 145, 5, -8),
        Key(3.6, "reach", 0.130, 0.06, 0.45, 90, 10, 6),
        Key(4.3, "open", 0.135, 0.06, 0.44, 18, 18, 12),
        Key(4.8, "open", 0.135, 0.07, 0.44, 18, 18, 12),
        Key(5.7, "pinch", 0.120, 0.07, 0.46, 32, 18, 4),
        Key(6.7, "pinch", 0.125, 0.04, 0.51, 40, 18, 2),
        Key(7.4, "reach", 0.130, 0.06, 0.54, 100, 10, 4),
        Key(8.2, "grasp", 0.125, 0.07, 0.53, 138, 5, 4),
        Key(9.1, "grasp", 0.125, 0.03, 0.50, 140, 5, 4),
        Key(10.0, "open", 0.135, 0.06, 0.49, 150, 10, 8),
    ),
}
# Fingers up in the image, back of the hand to the camera.
_UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def hands_at(time: float, meshes: tuple[HandMesh, ...]) -> list[PosedHand]:
    """The hands of the clip at `time` [s]."""
    return [_hand_at(time, mesh) for mesh in meshes]


def _hand_at(time, mesh):
    keys = MOTION[mesh.side]
    times = [key.time for key in keys]
    mirror = np.array([1 if mesh.side == Side.RIGHT else -1, 1, 1])
    angles = PchipInterpolator(times, np.deg2rad([POSES[key.pose] for key in keys]))(time)
    position = PchipInterpolator(times, [(key.outwards, key.down, key.depth) for key in keys])(time)
    turns = PchipInterpolator(times, np.deg2rad([(key.supination, key.pitch, key.yaw) for key in keys]))(time)
    sway = 2 * np.pi * time / DURATION * np.array([3, 2, 4]) + (0.0 if mesh.side == Side.RIGHT else 2.0)
    supination, pitch, yaw = turns + np.deg2rad([3, 2, 2]) * np.sin(sway)
    T = np.eye(4)
    attitude = Rotation.from_euler("ZX", [mirror[0] * yaw, pitch]).as_matrix() @ _UPRIGHT
    T[:3, :3] = attitude @ Rotation.from_euler("z", -mirror[0] * supination).as_matrix()
    T[:3, 3] = mirror * (position + [0.004, 0.004, 0.004] * np.cos(sway))
    return PosedHand(mesh, T, angles, mirror * ELBOW)
