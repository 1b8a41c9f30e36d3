"""What crops show of an image, sampled by torch where the image already is: on a GPU.

No value decides what is computed, so that a CUDA graph can repeat it for images of any size.
"""

import torch
from torch.nn import functional

from handpose_ros.crops.cropping import CELL


def sample(pixels: torch.Tensor, extent: torch.Tensor, nodes: torch.Tensor, side: int) -> torch.Tensor:
    """(N, 3, side, side) what crops with these `nodes` show of an image, float32 with the values of bytes.

    pixels: (P, 3) uint8, of which the first are the image's, row by row. extent: (3,) its width and height [px], and
    whether what lies outside of it is as its nearest pixel inside (1) or black (0). nodes: (N, n, n, 2) float32 as
    `cropping.node_pixels` gives them.
    """
    size, inside = extent[:2], extent[2:] != 0
    spread = functional.interpolate(nodes.permute(0, 3, 1, 2), scale_factor=CELL, mode="bilinear", align_corners=False)
    places = spread[:, :, CELL : CELL + side, CELL : CELL + side]
    low = places.floor()
    part, low = places - low, low.long()
    total = 0
    for right in (0, 1):
        for below in (0, 1):
            shift = torch.stack([low[:, 0] + right, low[:, 1] + below], dim=1)  # (N, 2, side, side)
            nearest = shift.clamp(min=0).minimum(size[:, None, None] - 1)
            seen = (shift == nearest).all(dim=1) | inside
            weight = (part[:, 0] if right else 1 - part[:, 0]) * (part[:, 1] if below else 1 - part[:, 1])
            index = nearest[:, 1] * size[0] + nearest[:, 0]
            color = pixels.index_select(0, index.flatten()).unflatten(0, index.shape)
            total = total + (weight * seen)[..., None] * color
    return total.round().permute(0, 3, 1, 2)
