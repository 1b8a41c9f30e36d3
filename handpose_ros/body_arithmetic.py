"""The arithmetic on hands as bodies, compiled: taken apart, put together, turned, and followed as they move.

A body of one hand is a tuple of R (3, 3) R_camera_from_wrist, directions (21, 3) unit vectors and lengths (21) [m] of
its bones, as in body.py. What may change is written into the arrays that are given.

What makes one body of another is (23, 3): the turn [rad] in the camera's axes, the step of the logarithm of the wrist's
distance (the first number alone), and the steps of the 21 directions, the first of which is the wrist's bearing.

What calls another function stands below it, for all is compiled in this order.
"""

import math

import numpy as np

from handpose_ros.compiled import compiled, inlined
from handpose_ros.hand import MCPS, PARENTS, WRIST

_INDEX, _MIDDLE, _LITTLE = MCPS[0], MCPS[1], MCPS[3]
_NO_LENGTH, _NO_AREA = 1e-9, 1e-9  # of a palm: [m], and of the square of its length
_SHORTEST = 1e-9  # [m] by which a bone without a length is divided

_TURN, _DISTANCE, _DIRECTIONS = 0, 1, 2  # rows of what makes one body of another

_BODY = "Tuple((f8[:,::1], f8[:,::1], f8[::1]))"


@inlined
def _length(x, y, z):
    return math.sqrt(x * x + y * y + z * z)


@inlined
def _turned(a, b, row, column):
    """An entry of b a^T, which turns `a` (3, 3) to `b` (3, 3)."""
    return b[row, 0] * a[column, 0] + b[row, 1] * a[column, 1] + b[row, 2] * a[column, 2]


@compiled("void(f8[:,::1], f8[::1], i8, f8, f8, f8)")
def _direct(directions, lengths, row, x, y, z):
    """Writes direction and length [m] of (x, y, z) [m] into a row of `directions` (N, 3) and `lengths` (N)."""
    length = _length(x, y, z)
    if length < _SHORTEST:
        length = _SHORTEST
    directions[row, 0], directions[row, 1], directions[row, 2] = x / length, y / length, z / length
    lengths[row] = length


@compiled("void(f8[:,::1], f8[:,::1])")
def _wrist_axes(joints, R):
    """Writes R (3, 3) of the right hand of `joints` (21, 3) [m]; NaN where the palm has no area."""
    wx, wy, wz = joints[WRIST, 0], joints[WRIST, 1], joints[WRIST, 2]
    ix, iy, iz = joints[_INDEX, 0] - wx, joints[_INDEX, 1] - wy, joints[_INDEX, 2] - wz
    zx, zy, zz = joints[_MIDDLE, 0] - wx, joints[_MIDDLE, 1] - wy, joints[_MIDDLE, 2] - wz
    lx, ly, lz = joints[_LITTLE, 0] - wx, joints[_LITTLE, 1] - wy, joints[_LITTLE, 2] - wz
    along_index, along_little = ix * zx + iy * zy + iz * zz, lx * zx + ly * zy + lz * zz
    yx = ix * along_little - lx * along_index  # y = z x (index x little)
    yy = iy * along_little - ly * along_index
    yz = iz * along_little - lz * along_index
    xx, xy, xz = yy * zz - yz * zy, yz * zx - yx * zz, yx * zy - yy * zx  # y x z
    x, y, z = _length(xx, xy, xz), _length(yx, yy, yz), _length(zx, zy, zz)
    if not (z > _NO_LENGTH and x > _NO_AREA * (z * z) * (z * z)):
        x = y = z = math.nan
    R[0, 0], R[1, 0], R[2, 0] = xx / x, xy / x, xz / x
    R[0, 1], R[1, 1], R[2, 1] = yx / y, yy / y, yz / y
    R[0, 2], R[1, 2], R[2, 2] = zx / z, zy / z, zz / z


@compiled("UniTuple(f8, 3)(f8[:,::1], f8[:,::1])")
def turn_between(a, b):
    """[rad] the axis about which the rotation `a` (3, 3) turns to become `b` (3, 3), as long as the turn, 0 to pi."""
    x = _turned(a, b, 2, 1) - _turned(a, b, 1, 2)  # the axis, twice the sine of the turn long
    y = _turned(a, b, 0, 2) - _turned(a, b, 2, 0)
    z = _turned(a, b, 1, 0) - _turned(a, b, 0, 1)
    xx, yy, zz = _turned(a, b, 0, 0), _turned(a, b, 1, 1), _turned(a, b, 2, 2)
    sine, cosine = _length(x, y, z) / 2, (xx + yy + zz - 1) / 2
    if sine >= 1e-7 or not cosine < 0:
        scale = math.atan2(sine, cosine) / (2 * sine) if sine else 0.5
        return scale * x, scale * y, scale * z
    # Half a turn: what is left of the axis is noise, but b a^T + 1 is twice the axis times itself.
    xy, yz, zx = _turned(a, b, 0, 1), _turned(a, b, 1, 2), _turned(a, b, 2, 0)
    if xx >= yy and xx >= zz:
        x, y, z = xx + 1, xy, zx
    elif yy >= zz:
        x, y, z = xy, yy + 1, yz
    else:
        x, y, z = zx, yz, zz + 1
    scale = math.pi / _length(x, y, z)
    return scale * x, scale * y, scale * z


