"""Bags with the first images of the demo clip, written as a camera's driver would."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from handpose_ros.camera import Camera
from handpose_ros.messages.calibration import ros_distortion
from handpose_ros.recordings.bags import make_message, typestore
from handpose_ros.recordings.sources import open_source

IMAGE, CAMERA_INFO = "/cam/image_raw", "/cam/camera_info"
FRAME_ID = "eye"
START = 1_700_000_000_123_456_789
PERIOD = 33_333_333  # [ns]


def demo_images(count: int) -> tuple[list[np.ndarray], Camera]:
    """The demo clip's first images and its camera."""
    with open_source("demo") as source:
        return list(islice(source, count)), source.camera


def header(stamp: int):
    time = make_message("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
    return make_message("std_msgs/msg/Header", stamp=time, frame_id=FRAME_ID)


def raw_image(image: np.ndarray, stamp: int):
    height, width = image.shape[:2]
    size = {"height": height, "width": width, "step": 3 * width}
    return make_message("sensor_msgs/msg/Image", header=header(stamp), **size, encoding="rgb8", data=image.ravel())


def compressed_image(image: np.ndarray, stamp: int, format: str = "png"):
    _, data = cv2.imencode(f".{format}", image[..., ::-1])
    return make_message("sensor_msgs/msg/CompressedImage", header=header(stamp), format=format, data=data.ravel())


def camera_info(camera: Camera, stamp: int):
    model, D = ros_distortion(camera)
    return make_message(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp),
        width=camera.size[0],
        height=camera.size[1],
        distortion_model=model,
        d=np.asarray(D, float),
        k=camera.K.ravel(),
        p=np.hstack([camera.K, np.zeros((3, 1))]).ravel(),
    )


def write_bag(folder: Path, messages: list[tuple[str, int, object]], storage: str = "mcap", types=None) -> Path:
    """A rosbag2 directory with (topic, stamp [ns], message) in order; `types` are another version's, if any."""
    types = types or typestore()
    with Writer(folder, version=9, storage_plugin=StoragePlugin[storage.upper()]) as bag:
        connections = {}
        for topic, stamp, message in messages:
            type = message.__msgtype__
            if topic not in connections:
                connections[topic] = bag.add_connection(topic, type, typestore=types)
            bag.write(connections[topic], stamp, types.serialize_cdr(message, type))
    return folder


def demo_messages(count: int, *, encode=raw_image, topic: str = IMAGE, calibrated: bool = True) -> list:
    """(topic, stamp, message) of the demo clip's first images, with the camera_info of each before it."""
    images, camera = demo_images(count)
    messages = []
    for k, image in enumerate(images):
        stamp = START + k * PERIOD
        messages += [(CAMERA_INFO, stamp, camera_info(camera, stamp))] if calibrated else []
        messages.append((topic, stamp, encode(image, stamp)))
    return messages
