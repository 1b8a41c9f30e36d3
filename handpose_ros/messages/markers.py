"""Hands and grasps -> RViz markers, in metres: spheres, bones, the text and the opening of a grasp.

Of either family of message classes, see `encoding`.
"""

import numpy as np

from handpose_ros.drawing import COLORS
from handpose_ros.grasps.grasp import Grasp
from handpose_ros.grasps.taxonomy import Phase
from handpose_ros.hand import BONES, DepthSource, HandPose, HandPoses, TrackingState
from handpose_ros.messages.encoding import Make, points

JOINT_DIAMETER = 0.012  # [m]
BONE_DIAMETER = 0.005  # [m]
LIFETIME = 1.0  # [s] a node that died leaves no hands standing; above the period of the slowest CPU
TEXT_HEIGHT = 0.02  # [m]
TEXT_OFFSET = 0.04  # [m] of the text above the grasp in the image, clear of the fingers
BAR_WIDTH = 0.006  # [m]
AXIS_LENGTH, AXIS_WIDTH = 0.03, 0.003  # [m] of the grasp pose
AXIS_COLORS = ((1.0, 0.2, 0.2), (0.2, 0.9, 0.2), (0.2, 0.4, 1.0))  # x, y, z
PHASE_COLORS = {  # red, green, blue, 0..1
    Phase.UNKNOWN: (0.6, 0.6, 0.6),
    Phase.OPEN: (1.0, 1.0, 1.0),
    Phase.PRESHAPE: (1.0, 0.8, 0.2),
    Phase.HOLD: (0.2, 0.9, 0.3),
    Phase.RELEASE: (0.3, 0.7, 1.0),
}
_COASTING_OPACITY = 0.4
_ADD, _DELETE, _LINE_LIST, _SPHERE_LIST, _TEXT = 0, 2, 5, 7, 9  # constants of visualization_msgs/Marker

MarkerKeys = frozenset[tuple[str, int]]  # (ns, id) of markers that RViz shows


def hand_markers(make: Make, hands: HandPoses, header, shown: MarkerKeys = frozenset()) -> tuple[object, MarkerKeys]:
    """(MarkerArray to publish, keys shown from then on), given the keys `shown` by the last call.

    Two markers a hand, ns = <side>_joints and <side>_bones, id = track id, of the joints that are known and the bones
    between them. Keys that are shown no longer get a DELETE. A hand without absolute position has no markers.
    """
    markers = []
    for hand in hands:
        if hand.depth_source is not DepthSource.NONE:
            markers += [_joints(make, hand, header), _bones(make, hand, header)]
    return _array(make, [marker for marker in markers if marker.points], header, shown)


def grasp_markers(
    make: Make, grasps: tuple[Grasp, ...], header, shown: MarkerKeys = frozenset()
) -> tuple[object, MarkerKeys]:
    """(MarkerArray to publish, keys shown from then on), given the keys `shown` by the last call.

    A grasp of known place has its phase, type and aperture as text, ns = <side>_grasp, a bar as long as the aperture
    between the virtual fingers, ns = <side>_aperture, and the axes of its pose, ns = <side>_pose; id = track id. Old
    keys get a DELETE.
    """
    markers = []
    for grasp in grasps:
        if np.isfinite(grasp.T_camera_from_grasp).all():
            markers += [_text(make, grasp, header), _bar(make, grasp, header), _axes(make, grasp, header)]
    return _array(make, markers, header, shown)


def _array(make, markers, header, shown):
    keys = frozenset((marker.ns, marker.id) for marker in markers)
    gone = [
        make("visualization_msgs/msg/Marker", header=header, ns=ns, id=id, action=_DELETE)
        for ns, id in sorted(shown - keys)
    ]
    return make("visualization_msgs/msg/MarkerArray", markers=gone + markers), keys


def _joints(make, hand, header):
    marker = _hand_marker(make, hand, header, "joints", _SPHERE_LIST)
    marker.scale.x = marker.scale.y = marker.scale.z = JOINT_DIAMETER
    marker.points = points(make, hand.joints_3d[_known(hand)])
    return marker


def _bones(make, hand, header):
    marker = _hand_marker(make, hand, header, "bones", _LINE_LIST)
    marker.scale.x = BONE_DIAMETER
    bones = np.array(BONES)
    marker.points = points(make, hand.joints_3d[bones[_known(hand)[bones].all(axis=1)].ravel()])
    return marker


def _known(hand):
    """(21,) bool of the joints; with min_joint_score some are NaN."""
    return np.isfinite(hand.joints_3d).all(axis=1)


def _text(make, grasp, header):
    marker = _grasp_marker(make, grasp, header, "grasp", _TEXT)
    marker.text = f"{grasp.phase.name.lower()}: {grasp.type.name}, {grasp.aperture * 1000:.0f} mm"
    (marker.pose.position,) = points(make, grasp.T_camera_from_grasp[None, :3, 3] - [0.0, TEXT_OFFSET, 0.0])
    marker.scale.z = TEXT_HEIGHT
    return marker


def _bar(make, grasp, header):
    marker = _grasp_marker(make, grasp, header, "aperture", _LINE_LIST)
    T = grasp.T_camera_from_grasp
    half = T[:3, 1] * grasp.aperture / 2
    marker.points = points(make, np.stack([T[:3, 3] - half, T[:3, 3] + half]))
    marker.scale.x = BAR_WIDTH
    return marker


def _axes(make, grasp, header):
    marker = _grasp_marker(make, grasp, header, "pose", _LINE_LIST)
    T = grasp.T_camera_from_grasp
    ends = T[:3, 3] + AXIS_LENGTH * T[:3, :3].T  # (3, 3) one axis a row
    marker.points = points(make, np.stack([np.broadcast_to(T[:3, 3], (3, 3)), ends], axis=1).reshape(6, 3))
    colors = [make("std_msgs/msg/ColorRGBA", r=r, g=g, b=b, a=1.0) for r, g, b in AXIS_COLORS]
    marker.colors = [color for color in colors for _ in range(2)]
    marker.scale.x = AXIS_WIDTH
    return marker


def _hand_marker(make, hand: HandPose, header, part, kind):
    color = [channel / 255 for channel in COLORS[hand.side]]
    opacity = 1.0 if hand.state is TrackingState.TRACKED else _COASTING_OPACITY
    return _marker(make, header, f"{hand.side.name.lower()}_{part}", hand.track_id, kind, color, opacity)


def _grasp_marker(make, grasp, header, part, kind):
    color = PHASE_COLORS[grasp.phase]
    return _marker(make, header, f"{grasp.side.name.lower()}_{part}", grasp.track_id, kind, color, 1.0)


def _marker(make, header, ns, id, kind, color, opacity):
    red, green, blue = color
    marker = make("visualization_msgs/msg/Marker", header=header, ns=ns, id=id, type=kind, action=_ADD)
    marker.pose.orientation.w = 1.0
    marker.color = make("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=opacity)
    marker.lifetime = make("builtin_interfaces/msg/Duration", sec=int(LIFETIME), nanosec=int(LIFETIME % 1 * 1e9))
    return marker