@compiled("void(f8[:,::1], f8, f8, f8)")
def turn(R, x, y, z):
    """Turns the rotation `R` (3, 3) about the axis (x, y, z) by its length [rad]: Rodrigues' formula."""
    angle = _length(x, y, z)
    s = math.sin(angle) / angle if angle else 1.0
    c = 2 * (math.sin(angle / 2) / angle) ** 2 if angle else 0.5  # (1 - cos) / angle^2
    for column in range(3):
        ax, ay, az = R[0, column], R[1, column], R[2, column]
        bx, by, bz = y * az - z * ay, z * ax - x * az, x * ay - y * ax
        R[0, column] = ax + s * bx + c * (y * bz - z * by)
        R[1, column] = ay + s * by + c * (z * bx - x * bz)
        R[2, column] = az + s * bz + c * (x * by - y * bx)


@compiled(f"b1(f8[:,::1], {_BODY})")
def take_apart(joints, body):
    """Makes `body` that of `joints` (21, 3) [m], NaN where the palm has no area; returns whether all of it is known."""
    R, directions, lengths = body
    _wrist_axes(joints, R)
    _direct(directions, lengths, WRIST, joints[WRIST, 0], joints[WRIST, 1], joints[WRIST, 2])
    total = directions[WRIST, 0] + directions[WRIST, 1] + directions[WRIST, 2]
    for bone in range(1, 21):
        parent = PARENTS[bone]
        x = joints[bone, 0] - joints[parent, 0]
        y = joints[bone, 1] - joints[parent, 1]
        z = joints[bone, 2] - joints[parent, 2]
        along_x = R[0, 0] * x + R[1, 0] * y + R[2, 0] * z
        along_y = R[0, 1] * x + R[1, 1] * y + R[2, 1] * z
        along_z = R[0, 2] * x + R[1, 2] * y + R[2, 2] * z
        _direct(directions, lengths, bone, along_x, along_y, along_z)
        total += directions[bone, 0] + directions[bone, 1] + directions[bone, 2]
    return math.isfinite(total)


@compiled(f"void({_BODY}, f8[:,::1])")
def put_together(body, joints):
    """Writes the joints of `body` into `joints` (21, 3) [m]."""
    R, directions, lengths = body
    for axis in range(3):
        joints[WRIST, axis] = directions[WRIST, axis] * lengths[WRIST]
    for bone in range(1, 21):
        x, y, z = directions[bone, 0], directions[bone, 1], directions[bone, 2]
        for axis in range(3):
            along = R[axis, 0] * x + R[axis, 1] * y + R[axis, 2] * z
            joints[bone, axis] = joints[PARENTS[bone], axis] + along * lengths[bone]


@compiled(f"void({_BODY}, {_BODY}, f8[:,::1])")
def _change(a, b, steps):
    """Writes what makes the body `b` of `a` into `steps` (23, 3)."""
    steps[_TURN, 0], steps[_TURN, 1], steps[_TURN, 2] = turn_between(a[0], b[0])
    steps[_DISTANCE, 0] = math.log(b[2][WRIST] / a[2][WRIST])
    steps[_DISTANCE, 1] = steps[_DISTANCE, 2] = 0.0
    for bone in range(21):
        for axis in range(3):
            steps[_DIRECTIONS + bone, axis] = b[1][bone, axis] - a[1][bone, axis]


@compiled("f8[:,:,::1](f8[:,:,::1])")
def wrist_axes(joints):
    """(N, 3, 3) R of right hands of `joints` (N, 21, 3) [m]; NaN where the palm has no area."""
    R = np.empty((len(joints), 3, 3))
    for n in range(len(joints)):
        _wrist_axes(joints[n], R[n])
    return R


