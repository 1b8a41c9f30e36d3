"""Convolutions as GPU kernels, each with all that follows it: what is added, and the activation.

Networks of 50 layers with 0.3 billion multiplications spend their time on launches and on trips through memory: the
fewer kernels, the better. Images are float16, channels last; sums are float32.
"""

import torch
import triton
from triton import language as tl

NO_ACTIVATION, RELU6, PRELU = 0, 1, 2
_RELU6, _PRELU = tl.constexpr(RELU6), tl.constexpr(PRELU)
_BLOCKS = 128  # that a layer is cut into, about: large GPUs run no more at once
_USUAL = 2  # images, the hands that are looked for: blocks are cut for so many, whatever comes, and built only once


def pointwise(x, weight, bias, slope, residual, activation):
    """A convolution of single pixels: (N, H, W, C) float16 -> (N, H, W, D).

    weight: (C, D) float16. bias, slope (of a PReLU): (D,) float32. residual: (N, H, W, D) float16 to be added before
    the activation, or None.
    """
    count, height, width, taken = x.shape
    given, rows = weight.shape[1], count * height * width
    y = x.new_empty((count, height, width, given))
    block_rows, columns = _cut(_USUAL * height * width, given, 64, 64)
    depth = max(triton.next_power_of_2(taken), 16)
    depth = depth if depth <= 256 else 128
    _pointwise[triton.cdiv(rows, block_rows), triton.cdiv(given, columns)](
        x, weight, bias, slope, residual, y, rows, taken, given, activation, residual is not None,
        block_rows, columns, depth, num_warps=4 if block_rows * columns > 1024 else 2, num_stages=3,
    )  # fmt: skip
    return y


