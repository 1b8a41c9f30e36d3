"""ROS tests talk over real DDS, in a domain of their own and on this machine only."""

import os

import numpy as np
import pytest

from handpose_ros.hand import DepthSource, HandPose, Side

pytest.importorskip("rclpy", reason="rclpy is not installed: the ROS tests need it")
pytest.importorskip("handpose_ros.msg", reason="the messages are not built: run `make test` or colcon build")

# Before any rclpy.init, and inherited by the nodes that the tests start.
os.environ.update(
    ROS_DOMAIN_ID=str(1 + os.getpid() % 100),
    ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
    FASTDDS_BUILTIN_TRANSPORTS="LARGE_DATA",
)


@pytest.fixture
def context():
    """An initialised rclpy context of one test."""
    import rclpy

    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    rclpy.shutdown(context=context)


@pytest.fixture
def right_hand():
    """An open right hand half a metre before the camera: palm to the camera, fingers up, thumb right in the image."""
    x = [0.03, 0.025, 0.0, -0.02, -0.04]  # [m] of each finger
    joints = np.zeros((21, 3))
    for finger in range(5):
        reach = 0.09 + 0.025 * np.arange(4) if finger else 0.02 + 0.025 * np.arange(4)
        joints[1 + 4 * finger : 5 + 4 * finger, 0] = x[finger]
        joints[1 + 4 * finger : 5 + 4 * finger, 1] = -reach
    joints += [0.1, 0.05, 0.5]
    return HandPose(
        side=Side.RIGHT,
        side_score=0.75,
        score=0.875,
        joints_2d=joints[:, :2] / joints[:, 2:] * 500 + [319.5, 239.5],
        joints_3d=joints,
        depth_source=DepthSource.MONO,
        reprojection_error=0.5,
        wrist_covariance=np.arange(36.0).reshape(6, 6),
        track_id=7,
        track_age=1.5,
    )
