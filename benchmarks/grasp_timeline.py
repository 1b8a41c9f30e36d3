"""A picture of what the grasp node says over a video: phase, type and aperture of each hand.

    python benchmarks/grasp_timeline.py demo timeline.png --thumbnails
    python benchmarks/grasp_timeline.py VIDEO timeline.png --fov 60

The nodes hand_pose and grasp run as processes. They get every image over DDS with the stamp that it has in the video,
the next one when the last one is answered: how busy the machine is does not show. The demo clip has a row more, the
phases of its true joints. --thumbnails puts images above.
"""

import argparse
import math
import os
import time
from pathlib import Path

import cv2
import numpy as np

from handpose_ros.camera import Camera
from handpose_ros.demo import environment, node_command
from handpose_ros.evaluation.grasp_clip import read_truth
from handpose_ros.grasps.taxonomy import Category, Phase
from handpose_ros.hand import Side
from handpose_ros.messages.markers import PHASE_COLORS
from handpose_ros.processes import Processes
from handpose_ros.recordings.node_outputs import CAMERA_INFO, GRASPS, HANDS, IMAGE
from handpose_ros.recordings.output import write_image
from handpose_ros.recordings.sources import open_source

WIDTH, LEFT, RIGHT, ROW, CURVE = 960, 110, 20, 22, 100  # [px]
TILES = 10
WIDEST = 0.12  # [m] of the aperture's axis
GREY, DARK = (235, 235, 235), (40, 40, 40)
POWER, INTERMEDIATE, PRECISION = (214, 96, 77), (244, 190, 110), (90, 140, 200)
CATEGORY_COLORS = {Category.POWER: POWER, Category.INTERMEDIATE: INTERMEDIATE, Category.PRECISION: PRECISION}
START, SETTLING, PATIENCE = 180.0, 3.0, 60.0  # [s] for the networks, for DDS, for one image
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("source", help="demo or a video")
    arguments.add_argument("out", type=Path, help="a PNG")
    arguments.add_argument("--fov", type=float, default=60.0, help="[deg] where the source has no calibration")
    arguments.add_argument("--thumbnails", action="store_true")
    args = arguments.parse_args()
    with open_source(args.source) as source:
        camera = source.camera or Camera.from_fov(source.size, math.radians(args.fov))
        frames = list(source.stamped())
    answers = live_grasps(frames, camera)
    span = frames[0][0], frames[-1][0]
    parts = [thumbnails(frames)] if args.thumbnails else []
    truth = {hand.side: hand for hand in read_truth()} if args.source == "demo" else {}
    for side in (Side.LEFT, Side.RIGHT):
        seen = [(stamp, grasp) for stamp, msg in answers for grasp in msg.grasps if grasp.handedness == side]
        if seen:
            parts.append(timeline(side, seen, span, truth.get(side)))
    parts.append(time_axis(span))
    write_image(args.out, np.concatenate(parts))


def live_grasps(frames, camera):
    """(stamp [s], GraspArray) of what the nodes answer to each of `frames` (stamp [s], image)."""
    os.environ.update(environment(os.environ))
    import rclpy  # reads the environment when it is loaded
    from builtin_interfaces.msg import Time
    from sensor_msgs.msg import CameraInfo, Image
    from std_msgs.msg import Header

    from handpose_ros.msg import GraspArray
    from handpose_ros.ros.conversions import camera_to_info, image_to_msg

    rclpy.init()
    node, answers = rclpy.create_node("grasp_timeline"), []
    node.create_subscription(GraspArray, GRASPS, answers.append, 50)
    info, image = node.create_publisher(CameraInfo, CAMERA_INFO, 5), node.create_publisher(Image, IMAGE, 5)

    def until(condition, patience):
        deadline = time.monotonic() + patience
        while not condition():
            rclpy.spin_once(node, timeout_sec=0.02)
            if time.monotonic() > deadline:
                raise TimeoutError("the nodes do not answer")

    with Processes(os.environ) as processes:
        topics = {"image": IMAGE, "camera_info": CAMERA_INFO}
        processes.start("hand_pose", node_command("hand_pose", {"device": "cpu"}, topics))
        processes.start("grasp", node_command("grasp", {}, {"hands": HANDS}))
        until(lambda: all(map(node.count_subscribers, (IMAGE, CAMERA_INFO, HANDS))), START)
        until(lambda: node.count_publishers(GRASPS), START)
        settled = time.monotonic() + SETTLING
        until(lambda: time.monotonic() > settled, START)
        for number, (stamp, pixels) in enumerate(frames):
            seconds, part = divmod(round(stamp * 1e9), 10**9)
            header = Header(stamp=Time(sec=1 + seconds, nanosec=part), frame_id="camera")  # 0 is no stamp
            info.publish(camera_to_info(camera, header))
            image.publish(image_to_msg(pixels, header))
            until(lambda count=number: len(answers) > count, PATIENCE if number else START)
            processes.check()
    rclpy.shutdown()
    return [(msg.header.stamp.sec - 1 + msg.header.stamp.nanosec / 1e9, msg) for msg in answers]


