from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from numpy.testing import assert_allclose, assert_array_equal
from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handpose_ros.camera import Camera
from handpose_ros.features import ANGLE_NAMES
from handpose_ros.hand import WRIST, DepthSource, HandPoses, ManoHand, Side, TrackingState
from handpose_ros.messages.calibration import camera_from_info
from handpose_ros.messages.decoding import ImageDecoder, hands_from_msg
from handpose_ros.msg import HandModel, HandPose, HandPoseArray
from handpose_ros.ros.conversions import camera_to_info, hand_model_msg, hands_to_msg, image_to_msg, wrist_transforms

HEADER = Header(stamp=Time(sec=2, nanosec=500_000_000), frame_id="head_optical_frame")


def poses(*hands, calibrated=True):
    return HandPoses(hands, (640, 480), 2.5, "head_optical_frame", calibrated)


def over_the_wire(msg):
    return deserialize_message(serialize_message(msg), type(msg))


def wrist_axes(orientation):
    """Columns x, y, z of the wrist in the camera's frame."""
    return Rotation.from_quat([orientation.x, orientation.y, orientation.z, orientation.w]).as_matrix()


def test_a_hand_comes_back_from_its_message_as_it_was(right_hand):
    sent = poses(right_hand)
    received = hands_from_msg(over_the_wire(hands_to_msg(sent, HEADER)))
    assert (received.size, received.stamp, received.frame_id, received.calibrated) == (
        sent.size,
        sent.stamp,
        sent.frame_id,
        True,
    )
    for field in fields(right_hand):
        if field.name == "mano":
            continue  # its vertices do not travel
        before, after = getattr(right_hand, field.name), getattr(received.hands[0], field.name)
        assert_allclose(after, before, rtol=1e-6, err_msg=field.name)


def test_a_message_of_a_version_without_joint_sigma_is_read_and_its_uncertainty_not_known(right_hand):
    msg = hands_to_msg(poses(right_hand), HEADER)
    values = {name: getattr(msg.hands[0], name) for name in HandPose.get_fields_and_field_types()}
    del values["joint_sigma"]
    older = SimpleNamespace(**values)
    array = SimpleNamespace(header=HEADER, hands=[older], image_width=640, image_height=480, calibrated=True)
    (hand,) = hands_from_msg(array)
    assert np.isnan(hand.joint_sigma).all()
    assert_allclose(hand.joints_3d, right_hand.joints_3d, rtol=1e-6)


def test_mano_parameters_travel_and_are_empty_where_there_are_none(right_hand):
    mano = ManoHand(np.arange(48.0), np.arange(10.0), np.zeros((778, 3)), np.zeros((1538, 3), int))
    with_mano, without = over_the_wire(hands_to_msg(poses(replace(right_hand, mano=mano), right_hand), HEADER)).hands
    assert_allclose(with_mano.mano_pose, np.arange(48))
    assert_allclose(with_mano.mano_betas, np.arange(10))
    assert len(without.mano_pose) == len(without.mano_betas) == 0


def test_the_array_carries_the_images_header_and_how_it_was_made(right_hand):
    msg = hands_to_msg(poses(right_hand), HEADER, model="net@1", inference_time=0.25, latency=0.5, frames_dropped=3)
    assert (msg.header, msg.model, msg.frames_dropped) == (HEADER, "net@1", 3)
    assert (msg.inference_time, msg.latency) == (0.25, 0.5)
    assert (msg.image_width, msg.image_height) == (640, 480)


def test_an_image_without_hands_makes_an_empty_array():
    msg = hands_to_msg(poses(calibrated=False), HEADER)
    assert len(msg.hands) == 0 and not msg.calibrated and np.isnan(msg.latency)


def test_joints_are_metres_and_keypoints_pixels(right_hand):
    hand = hands_to_msg(poses(right_hand), HEADER).hands[0]
    wrist = hand.joints[HandPose.WRIST]
    assert_allclose([wrist.x, wrist.y, wrist.z], [0.1, 0.05, 0.5])
    assert_allclose(hand.keypoints_2d[:2], [419.5, 289.5])
    x, y, width, height = hand.bbox
    u, v = right_hand.joints_2d.T
    assert_allclose([x, y, x + width, y + height], [u.min(), v.min(), u.max(), v.max()], rtol=1e-6)


