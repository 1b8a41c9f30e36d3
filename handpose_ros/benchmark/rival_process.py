"""Runs official MediaPipe on the images of a file; started by `rival`, in an environment that has only MediaPipe.

Reads lines "first count", answers each with a line {"ms": mean time of an image, "cpu_ms": of all threads}.
"""

import json
import sys
import time

import numpy as np


def main():
    """Serves until its input ends."""
    import mediapipe

    images = np.load(sys.argv[1])
    options = {"static_image_mode": False, "max_num_hands": 2, "model_complexity": int(sys.argv[2])}
    with mediapipe.solutions.hands.Hands(**options) as hands:
        hands.process(images[0])
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            first, count = map(int, line.split())
            start, spent = time.perf_counter(), time.process_time()
            for number in range(first, first + count):
                hands.process(images[number % len(images)])
            passed, spent = time.perf_counter() - start, time.process_time() - spent
            print(json.dumps({"ms": 1000 * passed / count, "cpu_ms": 1000 * spent / count}), flush=True)


if __name__ == "__main__":
    main()
