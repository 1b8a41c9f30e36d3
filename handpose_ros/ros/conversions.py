"""Hands, grasps, images and cameras -> messages of rclpy. The way back is in `decoding` and `calibration`."""

from functools import cache, partial
from importlib import import_module

import numpy as np
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header

from handpose_ros.camera import Camera
from handpose_ros.hand import WRIST, HandPoses, Side, TrackingState
from handpose_ros.messages import encoding, markers
from handpose_ros.messages.calibration import ros_distortion


def make(type: str, /, **fields):
    """A message of `type` ("geometry_msgs/msg/Point") with the given fields."""
    return _message_class(type)(**fields)


hands_to_msg = partial(encoding.hands_to_msg, make)
hand_model_msg = partial(encoding.hand_model_msg, make)
grasps_to_msg = partial(encoding.grasps_to_msg, make)
hand_markers = partial(markers.hand_markers, make)
grasp_markers = partial(markers.grasp_markers, make)


def gripper_msg(width: float, velocity: float, effort: float, joint: str, header: Header) -> JointState:
    """The command of a parallel gripper: width [m], velocity [m/s] and effort [N], left out where it is 0."""
    return JointState(
        header=header, name=[joint], position=[width], velocity=[velocity], effort=[effort] if effort else []
    )


def wrist_transforms(hands: HandPoses, header: Header, prefix: str = "") -> list[TransformStamped]:
    """<prefix><side>_wrist in header.frame_id: of each side the surest hand that is measured, metric and whole."""
    surest: dict[Side, TransformStamped] = {}
    for hand in sorted(hands, key=lambda hand: hand.score):
        if hands.calibrated and hand.state is TrackingState.TRACKED and hand.side is not Side.UNKNOWN:
            transform = TransformStamped(header=header, child_frame_id=f"{prefix}{hand.side.name.lower()}_wrist")
            transform.transform.translation = encoding.vector(make, hand.joints_3d[WRIST])
            transform.transform.rotation = encoding.wrist_quaternion(make, hand)
            if _is_known(transform.transform):
                surest[hand.side] = transform
    return list(surest.values())


def image_to_msg(rgb: np.ndarray, header: Header) -> Image:
    """An rgb8 Image of `rgb` (H, W, 3) uint8."""
    height, width = rgb.shape[:2]
    msg = Image(header=header, width=width, height=height, step=3 * width, encoding="rgb8")
    # Assigning an array or a memoryview is checked value by value: 28-325 ms.
    msg.data.frombytes(np.ascontiguousarray(rgb).data.cast("B"))
    return msg


def camera_to_info(camera: Camera, header: Header) -> CameraInfo:
    """The CameraInfo of the camera's raw image."""
    model, D = ros_distortion(camera)
    return CameraInfo(
        header=header,
        width=camera.size[0],
        height=camera.size[1],
        distortion_model=model,
        d=D.tolist(),
        k=camera.K.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([camera.K, np.zeros((3, 1))]).ravel(),
    )


def _is_known(transform) -> bool:
    """Whether no number of it is NaN, which tf2 refuses; a joint of the palm that is not known makes all axes NaN."""
    position, rotation = transform.translation, transform.rotation
    return bool(np.isfinite([position.x, position.y, position.z, rotation.w]).all())


@cache
def _message_class(type):
    package, _, name = type.split("/")
    return getattr(import_module(f"{package}.msg"), name)