def test_the_wrist_looks_out_of_the_palm_and_along_the_fingers_on_both_hands(right_hand):
    # Palm to the camera: x is -z of the camera; fingers up: z is -y of the camera.
    mirrored = right_hand.joints_3d * [-1, 1, 1]
    left_hand = replace(right_hand, side=Side.LEFT, joints_3d=mirrored, track_id=8)
    for msg in hands_to_msg(poses(right_hand, left_hand), HEADER).hands:
        axes = wrist_axes(msg.wrist.pose.orientation)
        assert_allclose(axes, np.column_stack([[0, 0, -1], [1, 0, 0], [0, -1, 0]]), atol=1e-9)
        assert_allclose(msg.wrist.pose.position.z, 0.5)


def test_a_right_hand_called_left_looks_out_of_its_back(right_hand):
    swapped = hands_to_msg(poses(replace(right_hand, side=Side.LEFT)), HEADER).hands[0]
    assert_allclose(wrist_axes(swapped.wrist.pose.orientation)[:, 0], [0, 0, 1], atol=1e-9)


def test_the_articulation_is_that_of_the_features_on_the_hands_own_side(right_hand):
    bent = right_hand.joints_3d.copy()
    bent[HandPose.INDEX_TIP, 2] -= 0.02  # towards the camera, which the palm faces
    index_dip = ANGLE_NAMES.index("index_dip_flexion")
    left = replace(right_hand, side=Side.LEFT, joints_3d=bent * [-1, 1, 1])
    for msg in hands_to_msg(poses(replace(right_hand, joints_3d=bent), left), HEADER).hands:
        assert msg.joint_angles[index_dip] == pytest.approx(np.arctan2(0.02, 0.025), abs=1e-3)
        thumb, index = msg.joints[HandPose.THUMB_TIP], msg.joints[HandPose.INDEX_TIP]
        assert msg.pinch_distance == pytest.approx(np.hypot(thumb.y - index.y, np.hypot(thumb.x - index.x, 0.02)))
        assert msg.openness > 0.9 and msg.grab_strength < 0.1 and msg.pinch_strength < 0.5
    unknown = hands_to_msg(poses(replace(right_hand, side=Side.UNKNOWN)), HEADER).hands[0]
    assert np.isnan(unknown.joint_angles).all() and unknown.openness > 0.9


def test_what_is_not_known_is_nan(right_hand):
    nan = np.nan
    lost = replace(right_hand, state=TrackingState.LOST, joints_2d=right_hand.joints_2d * nan)
    lost = replace(lost, joint_sigma=lost.joint_sigma * nan)
    lost = replace(lost, joints_3d=lost.joints_3d * nan, wrist_covariance=lost.wrist_covariance * nan)
    hand = hands_to_msg(poses(lost), HEADER).hands[0]
    velocity, orientation = hand.wrist_velocity.linear, hand.wrist.pose.orientation
    values = [hand.hand_scale, hand.joints[0].x, velocity.x, orientation.w, hand.pinch_distance, hand.openness]
    assert np.isnan(values).all()
    assert np.isnan(np.concatenate([hand.bbox, hand.joint_scores, hand.joint_angles, hand.wrist.covariance])).all()
    assert np.isnan(hand.joint_sigma).all()
    assert hand.tracking_state == HandPose.LOST


def test_a_hand_of_unknown_side_has_no_wrist_orientation(right_hand):
    hand = hands_to_msg(poses(replace(right_hand, side=Side.UNKNOWN)), HEADER).hands[0]
    assert np.isnan(hand.wrist.pose.orientation.w) and hand.wrist.pose.position.z == 0.5


def test_the_constants_of_the_messages_are_those_of_the_core():
    assert [HandPose.UNKNOWN, HandPose.LEFT, HandPose.RIGHT] == [int(side) for side in Side]
    assert [HandPose.TRACKED, HandPose.COASTING, HandPose.LOST] == [int(state) for state in TrackingState]
    depths = ["NONE", "MONO", "MONO_SCALED", "SENSOR", "MULTIVIEW"]
    assert [getattr(HandPose, f"DEPTH_{name}") for name in depths] == [int(DepthSource[name]) for name in depths]


