"""Gestures and grasps over a recording: finger angles, openness, and the grasp that the fingertips' distances show.

python gestures.py JOINTS.npz
"""

import sys

import numpy as np

from handpose_ros import GraspTracker, joint_angles, make_classifier, openness, read_joints, tip_distances


def main(joints):
    tracker, rows = GraspTracker(make_classifier("distance")), []
    for hands in read_joints(joints):
        for hand, grasp in zip(hands, tracker.update(hands), strict=True):
            angles = np.degrees(joint_angles(hand.joints_3d, hand.side))  # (20,) four for each finger
            tips = 1000 * tip_distances(hand.joints_3d)  # (4,) thumb to index .. little finger
            rows.append((hands.stamp, hand.side, angles, openness(hand.joints_3d), tips, grasp))
            print(
                f"{hands.stamp:6.2f} s  {hand.side.name.lower():<5}  open {rows[-1][3]:.2f}  "
                f"index pip {angles[6]:4.0f} deg  thumb-index {tips[0]:4.0f} mm  "
                f"{grasp.phase.name.lower()} {grasp.type.name} {100 * grasp.aperture:.1f} cm"
            )
    return rows


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
