"""Hands -> RViz markers: joints as spheres, bones as lines, in metres."""

import numpy as np
from builtin_interfaces.msg import Duration
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from handpose_ros.drawing import COLORS
from handpose_ros.hand import BONES, DepthSource, HandPose, HandPoses, TrackingState
from handpose_ros.ros.conversions import points

JOINT_DIAMETER = 0.012  # [m]
BONE_DIAMETER = 0.005  # [m]
LIFETIME = 1.0  # [s] a node that died leaves no hands standing; above the period of the slowest CPU
_COASTING_OPACITY = 0.4

MarkerKeys = frozenset[tuple[str, int]]  # (ns, id) of markers that RViz shows


def hand_markers(hands: HandPoses, header: Header, shown: MarkerKeys = frozenset()) -> tuple[MarkerArray, MarkerKeys]:
    """(markers to publish, keys shown from then on), given the keys `shown` by the last call.

    Two markers a hand, ns = <side>_joints and <side>_bones, id = track id. Keys that are shown no longer
    get a DELETE. A hand without absolute position has no markers.
    """
    markers = []
    for hand in hands:
        if hand.depth_source is not DepthSource.NONE and np.isfinite(hand.joints_3d).all():
            markers += [_joints(hand, header), _bones(hand, header)]
    keys = frozenset((marker.ns, marker.id) for marker in markers)
    gone = [Marker(header=header, ns=ns, id=id, action=Marker.DELETE) for ns, id in sorted(shown - keys)]
    return MarkerArray(markers=gone + markers), keys


def _joints(hand: HandPose, header: Header) -> Marker:
    marker = _marker(hand, header, "joints", Marker.SPHERE_LIST)
    marker.scale.x = marker.scale.y = marker.scale.z = JOINT_DIAMETER
    marker.points = points(hand.joints_3d)
    return marker


def _bones(hand: HandPose, header: Header) -> Marker:
    marker = _marker(hand, header, "bones", Marker.LINE_LIST)
    marker.scale.x = BONE_DIAMETER
    marker.points = points(hand.joints_3d[np.ravel(BONES)])
    return marker


def _marker(hand: HandPose, header: Header, part: str, kind: int) -> Marker:
    red, green, blue = (channel / 255 for channel in COLORS[hand.side])
    opacity = 1.0 if hand.state is TrackingState.TRACKED else _COASTING_OPACITY
    marker = Marker(header=header, ns=f"{hand.side.name.lower()}_{part}", id=hand.track_id, type=kind)
    marker.action = Marker.ADD
    marker.pose.orientation.w = 1.0
    marker.color = ColorRGBA(r=red, g=green, b=blue, a=opacity)
    marker.lifetime = Duration(sec=int(LIFETIME), nanosec=int(LIFETIME % 1 * 1e9))
    return marker
