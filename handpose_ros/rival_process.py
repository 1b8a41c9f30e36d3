"""Runs official MediaPipe on the images of a file; started by `rival`, in an environment that has only MediaPipe.

Reads lines "first count", answers each with a line {"ms": mean time of an image}.
"""

import json
import sys
import time

import numpy as np


def main():
    """Serves until its input ends."""
    import mediapipe

    images = np.load(sys.argv[1])
    options = {"static_image_mode": False, "max_num_hands": 2, "model_complexity": 1}
    with mediapipe.solutions.hands.Hands(**options) as hands:
        hands.process(images[0])
        print(json.dumps({"ms": None}), flush=True)
        for line in sys.stdin:
            first, count = map(int, line.split())
            start = time.perf_counter()
            for number in range(first, first + count):
                hands.process(images[number % len(images)])
            print(json.dumps({"ms": 1000 * (time.perf_counter() - start) / count}), flush=True)


if __name__ == "__main__":
    main()
