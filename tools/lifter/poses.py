"""Random hands: how the fingers bend, how the hand is shaped, and how it lies before the camera."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from handpose_ros.hand import Side
from tools.demo_motion import POSES
from tools.hand_mesh import PARENTS, HandMesh

# Degrees: spread, twist, three flexions; rows thumb .. little (see hand_mesh). What a hand can do without help.
LOWEST = np.array([[-32, -20, -25, -15, -30]] + 4 * [[-8, -6, -30, -5, -10]], float)
HIGHEST = np.array([[70, 30, 55, 60, 85]] + 4 * [[28, 6, 95, 110, 80]], float)
_STRAIGHT_FINGER = np.array([-8.0, 2.0, 0.0])  # [deg] flexions of a finger at curl 0
_FIST_FINGER = np.array([82.0, 102.0, 62.0])  # [deg] at curl 1
_FINGER_SPREAD = np.array([8.0, 0.0, 6.0, 12.0])  # [deg] index .. little, of a relaxed open hand
# [deg] The thumb goes where it likes: at spread 0 the mesh's stands 30 degrees before the palm, at -30 beside it.
_THUMB = np.array([(-32, 48), (-20, 22), (-25, 48), (-10, 52), (-18, 78)], float)
# Fingers up in the image, back of the hand to the camera.
_UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


def random_angles(rng: np.random.Generator) -> np.ndarray:
    """(5, 5) [rad] of a hand as `hand_mesh` bends it: gestures, grasps, and anything in between."""
    kind = rng.choice(3, p=[0.5, 0.28, 0.22])
    if kind == 0:  # every finger for itself: straight, half bent, or in the palm
        low, high = np.array([(0.0, 0.15), (0.15, 0.75), (0.75, 1.05)])[rng.choice(3, 4, p=[0.42, 0.26, 0.32])].T
        angles = _curled(rng.uniform(low, high), rng)
    elif kind == 1:  # all together
        angles = _curled(rng.uniform(0, 1.05) + rng.normal(0, 0.12, 4), rng)
    else:
        one, other = rng.choice(len(POSES), 2)
        weight = rng.uniform()
        named = list(POSES.values())
        angles = weight * np.array(named[one], float) + (1 - weight) * np.array(named[other], float)
        angles += rng.normal(0, 1, (5, 5)) * [6, 2, 9, 10, 8]
        angles[0] += rng.uniform(0, 1) * (rng.uniform(*_THUMB.T) - angles[0])
    return np.deg2rad(np.clip(angles, LOWEST, HIGHEST))


def _curled(curl, rng):
    """(5, 5) [deg] of four fingers with `curl` (4,) 0..1 and any thumb."""
    curls = np.clip(curl[:, None] + rng.normal(0, [0.16, 0.07, 0.10], (4, 3)), 0, 1.1)
    flexion = _STRAIGHT_FINGER + curls * (_FIST_FINGER - _STRAIGHT_FINGER)
    spread = _FINGER_SPREAD * rng.uniform(-0.5, 2.2) * np.clip(1 - 0.8 * curl, 0, 1) + rng.normal(0, 2.5, 4)
    thumb = rng.uniform(*_THUMB.T)
    fingers = np.column_stack([spread, rng.normal(0, 2, 4), flexion])
    return np.vstack([thumb, fingers])


def random_shape(mesh: HandMesh, rng: np.random.Generator) -> HandMesh:
    """`mesh` with other proportions: bone lengths, palm width, thickness."""
    scale = np.empty((len(PARENTS), 3))  # of what hangs on a joint, along the joint's axes
    palm = 1 + rng.normal(0, [0.06, 0.08, 0.035])
    girth = 1 + rng.normal(0, 0.10)
    finger = 1 + rng.normal(0, 0.035)
    for joint in range(len(PARENTS)):
        scale[joint] = [girth, girth, finger * (1 + rng.normal(0, 0.03))]
    scale[0] = palm
    scale[[5, 10, 15, 20]] = palm * (1 + rng.normal(0, 0.02, (4, 1)))  # the metacarpals are in the palm
    return reshape(mesh, np.clip(scale, 0.75, 1.3))


def reshape(mesh: HandMesh, scale: np.ndarray) -> HandMesh:
    """`mesh` with the bone and flesh at each joint scaled by `scale` (25, 3) along the joint's axes."""
    rest = mesh.rest.copy()
    for joint, parent in enumerate(PARENTS[1:], start=1):
        bone = np.linalg.solve(mesh.rest[parent], mesh.rest[joint])
        bone[:3, 3] *= scale[parent]
        rest[joint] = rest[parent] @ bone
    stretch = np.tile(np.eye(4), (len(PARENTS), 1, 1))
    stretch[:, range(3), range(3)] = scale
    motion = rest @ stretch @ np.linalg.inv(mesh.rest)
    blended = (mesh.weights @ motion.reshape(len(PARENTS), 16)).reshape(-1, 4, 4)
    vertices = (blended[:, :3, :3] @ mesh.vertices[:, :, None])[..., 0] + blended[:, :3, 3]
    return replace(mesh, vertices=vertices, rest=rest)


def random_attitude(side: Side, rng: np.random.Generator) -> np.ndarray:
    """(3, 3) R_camera_from_wrist: mostly upright, palm, back or edge to the camera, at times anyhow."""
    if rng.uniform() < 0.12:
        return Rotation.random(random_state=rng).as_matrix()
    supination = rng.choice([180.0, 0.0, 90.0, -90.0], p=[0.45, 0.25, 0.2, 0.1]) + rng.normal(0, 32)
    pitch = np.clip(rng.normal(0, 32), -80, 80)
    yaw = rng.normal(0, 35)
    mirror = 1 if side == Side.RIGHT else -1
    tilt = Rotation.from_euler("ZX", [mirror * yaw, pitch], degrees=True).as_matrix()
    return tilt @ _UPRIGHT @ Rotation.from_euler("z", -mirror * supination, degrees=True).as_matrix()


def random_elbow(T_camera_from_wrist: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(3,) [m] where the forearm goes to: behind the wrist, which bends up to a right angle."""
    bend = Rotation.from_euler("xy", np.clip(rng.normal(0, [28, 14]), -75, 75), degrees=True).as_matrix()
    R, wrist = T_camera_from_wrist[:3, :3], T_camera_from_wrist[:3, 3]
    return wrist + R @ bend @ np.array([0, 0, 0.28])
