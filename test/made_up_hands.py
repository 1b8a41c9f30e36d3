"""Right hands of simple geometry [m]: fingers up in the image, palm to the camera, the wrist at the origin."""

import numpy as np


def flat_hand() -> np.ndarray:
    """(21, 3) [m] spread fingers in one plane."""
    joints = np.zeros((21, 3))
    for finger, (x, y) in enumerate(
        [(0.03, -0.03), (0.028, -0.083), (0.005, -0.086), (-0.015, -0.08), (-0.033, -0.07)]
    ):
        direction = np.array([0.3 * x, y, 0.0]) / np.hypot(0.3 * x, y)
        for joint, length in enumerate([0, 0.038, 0.063, 0.085]):
            joints[1 + 4 * finger + joint] = np.array([x, y, 0.0]) + length * direction
    return joints


def bent_hand(curl: float, phalanx: float, knuckles: float) -> np.ndarray:
    """(21, 3) [m] parallel fingers of three `phalanx` [m], their `knuckles` [m] above the wrist, each joint bent by
    `curl` [rad]."""
    joints = np.zeros((21, 3))
    for finger, x in enumerate([0.03, 0.025, 0.0, -0.02, -0.04]):
        angles = curl * np.arange(4)
        steps = phalanx * np.stack([np.zeros(4), -np.cos(angles), -np.sin(angles)], axis=-1)
        knuckle = [x, -knuckles if finger else -0.02, 0.0]
        joints[1 + 4 * finger : 5 + 4 * finger] = knuckle + np.cumsum(steps, axis=0) - steps[0]
    return joints
