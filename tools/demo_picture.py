"""Makes the README's picture: images of the demo's overlay, side by side.

handpose demo
python -m tools.demo_picture demo_output/overlay.mp4 docs/demo.jpg
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from handpose_ros.recordings.sources import open_source

NUMBERS = (12, 60, 180)  # both hands open; one points, one pinches; both hold
_QUALITY = 88  # of the JPEG, whose labels are sharp then


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("video")
    arguments.add_argument("out", type=Path, help="a JPEG")
    arguments.add_argument("--images", type=int, nargs="+", default=NUMBERS, help="their numbers; default: %(default)s")
    args = arguments.parse_args()
    with open_source(args.video) as images:
        picture = side_by_side(images, args.images)
    cv2.imwrite(str(args.out), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])


def side_by_side(images: Iterable[np.ndarray], numbers: Sequence[int]) -> np.ndarray:
    """Those of `images` (H, W, 3) with these numbers, from 0 on, in one. Raises ValueError for a number too high."""
    chosen = {number: image for number, image in enumerate(images) if number in numbers}
    if missing := set(numbers) - set(chosen):
        raise ValueError(f"there is no image {min(missing)}")
    return np.concatenate([chosen[number] for number in numbers], axis=1)


if __name__ == "__main__":
    main()
