"""ROS tests talk over real DDS, in a domain of their own and on this machine only."""

import os

import pytest

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
