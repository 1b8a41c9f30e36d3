"""Hands in a video: an overlay and the joints, smoothed over time.

python video_file.py VIDEO OVERLAY.mp4 JOINTS.npz
"""

import sys

from handpose_ros import (
    HandPosePipeline,
    VideoWriter,
    draw_hands,
    make_backend,
    read_video,
    smooth_recording,
    write_joints,
)


def main(video, overlay, joints):
    # Without a camera joints are relative to the wrist: read_video(video, camera) makes them metric.
    pipeline = HandPosePipeline(make_backend("mediapipe"), filter="none")
    recording = smooth_recording([pipeline(frame) for frame in read_video(video)])
    write_joints(joints, recording)
    length = recording[-1].stamp - recording[0].stamp
    rate = (len(recording) - 1) / length if length else 30.0  # of a single image any will do
    with VideoWriter(overlay, rate) as writer:
        for frame, hands in zip(read_video(video), recording, strict=True):
            writer.write(draw_hands(frame.image, hands))
    return recording


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
