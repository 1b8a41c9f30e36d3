"""How the learned lifter looks at hands, and back: straight ahead, upright, all right ones, of the picture's size.

Compiled loops, with what tells the size of a network's joints: the average hand's bones.
"""

import math

import numpy as np

from handpose_ros.compiled import compiled, inlined
from handpose_ros.hand import MCPS, WRIST

# Bones of the average hand and their lengths [m]: those of the WebXR generic hand mesh, moved to where the networks put
# their landmarks (the wrist 11 mm and the MCPs 5 mm nearer the fingers than the mesh's joints, measured on renders).
TEMPLATE_BONES = np.array([(0, 5), (0, 9), (0, 13), (0, 17), (5, 17), (5, 6), (9, 10), (13, 14), (17, 18)])
TEMPLATE_LENGTHS = np.array([0.0876, 0.0857, 0.0807, 0.0769, 0.0612, 0.0386, 0.0419, 0.0379, 0.0296])
_BONES = len(TEMPLATE_BONES)
SHAPE_UNIT = 0.05  # [m] in which the learned lifter counts, so that its numbers are near 1
FEATURES = 106  # (x, y) of 21 joints in the picture, (x, y, z) of 21 joints, and the size in the picture
_INDEX, _MIDDLE, _RING, _ = MCPS
_NARROWEST = 0.1  # least z of a unit ray about the middle of the hand: hands all around the camera are clipped
_NO_LENGTH = 1e-12


@inlined
def _template_scale(joints, ordered):
    """The factor that gives `joints` (21, 3) the average hand's size; `ordered` (9,) is for the bones."""
    for bone in range(_BONES):
        start, end, square = TEMPLATE_BONES[bone, 0], TEMPLATE_BONES[bone, 1], 0.0
        for i in range(3):
            square += ((joints[end, i] - joints[start, i]) / TEMPLATE_LENGTHS[bone]) ** 2
        place = bone
        while place > 0 and ordered[place - 1] > square:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = square
    return 1 / math.sqrt(ordered[_BONES // 2])


@compiled("f8[:,:,::1](f8[:,:,::1])")
def scaled_to_template(joints):
    """`joints` (N, 21, 3) scaled so that the template bones have, in the median, the average hand's lengths [m]."""
    scaled, ordered = np.empty(joints.shape), np.empty(_BONES)
    for hand in range(len(joints)):
        scale = _template_scale(joints[hand], ordered)
        for joint in range(21):
            for i in range(3):
                scaled[hand, joint, i] = scale * joints[hand, joint, i]
    return scaled


@inlined
def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@inlined
def _write_unit(vector, sign, axes, column):
    length = max(math.hypot(math.hypot(vector[0], vector[1]), vector[2]), _NO_LENGTH)
    for i in range(3):
        axes[i, column] = sign * vector[i] / length


@inlined
def _write_axes(rays, right, axes):
    """Columns: z to the middle of `rays` (21, 3), y from the knuckles to the wrist, x = y x z of a right hand."""
    ahead, up = np.zeros(3), np.empty(3)
    for i in range(3):
        for joint in range(21):
            ahead[i] += rays[joint, i] / 21
        up[i] = 0.25 * rays[_INDEX, i] + 0.5 * rays[_MIDDLE, i] + 0.25 * rays[_RING, i] - rays[WRIST, i]
    x = _cross(ahead, up)
    _write_unit(x, 1.0 if right else -1.0, axes, 0)
    _write_unit(_cross(ahead, x), 1.0, axes, 1)
    _write_unit(ahead, 1.0, axes, 2)


@inlined
def _turned(x, y, z, axes):
    """(x, y, z) from the camera's axes to these."""
    a = x * axes[0, 0] + y * axes[1, 0] + z * axes[2, 0]
    b = x * axes[0, 1] + y * axes[1, 1] + z * axes[2, 1]
    return a, b, x * axes[0, 2] + y * axes[1, 2] + z * axes[2, 2]


@inlined
def _write_plane(rays, axes, center, features):
    """Writes the `center` (2,) of `rays` (21, 3) on the plane at distance 1 and, as the first 42 `features`, their
    ways from there in extents; returns the extent, which is the root mean square of these ways."""
    center[:] = 0.0
    for joint in range(21):
        x, y, z = _turned(rays[joint, 0], rays[joint, 1], rays[joint, 2], axes)
        z = max(z, _NARROWEST)
        features[2 * joint], features[2 * joint + 1] = x / z, y / z
        center[0] += x / z / 21
        center[1] += y / z / 21
    square = 0.0
    for k in range(42):
        features[k] -= center[k % 2]
        square += features[k] * features[k] / 21
    extent = math.sqrt(square)
    for k in range(42):
        features[k] /= extent
    return extent


@inlined
def _write_joints(joints, axes, scale, features):
    """Writes `joints` (21, 3), `scale` times as large and about their mean, behind the first 42 `features`."""
    mean = np.zeros(3)
    for joint in range(21):
        for i in range(3):
            mean[i] += joints[joint, i] / 21
    for joint in range(21):
        x, y, z = joints[joint, 0] - mean[0], joints[joint, 1] - mean[1], joints[joint, 2] - mean[2]
        x, y, z = _turned(x, y, z, axes)
        at = 42 + 3 * joint
        features[at], features[at + 1], features[at + 2] = scale * x, scale * y, scale * z


@compiled("Tuple((f8[:,:,::1], f8[:,::1], f8[::1], f8[:,::1]))(f8[:,:,::1], f8[:,:,::1], b1[::1])")
def look_at(rays, joints_local, right):
    """At hands of unit `rays` (N, 21, 3) and shapes `joints_local` (N, 21, 3); `right` (N,) says which are right ones.

    Returns axes (N, 3, 3), center (N, 2), extent (N,) and features (N, 106): see `lifters.Look`.
    """
    hands = len(rays)
    axes, features = np.empty((hands, 3, 3)), np.empty((hands, FEATURES))
    center, extent = np.empty((hands, 2)), np.empty(hands)
    ordered = np.empty(_BONES)
    for hand in range(hands):
        _write_axes(rays[hand], right[hand], axes[hand])
        extent[hand] = _write_plane(rays[hand], axes[hand], center[hand], features[hand])
        scale = _template_scale(joints_local[hand], ordered) / SHAPE_UNIT
        _write_joints(joints_local[hand], axes[hand], scale, features[hand])
        features[hand, FEATURES - 1] = math.log(extent[hand])
    return axes, center, extent, features


@compiled("Tuple((f8[:,:,::1], f8[:,:,::1]))(f8[:,:,::1], f8[:,::1], f8[::1], f8[:,::1])")
def look_back(axes, center, extent, observed):
    """Joints (N, 21, 3) [m] and unit rays (N, 21, 3) in the camera's axes, of features `observed` (N, 105)."""
    joints, rays = np.empty((len(axes), 21, 3)), np.empty((len(axes), 21, 3))
    for hand in range(len(axes)):
        for joint in range(21):
            x = observed[hand, 2 * joint] * extent[hand] + center[hand, 0]
            y = observed[hand, 2 * joint + 1] * extent[hand] + center[hand, 1]
            length = math.sqrt(x * x + y * y + 1)
            at = 42 + 3 * joint
            for i in range(3):
                right, down, ahead = axes[hand, i, 0], axes[hand, i, 1], axes[hand, i, 2]
                rays[hand, joint, i] = (x * right + y * down + ahead) / length
                local = observed[hand, at] * right + observed[hand, at + 1] * down + observed[hand, at + 2] * ahead
                joints[hand, joint, i] = local * SHAPE_UNIT
    return joints, rays
