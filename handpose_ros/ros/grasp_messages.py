"""Grasps -> ROS messages, RViz markers and gripper commands."""

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, PoseWithCovariance, Quaternion
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import JointState
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from handpose_ros.grasp import Grasp
from handpose_ros.msg import Grasp as GraspMsg
from handpose_ros.msg import GraspArray
from handpose_ros.ros.conversions import points
from handpose_ros.ros.markers import LIFETIME, MarkerKeys
from handpose_ros.taxonomy import Phase

TEXT_HEIGHT = 0.02  # [m]
TEXT_OFFSET = 0.04  # [m] of the text above the grasp in the image, clear of the fingers
BAR_WIDTH = 0.006  # [m]
COLORS = {  # red, green, blue
    Phase.UNKNOWN: (0.6, 0.6, 0.6),
    Phase.OPEN: (1.0, 1.0, 1.0),
    Phase.PRESHAPE: (1.0, 0.8, 0.2),
    Phase.HOLD: (0.2, 0.9, 0.3),
    Phase.RELEASE: (0.3, 0.7, 1.0),
}


def grasps_to_msg(grasps: tuple[Grasp, ...], since: list[Time], header: Header, classifier: str) -> GraspArray:
    """A GraspArray under the hands' `header`; `since` are the exact stamps of the grasps' `since`."""
    msgs = [_grasp_to_msg(grasp, stamp) for grasp, stamp in zip(grasps, since, strict=True)]
    return GraspArray(header=header, grasps=msgs, classifier=classifier)


def gripper_msg(width: float, max_velocity: float, joint: str, header: Header) -> JointState:
    """The command of a parallel gripper: position is the width [m], velocity the limit on the way there [m/s]."""
    return JointState(header=header, name=[joint], position=[width], velocity=[max_velocity])


def grasp_markers(
    grasps: tuple[Grasp, ...], header: Header, shown: MarkerKeys = frozenset()
) -> tuple[MarkerArray, MarkerKeys]:
    """(markers to publish, keys shown from then on), given the keys `shown` by the last call.

    A grasp of known place has its phase, type and aperture as text, ns = <side>_grasp, and a bar as long as
    the aperture between the virtual fingers, ns = <side>_aperture; id = track id. Old keys get a DELETE.
    """
    markers = []
    for grasp in grasps:
        if np.isfinite(grasp.T_camera_from_grasp).all():
            markers += [_text(grasp, header), _bar(grasp, header)]
    keys = frozenset((marker.ns, marker.id) for marker in markers)
    gone = [Marker(header=header, ns=ns, id=id, action=Marker.DELETE) for ns, id in sorted(shown - keys)]
    return MarkerArray(markers=gone + markers), keys


def _grasp_to_msg(grasp: Grasp, since: Time) -> GraspMsg:
    type = grasp.type
    return GraspMsg(
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
        scores=list(grasp.scores),
        aperture=grasp.aperture,
        aperture_velocity=grasp.aperture_velocity,
        aperture_normalized=grasp.aperture_normalized,
        grasp_pose=PoseWithCovariance(pose=_pose(grasp.T_camera_from_grasp), covariance=np.full(36, np.nan)),
        depth_source=int(grasp.depth_source),
    )


def _pose(T: np.ndarray) -> Pose:
    known = np.isfinite(T[:3, :3]).all()
    quaternion = Rotation.from_matrix(T[:3, :3]).as_quat() if known else np.full(4, np.nan)
    x, y, z, w = quaternion.tolist()
    return Pose(position=points(T[None, :3, 3])[0], orientation=Quaternion(x=x, y=y, z=z, w=w))


def _text(grasp: Grasp, header: Header) -> Marker:
    marker = _marker(grasp, header, "grasp", Marker.TEXT_VIEW_FACING)
    marker.text = f"{grasp.phase.name.lower()}: {grasp.type.name}, {grasp.aperture * 1000:.0f} mm"
    x, y, z = grasp.T_camera_from_grasp[:3, 3].tolist()
    marker.pose.position = Point(x=x, y=y - TEXT_OFFSET, z=z)
    marker.scale.z = TEXT_HEIGHT
    return marker


def _bar(grasp: Grasp, header: Header) -> Marker:
    marker = _marker(grasp, header, "aperture", Marker.LINE_LIST)
    T = grasp.T_camera_from_grasp
    half = T[:3, 1] * grasp.aperture / 2
    marker.points = points(np.stack([T[:3, 3] - half, T[:3, 3] + half]))
    marker.scale.x = BAR_WIDTH
    return marker


def _marker(grasp: Grasp, header: Header, part: str, kind: int) -> Marker:
    red, green, blue = COLORS[grasp.phase]
    marker = Marker(header=header, ns=f"{grasp.side.name.lower()}_{part}", id=grasp.track_id, type=kind)
    marker.action = Marker.ADD
    marker.pose.orientation.w = 1.0
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
    marker.lifetime = Duration(sec=int(LIFETIME), nanosec=int(LIFETIME % 1 * 1e9))
    return marker