def thumbnails(frames):
    """The images at the middle of TILES equal stretches of time."""
    width = (WIDTH - LEFT - RIGHT) // TILES
    strip = blank(width * 3 // 4 + 4)
    for tile in range(TILES):
        _, image = frames[round((tile + 0.5) * len(frames) / TILES)]
        left = LEFT + tile * width
        size = width - 2, width * 3 // 4
        strip[: size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return strip // 8 * 8 + 7  # fewer colours: a smaller file


def timeline(side, seen, span, truth):
    """Rows of phase and category, and the curve of the aperture [mm]; above them the true phases, where known."""
    rows = []
    if truth is not None:
        begins = [(span[0], Phase.OPEN), *((span[0] + event.time, event.phase) for event in truth.events)]
        ends = [start for start, _ in begins[1:]] + [span[1]]
        bars = [(a, b, PHASE_COLORS[phase], phase.name.lower()) for (a, phase), b in zip(begins, ends, strict=True)]
        rows.append(bar_row("true phase", bars, span))
    phases = [(stamp, Phase(grasp.phase)) for stamp, grasp in seen]
    rows.append(bar_row("phase", [(a, b, PHASE_COLORS[p], p.name.lower()) for a, b, p in stretches(phases)], span))
    said = [(stamp, (Category(grasp.category), grasp.name)) for stamp, grasp in seen]
    bars = [(a, b, CATEGORY_COLORS.get(each[0], GREY), each[1]) for a, b, each in stretches(said)]
    rows.append(bar_row("type", bars, span))
    rows.append(curve(seen, span))
    title = blank(ROW)
    cv2.putText(title, f"{side.name.lower()} hand", (8, 16), _FONT, 0.5, DARK, 1, cv2.LINE_AA)
    return np.concatenate([title, *rows])


def stretches(values):
    """(start, end, value) of what stays the same in (stamp, value)."""
    starts = [i for i, (_, value) in enumerate(values) if i == 0 or value != values[i - 1][1]]
    ends = [values[i][0] for i in starts[1:]] + [values[-1][0]]
    return [(values[i][0], end, values[i][1]) for i, end in zip(starts, ends, strict=True)]


def bar_row(name, bars, span):
    row = blank(ROW)
    cv2.putText(row, name, (8, 15), _FONT, 0.42, DARK, 1, cv2.LINE_AA)
    for start, end, color, text in bars:
        left, right = column(start, span), column(end, span)
        color = [round(channel * 255) for channel in color] if max(color) <= 1 else color
        cv2.rectangle(row, (left, 2), (max(right - 2, left), ROW - 3), color, -1)
        width = cv2.getTextSize(text, _FONT, 0.38, 1)[0][0]
        if width + 4 < right - left:
            cv2.putText(row, text, (left + 3, 15), _FONT, 0.38, DARK, 1, cv2.LINE_AA)
    return row


def curve(seen, span):
    panel = blank(CURVE)
    cv2.putText(panel, "aperture", (8, CURVE // 2), _FONT, 0.42, DARK, 1, cv2.LINE_AA)
    for length in (0.0, 0.04, 0.08, 0.12):
        y = height(length)
        cv2.line(panel, (LEFT, y), (WIDTH - RIGHT, y), (225, 225, 225), 1)
        cv2.putText(panel, f"{1000 * length:.0f} mm", (LEFT - 50, y + 4), _FONT, 0.36, DARK, 1, cv2.LINE_AA)
    points = [(column(stamp, span), height(grasp.aperture)) for stamp, grasp in seen if np.isfinite(grasp.aperture)]
    cv2.polylines(panel, [np.array(points, np.int32)], False, (30, 110, 60), 2, cv2.LINE_AA)
    return panel


def time_axis(span):
    row = blank(ROW)
    for second in range(int(span[1] - span[0]) + 1):
        x = column(span[0] + second, span)
        cv2.line(row, (x, 0), (x, 4), DARK, 1)
        cv2.putText(row, f"{second} s" if second % 2 == 0 else "", (x - 8, 17), _FONT, 0.38, DARK, 1, cv2.LINE_AA)
    return row


def column(stamp, span):
    return LEFT + round((stamp - span[0]) / (span[1] - span[0]) * (WIDTH - LEFT - RIGHT))


def height(length):
    return CURVE - 8 - round(min(length, WIDEST) / WIDEST * (CURVE - 16))


def blank(rows):
    return np.full((rows, WIDTH, 3), 255, np.uint8)


if __name__ == "__main__":
    main()
