"""The calibration that ROS knows, as message (sensor_msgs/CameraInfo) and as YAML file -> Camera, and back."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import yaml

from handpose_ros.camera import DISTORTION_SIZES, OTHER_NAMES, Camera
from handpose_ros.messages.decoding import BadMessage

_MODELS = (*DISTORTION_SIZES, *OTHER_NAMES)  # "" is none
_NO_BASELINE = 1e-4  # [m] below the errors of any calibration
_HALF, _ALL = 0.5, 0.98  # of an image: with fewer rays it is refused, with fewer a warning is due


def camera_from_info(msg, size: tuple[int, int], rectified: bool = False) -> Camera | None:
    """The camera of an image of `size` (width, height) [px]; None: not calibrated (K[0] is 0).

    Raw images are seen with K and D, `rectified` ones with P and no distortion. K and P are those of the
    whole sensor: the roi is cut out of it, then binned, and an image of another size but the same
    proportions was scaled. Raises BadMessage, a ValueError, also for the second rectified camera of a stereo pair and a
    distortion that describes less than half of the image.
    """
    K = np.array(msg.k, dtype=float).reshape(3, 3)
    P = np.array(msg.p, dtype=float).reshape(3, 4)
    if not (np.isfinite(K).all() and np.isfinite(P).all() and np.isfinite(msg.d).all()):
        raise BadMessage(
            "camera_info", f"camera_info holds numbers that are not finite, K is {K.tolist()}: recalibrate"
        )
    if K[0, 0] == 0:
        return None
    if rectified:
        _check_rectified(P)
    model, D = ("none", ()) if rectified else _distortion(msg)
    try:
        sensor = Camera(P[:, :3] if rectified else K, (msg.width, msg.height), D, model)
    except ValueError as error:
        raise BadMessage("camera_info", f"camera_info: {error}") from error
    if sensor.share_with_rays < _HALF:
        raise BadMessage("camera_info", fold_warning(sensor))
    return fit_camera(_readout(sensor, msg), size)


def meaning(msg) -> tuple:
    """What of a CameraInfo describes the camera: where it is equal, so is the camera.

    Not `==` of the messages: rosidl_python before 0.22.1 finds two arrays unequal only where all their values differ.
    """
    roi, arrays = msg.roi, (np.asarray(values, dtype=float).tobytes() for values in (msg.d, msg.k, msg.p))
    binned = (msg.binning_x, msg.binning_y, roi.x_offset, roi.y_offset, roi.width, roi.height)
    return (msg.width, msg.height, msg.distortion_model, *arrays, *binned)


def fold_warning(camera: Camera) -> str:
    """What is wrong with a distortion that folds within the image; "" if it does not. A fisheye's may be round."""
    share = camera.share_with_rays
    if share >= (_HALF if camera.model == "equidistant" else _ALL):
        return ""
    return (
        f"the distortion D = {camera.D.tolist()} folds within the image, of which it describes only {100 * share:.0f} "
        "%: calibrate with views up to the corners, or by another model (rational_polynomial, equidistant)"
    )


def fit_camera(camera: Camera, size: tuple[int, int]) -> Camera:
    """`camera` for an image that was scaled to `size`. Raises BadMessage where the proportions differ."""
    (width, height), (new_width, new_height) = camera.size, size
    if size == camera.size:
        return camera
    if round(height * new_width / width) != new_height:
        raise BadMessage(
            "camera_size",
            f"the camera is calibrated for {width}x{height} px but the image has {new_width}x{new_height} px: "
            "calibrate at this size, or set roi and binning in camera_info",
        )
    return camera.resize(new_width, new_height)


