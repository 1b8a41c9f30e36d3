"""ROS tests talk over real DDS, in a domain of their own and on this machine only."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from handpose_ros.demo import environment
from handpose_ros.hand import DepthSource, HandPose, Side

pytest.importorskip("rclpy", reason="rclpy is not installed: the ROS tests need it")
pytest.importorskip("handpose_ros.msg", reason="the messages are not built: run `make test` or colcon build")
pytest.importorskip("handpose_ros.srv", reason="the service is not built: run `make test` or colcon build")

ROOT = Path(__file__).parents[2]
# Before any rclpy.init, and inherited by the nodes that the tests start.
os.environ.update(
    ROS_DOMAIN_ID=str(1 + os.getpid() % 100),
    ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
    PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
)
os.environ.update(environment(os.environ))

# A test runner in the background ignores SIGINT, and the nodes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Process:
    """A node in a process of its own, with its log."""

    def __init__(self, log: Path, *command: str):
        self._log = log
        with log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def end(self, how=signal.SIGINT, timeout=10.0) -> int:
        """The exit code after the signal."""
        if self.running:
            self._process.send_signal(how)
        return self.wait(timeout)

    def wait(self, timeout=20.0) -> int:
        """The exit code when the process ends by itself."""
        return self._process.wait(timeout)

    def close(self):
        """Ends it as a user would: what is killed leaves its shared memory, 26 MB of it with every node."""
        if self.running:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(10.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class Peer:
    """A node of the test that talks with the nodes under test."""

    def __init__(self):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node

        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = Node("peer", context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def collect(self, kind, topic, qos=10) -> list:
        """A list that grows by the messages of the topic."""
        received = []
        self.node.create_subscription(kind, topic, received.append, qos)
        return received

    def until(self, condition, timeout=15.0, again=None):
        """The condition's first true value; `again` is called twice a second meanwhile. Fails after `timeout` [s]."""
        start = last = time.monotonic()
        while not (value := condition()):
            now = time.monotonic()
            assert now - start < timeout, f"waited {timeout} s in vain"
            if again and now - last > 0.5:
                again()
                last = now
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def close(self):
        import rclpy

        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """start(*command) -> Process of this Python; ended after the module."""
    started = []

    def start_one(*command):
        started.append(Process(tmp_path_factory.mktemp("log") / "log.txt", *command))
        return started[-1]

    yield start_one
    for process in started:
        process.close()


@pytest.fixture(scope="module")
def peer():
    peer = Peer()
    yield peer
    peer.close()


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
        joint_sigma=np.linspace(0.01, 0.05, 21),
        wrist_covariance=np.arange(36.0).reshape(6, 6),
        track_id=7,
        track_age=1.5,
    )
