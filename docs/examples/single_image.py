"""Hands in one image: joints in metres with their confidence, and an overlay.

python single_image.py IMAGE OVERLAY [FOV]
"""

import math
import sys

from handpose_ros import KEYPOINTS, Camera, HandPoseEstimator, draw_hands, read_image, write_image


def main(path, overlay, fov="60"):
    image = read_image(path)
    # A field of view [deg] guesses the camera; with a calibration: Camera(K, size, D, model).
    camera = Camera.from_fov((image.shape[1], image.shape[0]), math.radians(float(fov)))
    hands = HandPoseEstimator(device="auto").estimate(image, camera)
    for hand in hands:
        print(f"{hand.side.name.lower()} hand, confidence {hand.score:.2f}")
        for name, (x, y, z), confidence in zip(KEYPOINTS, hand.joints_3d, hand.joint_scores, strict=True):
            print(f"  {name:<12}{x:8.3f}{y:8.3f}{z:8.3f} m   {confidence:.2f}")
    write_image(overlay, draw_hands(image, hands))
    return hands


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