def camera_from_yaml(text: str, rectified: bool = False) -> Camera:
    """The camera of a calibration file in the format of ROS's camera_calibration; `rectified` as in camera_from_info.

    Raises ValueError.
    """
    try:
        fields = yaml.safe_load(text)
        roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
        msg = SimpleNamespace(
            width=fields["image_width"],
            height=fields["image_height"],
            k=fields["camera_matrix"]["data"],
            d=fields["distortion_coefficients"]["data"],
            p=fields.get("projection_matrix", {"data": [0.0] * 12})["data"],
            distortion_model=fields["distortion_model"],
            binning_x=0,
            binning_y=0,
            roi=roi,
        )
        camera = camera_from_info(msg, (msg.width, msg.height), rectified)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        raise ValueError(
            f"the calibration is not YAML{place}: it must be a file of ROS's camera_calibration"
        ) from error
    except (KeyError, TypeError, AttributeError) as error:
        fault = f"lacks {error}" if isinstance(error, KeyError) else "has another structure"
        raise ValueError(f"the calibration {fault}: it must be a file of ROS's camera_calibration") from error
    if camera is None:
        raise ValueError("the calibration is empty: its focal length is 0")
    return camera


def camera_to_yaml(camera: Camera, name: str) -> str:
    """The calibration file of `camera` in the format of ROS's camera_calibration."""
    model, D = ros_distortion(camera)
    matrices = {
        "camera_matrix": camera.K,
        "distortion_coefficients": np.atleast_2d(D),
        "rectification_matrix": np.eye(3),
        "projection_matrix": np.hstack([camera.K, np.zeros((3, 1))]),
    }
    blocks = {
        key: {"rows": value.shape[0], "cols": value.shape[1], "data": value.ravel().tolist()}
        for key, value in matrices.items()
    }
    head = {"image_width": camera.size[0], "image_height": camera.size[1], "camera_name": name}
    return yaml.safe_dump(head | {"distortion_model": model} | blocks, sort_keys=False, default_flow_style=None)


def ros_distortion(camera: Camera) -> tuple[str, np.ndarray]:
    """(distortion_model, D) as ROS's tools expect them: without distortion it is plumb_bob with zeros."""
    return (camera.model, camera.D) if camera.model != "none" else ("plumb_bob", np.zeros(5))


def _check_rectified(P):
    if P[0, 0] == 0:
        raise BadMessage("camera_info", "the image is rectified but P in camera_info is 0: use the raw image, or set P")
    baseline = np.hypot(*P[:2, 3]) / P[0, 0]
    # P is then about points in the first camera's frame, but some drivers name their own in the header.
    if baseline > _NO_BASELINE:
        raise BadMessage(
            "camera_info",
            f"the image is rectified and P is that of a stereo pair's second camera, {1000 * baseline:.4g} mm from the "
            "first: use the first camera, or the raw image",
        )


def _distortion(msg) -> tuple[str, np.ndarray]:
    D, model = np.array(msg.d, dtype=float).ravel(), msg.distortion_model or "none"
    if model not in _MODELS:
        raise BadMessage(
            "camera_model", f"unknown distortion model '{model}' in camera_info, known are {', '.join(_MODELS)}"
        )
    if model == "plumb_bob" and D.size == 0:
        return "none", D
    if model == "none" and not D.any():
        return model, np.zeros(0)
    return model, D


def _readout(sensor: Camera, msg) -> Camera:
    """The camera of the region of interest of `sensor`, after binning."""
    roi = msg.roi
    x, y, width, height = roi.x_offset, roi.y_offset, roi.width or sensor.size[0], roi.height or sensor.size[1]
    if x + width > sensor.size[0] or y + height > sensor.size[1]:
        raise BadMessage(
            "camera_info", f"the roi {width}x{height} at ({x}, {y}) lies outside the sensor of {sensor.size} px"
        )
    binning_x, binning_y = msg.binning_x or 1, msg.binning_y or 1
    if binning_x > width or binning_y > height:
        raise BadMessage(
            "camera_info",
            f"bins of {binning_x}x{binning_y} px leave nothing of {width}x{height} px: mend its binning or roi",
        )
    image = sensor.crop(x, y, width, height)
    # Rows and columns that fill no whole bin are not read out.
    image = replace(image, size=(width // binning_x * binning_x, height // binning_y * binning_y))
    return image.resize(width // binning_x, height // binning_y)
