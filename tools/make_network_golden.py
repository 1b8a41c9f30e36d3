"""Makes test/data/networks.npz: what our own networks say about a drawn hand and about noise.

Run it only when the converter is known to agree with the TensorFlow Lite runtime (test_tflite.py checks that
against recorded outputs of the runtime where they are at hand). The test then holds every machine to these
numbers. Palm outputs are thinned to every 16th anchor and the best eight.

    python -m tools.make_network_golden
"""

from pathlib import Path

import cv2
import numpy as np

from handpose_ros import weights
from handpose_ros.hand import BONES
from handpose_ros.runtimes import open_network

ROOT = Path(__file__).parents[1]

# A left hand, palm towards the camera, fingers up: joints in hand.KEYPOINTS order, [px] of a 240 x 240 picture.
JOINTS = [
    (120, 205), (93, 192), (70, 168), (55, 146), (43, 127),
    (92, 128), (84, 96), (79, 75), (75, 56),
    (114, 122), (112, 87), (111, 63), (110, 42),
    (135, 126), (138, 93), (140, 71), (141, 51),
    (154, 138), (163, 113), (168, 96), (172, 80),
]  # fmt: skip
SKIN = (224, 172, 138)


def draw_hand() -> np.ndarray:
    """(240, 240, 3) uint8 RGB: a left hand of rounded strokes, shaded, on a dark background."""
    image = np.full((240, 240, 3), (60, 70, 80), np.uint8)
    joints = np.array(JOINTS)
    for colour, extra in (((150, 100, 80), 5), (SKIN, 0)):
        cv2.line(image, (120, 205), (122, 260), colour, 44 + extra, cv2.LINE_AA)
        palm = joints[[0, 1, 2, 5, 9, 13, 17]]
        cv2.fillPoly(image, [cv2.convexHull(palm)], colour, cv2.LINE_AA)
        cv2.polylines(image, [cv2.convexHull(palm)], True, colour, 20 + extra, cv2.LINE_AA)
        for parent, child in BONES:
            cv2.line(image, JOINTS[parent], JOINTS[child], colour, 17 + extra, cv2.LINE_AA)
    for joint in (3, 6, 7, 10, 11, 14, 15, 18, 19):  # creases
        x, y = JOINTS[joint]
        cv2.line(image, (x - 6, y), (x + 6, y), (190, 135, 108), 1, cv2.LINE_AA)
    return cv2.GaussianBlur(image, (5, 5), 0)


def main():
    hand = draw_hand()
    rng = np.random.default_rng(21)
    golden = {"hand": hand, "hand_joints": np.array(JOINTS)}
    for size, kind in ((192, "palm_detection"), (224, "hand_landmark")):
        noise = cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (size, size), interpolation=cv2.INTER_NEAREST)
        batch = np.stack([cv2.resize(hand, (size, size), interpolation=cv2.INTER_AREA), noise])
        golden[f"{kind.partition('_')[0]}_input"] = batch
        for complexity in ("full", "lite"):
            name = f"{kind}_{complexity}"
            outputs = open_network(weights.locate(name), device="cpu", runtime="torch")(batch)
            if kind == "palm_detection":
                best = np.argsort(-outputs[1][0, :, 0])[:8]
                anchors = np.union1d(np.arange(0, 2016, 16), best)
                golden[f"{name}_anchors"] = anchors
                outputs = tuple(output[:, anchors] for output in outputs)
            golden.update({f"{name}_{i}": output for i, output in enumerate(outputs)})
    np.savez_compressed(ROOT / "test" / "data" / "networks.npz", **golden)


if __name__ == "__main__":
    main()
