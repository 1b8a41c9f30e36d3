"""The node hand_pose with a backend that needs no weights: a white image shows a right hand, a dark one none.

A red image brings the backend down, as a bug would.
"""

import sys

import numpy as np

from handpose_ros.backends import Detection
from handpose_ros.crops.cropping import Region
from handpose_ros.hand import Observation
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.ros.hand_pose_node import HandPoseNode
from handpose_ros.ros.hand_pose_params import HandPoseParams
from handpose_ros.ros.running import run_node


def open_hand() -> np.ndarray:
    """(21, 3) [m] an open right hand, palm to the camera, fingers up."""
    x = [0.03, 0.025, 0.0, -0.02, -0.04]
    joints = np.zeros((21, 3))
    for finger in range(5):
        joints[1 + 4 * finger : 5 + 4 * finger, 0] = x[finger]
        joints[1 + 4 * finger : 5 + 4 * finger, 1] = -(0.09 if finger else 0.02) - 0.025 * np.arange(4)
    return joints - joints.mean(axis=0)


class BrightHand:
    """A backend: see `handpose_ros.backends.Backend`."""

    name, model, license, runtime = "bright", "bright@1", "Apache-2.0", "NumPy on the CPU"

    def detect(self, frame, squares=None, meanwhile=False):
        if frame.image[..., 0].mean() > 127 > frame.image[..., 1].mean():
            raise RuntimeError("a bug in the backend")
        return lambda: [Detection(self._crop(frame), 0.9)] if frame.image.mean() > 127 else []

    def observe(self, frame, crops, glance=False):
        keypoints = self._crop(frame).center + 1000.0 * open_hand()[:, :2]  # 1 px per mm
        score = 0.9 if frame.image.mean() > 127 else 0.1
        return [Observation(keypoints, open_hand(), score, right_score=0.95) for _ in crops]

    def track(self, frame, observations):
        return [self._crop(frame) for _ in observations]

    def _crop(self, frame):
        return Region(np.array(frame.size) / 2, 200.0)


def make_pipeline(params: HandPoseParams) -> HandPosePipeline:
    return HandPosePipeline(
        BrightHand(), max_hands=params.max_hands, min_score=params.min_score, coast_time=params.coast_time
    )


if __name__ == "__main__":
    sys.exit(run_node(lambda: HandPoseNode(make_pipeline)))
