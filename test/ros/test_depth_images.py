"""The node hand_pose with depth images over DDS: a hand that is a tenth larger and further away than it seems."""

import numpy as np
import pytest
from depth_maker import hand_depth
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from wire import BRIGHT, CAMERA, DARK, WHITE, Wire

from handpose_ros.hand import WRIST, DepthSource
from handpose_ros.messages.decoding import hands_from_msg
from handpose_ros.ros.conversions import image_to_msg

SIZE = 1.1


def depth_to_msg(depth: np.ndarray, encoding: str, header: Header) -> Image:
    """`depth` (H, W) [m], NaN: a hole, as cameras send it: millimetres in 16UC1, metres in 32FC1."""
    filled = np.nan_to_num(depth)
    values = np.rint(1000 * filled).astype("<u2") if encoding == "16UC1" else filled.astype("<f4")
    msg = Image(header=header, width=depth.shape[1], height=depth.shape[0], encoding=encoding, step=values.strides[0])
    msg.data.frombytes(values.tobytes())
    return msg


class DepthWire(Wire):
    """A wire to a node that subscribes to depth images too."""

    def __init__(self, peer, namespace):
        self.depths = peer.node.create_publisher(Image, f"{namespace}/depth", 5)
        super().__init__(peer, namespace)
        peer.until(self.depths.get_subscription_count)

    def hand(self, depth=None, encoding="16UC1", frame_id="eye"):
        """The hand of a white image with this depth; each sent again should it get lost."""
        self.calibrate("eye")
        for _ in range(10):
            header = self.header("eye")
            if depth is not None:
                self.depths.publish(depth_to_msg(depth, encoding, Header(stamp=header.stamp, frame_id=frame_id)))
            hands = hands_from_msg(self.answer(image_to_msg(WHITE, header)))
            if len(hands) and hands.calibrated:
                return hands.hands[0]
        raise AssertionError("ten white images and no calibrated hand")


@pytest.fixture(scope="module")
def node(start):
    return start(BRIGHT, "--ros-args", "-r", "__ns:=/deep", "-p", "depth:=true", "-p", "filter:=none")


@pytest.fixture(scope="module")
def wire(node, peer):
    return DepthWire(peer, "/deep")


@pytest.fixture(scope="module")
def true_hand(wire):
    """(21, 3) [m] where the hand is, had it SIZE."""
    hand = wire.hand()
    assert hand.depth_source is DepthSource.MONO
    return SIZE * hand.joints_3d


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_the_wrist_is_where_the_depth_image_has_it_in_millimetres_and_in_metres(wire, true_hand, encoding):
    depth = hand_depth(true_hand, CAMERA, 0.8)
    for _ in range(3):  # a depth image may get lost, for which the hand then does not wait
        hand = wire.hand(depth, encoding)
        if hand.depth_source is DepthSource.SENSOR:
            break
    assert hand.depth_source is DepthSource.SENSOR
    assert np.linalg.norm(hand.joints_3d[WRIST] - true_hand[WRIST]) < 0.005
    assert hand.wrist_covariance[2, 2] < 0.02**2


BAD = {
    "depth_size": (DARK[::2, ::2, 0].astype(float) + 0.5, "16UC1", "eye"),
    "depth_frame": (DARK[..., 0] + 0.5, "16UC1", "infrared"),
    "encoding": (DARK[..., 0] + 0.5, "mono8", "eye"),
    "no_depth": (None, "16UC1", "eye"),
}


WORDS = {
    "depth_size": "depth has 320x240 px but the image 640x480 px: subscribe to depth that is registered",
    "depth_frame": "depth is in the frame 'infrared' but the image in 'eye'",
    "encoding": "'mono8' is no encoding of depth",
    "no_depth": "no depth on /deep/depth within 0.02 s of the image",
}


@pytest.mark.parametrize("kind", BAD)
def test_without_a_usable_depth_image_the_size_places_the_hand_and_it_is_counted(wire, node, kind):
    depth, encoding, frame_id = BAD[kind]
    before = int(wire.value(f"bad {kind}"))
    hand = wire.hand(depth, encoding, frame_id)
    assert hand.depth_source in (DepthSource.MONO, DepthSource.MONO_SCALED)
    wire.peer.until(lambda: int(wire.value(f"bad {kind}")) > before, again=lambda: wire.hand(depth, encoding, frame_id))
    assert WORDS[kind] in node.log
