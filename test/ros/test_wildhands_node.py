"""The node hand_pose with the backend wildhands, from a checkpoint with made-up weights."""

import cv2
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handpose_ros.messages.calibration import camera_from_yaml
from handpose_ros.msg import HandModel, HandPose, HandPoseArray
from handpose_ros.recordings.sources import DEMO_CLIP
from handpose_ros.ros.conversions import camera_to_info, image_to_msg


@pytest.mark.parametrize("mano", ["true", "false"])
def test_it_publishes_metric_hands_with_mano_parameters_if_asked_and_its_licence(
    start, peer, wildhands_folder, mano, need_weights
):
    namespace = f"/mano_{mano}"  # the node of the other case lives on
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    models = peer.collect(HandModel, f"{namespace}/hand_pose/hand_model", latched)
    arrays = peer.collect(HandPoseArray, f"{namespace}/hand_pose/hands")
    images = peer.node.create_publisher(Image, f"{namespace}/image", 1)
    infos = peer.node.create_publisher(CameraInfo, f"{namespace}/camera_info", 1)
    chosen = (
        "backend:=wildhands",
        "device:=cpu",
        f"mano:={mano}",
        f"checkpoint:={wildhands_folder / 'wildhands.ckpt'}",
    )
    options = [word for choice in chosen for word in ("-p", choice)]
    node = start("-m", "handpose_ros.ros.hand_pose_node", "--ros-args", "-r", f"__ns:={namespace}", *options)
    peer.until(lambda: images.get_subscription_count() and infos.get_subscription_count(), timeout=90)

    _, bgr = cv2.VideoCapture(str(DEMO_CLIP)).read()
    camera = camera_from_yaml(DEMO_CLIP.with_suffix(".yaml").read_text())
    header = Header(frame_id="eye")

    def show():
        header.stamp.sec += 1
        infos.publish(camera_to_info(camera, header))
        images.publish(image_to_msg(np.ascontiguousarray(bgr[..., ::-1]), header))

    hands = peer.until(lambda: next((array.hands for array in arrays if array.hands), None), timeout=60, again=show)
    assert len(hands) == 2
    for hand in hands:
        assert hand.depth_source == HandPose.DEPTH_MONO
        assert (len(hand.mano_pose), len(hand.mano_betas)) == ((48, 10) if mano == "true" else (0, 0))
        assert np.isfinite([hand.joints[0].x, hand.joints[0].y, hand.joints[0].z]).all()
    peer.until(lambda: models)
    assert arrays[-1].model == models[0].model
    assert "wildhands" in models[0].model
    assert "CC-BY-NC-4.0" in models[0].license
    assert models[0].license in node.log
