"""Renders the demo clip and its ground truth: two hands over a table, opening, pinching, pointing, grasping.

    python -m tools.render_demo_clip --mesh DIR

DIR holds left.glb and right.glb of the WebXR generic hand (MIT), 94 KB each, which are not part of this repository:

    npm pack @webxr-input-profiles/assets@1.0.20
    tar -xzf webxr-input-profiles-assets-1.0.20.tgz --strip-components=4 package/dist/profiles/generic-hand/

Needs an ffmpeg with libx264 on the PATH (`apt install ffmpeg`), and a few minutes. Same inputs, same frames.

Writes into --out (handpose_ros/data):
    two_hands.mp4   300 frames, 640x480, 30 frames/s; its last frame leads into its first one
    two_hands.npz   joints_3d (300, 2, 21, 3) float32 [m] in the camera's optical frame, joints in the order of
                    hand.KEYPOINTS; sides (2,) of hand.Side; K (3, 3) [px]; size (2,) width, height [px]; fps
    two_hands.yaml  the camera's calibration in the format of ROS camera_info files
"""

import argparse
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.hand import Side
from handpose_ros.messages.calibration import camera_to_yaml
from tools.demo_motion import DURATION, hands_at
from tools.hand_mesh import HandMesh
from tools.render_hands import Studio

ROOT = Path(__file__).resolve().parents[1]
FPS = 30
CAMERA = Camera(np.array([[525.0, 0, 319.5], [0, 525.0, 239.5], [0, 0, 1]]), (640, 480))
SIDES = (Side.LEFT, Side.RIGHT)
QUANTUM = 2.0**-15  # [m], 30 um: rounded to it, the ground truth compresses to half its size
QUALITY = 22  # x264's constant rate factor


def main():
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    meshes = tuple(HandMesh.load(arguments.mesh / f"{side.name.lower()}.glb", side) for side in SIDES)
    times = np.arange(DURATION * FPS) / FPS
    joints = np.array([[hand.keypoints for hand in hands_at(time, meshes)] for time in times])
    np.savez_compressed(
        arguments.out / "two_hands.npz",
        joints_3d=(np.rint(joints / QUANTUM) * QUANTUM).astype(np.float32),
        sides=np.array(SIDES, np.uint8),
        K=CAMERA.K,
        size=np.array(CAMERA.size),
        fps=np.array(float(FPS)),
    )
    (arguments.out / "two_hands.yaml").write_text(camera_to_yaml(CAMERA, "two_hands"))
    with ProcessPoolExecutor(arguments.jobs) as pool:
        frames = pool.map(partial(_render, meshes), times, chunksize=10)
        _encode(frames, len(times), arguments.out / "two_hands.mp4")


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mesh", type=Path, required=True, help="the folder with left.glb and right.glb")
    parser.add_argument("--out", type=Path, default=ROOT / "handpose_ros" / "data", help="where the clip goes")
    parser.add_argument("--jobs", type=int, default=2, help="processes that render")
    return parser.parse_args()


_studio = None  # one per process: its table takes seconds to make


def _render(meshes, time):
    global _studio
    _studio = _studio or Studio(CAMERA)
    return _studio.render(hands_at(time, meshes))


def _encode(frames, count, path):
    width, height = CAMERA.size
    command = ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += [
        "-r",
        str(FPS),
        "-i",
        "-",
        "-c:v",
        "libx264",
        "-preset",
        "veryslow",
        "-crf",
        str(QUALITY),
        "-g",
        "600",
        "-threads",
        "1",
    ]
    command += [
        "-pix_fmt",
        "yuv420p",
        "-fflags",
        "+bitexact",
        "-flags:v",
        "+bitexact",
        "-movflags",
        "+faststart",
        str(path),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for number, frame in enumerate(frames, start=1):
            encoder.stdin.write(frame.tobytes())
            print(f"\r{number}/{count} frames", end="", flush=True)
        encoder.stdin.close()
        if encoder.wait():
            sys.exit(f"\nffmpeg failed with status {encoder.returncode}: {' '.join(command)}")
    print(f"\n{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
