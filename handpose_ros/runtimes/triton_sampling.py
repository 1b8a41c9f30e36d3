"""What crops show of an image, sampled by one GPU kernel: `torch_sampling.sample` without its sixty."""

import torch
import triton
from triton import language as tl

from handpose_ros.crops.cropping import CELL

_ROWS = 256  # pixels of a block


def sample(pixels: torch.Tensor, extent: torch.Tensor, nodes: torch.Tensor, side: int) -> torch.Tensor:
    """(N, 3, side, side) uint8, channels last; arguments as those of `torch_sampling.sample`."""
    y = torch.empty((len(nodes), side, side, 3), dtype=torch.uint8, device=nodes.device)
    rows = y.numel() // 3
    _sample[(triton.cdiv(rows, _ROWS),)](pixels, extent, nodes, y, rows, side, nodes.shape[1], CELL, _ROWS)
    return y.permute(0, 3, 1, 2)


@triton.jit
def _sample(
    pixels,
    extent,
    nodes,  # (N, COUNT, COUNT, 2) float32 [px]
    y,
    rows,
    SIDE: tl.constexpr,
    COUNT: tl.constexpr,
    CELL: tl.constexpr,
    ROWS: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    crop, place = row // (SIDE * SIDE), row % (SIDE * SIDE)
    # Where the pixel lies among the nodes: node i is the middle of cell i - 1.
    down = (place // SIDE + 0.5) / CELL + 0.5
    right = (place % SIDE + 0.5) / CELL + 0.5
    i, j = down.to(tl.int32), right.to(tl.int32)
    down, right = down - i, right - j
    u = tl.zeros((ROWS,), tl.float32)
    v = tl.zeros((ROWS,), tl.float32)
    for below in tl.static_range(2):
        for beside in tl.static_range(2):
            share = (down if below else 1 - down) * (right if beside else 1 - right)
            node = nodes + 2 * ((crop * COUNT + i + below) * COUNT + j + beside)
            u += share * tl.load(node, mask=row < rows, other=0.0)
            v += share * tl.load(node + 1, mask=row < rows, other=0.0)
    width, height = tl.load(extent).to(tl.int32), tl.load(extent + 1).to(tl.int32)
    replicates = tl.load(extent + 2) != 0
    low_u, low_v = tl.floor(u), tl.floor(v)
    part_u, part_v = u - low_u, v - low_v
    # Far outside it does not matter how far.
    low_u, low_v = tl.minimum(tl.maximum(low_u, -2), width), tl.minimum(tl.maximum(low_v, -2), height)
    red = tl.zeros((ROWS,), tl.float32)
    green = tl.zeros((ROWS,), tl.float32)
    blue = tl.zeros((ROWS,), tl.float32)
    for below in tl.static_range(2):
        for beside in tl.static_range(2):
            share = (part_u if beside else 1 - part_u) * (part_v if below else 1 - part_v)
            x, z = low_u.to(tl.int32) + beside, low_v.to(tl.int32) + below
            column, line = tl.minimum(tl.maximum(x, 0), width - 1), tl.minimum(tl.maximum(z, 0), height - 1)
            share = tl.where(replicates | ((column == x) & (line == z)), share, 0.0)
            pixel = pixels + 3 * (line * width + column)
            red += share * tl.load(pixel, mask=row < rows, other=0).to(tl.float32)
            green += share * tl.load(pixel + 1, mask=row < rows, other=0).to(tl.float32)
            blue += share * tl.load(pixel + 2, mask=row < rows, other=0).to(tl.float32)
    tl.store(y + 3 * row, (red + 0.5).to(tl.uint8), mask=row < rows)
    tl.store(y + 3 * row + 1, (green + 0.5).to(tl.uint8), mask=row < rows)
    tl.store(y + 3 * row + 2, (blue + 0.5).to(tl.uint8), mask=row < rows)
