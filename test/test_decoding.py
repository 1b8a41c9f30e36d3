import array
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from huge_png import huge_png
from numpy.testing import assert_allclose, assert_array_equal

from handpose_ros.messages.decoding import (
    BadMessage,
    ImageDecoder,
    decode_compressed,
    decode_depth,
    stamp_nanoseconds,
    stamp_seconds,
)

RED, BLUE, DARK = (255, 0, 0), (0, 0, 255), (10, 20, 30)
RGB = np.array([[RED, BLUE], [DARK, DARK]], np.uint8)  # red is top left


def image(encoding, data, width, height, step=None, is_bigendian=0):
    data = np.ascontiguousarray(data).tobytes()
    return SimpleNamespace(
        encoding=encoding,
        width=width,
        height=height,
        step=step if step is not None else len(data) // height,
        is_bigendian=is_bigendian,
        data=array.array("B", data),
    )


def compressed(data, format="jpeg"):
    return SimpleNamespace(format=format, data=array.array("B", data))


def with_alpha(pixels):
    return np.concatenate([pixels, np.full((2, 2, 1), 77, np.uint8)], axis=-1)


@pytest.mark.parametrize(
    "encoding, data",
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("8UC3", RGB[..., ::-1]),
        ("rgba8", with_alpha(RGB)),
        ("bgra8", with_alpha(RGB[..., ::-1])),
        ("8UC4", with_alpha(RGB[..., ::-1])),
    ],
)
def test_red_stays_red_and_top_left_in_every_colour_order(encoding, data):
    assert_array_equal(ImageDecoder()(image(encoding, data, 2, 2)), RGB)