@compiled("Tuple((f8[:,:,::1], f8[:,:,::1], f8[:,::1]))(f8[:,:,::1])")
def bodies(joints):
    """(R (N, 3, 3), directions (N, 21, 3), lengths (N, 21) [m]) of `joints` (N, 21, 3) [m]."""
    R, directions, lengths = np.empty((len(joints), 3, 3)), np.empty_like(joints), np.empty(joints.shape[:2])
    for n in range(len(joints)):
        take_apart(joints[n], (R[n], directions[n], lengths[n]))
    return R, directions, lengths


@compiled("f8[:,:,::1](f8[:,:,::1], f8[:,:,::1], f8[:,::1])")
def joints_of(R, directions, lengths):
    """(N, 21, 3) [m] joints of the bodies of `R` (N, 3, 3), `directions` (N, 21, 3) and `lengths` (N, 21) [m]."""
    joints = np.empty_like(directions)
    for n in range(len(joints)):
        put_together((R[n], directions[n], lengths[n]), joints[n])
    return joints


@compiled("Tuple((f8[:,::1], f8[::1]))(f8[:,::1])")
def directed(vectors):
    """Directions (N, 3) and lengths (N) of `vectors` (N, 3) [m]; one of no length has the direction 0."""
    directions, lengths = np.empty_like(vectors), np.empty(len(vectors))
    for n in range(len(vectors)):
        _direct(directions, lengths, n, vectors[n, 0], vectors[n, 1], vectors[n, 2])
    return directions, lengths


@compiled(f"UniTuple(f8, 2)({_BODY}, {_BODY}, {_BODY}, f8[:,::1], f8[:,::1], f8[:,::1])")
def ways(body, latest, measured, joints, moved, step):
    """How far [m], and by how much turned [rad], a measured wrist is from that of `body`; NaN where not all is known.

    `measured` becomes the body of the `joints` (21, 3) [m], `moved` (23, 3) what makes it of the body `latest`, and
    `step` (23, 3) what makes it of `body`.
    """
    if not take_apart(joints, measured):
        return math.nan, math.nan
    _change(latest, measured, moved)
    _change(body, measured, step)
    x = measured[1][WRIST, 0] * measured[2][WRIST] - body[1][WRIST, 0] * body[2][WRIST]
    y = measured[1][WRIST, 1] * measured[2][WRIST] - body[1][WRIST, 1] * body[2][WRIST]
    z = measured[1][WRIST, 2] * measured[2][WRIST] - body[1][WRIST, 2] * body[2][WRIST]
    return _length(x, y, z), _length(step[_TURN, 0], step[_TURN, 1], step[_TURN, 2])


@compiled(f"void({_BODY}, f8[:,::1], f8[::1], f8, f8, f8[:,::1], f8[::1])")
def move(body, step, measured, weight, dt, joints, velocity):
    """Moves `body` by `step` (23, 3), and the lengths of its bones by `weight` of the way to `measured` (21) [m].

    `joints` (21, 3) [m] become its own, and `velocity` (6) [m/s, rad/s] that of its wrist, which took `dt` [s] for it.
    """
    R, directions, lengths = body
    x, y, z = joints[WRIST, 0], joints[WRIST, 1], joints[WRIST, 2]
    distance = lengths[WRIST] * math.exp(step[_DISTANCE, 0])
    for bone in range(21):
        row, length = _DIRECTIONS + bone, lengths[bone]
        directions[bone, 0] += step[row, 0]
        directions[bone, 1] += step[row, 1]
        directions[bone, 2] += step[row, 2]
        _direct(directions, lengths, bone, directions[bone, 0], directions[bone, 1], directions[bone, 2])
        lengths[bone] = length + weight * (measured[bone] - length)
    lengths[WRIST] = distance
    turn(R, step[_TURN, 0], step[_TURN, 1], step[_TURN, 2])
    put_together(body, joints)
    velocity[0] = (joints[WRIST, 0] - x) / dt
    velocity[1] = (joints[WRIST, 1] - y) / dt
    velocity[2] = (joints[WRIST, 2] - z) / dt
    for axis in range(3):
        velocity[3 + axis] = step[_TURN, axis] / dt


@compiled(f"void({_BODY}, f8[::1], f8, f8[:,::1])")
def predict(body, velocity, dt, joints):
    """Moves `body` on by `dt` [s] with its `velocity` (6) [m/s, rad/s]; `joints` (21, 3) [m] become its own."""
    R, directions, lengths = body
    x = joints[WRIST, 0] + velocity[0] * dt
    y = joints[WRIST, 1] + velocity[1] * dt
    z = joints[WRIST, 2] + velocity[2] * dt
    _direct(directions, lengths, WRIST, x, y, z)
    turn(R, velocity[3] * dt, velocity[4] * dt, velocity[5] * dt)
    put_together(body, joints)