def test_the_hand_model_names_every_joint_and_angle_once():
    msg = over_the_wire(hand_model_msg("net@1", "Apache-2.0"))
    assert (msg.model, msg.license) == ("net@1", "Apache-2.0")
    assert msg.joint_names[HandPose.INDEX_TIP] == "index_tip" and msg.parents[HandPose.INDEX_TIP] == HandPose.INDEX_DIP
    assert len(set(msg.joint_names)) == 21 and len(set(msg.angle_names)) == 20
    assert msg.wrist_axes == HandModel.AXES_OPERATOR


def test_the_hand_model_names_the_filter_and_how_late_it_is():
    smooth, raw = (over_the_wire(hand_model_msg("net@1", "Apache-2.0", name)) for name in ("one_euro", "none"))
    assert (raw.filter, raw.filter_lag) == (HandModel.FILTER_NONE, 0.0)
    assert smooth.filter == HandModel.FILTER_ONE_EURO and 0.001 < smooth.filter_lag < 0.025


def test_tf_gets_the_surest_measured_hand_of_each_side(right_hand):
    unsure = replace(right_hand, score=0.5, joints_3d=right_hand.joints_3d + 1, track_id=8)
    coasting = replace(right_hand, side=Side.LEFT, state=TrackingState.COASTING)
    (transform,) = wrist_transforms(poses(right_hand, unsure, coasting), HEADER)
    assert (transform.header, transform.child_frame_id) == (HEADER, "right_wrist")
    assert_allclose(transform.transform.translation.z, 0.5)
    assert_allclose(wrist_axes(transform.transform.rotation)[:, 2], [0, -1, 0], atol=1e-9)


def test_two_cameras_have_two_names_for_a_wrist(right_hand):
    names = {
        wrist_transforms(poses(right_hand), HEADER, prefix)[0].child_frame_id for prefix in ("", "head_", "chest/")
    }
    assert names == {"right_wrist", "head_right_wrist", "chest/right_wrist"}


@pytest.mark.parametrize("joint", [WRIST, 9], ids=["wrist", "middle knuckle"])
def test_tf_gets_no_nan_but_the_next_sure_hand(right_hand, joint):
    joints = right_hand.joints_3d.copy()
    joints[joint] = np.nan
    incomplete = replace(right_hand, joints_3d=joints)
    assert wrist_transforms(poses(incomplete), HEADER) == []
    whole = replace(right_hand, score=0.1, track_id=9, joints_3d=right_hand.joints_3d + [0, 0, 1])
    (transform,) = wrist_transforms(poses(incomplete, whole), HEADER)
    assert_allclose(transform.transform.translation.z, 1.5)


def test_tf_gets_nothing_without_calibration(right_hand):
    assert wrist_transforms(poses(right_hand, calibrated=False), HEADER) == []


@pytest.mark.parametrize("crop", [slice(None), slice(3, 17)])
def test_an_image_comes_back_from_its_message_as_it_was(crop):
    rgb = np.random.default_rng(0).integers(0, 255, (12, 20, 3), np.uint8)[:, crop]
    msg = over_the_wire(image_to_msg(rgb, HEADER))
    assert isinstance(msg, Image) and msg.header == HEADER
    assert_array_equal(ImageDecoder()(msg), rgb)


@pytest.mark.parametrize(
    "model, D", [("none", []), ("plumb_bob", [0.1, 0.02, 0.003, 0.004, 0.005]), ("equidistant", [0.1] * 4)]
)
@pytest.mark.parametrize("rectified", [False, True])
def test_a_camera_comes_back_from_its_camera_info_as_it_was(model, D, rectified):
    camera = Camera([[500.0, 0, 310], [0, 501, 240], [0, 0, 1]], (640, 480), D, model)
    msg = over_the_wire(camera_to_info(camera, HEADER))
    assert isinstance(msg, CameraInfo) and msg.header == HEADER
    again = camera_from_info(msg, (640, 480), rectified)
    expected = Camera(camera.K, camera.size) if rectified else camera
    points = np.array([[0.1, -0.2, 1.0], [0.0, 0.3, 0.7]])
    assert_allclose(again.project(points), expected.project(points))


def test_a_hand_pose_array_of_two_hands_fits_a_tenth_of_a_raw_vga_image(right_hand):
    assert len(serialize_message(hands_to_msg(poses(right_hand, right_hand), HEADER))) < 640 * 480 * 3 / 10
    assert isinstance(hands_to_msg(poses(), HEADER), HandPoseArray)
