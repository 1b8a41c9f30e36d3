"""The `handpose` command: reads its arguments and runs one of `commands`."""

import argparse
import io
import math
import os
import signal
import sys
from pathlib import Path

from handpose_ros import __version__, commands, recording_commands
from handpose_ros.failures import quiet_opencv, sentence
from handpose_ros.interrupts import SIGNALS
from handpose_ros.runtimes import PRECISIONS, RUNTIMES

_DEMO_OUT = Path("demo_output")


def main(argv: list[str] | None = None) -> int:
    """The exit code: 0 done, 1 failed with one line that says what to do, 2 wrong usage, 130 interrupted."""
    if sys.stderr is None:  # closed
        sys.stderr = open(os.devnull, "w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name can hold what is no text
    args = _parser().parse_args(argv)
    quiet_opencv()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, signal.default_int_handler)  # as a Ctrl-C: children ended, files whole
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"handpose {args.command}: {sentence(error)}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="handpose", description="Metric 3D hands from a calibrated camera.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = subparsers.add_parser("demo", help="run camera, hand_pose and grasp over DDS, record and measure")
    demo.add_argument(
        "--source", default="demo", help="video file, folder of images or webcam (0); default: the demo clip"
    )
    demo.add_argument("--out", type=Path, default=_DEMO_OUT, metavar="DIR", help=f"default: {_DEMO_OUT}")
    demo.add_argument("--frames", type=_positive, metavar="N", help="stop after N frames; default: at the source's end")
    demo.add_argument("--viewer", action="store_true", help="open RViz, if rviz2 is installed")
    demo.set_defaults(run=commands.demo)

    image = subparsers.add_parser("image", help="hands in single images: an overlay PNG and a JSON for each")
    image.add_argument("files", nargs="+", type=Path, metavar="FILE", help="PNG, JPEG or another format of OpenCV")
    image.set_defaults(run=recording_commands.image)

    video = subparsers.add_parser("video", help="hands in a video: overlay.mp4, joints, report.html; no ROS")
    video.add_argument("source", metavar="FILE", help="a video or a folder of images")
    video.add_argument("--start", type=_seconds, default=0.0, metavar="S", help="start time in seconds")
    video.add_argument("--end", type=_seconds, default=math.inf, metavar="S", help="end time in seconds")
    video.set_defaults(run=recording_commands.video)

    bag = subparsers.add_parser("bag", help="hands in a recorded bag: hands.mcap, joints.npz, report.html; no ROS")
    bag.add_argument("source", type=Path, metavar="BAG", help="an .mcap or .db3 file or a rosbag2 directory")
    bag.add_argument(
        "--compare", nargs="?", const="", metavar="TOPIC", help="compare with the hands recorded live in the bag"
    )
    bag.set_defaults(run=recording_commands.bag)

    batch = subparsers.add_parser("batch", help="many videos and bags, on all cores; resumes an interrupted run")
    batch.add_argument("sources", nargs="+", type=Path, metavar="DIR", help="directories of videos and bags, or files")
    where = batch.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_positive, metavar="N", help="recordings at a time; default: cores; on a GPU 2")
    where.add_argument("--ray", nargs="?", const="", metavar="ADDRESS", help="use a Ray cluster; default: the one here")
    batch.set_defaults(run=recording_commands.batch)

    evaluate = subparsers.add_parser("evaluate", help="accuracy on photos with known hands, or of the geometry alone")
    evaluate.add_argument(
        "--sequences", action="store_true", help="tracking and smoothing, on sequences made of DIR or of the demo clip"
    )
    what = evaluate.add_mutually_exclusive_group()
    what.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="with annotations.json, FreiHAND or HO-3D")
    what.add_argument("--synthetic", action="store_true", help="exact keypoints through every camera model")
    what.add_argument("--grasps", action="store_true", help="the grasp classifiers on posed hands; takes minutes")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write every figure with its n")
    evaluate.add_argument("--html", type=Path, metavar="DIR", help="write a page with curves and the worst photos")
    size = evaluate.add_mutually_exclusive_group()
    size.add_argument("--hand-scale", type=_scale, metavar="S", help="ratio of the hands' size to the average hand's")
    size.add_argument("--calibrate-size", action="store_true", help="use the one size that fits the known distances")
    evaluate.add_argument(
        "--lifter", default="learned", help="how to get the 3D shape: learned or mediapipe; default: %(default)s"
    )
    evaluate.add_argument(
        "--looks", type=_positive, default=2, metavar="N", help="observations per hand, averaged; default: %(default)s"
    )
    evaluate.set_defaults(run=commands.evaluate, wrong=evaluate.error, default=evaluate.get_default)

    benchmark = subparsers.add_parser("benchmark", help="speed on this machine, on the demo clip")
    benchmark.add_argument(
        "--runtime", default="auto", choices=RUNTIMES, help="library that runs the networks; default: %(default)s"
    )
    benchmark.add_argument(
        "--threads",
        type=_positive,
        default=0,
        metavar="N",
        help="CPU threads of the networks; default: cores, at most 4",
    )
    benchmark.add_argument(
        "--images",
        type=_positive,
        default=120,
        metavar="N",
        help="images per row, with --against and --growth at least 48; default: %(default)s",
    )
    what = benchmark.add_mutually_exclusive_group()
    what.add_argument(
        "--against",
        choices=["mediapipe", "mediapipe-lite", "default"],
        help="compare, in turns on the same images, with MediaPipe (complexity 1 or 0) or our default backend",
    )
    what.add_argument(
        "--growth", action="store_true", help="growth with hands, image size and cameras; default backend only"
    )
    what.add_argument("--node", action="store_true", help="the node over DDS, at 30 and 60 images per second")
    benchmark.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    benchmark.set_defaults(run=commands.benchmark)

    for command in (bag, batch):
        command.add_argument(
            "--image", metavar="TOPIC", help="image topic of a bag, raw or compressed; default: the only one"
        )
        command.add_argument("--camera-info", metavar="TOPIC", help="camera_info topic; default: beside the images")
        command.add_argument("--rectified", action="store_true", help="the images are rectified: use P, not K and D")
    for command in (video, batch):
        command.add_argument("--every", type=_positive, default=1, metavar="N", help="take every Nth image of a video")
        command.add_argument(
            "--smooth", action="store_true", help="smooth videos with earlier and later images, not only earlier ones"
        )
    for command in (video, bag, batch):
        command.add_argument(
            "--format",
            default="npz",
            metavar="A,B",
            help="formats of the joint files: npz, npy, pkl, json, csv, parquet; default: npz",
        )
        command.add_argument("--classifier", metavar="NAME", help="grasp classifier: taxonomy (default) or distance")
    for command in (image, video, bag, batch):
        command.add_argument(
            "--out", type=Path, default=Path("handpose_output"), metavar="DIR", help="default: %(default)s"
        )
    for command in (demo, image, video, bag, batch, evaluate, benchmark):
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N; default: %(default)s")
        command.add_argument(
            "--backend", default="mediapipe", help="networks to run: mediapipe or wildhands; default: %(default)s"
        )
        command.add_argument("--checkpoint", default="", metavar="FILE", help="path of wildhands.ckpt for wildhands")
    for command in (evaluate, benchmark):
        command.add_argument(
            "--complexity", default="full", choices=["full", "lite"], help="size of the networks; default: %(default)s"
        )
        command.add_argument(
            "--precision", default="auto", choices=PRECISIONS, help="precision of the networks; default: %(default)s"
        )
    for command in (demo, image, video, bag, batch):
        calibration = command.add_mutually_exclusive_group()
        calibration.add_argument(
            "--calibration", type=Path, metavar="YAML", help="camera calibration file, as camera_calibration writes it"
        )
        calibration.add_argument(
            "--fov", type=_fov, metavar="DEG", help="horizontal field of view, if there is no calibration"
        )
        size = command.add_mutually_exclusive_group()
        size.add_argument("--hand-scale", type=_scale, metavar="S", help="ratio of hand size to the average hand's")
        size.add_argument(
            "--palm-length",
            type=_number,
            metavar="M",
            help="[m] from the wrist's crease to the crease at the base of the middle finger",
        )
        command.add_argument(
            "--max-hands",
            type=_positive,
            default=2,
            choices=range(1, 9) if command is demo else None,  # those of the node
            metavar="N",
            help="hands that are followed; default: %(default)s",
        )

    weights = subparsers.add_parser("weights", help="list the networks' files and their places")
    weights.add_argument("--fetch", action="store_true", help="fetch missing files")
    weights.add_argument("--path", type=Path, metavar="DIR", help="a directory or a wheel with the files")
    weights.set_defaults(run=commands.weights)
    return parser


def _positive(text):
    value = _number(text, int, "a whole number")
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _seconds(text):
    value = _number(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0 s")
    return value


def _scale(text):
    from handpose_ros.hand import HAND_SCALES  # with NumPy, for which --help need not wait

    value, (low, high) = _number(text), HAND_SCALES
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{text} is not between {low} and {high} times the average hand")
    return value


def _fov(text):
    value = _number(text)
    if not 0 < value < 180:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 180 degrees")
    return value


def _number(text, kind=float, called="a number"):
    try:
        return kind(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not {called}") from error


if __name__ == "__main__":
    sys.exit(main())
