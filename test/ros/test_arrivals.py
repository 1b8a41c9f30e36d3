"""Images that do not reach the node hand_pose are said in its log and in /diagnostics."""

import os
import time
from contextlib import contextmanager

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy import subscription
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from wire import BRIGHT, DARK, Wire

from handpose_ros.demo import OLD_PROFILES, PROFILES
from handpose_ros.ros.arrivals import Arrivals
from handpose_ros.ros.conversions import image_to_msg

NO_IMAGES = "no images on /image: nobody publishes there, check the topic's name and the driver"
# Sends images of a megabyte, as a driver does, but three at once: a busy machine has no time to take them in between.
DRIVER = """
import array, sys, time, rclpy
from sensor_msgs.msg import Image
rclpy.init()
publisher = rclpy.create_node("driver").create_publisher(Image, sys.argv[1], 5)
image = Image(width=640, height=480, step=1920, encoding="rgb8", data=array.array("B", bytes(640 * 480 * 3)))
while True:
    for _ in range(3):
        image.header.stamp.sec += 1
        publisher.publish(image)
    time.sleep(1 / 10)
"""


class Story:
    """What happens to the arrivals of a topic, second by second."""

    def __init__(self):
        self.now, self.log = 0.0, []
        self.arrivals = Arrivals(self.log.append, clock=lambda: self.now)
        self.arrivals.topic = "/image"

    def seconds(self, count, came=0, lost=0) -> str:
        """What the arrivals say after `count` seconds with so many images each."""
        for _ in range(count):
            self.now += 1.0
            for _ in range(came):
                self.arrivals.came()
            self.arrivals.missing(lost)
            text = self.arrivals.look()
        return text


@pytest.fixture
def story():
    return Story()


def test_silence_is_said_after_five_seconds_and_once_until_images_come(story):
    story.seconds(5)
    assert not story.log
    assert story.seconds(60) == NO_IMAGES
    assert story.log == [NO_IMAGES]
    story.seconds(3, came=1)
    story.seconds(30)
    assert story.log == [NO_IMAGES] * 2


def test_a_slow_or_throttled_camera_loses_nothing(story):
    assert not story.seconds(60, came=1)
    assert not story.log


def test_half_of_the_images_lost_is_trouble_until_they_come_again(story):
    assert "50% of the images are lost on the way" in story.seconds(2, came=15, lost=15)
    assert "Fast DDS's profiles" in story.log[0]
    assert not story.seconds(7, came=30)
    assert story.seconds(5, lost=30).startswith("/image: 100%")
    assert len(story.log) == 1


def test_a_slow_camera_all_of_whose_images_are_lost_is_not_a_wrong_name(story):
    text = story.seconds(6, lost=2)
    assert text.startswith("no images on /image: 10 were lost on the way: set Fast DDS's profiles")
    assert story.log == [text]


@pytest.mark.parametrize("came, lost", [(30, 3), (2, 1)])
def test_few_lost_images_are_no_trouble(story, came, lost):
    assert not story.seconds(5, came=came, lost=lost)


@pytest.mark.skipif(
    "publisher_gid" not in getattr(getattr(subscription, "MessageInfo", None), "__annotations__", ()),
    reason="this rclpy does not tell who published a message",
)
def test_images_of_two_publishers_in_turn_are_trouble_until_one_of_them_stops(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/mixed")
    wire = Wire(peer, "/mixed")
    other = peer.node.create_publisher(Image, "/mixed/image", 5)
    line = "/mixed/image: images of several publishers come in turn, hands are lost with every change"

    def send(*publishers):
        for publisher in publishers:
            publisher.publish(image_to_msg(DARK, wire.header("eye")))

    peer.until(lambda: line in wire.status().message, again=lambda: send(wire.images, other))
    assert wire.status().level == DiagnosticStatus.WARN and node.log.count(line) == 1
    peer.until(lambda: "publishers" not in wire.status().message, again=lambda: send(other))
    peer.node.destroy_publisher(other)


def test_a_driver_that_starts_again_is_no_mix_of_images(story):
    for driver in (1, 1, 2, 2):
        story.arrivals.came(driver)
        assert not story.seconds(1)


def test_a_node_without_images_says_so_once_and_names_the_topic(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/nothing")
    wire = Wire(peer, "/nothing")
    line = "no images on /nothing/image: there is a publisher but nothing arrives: check the driver; if it sends"
    peer.until(lambda: line in node.log)
    until = time.monotonic() + 2.0
    peer.until(lambda: time.monotonic() > until)
    assert node.log.count(line) == 1
    assert wire.answer(image_to_msg(DARK, wire.header("eye"))).header.frame_id == "eye"


def test_a_topic_of_another_type_is_told_with_both_types(start, peer):
    publisher = peer.node.create_publisher(CompressedImage, "/other/image", 5)
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/other")
    reason = "what is published there is sensor_msgs/msg/CompressedImage, not sensor_msgs/msg/Image"
    peer.until(lambda: f"no images on /other/image: {reason}" in node.log)
    peer.node.destroy_publisher(publisher)


@contextmanager
def no_profiles():
    """The environment of a driver whose shared memory is Fast DDS's own, half an image large."""
    held = {name: os.environ.pop(name) for name in (PROFILES, OLD_PROFILES) if name in os.environ}
    yield
    os.environ.update(held)


@pytest.mark.skipif(
    os.environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp") != "rmw_fastrtps_cpp", reason="what Fast DDS loses"
)
def test_images_that_the_transport_loses_are_told_with_the_remedy(start, peer):
    node = start(BRIGHT, "--ros-args", "-r", "__ns:=/lossy")
    wire = Wire(peer, "/lossy")
    with no_profiles():
        start("-c", DRIVER, "/lossy/image")
    # A busy machine loses all, which is noticed as silence.
    peer.until(lambda: "/lossy/image: " in node.log, timeout=30)
    assert node.log.count("set Fast DDS's profiles for the camera's process too") == 1
    peer.until(lambda: "set Fast DDS's profiles" in wire.status().message)
    assert wire.status().level == DiagnosticStatus.WARN
    assert int(wire.value("images lost")) >= 7 or "nothing arrives" in node.log


def test_what_a_slow_node_does_not_take_is_not_lost(start, peer):
    taken, arrivals = [], Arrivals(print)

    def take_slowly(msg):
        taken.append(msg.header.stamp.sec)
        time.sleep(0.2)

    newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    arrivals.subscribe(peer.node, Image, "/slow/image", take_slowly, newest)
    start("-c", DRIVER, "/slow/image")
    peer.until(lambda: len(taken) > 10)
    assert taken[-1] - taken[0] > 30 and not arrivals.look()
    assert arrivals.lost == 0
