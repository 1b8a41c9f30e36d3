"""Hands, images and cameras -> ROS messages. The way back is in `decoding` and `calibration`."""

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion, TransformStamped, Twist, Vector3
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from handpose_ros import features
from handpose_ros.calibration import ros_distortion
from handpose_ros.camera import Camera
from handpose_ros.filtering import filter_lag
from handpose_ros.geometry import wrist_rotation
from handpose_ros.hand import KEYPOINTS, PARENTS, WRIST, HandPose, HandPoses, Side, TrackingState
from handpose_ros.msg import HandModel, HandPoseArray
from handpose_ros.msg import HandPose as HandPoseMsg


def hands_to_msg(
    hands: HandPoses,
    header: Header,
    *,
    model: str = "",
    inference_time: float = np.nan,
    latency: float = np.nan,
    frames_dropped: int = 0,
) -> HandPoseArray:
    """A HandPoseArray under the image's `header`; times in seconds."""
    return HandPoseArray(
        header=header,
        hands=[_hand_to_msg(hand) for hand in hands],
        image_width=hands.size[0],
        image_height=hands.size[1],
        calibrated=hands.calibrated,
        model=model,
        inference_time=inference_time,
        latency=latency,
        frames_dropped=frames_dropped,
    )


def hand_model_msg(model: str, license: str, filter: str = "none") -> HandModel:
    """What the numbers of `model` mean, for the latched topic; `filter` is one of filtering.FILTERS."""
    smoothed = filter == "one_euro"
    return HandModel(
        model=model,
        license=license,
        joint_names=list(KEYPOINTS),
        parents=list(PARENTS),
        angle_names=list(features.ANGLE_NAMES),
        wrist_axes=HandModel.AXES_OPERATOR,
        filter=HandModel.FILTER_ONE_EURO if smoothed else HandModel.FILTER_NONE,
        filter_lag=filter_lag() if smoothed else 0.0,
    )


def wrist_transforms(hands: HandPoses, header: Header) -> list[TransformStamped]:
    """<side>_wrist in header.frame_id: of each side the surest hand that is measured and metric."""
    surest: dict[Side, HandPose] = {}
    for hand in sorted(hands, key=lambda hand: hand.score):
        if hands.calibrated and hand.state is TrackingState.TRACKED and hand.side is not Side.UNKNOWN:
            surest[hand.side] = hand
    transforms = []
    for side, hand in surest.items():
        transform = TransformStamped(header=header, child_frame_id=f"{side.name.lower()}_wrist")
        transform.transform.translation = Vector3(**_xyz(hand.joints_3d[WRIST]))
        transform.transform.rotation = _wrist_quaternion(hand)
        transforms.append(transform)
    return transforms


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


def points(joints: np.ndarray) -> list[Point]:
    """Points of `joints` (N, 3)."""
    return [Point(x=x, y=y, z=z) for x, y, z in joints.tolist()]


def _hand_to_msg(hand: HandPose) -> HandPoseMsg:
    joints, velocity = hand.joints_3d, hand.wrist_velocity
    pose = Pose(position=Point(**_xyz(hand.joints_3d[WRIST])), orientation=_wrist_quaternion(hand))
    return HandPoseMsg(
        handedness=int(hand.side),
        handedness_score=hand.side_score,
        track_id=hand.track_id,
        track_age=hand.track_age,
        tracking_state=int(hand.state),
        score=hand.score,
        bbox=_float32(hand.bbox),
        keypoints_2d=_float32(hand.joints_2d),
        joint_scores=_float32(hand.joint_scores),
        depth_source=int(hand.depth_source),
        hand_scale=hand.hand_scale,
        joints=points(joints),
        wrist=PoseWithCovariance(pose=pose, covariance=hand.wrist_covariance.ravel()),
        wrist_velocity=Twist(linear=Vector3(**_xyz(velocity[:3])), angular=Vector3(**_xyz(velocity[3:]))),
        reprojection_error=hand.reprojection_error,
        joint_angles=_float32(_joint_angles(hand)),
        pinch_distance=float(features.pinch_distance(joints)),
        pinch_strength=float(features.pinch_strength(joints)),
        grab_strength=float(features.grab_strength(joints)),
        openness=float(features.openness(joints)),
        mano_pose=_float32(hand.mano.pose) if hand.mano else [],
        mano_betas=_float32(hand.mano.betas) if hand.mano else [],
    )


def _joint_angles(hand: HandPose) -> np.ndarray:
    """(20,) [rad]; NaN where the side is not known, because its sign depends on it."""
    return features.joint_angles(hand.joints_3d, hand.side is Side.RIGHT) if hand.side else np.full(20, np.nan)


def _wrist_quaternion(hand: HandPose) -> Quaternion:
    """R_camera_from_wrist; NaN where the side or the geometry is not known."""
    R = wrist_rotation(hand.joints_3d, hand.side is Side.RIGHT)
    if hand.side is Side.UNKNOWN or not np.isfinite(R).all():
        return Quaternion(x=np.nan, y=np.nan, z=np.nan, w=np.nan)
    x, y, z, w = Rotation.from_matrix(R).as_quat().tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def _xyz(values: np.ndarray) -> dict[str, float]:
    return dict(zip("xyz", values.tolist(), strict=True))


def _float32(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).ravel()
