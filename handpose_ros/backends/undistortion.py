"""Images as a camera without distortion would have taken them, from the same place and with the same K."""

import threading
from dataclasses import replace

import cv2
import numpy as np

from handpose_ros.camera import Camera, Frame


class Undistortion(threading.local):
    """Removes lens distortion. Remembers the pixel map of a thread's last camera, which takes longer than its use."""

    def __init__(self):
        self._camera: Camera | None = None
        self._maps: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, frame: Frame) -> Frame:
        """`frame`, of a calibrated camera, without distortion; what lies outside of the image is black."""
        if not frame.camera.is_distorted:
            return frame
        if frame.camera != self._camera:
            self._camera, self._maps = frame.camera, _maps(frame.camera)
        image = cv2.remap(frame.image, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return replace(frame, image=image, camera=pinhole(frame.camera))


def pinhole(camera: Camera) -> Camera:
    """`camera` without its distortion."""
    return Camera(camera.K, camera.size)


def _maps(camera):
    width, height = camera.size
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    source = camera.project(pinhole(camera).unproject(pixels)).astype(np.float32)
    source[~np.isfinite(source)] = -1e6  # far outside: black
    return cv2.convertMaps(source[..., 0], source[..., 1], cv2.CV_16SC2)
