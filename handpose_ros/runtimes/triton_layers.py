"""What is no convolution in a hand network, as GPU kernels: pools, means and linear layers.

Images are float16, channels last; sums are float32.
"""

import torch
import triton
from triton import language as tl


def largest(x, channels):
    """Of each 2 x 2 pixels: (N, H, H, C) float16 -> (N, H / 2, H / 2, channels), those that x has not are 0."""
    count, side, _, taken = x.shape
    y = x.new_empty((count, side // 2, side // 2, channels))
    rows = y.numel() // channels
    _largest[triton.cdiv(rows, 16), triton.cdiv(channels, 32)](x, y, rows, side, taken, channels, 16, 32)
    return y


def mean(x):
    """Over the pixels: (N, H, W, C) float16 -> (N, C) float32."""
    count, height, width, channels = x.shape
    y = torch.empty((count, channels), device=x.device)
    _mean[count, triton.cdiv(channels, 32)](x, y, height * width, channels, triton.next_power_of_2(height * width), 32)
    return y


def linear(x, weight, bias):
    """(N, C) -> (N, D), float32; weight: (D, C)."""
    given, taken = weight.shape
    y = x.new_empty((len(x), given))
    _linear[len(x), triton.cdiv(given, 2)](x, weight, bias, y, taken, given, 2, triton.next_power_of_2(taken))
    return y


@triton.jit
def _largest(
    x,
    y,
    rows,
    SIDE: tl.constexpr,
    TAKEN: tl.constexpr,
    GIVEN: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    image, place = row // (SIDE // 2 * (SIDE // 2)), row % (SIDE // 2 * (SIDE // 2))
    first = (image * SIDE + place // (SIDE // 2) * 2) * SIDE + place % (SIDE // 2) * 2
    best = tl.full((ROWS, COLUMNS), float("-inf"), tl.float32)
    for down in tl.static_range(2):
        for right in tl.static_range(2):
            index = (first + down * SIDE + right)[:, None] * TAKEN + column[None, :]
            part = tl.load(x + index, mask=(row < rows)[:, None] & (column < TAKEN)[None, :], other=0.0)
            best = tl.maximum(best, part.to(tl.float32))
    seen = (row[:, None] < rows) & (column[None, :] < GIVEN)
    tl.store(y + row[:, None] * GIVEN + column[None, :], best.to(y.dtype.element_ty), mask=seen)


@triton.jit
def _mean(x, y, PIXELS: tl.constexpr, CHANNELS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    image, column = tl.program_id(0), tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    pixel = tl.arange(0, ROWS)
    index = (image * PIXELS + pixel)[:, None] * CHANNELS + column[None, :]
    part = tl.load(x + index, mask=(pixel < PIXELS)[:, None] & (column < CHANNELS)[None, :], other=0.0)
    total = tl.sum(part.to(tl.float32), axis=0)
    tl.store(y + image * CHANNELS + column, total / PIXELS, mask=column < CHANNELS)


@triton.jit
def _linear(x, weight, bias, y, TAKEN: tl.constexpr, GIVEN: tl.constexpr, ROWS: tl.constexpr, DEPTH: tl.constexpr):
    image, row, k = tl.program_id(0), tl.program_id(1) * ROWS + tl.arange(0, ROWS), tl.arange(0, DEPTH)
    factor = tl.load(
        weight + row[:, None] * TAKEN + k[None, :], mask=(row < GIVEN)[:, None] & (k < TAKEN)[None, :], other=0.0
    )
    product = factor * tl.load(x + image * TAKEN + k, mask=k < TAKEN, other=0.0)[None, :]
    total = tl.sum(product, axis=1) + tl.load(bias + row, mask=row < GIVEN, other=0.0)
    tl.store(y + image * GIVEN + row, total, mask=row < GIVEN)
