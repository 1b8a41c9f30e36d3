"""A picture with a damaged header."""

import struct
import zlib

import cv2
import numpy as np


def huge_png() -> bytes:
    """A PNG of 8x8 px whose header says that it has 100,000 x 100,000."""
    data = bytearray(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    data[16:24] = struct.pack(">2I", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)