@pytest.mark.parametrize("encoding, data", [("mono8", [[0, 200]]), ("8UC1", [[0, 200]])])
def test_grey_gives_three_equal_channels(encoding, data):
    assert_array_equal(ImageDecoder()(image(encoding, np.uint8(data), 2, 1)), [[[0] * 3, [200] * 3]])


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_white_is_white_and_half_is_half_whatever_the_bits_of_the_sensor(bits):
    white = 2**bits - 1
    decoded = ImageDecoder()(image("mono16", np.array([[0, white // 2, white]], "<u2"), 3, 1))
    assert decoded[0, :, 0].tolist() == [0, 127, 255]


def test_one_bright_pixel_does_not_change_the_brightness_back_and_forth():
    decode = ImageDecoder()
    grey = [decode(image("mono16", np.array([[900, glint]], "<u2"), 2, 1))[0, 0, 0] for glint in (0, 4000, 0, 4000, 0)]
    assert grey == [225, 56, 56, 56, 56]


def test_opacity_says_nothing_about_the_bits_of_the_sensor():
    data = np.full((2, 2, 4), [1000, 500, 0, 65535], "<u2")
    assert ImageDecoder()(image("rgba16", data, 2, 2))[0, 0].tolist() == [250, 125, 0]


def test_a_dark_image_in_two_bytes_is_no_brighter_than_that_of_a_ten_bit_sensor():
    assert ImageDecoder()(image("mono16", np.array([[0, 40]], "<u2"), 2, 1))[0, :, 0].tolist() == [0, 10]


@pytest.mark.parametrize("order, flag", [("<u2", 0), (">u2", 1)])
@pytest.mark.parametrize(
    "encoding, channels",
    [("rgb16", [0, 1, 2]), ("bgr16", [2, 1, 0]), ("rgba16", [0, 1, 2, 2]), ("bgra16", [2, 1, 0, 0])],
)
def test_red_stays_red_in_two_bytes_too(encoding, channels, order, flag):
    data = (RGB.astype(np.uint16) * 257)[..., channels].astype(order)
    assert_array_equal(ImageDecoder()(image(encoding, data, 2, 2, is_bigendian=flag)), RGB)


@pytest.mark.parametrize("order, flag", [("<u2", 0), (">u2", 1)])
def test_sixteen_bit_grey_keeps_its_upper_byte_in_either_byte_order(order, flag):
    pixels = np.array([[0x0000, 0x12FF, 0xFFFF]], order)
    assert ImageDecoder()(image("mono16", pixels, 3, 1, is_bigendian=flag))[0, :, 0].tolist() == [0, 0x12, 0xFF]


@pytest.mark.parametrize("bits, kind", [(8, np.uint8), (16, np.uint16)])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_bayer_mosaic_of_one_colour_becomes_that_colour(pattern, bits, kind):
    colour = {"r": 200, "g": 100, "b": 50}
    cell = np.array([[colour[pattern[0]], colour[pattern[1]]], [colour[pattern[2]], colour[pattern[3]]]], kind)
    decoded = ImageDecoder()(image(f"bayer_{pattern}{bits}", np.tile(cell, (4, 4)) << (bits - 8), 8, 8))
    assert_array_equal(decoded[2:-2, 2:-2], np.broadcast_to([200, 100, 50], (4, 4, 3)))


# Y, U, V = 81, 90, 240 is pure red in the video range of BT.601.
@pytest.mark.parametrize(
    "encoding, data, rows",
    [
        ("yuv422", [[90, 81, 240, 81]] * 2, 2),
        ("uyvy", [[90, 81, 240, 81]] * 2, 2),
        ("yuv422_yuy2", [[81, 90, 81, 240]] * 2, 2),
        ("yuyv", [[81, 90, 81, 240]] * 2, 2),
        ("nv12", [[81, 81], [81, 81], [90, 240]], 3),
        ("nv21", [[81, 81], [81, 81], [240, 90]], 3),
    ],
)
def test_red_is_red_in_every_order_of_luma_and_chroma(encoding, data, rows):
    step = len(data[0])
    decoded = ImageDecoder()(image(encoding, np.uint8(data), 2, 2, step=step))
    assert decoded.shape == (2, 2, 3)
    assert_allclose(decoded, np.broadcast_to(RED, (2, 2, 3)), atol=3)


@pytest.mark.parametrize("encoding, channels", [("rgb8", 3), ("bgr8", 3), ("mono8", 1), ("yuyv", 2)])
def test_padding_at_the_end_of_rows_is_left_out(encoding, channels):
    pixels = np.random.default_rng(0).integers(0, 255, (4, 6 * channels), np.uint8)
    padded = np.concatenate([pixels, np.full((4, 5), 99, np.uint8)], axis=1)
    expected = ImageDecoder()(image(encoding, pixels, 6, 4))
    assert_array_equal(ImageDecoder()(image(encoding, padded, 6, 4)), expected)


def test_plain_rgb_is_a_view_of_the_message():
    msg = image("rgb8", RGB, 2, 2)
    assert np.shares_memory(ImageDecoder()(msg), np.frombuffer(msg.data, np.uint8))


def test_depth_of_1500_mm_is_one_and_a_half_metres_and_zero_is_a_hole():
    assert_allclose(decode_depth(image("16UC1", np.array([[1500, 0]], "<u2"), 2, 1)), [[1.5, np.nan]])
    assert_allclose(decode_depth(image("16UC1", np.array([[1500, 0]], ">u2"), 2, 1, is_bigendian=1)), [[1.5, np.nan]])


def test_depth_in_metres_keeps_its_values_and_loses_what_is_no_distance():
    depth = np.array([[0.25, np.nan, np.inf, -1.0]], "<f4")
    decoded = decode_depth(image("32FC1", depth, 4, 1))
    assert decoded.dtype == np.float32
    assert_allclose(decoded, [[0.25, np.nan, np.nan, np.nan]])


@pytest.mark.parametrize("extension, tolerance", [(".png", 0), (".jpg", 4)])
def test_red_on_the_left_survives_compression(extension, tolerance):
    picture = np.zeros((32, 32, 3), np.uint8)
    picture[:, :16], picture[:, 16:] = RED, BLUE
    data = cv2.imencode(extension, picture[..., ::-1])[1].tobytes()
    decoded = decode_compressed(compressed(data)).astype(int)
    assert np.abs(decoded[:, :8] - RED).max() <= tolerance and np.abs(decoded[:, -8:] - BLUE).max() <= tolerance


BROKEN = {
    "no data": (image("rgb8", np.uint8([]), 2, 2, step=6), "empty", "2x2 px, 0 bytes"),
    "nothing set": (image("", np.uint8([]), 0, 0, step=0), "empty", "0x0 px, 0 bytes"),
    "no size": (image("rgb8", RGB, 0, 2), "empty", "0x2 px"),
    "unknown encoding": (image("hsv8", RGB, 2, 2), "encoding", "'hsv8'"),
    "depth as colour": (image("16UC1", np.zeros((2, 2), "u2"), 2, 2), "encoding", "depth image"),
    "step below a row": (image("rgb8", RGB, 2, 2, step=5), "step", "step is 5, but a row of 2 rgb8 pixels has 6"),
    "truncated": (image("rgb8", RGB.ravel()[:-1], 2, 2, step=6), "truncated", "11 bytes, but 2 rows .* have 12"),
    "more than its rows": (image("rgb8", RGB, 2, 2, step=7), "truncated", "12 bytes, but 2 rows .* have 14"),
    "odd width of yuv": (image("yuyv", np.zeros((1, 6), "u1"), 3, 1), "size", "3x1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_image_is_refused_with_its_kind_and_value(case):
    msg, kind, words = BROKEN[case]
    with pytest.raises(BadMessage, match=words) as refusal:
        ImageDecoder()(msg)
    assert refusal.value.kind == kind


def test_a_colour_image_is_refused_as_depth():
    with pytest.raises(BadMessage, match="'rgb8' is no encoding of depth"):
        decode_depth(image("rgb8", RGB, 2, 2))


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("part", [0.3, 0.99])
def test_a_truncated_compressed_image_is_refused(extension, part):
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = cv2.imencode(extension, picture)[1].tobytes()
    with pytest.raises(BadMessage, match="no end") as refusal:
        decode_compressed(compressed(data[: int(len(data) * part)]))
    assert refusal.value.kind == "truncated"


@pytest.mark.parametrize(
    "data, kind",
    [(b"", "empty"), (b"not an image", "compression"), (huge_png(), "compression")],
    ids=["nothing", "text", "huge"],
)
def test_what_is_no_compressed_image_is_refused(data, kind):
    with pytest.raises(BadMessage) as refusal:
        decode_compressed(compressed(data, "16UC1; compressedDepth"))
    assert refusal.value.kind == kind


def test_a_stamp_of_two_and_a_quarter_seconds_is_2_25():
    stamp = SimpleNamespace(sec=2, nanosec=250_000_000)
    assert (stamp_seconds(stamp), stamp_nanoseconds(stamp)) == (2.25, 2_250_000_000)
