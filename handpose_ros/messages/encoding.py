"""Hands and grasps -> ROS messages, of whichever family of classes: those of rclpy or those of a bag.

`make` builds a message from the name of its type and some of its fields, the others are 0 or empty:
make("geometry_msgs/msg/Point", x=1.0). For rclpy it is in ros.conversions, without ROS it is bags.make_message.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from handpose_ros import features
from handpose_ros.filtering.live import filter_lag
from handpose_ros.geometry import wrist_rotation
from handpose_ros.grasps.grasp import Grasp
from handpose_ros.hand import KEYPOINTS, PARENTS, WRIST, HandPose, HandPoses, Side

Make = Callable[..., object]
_AXES_OPERATOR = 0  # constants of HandModel
_FILTERS = {"none": 0, "one_euro": 1}


def hands_to_msg(
    make: Make,
    hands: HandPoses,
    header,
    *,
    model: str = "",
    inference_time: float = np.nan,
    latency: float = np.nan,
    frames_dropped: int = 0,
):
    """A HandPoseArray under the image's `header`; times in seconds."""
    return make(
        "handpose_ros/msg/HandPoseArray",
        header=header,
        hands=[_hand(make, hand) for hand in hands],
        image_width=hands.size[0],
        image_height=hands.size[1],
        calibrated=hands.calibrated,
        model=model,
        inference_time=inference_time,
        latency=latency,
        frames_dropped=frames_dropped,
    )


def hand_model_msg(make: Make, model: str, license: str, filter: str = "none"):
    """What the numbers of `model` mean, for the latched topic: a HandModel; `filter` is one of `live.FILTERS`."""
    return make(
        "handpose_ros/msg/HandModel",
        model=model,
        license=license,
        joint_names=list(KEYPOINTS),
        parents=np.array(PARENTS, np.int8),
        angle_names=list(features.ANGLE_NAMES),
        wrist_axes=_AXES_OPERATOR,
        filter=_FILTERS[filter],
        filter_lag=filter_lag() if filter == "one_euro" else 0.0,
    )


def grasps_to_msg(make: Make, grasps: tuple[Grasp, ...], since: Sequence, header, classifier: str):
    """A GraspArray under the hands' `header`; `since` are the exact stamps of the grasps' `since`."""
    msgs = [_grasp(make, grasp, stamp) for grasp, stamp in zip(grasps, since, strict=True)]
    return make("handpose_ros/msg/GraspArray", header=header, grasps=msgs, classifier=classifier)


def points(make: Make, joints: np.ndarray) -> list:
    """Points of `joints` (N, 3)."""
    return [make("geometry_msgs/msg/Point", x=x, y=y, z=z) for x, y, z in joints.tolist()]


def vector(make: Make, values: np.ndarray):
    """The Vector3 of `values` (3,)."""
    x, y, z = values.tolist()
    return make("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def wrist_quaternion(make: Make, hand: HandPose):
    """R_camera_from_wrist as a Quaternion; NaN where the side or the geometry is not known."""
    R = wrist_rotation(hand.joints_3d, hand.side is Side.RIGHT)
    return _quaternion(make, R if hand.side is not Side.UNKNOWN else R * np.nan)


def _hand(make, hand):
    joints, velocity = hand.joints_3d, hand.wrist_velocity
    positions = points(make, joints)
    pose = make("geometry_msgs/msg/Pose", position=positions[WRIST], orientation=wrist_quaternion(make, hand))
    linear, angular = vector(make, velocity[:3]), vector(make, velocity[3:])
    return make(
        "handpose_ros/msg/HandPose",
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
        joints=positions,
        joint_sigma=_float32(hand.joint_sigma),
        wrist=make(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose,
            covariance=np.asarray(hand.wrist_covariance, dtype=float).ravel(),
        ),
        wrist_velocity=make("geometry_msgs/msg/Twist", linear=linear, angular=angular),
        reprojection_error=hand.reprojection_error,
        joint_angles=_float32(features.joint_angles(joints, hand.side)),
        pinch_distance=float(features.pinch_distance(joints)),
        pinch_strength=float(features.pinch_strength(joints)),
        grab_strength=float(features.grab_strength(joints)),
        openness=float(features.openness(joints)),
        mano_pose=_float32(hand.mano.pose if hand.mano else []),
        mano_betas=_float32(hand.mano.betas if hand.mano else []),
    )


def _grasp(make, grasp, since):
    type, T = grasp.type, grasp.T_camera_from_grasp
    (position,) = points(make, T[None, :3, 3])
    pose = make("geometry_msgs/msg/Pose", position=position, orientation=_quaternion(make, T[:3, :3]))
    return make(
        "handpose_ros/msg/Grasp",
        track_id=grasp.track_id,
        handedness=int(grasp.side),
        phase=int(grasp.phase),
        changed=grasp.changed,
        since=since,
        category=int(type.category),
        opposition=int(type.opposition),
        vf1=type.vf1,
        vf2=type.vf2,
        vf3=type.vf3,
        thumb_abducted=type.thumb_abducted,
        coarse_type=int(type.coarse_type),
        feix_id=type.feix_id,
        name=type.name,
        confidence=grasp.confidence,
        scores=np.array(grasp.scores, dtype=np.float32),
        aperture=grasp.aperture,
        aperture_velocity=grasp.aperture_velocity,
        aperture_normalized=grasp.aperture_normalized,
        grasp_pose=make("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.full(36, np.nan)),
        depth_source=int(grasp.depth_source),
    )


def _quaternion(make, R):
    """The Quaternion of `R` (3, 3); NaN where R is not known."""
    x, y, z, w = Rotation.from_matrix(R).as_quat().tolist() if np.isfinite(R).all() else [np.nan] * 4
    return make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)


def _float32(values) -> np.ndarray:
    return np.asarray(values, dtype=np.float32).ravel()