def depthwise(x, weight, bias, slope, residual, activation, stride, before):
    """A convolution of each channel for itself: (N, H, H, C) float16 -> (N, H / stride, H / stride, C).

    weight: (kernel, kernel, C) float16; before: zeros before each row and column. The rest as in `pointwise`.
    """
    count, side, _, channels = x.shape
    y = x.new_empty((count, side // stride, side // stride, channels))
    rows = y.numel() // channels
    columns = min(max(triton.next_power_of_2(channels), 16), 64)
    block_rows, columns = _cut(_USUAL * (side // stride) ** 2, channels, 32, columns, 4)
    _depthwise[triton.cdiv(rows, block_rows), triton.cdiv(channels, columns)](
        x, weight, bias, slope, residual, y, rows, side, side // stride, channels, len(weight), stride, before,
        activation, residual is not None, block_rows, columns, num_warps=4,
    )  # fmt: skip
    return y


def of_bytes(x, weight, bias, slope, activation, stride, before):
    """The first convolution: (N, H, H, 3) uint8 -> (N, H / stride, H / stride, C) float16, of bytes / 255.

    weight: (kernel, kernel, 3, C) float16. The rest as in `depthwise`.
    """
    count, side, _, _ = x.shape
    kernel, given = len(weight), weight.shape[-1]
    y = torch.empty((count, side // stride, side // stride, given), dtype=torch.half, device=x.device)
    rows, columns, depth = y.numel() // given, max(triton.next_power_of_2(given), 16), 3 * kernel * kernel
    _of_bytes[(triton.cdiv(rows, 64),)](
        x, weight, bias, slope, y, rows, side, side // stride, given, kernel, stride, before,
        activation, 64, columns, triton.next_power_of_2(depth), num_warps=4,
    )  # fmt: skip
    return y


def _cut(rows, columns, most_rows, most_columns, fewest_rows=16):
    """Rows and columns of a block: as large as may be, while there are blocks enough."""

    def blocks():
        return triton.cdiv(rows, most_rows) * triton.cdiv(columns, most_columns)

    while blocks() < _BLOCKS and (most_rows > fewest_rows or most_columns > 16):
        if most_rows > fewest_rows and most_rows >= most_columns or most_columns == 16:
            most_rows //= 2
        else:
            most_columns //= 2
    return most_rows, most_columns


@triton.jit
def _finished(total, row, column, seen, bias, slope, residual, channels, ACTIVATION: tl.constexpr, ADDS: tl.constexpr):
    """`total` (rows, columns) of a convolution with its bias, what is added to it, and its activation."""
    total += tl.load(bias + column, mask=column < channels, other=0.0)[None, :]
    if ADDS:
        total += tl.load(residual + row[:, None] * channels + column[None, :], mask=seen, other=0.0).to(tl.float32)
    if ACTIVATION == _RELU6:
        total = tl.minimum(tl.maximum(total, 0.0), 6.0)
    if ACTIVATION == _PRELU:
        factor = tl.load(slope + column, mask=column < channels, other=0.0)[None, :]
        total = tl.where(total > 0, total, total * factor)
    return total


@triton.jit
def _pointwise(
    x,
    weight,  # (TAKEN, GIVEN) float16
    bias,
    slope,
    residual,
    y,
    rows,
    TAKEN: tl.constexpr,  # channels
    GIVEN: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ADDS: tl.constexpr,
    ROWS: tl.constexpr,  # of a block, as follows
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for start in range(0, TAKEN, DEPTH):
        k = start + tl.arange(0, DEPTH)
        part = tl.load(
            x + row[:, None] * TAKEN + k[None, :], mask=(row[:, None] < rows) & (k[None, :] < TAKEN), other=0.0
        )
        factor = tl.load(
            weight + k[:, None] * GIVEN + column[None, :],
            mask=(k[:, None] < TAKEN) & (column[None, :] < GIVEN),
            other=0.0,
        )
        total = tl.dot(part, factor, total)
    seen = (row[:, None] < rows) & (column[None, :] < GIVEN)
    total = _finished(total, row, column, seen, bias, slope, residual, GIVEN, ACTIVATION, ADDS)
    tl.store(y + row[:, None] * GIVEN + column[None, :], total.to(y.dtype.element_ty), mask=seen)


@triton.jit
def _depthwise(
    x,
    weight,  # (KERNEL * KERNEL, CHANNELS) float16
    bias,
    slope,
    residual,
    y,
    rows,
    SIDE: tl.constexpr,  # [px] of the image taken, and of the one given
    SIDE_GIVEN: tl.constexpr,
    CHANNELS: tl.constexpr,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    BEFORE: tl.constexpr,  # zeros before each row and column
    ACTIVATION: tl.constexpr,
    ADDS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    image, place = row // (SIDE_GIVEN * SIDE_GIVEN), row % (SIDE_GIVEN * SIDE_GIVEN)
    above, left = place // SIDE_GIVEN * STRIDE - BEFORE, place % SIDE_GIVEN * STRIDE - BEFORE
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for down in tl.static_range(KERNEL):
        for right in tl.static_range(KERNEL):
            v, u = above + down, left + right
            inside = (v >= 0) & (v < SIDE) & (u >= 0) & (u < SIDE) & (row < rows)
            index = ((image * SIDE + v) * SIDE + u)[:, None] * CHANNELS + column[None, :]
            part = tl.load(x + index, mask=inside[:, None] & (column[None, :] < CHANNELS), other=0.0)
            factor = tl.load(weight + (down * KERNEL + right) * CHANNELS + column, mask=column < CHANNELS, other=0.0)
            total += part.to(tl.float32) * factor.to(tl.float32)[None, :]
    seen = (row[:, None] < rows) & (column[None, :] < CHANNELS)
    total = _finished(total, row, column, seen, bias, slope, residual, CHANNELS, ACTIVATION, ADDS)
    tl.store(y + row[:, None] * CHANNELS + column[None, :], total.to(y.dtype.element_ty), mask=seen)


@triton.jit
def _of_bytes(
    x,
    weight,
    bias,
    slope,
    y,
    rows,
    SIDE: tl.constexpr,
    SIDE_GIVEN: tl.constexpr,
    GIVEN: tl.constexpr,
    KERNEL: tl.constexpr,
    STRIDE: tl.constexpr,
    BEFORE: tl.constexpr,
    ACTIVATION: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    row, column, k = tl.program_id(0) * ROWS + tl.arange(0, ROWS), tl.arange(0, COLUMNS), tl.arange(0, DEPTH)
    image, place = row // (SIDE_GIVEN * SIDE_GIVEN), row % (SIDE_GIVEN * SIDE_GIVEN)
    down, right, color = k // (3 * KERNEL), k // 3 % KERNEL, k % 3
    v = (place // SIDE_GIVEN * STRIDE - BEFORE)[:, None] + down[None, :]
    u = (place % SIDE_GIVEN * STRIDE - BEFORE)[:, None] + right[None, :]
    inside = (v >= 0) & (v < SIDE) & (u >= 0) & (u < SIDE) & (row < rows)[:, None] & (down < KERNEL)[None, :]
    index = ((image[:, None] * SIDE + v) * SIDE + u) * 3 + color[None, :]
    part = tl.load(x + index, mask=inside, other=0).to(tl.float16)  # bytes are exact in it
    known = (down < KERNEL)[:, None] & (column < GIVEN)[None, :]
    factor = tl.load(weight + k[:, None] * GIVEN + column[None, :], mask=known, other=0.0)
    seen = (row[:, None] < rows) & (column[None, :] < GIVEN)
    total = _finished(tl.dot(part, factor) / 255, row, column, seen, bias, slope, y, GIVEN, ACTIVATION, False)
    tl.store(y + row[:, None] * GIVEN + column[None, :], total.to(y.dtype.element_ty), mask=seen)
