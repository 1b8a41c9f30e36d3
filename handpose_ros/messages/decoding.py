"""ROS messages -> arrays and hands. Messages are read by attribute, so live ones, those of a bag and
plain objects are the same here, and no ROS is imported.
"""

import cv2
import numpy as np

from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side, TrackingState

# encoding: (bytes of a value, values per pixel, conversion to RGB or None). 8UC* hold OpenCV's order.
_COLOURS = {
    "rgb8": (1, 3, None),
    "bgr8": (1, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, 1, cv2.COLOR_GRAY2RGB),
    "8UC3": (1, 3, cv2.COLOR_BGR2RGB),
    "8UC4": (1, 4, cv2.COLOR_BGRA2RGB),
    "bayer_rggb8": (1, 1, cv2.COLOR_BayerBG2RGB),  # OpenCV names the pattern by its second row
    "bayer_bggr8": (1, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (1, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (1, 1, cv2.COLOR_BayerGB2RGB),
    "rgb16": (2, 3, None),
    "bgr16": (2, 3, cv2.COLOR_BGR2RGB),
    "rgba16": (2, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": (2, 4, cv2.COLOR_BGRA2RGB),
    "mono16": (2, 1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb16": (2, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": (2, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": (2, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": (2, 1, cv2.COLOR_BayerGB2RGB),
    "yuv422": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (1, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (1, 2, cv2.COLOR_YUV2RGB_YUY2),
    "nv12": (1, 1, cv2.COLOR_YUV2RGB_NV12),
    "nv21": (1, 1, cv2.COLOR_YUV2RGB_NV21),
}
_SENSOR_BITS = (10, 12, 14, 16)  # of values in two bytes
_CHROMA_BELOW = ("nv12", "nv21")  # half as many rows again below the picture
_DEPTHS = {"16UC1": ("u2", 1e-3), "mono16": ("u2", 1e-3), "32FC1": ("f4", 1.0)}  # value type, metres per unit
_OUT_OF_ORDER = 0.1  # [s] by which an image may be earlier than the last one, and time has not jumped back
_NOT_ESTIMATED = np.full(21, np.nan)  # bags of versions whose messages have no joint_sigma
_ENDS = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}  # how JPEG and PNG begin and end


class BadMessage(ValueError):
    """A message that cannot be used; `kind` is a short name to count it by."""

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


def stamp_seconds(stamp) -> float:
    """Seconds of a builtin_interfaces/Time."""
    return stamp.sec + stamp.nanosec * 1e-9


def stamp_nanoseconds(stamp) -> int:
    """Nanoseconds of a builtin_interfaces/Time."""
    return stamp.sec * 10**9 + stamp.nanosec


def check_stamp(stamp):
    """Raises BadMessage for a builtin_interfaces/Time before 1970, which neither rclpy nor a bag can hold."""
    if stamp.sec < 0:  # a clock that was never set
        raise BadMessage("stamp", f"the image's stamp is {stamp.sec} s, before 1970: set the camera's clock")


def check_order(stamp: float, last: float):
    """Raises BadMessage for an image at `stamp` [s] that is a little earlier than the `last` one before it.

    All tracks would end, as where time jumps back because a bag starts again.
    """
    late = last - stamp
    if 0 < late < _OUT_OF_ORDER:
        text = f"an image is {late * 1e3:.3g} ms earlier than the one before it, and is skipped: check the driver"
        raise BadMessage("order", text)


class ImageDecoder:
    """Decodes the images of one stream.

    Values in two bytes lose their lower bits. How many bits the sensor has no message says: the least of 10, 12, 14 and
    16 that the greatest value so far fits into. Only more light than ever makes the images darker.
    """

    def __init__(self):
        self._bits = _SENSOR_BITS[0]

    def __call__(self, msg) -> np.ndarray:
        """(H, W, 3) uint8 RGB of a sensor_msgs/Image; a view of the message's data where that is rgb8.

        Raises BadMessage, a ValueError.
        """
        _refuse_empty(msg)
        if msg.encoding not in _COLOURS:
            hint = "it is a depth image" if msg.encoding in _DEPTHS else "known are " + ", ".join(_COLOURS)
            raise BadMessage("encoding", f"cannot make colours of an image with encoding '{msg.encoding}': {hint}")
        size, channels, conversion = _COLOURS[msg.encoding]
        rows = msg.height * 3 // 2 if msg.encoding in _CHROMA_BELOW else msg.height
        pixels = _pixels(msg, f"u{size}", channels, rows)
        if size == 2:
            pixels = self._upper_byte(pixels)
        if conversion is None:
            return np.ascontiguousarray(pixels)
        try:
            return cv2.cvtColor(pixels, conversion)
        except cv2.error as error:
            raise BadMessage(
                "size", f"a {msg.encoding} image cannot be {msg.width}x{msg.height} px: {error.err}"
            ) from error

    def _upper_byte(self, values):
        """(...) uint8 the upper 8 bits of `values` (...) uint16; of always 16 a 10-bit sensor's would be black."""
        seen = values[..., :3] if values.ndim == 3 else values  # a fourth channel is opacity
        used = int(seen.max()).bit_length()
        self._bits = next(bits for bits in _SENSOR_BITS if bits >= max(used, self._bits))
        return (values >> (self._bits - 8)).astype(np.uint8)


def decode_compressed(msg) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a sensor_msgs/CompressedImage with a JPEG or PNG. Raises BadMessage."""
    data = np.frombuffer(msg.data, np.uint8)
    if data.size == 0:
        raise BadMessage("empty", "the compressed image is empty: check the camera driver")
    start = data[:2].tobytes()
    # Older OpenCV fills the missing part of a truncated JPEG with grey and says nothing.
    if start in _ENDS and _ENDS[start] not in data.tobytes():
        raise BadMessage("truncated", f"the compressed image of {data.size} bytes has no end: check the transport")
    # The EXIF orientation must not turn the image: the calibration is that of the sensor.
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        text = f"cannot decode a compressed image of format '{msg.format}': OpenCV refuses it ({error.err})"
        raise BadMessage("compression", text) from error
    if image is None:
        raise BadMessage(
            "compression", f"cannot decode a compressed image of format '{msg.format}': use a JPEG or PNG colour image"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def decode_depth(msg) -> np.ndarray:
    """(H, W) float32 [m] of a depth sensor_msgs/Image, NaN where nothing was measured. Raises BadMessage."""
    _refuse_empty(msg)
    if msg.encoding not in _DEPTHS:
        raise BadMessage("encoding", f"'{msg.encoding}' is no encoding of depth, known are {', '.join(_DEPTHS)}")
    kind, unit = _DEPTHS[msg.encoding]
    depth = _pixels(msg, kind, 1, msg.height).astype(np.float32) * np.float32(unit)
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.float32(np.nan))


def hands_from_msg(msg) -> HandPoses:
    """The hands of a HandPoseArray."""
    return HandPoses(
        hands=tuple(_hand(hand) for hand in msg.hands),
        size=(msg.image_width, msg.image_height),
        stamp=stamp_seconds(msg.header.stamp),
        frame_id=msg.header.frame_id,
        calibrated=msg.calibrated,
    )


def _hand(msg) -> HandPose:
    linear, angular = msg.wrist_velocity.linear, msg.wrist_velocity.angular
    return HandPose(
        side=Side(msg.handedness),
        side_score=msg.handedness_score,
        score=msg.score,
        joints_2d=np.array(msg.keypoints_2d, dtype=float).reshape(21, 2),
        joints_3d=np.array([[joint.x, joint.y, joint.z] for joint in msg.joints]),
        joint_scores=np.array(msg.joint_scores, dtype=float),
        joint_sigma=np.array(getattr(msg, "joint_sigma", _NOT_ESTIMATED), dtype=float),
        depth_source=DepthSource(msg.depth_source),
        hand_scale=msg.hand_scale,
        reprojection_error=msg.reprojection_error,
        wrist_covariance=np.array(msg.wrist.covariance, dtype=float).reshape(6, 6),
        wrist_velocity=np.array([linear.x, linear.y, linear.z, angular.x, angular.y, angular.z]),
        track_id=msg.track_id,
        track_age=msg.track_age,
        state=TrackingState(msg.tracking_state),
    )


def _refuse_empty(msg):
    if len(msg.data) == 0 or msg.width == 0 or msg.height == 0:
        size = f"{msg.width}x{msg.height} px, {len(msg.data)} bytes"
        raise BadMessage("empty", f"the image is empty: {size}; check the camera and its driver")


def _pixels(msg, kind: str, channels: int, rows: int) -> np.ndarray:
    """(rows, W) or (rows, W, channels) values of the machine's byte order; a view where possible."""
    dtype = np.dtype(kind).newbyteorder(">" if msg.is_bigendian else "<")
    width, used, have = msg.width, msg.width * channels * dtype.itemsize, len(msg.data)
    if msg.step < used:
        raise BadMessage("step", f"step is {msg.step}, but a row of {width} {msg.encoding} pixels has {used} bytes")
    if have != msg.step * rows:
        raise BadMessage(
            "truncated",
            f"the image has {have} bytes, but {rows} rows with a step of {msg.step} have {msg.step * rows}: "
            "check the driver and the transport",
        )
    shape = (rows, width, channels) if channels > 1 else (rows, width)
    strides = (msg.step, channels * dtype.itemsize, dtype.itemsize)[: len(shape)]
    pixels = np.ndarray(shape, dtype, np.frombuffer(msg.data, np.uint8), strides=strides)
    return pixels.astype(dtype.newbyteorder("="), copy=False)
