import time

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from handpose_ros.msg import Grasp, GraspArray, HandModel, HandPoseArray
from handpose_ros.recordings.bags import BagWriter, read_messages
from handpose_ros.recordings.node_outputs import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    GRASPS,
    HAND_MODEL,
    HANDS,
    IMAGE,
    MARKERS,
    read_answers,
)
from handpose_ros.ros.conversions import image_to_msg
from handpose_ros.ros.recorder_node import Recorder

TYPES = {IMAGE: Image, CAMERA_INFO: CameraInfo, HANDS: HandPoseArray, MARKERS: MarkerArray, GRASPS: GraspArray}


class Chain:
    """Publishes what camera, hand_pose and grasp would, for a recorder in the same process."""

    def __init__(self, recorder):
        import rclpy

        self._recorder = recorder
        self._node = rclpy.create_node("chain")
        self._publishers = {topic: self._node.create_publisher(kind, topic, 10) for topic, kind in TYPES.items()}
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._model = self._node.create_publisher(HandModel, HAND_MODEL, latched)
        publishers = [*self._publishers.values(), self._model]
        self.until(lambda: all(publisher.get_subscription_count() for publisher in publishers))
        self._model.publish(HandModel(model="test@1", license="Apache-2.0"))
        self.until(lambda: recorder.progress.model is not None)

    def header(self, number):
        return Header(stamp=Time(sec=100, nanosec=number), frame_id="camera_optical_frame")

    def send(self, topic, message):
        self._publishers[topic].publish(message)
        self._recorder.spin(0.1)

    def image(self, number):
        self.send(CAMERA_INFO, CameraInfo(header=self.header(number)))
        self.send(IMAGE, image_to_msg(np.full((48, 64, 3), 40 * number, np.uint8), self.header(number)))

    def hands(self, number, **fields):
        self.send(HANDS, HandPoseArray(header=self.header(number), image_width=64, image_height=48, **fields))

    def until(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "nothing happened for 20 s"
            self._recorder.spin(0.05)

    def close(self):
        self._node.destroy_node()


class Run:
    """A recording of a chain."""

    def __init__(self, directory):
        self.path = directory / "hands.mcap"
        self._bag = BagWriter(self.path)
        self.recorder = Recorder(self._bag)
        self.chain = Chain(self.recorder)

    def end(self):
        self.chain.close()
        self.recorder.close()
        self._bag.close()


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path)
    yield run
    if not run.path.exists():
        run.end()


def nanoseconds(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


def test_everything_is_in_the_bag_with_the_stamp_of_its_image(run):
    recorder, chain = run.recorder, run.chain
    for number in (1, 2):
        chain.image(number)
        chain.hands(number, latency=0.02)
        chain.send(MARKERS, MarkerArray(markers=[Marker(header=chain.header(number))]))
        chain.send(GRASPS, GraspArray(header=chain.header(number), grasps=[Grasp(track_id=5, phase=3, name="tripod")]))
    chain.until(lambda: recorder.progress.answered == 2 and recorder.progress.grasps)
    run.end()
    messages = list(read_messages(run.path))
    stamps = {}
    for message in messages:
        stamps.setdefault(message.topic, []).append(message.stamp)
    both = [100 * 10**9 + 1, 100 * 10**9 + 2]
    assert stamps == {
        **dict.fromkeys((COMPRESSED_IMAGE, CAMERA_INFO, HANDS, MARKERS, GRASPS), both),
        HAND_MODEL: both[:1],
    }
    assert all(nanoseconds(m.message.header.stamp) == m.stamp for m in messages if hasattr(m.message, "header"))
    answers = read_answers(run.path)
    assert [grasp.name for grasp in answers[both[0]].grasps] == ["hold tripod"]
    assert answers[both[0]].latency == pytest.approx(0.02)


def test_an_image_without_hands_is_published_but_not_answered(run):
    recorder, chain = run.recorder, run.chain
    chain.image(1)
    chain.image(2)
    chain.hands(2)
    chain.until(lambda: recorder.progress.answered == 1)
    run.end()
    assert len(recorder.stamps) == 2 and recorder.images_missed == 0
    assert len(list(read_messages(run.path, COMPRESSED_IMAGE))) == 2
    assert list(read_answers(run.path)) == recorder.stamps[1:]


def test_an_image_that_only_the_recorder_missed_is_not_lost(run):
    recorder, chain = run.recorder, run.chain
    chain.send(CAMERA_INFO, CameraInfo(header=chain.header(1)))
    chain.hands(1)
    chain.hands(2)
    chain.until(lambda: recorder.progress.answered == 2)
    assert (recorder.images_missed, recorder.progress.frames) == (2, 2)


def test_hands_are_stale_when_a_newer_image_came_before_their_image_was_taken_up(run):
    recorder, chain = run.recorder, run.chain
    chain.image(1)
    chain.image(2)
    chain.hands(1, inference_time=0.001)  # taken up a millisecond ago, after image 2
    chain.hands(2, inference_time=0.001)
    chain.until(lambda: recorder.progress.answered == 2)
    assert recorder.stale_frames == 1


def test_hands_that_were_long_in_work_are_not_stale(run):
    recorder, chain = run.recorder, run.chain
    chain.image(1)
    chain.image(2)
    chain.hands(1, inference_time=60.0)  # taken up long before image 2
    chain.until(lambda: recorder.progress.answered == 1)
    assert recorder.stale_frames == 0
