"""The `handpose` command: reads arguments, calls, prints. What takes long to import is imported when it is used."""

import argparse
import math
import signal
import sys
from pathlib import Path

from handpose_ros.runtimes import RUNTIMES

_DEMO_OUT = Path("demo_output")


def main(argv: list[str] | None = None) -> int:
    """The exit code: 0 done, 1 failed with one line that says what to do, 2 wrong usage, 130 interrupted."""
    args = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end as a Ctrl-C does: children ended, files whole
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        print(f"handpose {args.command}: {_sentence(error)}", file=sys.stderr)
        return 1


def _sentence(error):
    """What happened, without the errno that Python puts before it."""
    named = isinstance(error, OSError) and error.filename is not None
    return f"{error.filename}: {error.strerror}" if named else str(error)


def _parser():
    parser = argparse.ArgumentParser(prog="handpose", description="Metric 3D hands from a calibrated camera.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="camera, hand_pose and grasp over DDS, recorded and measured")
    demo.add_argument(
        "--source", default="demo", help="video file, folder of images or webcam (0); default: the demo clip"
    )
    demo.add_argument("--out", type=Path, default=_DEMO_OUT, metavar="DIR", help=f"default: {_DEMO_OUT}")
    demo.add_argument("--frames", type=_positive, metavar="N", help="stop after N frames; default: at the source's end")
    demo.add_argument("--viewer", action="store_true", help="open RViz, where rviz2 is installed")
    demo.set_defaults(run=_demo)

    image = commands.add_parser("image", help="hands in single images: an overlay PNG and a JSON for each")
    image.add_argument("files", nargs="+", type=Path, metavar="FILE")
    image.set_defaults(run=_image)

    video = commands.add_parser("video", help="hands in a video: overlay.mp4, joints, report.html; no ROS")
    video.add_argument("source", metavar="FILE", help="a video or a folder of images")
    video.add_argument("--start", type=_seconds, default=0.0, metavar="S", help="leave out what is before")
    video.add_argument("--end", type=_seconds, default=math.inf, metavar="S", help="leave out what is after")
    video.add_argument("--every", type=_positive, default=1, metavar="N", help="take every Nth image")
    video.add_argument("--smooth", action="store_true", help="with what came before and after, instead of live")
    video.add_argument(
        "--format", default="npz", metavar="A,B", help="of the joints: npz, npy, pkl, json, csv, parquet; default: npz"
    )
    video.set_defaults(run=_video)

    bag = commands.add_parser("bag", help="hands in a recorded bag: hands.mcap, joints.npz, report.html; no ROS")
    bag.add_argument("source", type=Path, metavar="BAG", help="an .mcap or .db3 file or a rosbag2 directory")
    bag.add_argument("--image", metavar="TOPIC", help="of the images, raw or compressed; default: the only one")
    bag.add_argument("--camera-info", metavar="TOPIC", help="default: the one beside the images")
    bag.add_argument("--rectified", action="store_true", help="the images are rectified: P holds, not K and D")
    bag.add_argument("--compare", nargs="?", const="", metavar="TOPIC", help="with the hands that were recorded live")
    bag.set_defaults(run=_bag)

    evaluate = commands.add_parser("evaluate", help="accuracy on photos with known hands, or of the geometry alone")
    what = evaluate.add_mutually_exclusive_group(required=True)
    what.add_argument("folder", nargs="?", type=Path, metavar="DIR", help="with annotations.json, FreiHAND or HO-3D")
    what.add_argument("--synthetic", action="store_true", help="exact keypoints through every camera model")
    what.add_argument("--grasps", action="store_true", help="the grasp classifiers on posed hands; takes minutes")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write every figure with its n")
    evaluate.add_argument("--html", type=Path, metavar="DIR", help="write a page with curves and the worst photos")
    size = evaluate.add_mutually_exclusive_group()
    size.add_argument("--hand-scale", type=_scale, metavar="S", help="the hands' size over the average hand's")
    size.add_argument("--calibrate-size", action="store_true", help="take the one size that fits the known distances")
    evaluate.add_argument("--lifter", default="learned", help="or mediapipe; default: %(default)s")
    evaluate.set_defaults(run=_evaluate)

    for command in (image, video, bag):
        command.add_argument(
            "--out", type=Path, default=Path("handpose_output"), metavar="DIR", help="default: %(default)s"
        )
    for command in (demo, image, video, bag, evaluate):
        command.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N; default: %(default)s")
        command.add_argument("--backend", default="mediapipe", help="or wildhands; default: %(default)s")
        command.add_argument("--checkpoint", default="", metavar="FILE", help="wildhands.ckpt, for that backend")
    for command in (demo, image, video, bag):
        calibration = command.add_mutually_exclusive_group()
        calibration.add_argument(
            "--calibration", type=Path, metavar="YAML", help="of the camera, as camera_calibration writes it"
        )
        calibration.add_argument(
            "--fov", type=_fov, metavar="DEG", help="horizontal field of view, where there is no calibration"
        )

    benchmark = commands.add_parser("benchmark", help="how long it takes on this machine, on the demo clip")
    benchmark.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N; default: %(default)s")
    benchmark.add_argument("--runtime", default="auto", choices=RUNTIMES, help="default: %(default)s")
    benchmark.add_argument("--threads", type=int, default=0, metavar="N", help="on the CPU; default: cores, at most 4")
    benchmark.add_argument(
        "--images", type=_positive, default=120, metavar="N", help="in each row; default: %(default)s"
    )
    what = benchmark.add_mutually_exclusive_group()
    what.add_argument("--against", choices=["mediapipe"], help="the official solution, on the same images in turns")
    what.add_argument("--growth", action="store_true", help="with the number of hands")
    what.add_argument("--node", action="store_true", help="the node over DDS, at 30 and 60 images a second")
    benchmark.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    benchmark.set_defaults(run=_benchmark)

    weights = commands.add_parser("weights", help="the networks' files: which are where")
    weights.add_argument("--fetch", action="store_true", help="fetch those that are missing")
    weights.add_argument("--path", type=Path, metavar="DIR", help="a directory or a wheel with them")
    weights.set_defaults(run=_weights)
    return parser


def _demo(args):
    from handpose_ros.demo import Demo, run_demo

    demo = Demo(
        source=args.source,
        out=args.out,
        frames=args.frames,
        device=args.device,
        calibration=args.calibration,
        fov=args.fov or 0.0,
        viewer=args.viewer,
        backend=args.backend,
        checkpoint=args.checkpoint,
    )
    summary = run_demo(demo)
    print(
        f"{summary.frames} frames, a hand in {summary.frames_with_a_hand}, both in {summary.frames_with_both_hands}; "
        f"{summary.lost_frames} lost, {summary.stale_frames} stale; "
        f"latency {summary.latency_p50_ms:.0f} ms (p95 {summary.latency_p95_ms:.0f} ms)"
    )
    if summary.error is not None:
        print(
            f"joints off the truth by {summary.error.absolute_median_mm:.0f} mm (median), "
            f"{summary.error.root_relative_mm:.0f} mm from the wrist, {summary.error.pa_mm:.0f} mm in shape"
        )
    print(f"{args.out}: overlay.mp4, hands.mcap, summary.json, contact_sheet.png")
    return 130 if summary.interrupted else 0


def _image(args):
    from handpose_ros.drawing import draw_hands
    from handpose_ros.pipeline import HandPoseEstimator
    from handpose_ros.recordings import hands_as_json, make_directory, write_image, write_json
    from handpose_ros.sources import read_image

    out = make_directory(args.out)
    estimator, failed = None, 0
    for path in args.files:
        try:
            image = read_image(path)
            camera = _camera(args, (image.shape[1], image.shape[0]))
        except (OSError, ValueError) as error:  # one bad file does not keep the others from being done
            print(f"handpose image: {_sentence(error)}", file=sys.stderr)
            failed += 1
            continue
        estimator = estimator or HandPoseEstimator(args.backend, device=args.device, checkpoint=args.checkpoint)
        hands = estimator.estimate(image, camera)
        write_image(out / f"{path.stem}_hands.png", draw_hands(image, hands))
        write_json(out / f"{path.stem}_hands.json", hands_as_json(hands))
        sides = ", ".join(hand.side.name.lower() for hand in hands) or "no hands"
        print(f"{path}: {sides} -> {out / path.stem}_hands.png, .json")
    return 1 if failed else 0


def _video(args):
    from functools import partial

    from tqdm import tqdm

    from handpose_ros.backends import make_backend
    from handpose_ros.joint_tables import check_formats
    from handpose_ros.pipeline import HandPosePipeline
    from handpose_ros.sources import open_source
    from handpose_ros.video_run import Excerpt, run_video

    formats = tuple(dict.fromkeys(args.format.split(",")))
    check_formats(formats)
    excerpt = Excerpt(args.start, args.end, args.every)
    with open_source(args.source) as source:
        camera = _camera(args, source.size) or source.camera
        backend = make_backend(args.backend, device=args.device, checkpoint=args.checkpoint)
        summary = run_video(
            source,
            camera,
            HandPosePipeline(backend, filter="none" if args.smooth else "one_euro"),
            args.out,
            excerpt=excerpt,
            formats=formats,
            smooth=args.smooth,
            calibrated=not args.fov,
            progress=partial(tqdm, total=excerpt.count(source), unit="frame", disable=None),
        )
    return _summarised(summary, args.out, "overlay.mp4", *(f"joints.{each}" for each in formats))


def _summarised(summary, out, *files):
    for warning in summary.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{summary.frames} frames, a hand in {summary.frames_with_a_hand}")
    print(f"{out}: {', '.join(files)}, summary.json, report.html")
    return 0


def _bag(args):
    from functools import partial

    from tqdm import tqdm

    from handpose_ros.backends import make_backend
    from handpose_ros.bag_images import BagImages
    from handpose_ros.bag_run import run_bag
    from handpose_ros.pipeline import HandPosePipeline

    camera = partial(_camera, args)
    images = BagImages(
        args.source,
        args.image,
        args.camera_info,
        rectified=args.rectified,
        calibration=camera if args.calibration else None,
        guess=camera if args.fov else None,
    )
    pipeline = HandPosePipeline(make_backend(args.backend, device=args.device, checkpoint=args.checkpoint))
    progress = partial(tqdm, total=images.count, unit="frame", disable=None)
    summary = run_bag(images, pipeline, args.out, compared=args.compare, progress=progress)
    return _summarised(summary, args.out, "hands.mcap", "joints.npz")


def _evaluate(args):
    if args.synthetic:
        return _synthetic(args)
    if args.grasps:
        return _grasps(args)
    from functools import partial

    from tqdm import tqdm

    from handpose_ros.accuracy import measure
    from handpose_ros.evaluation import evaluate_folder
    from handpose_ros.pipeline import HandPoseEstimator
    from handpose_ros.recordings import write_json
    from handpose_ros.report import as_json, as_text
    from handpose_ros.report_page import write_page

    subject, outcomes = evaluate_folder(
        args.folder,
        partial(HandPoseEstimator, args.backend, device=args.device, checkpoint=args.checkpoint, lifter=args.lifter),
        hand_scale=args.hand_scale,
        calibrate_size=args.calibrate_size,
        progress=partial(tqdm, unit="image", disable=None),
    )
    accuracy = measure(outcomes)
    print(as_text(subject, accuracy))
    if args.json is not None:
        write_json(args.json, as_json(subject, accuracy))
    if args.html is not None:
        write_page(args.html, subject, accuracy, outcomes)
    return 0


def _grasps(args):
    from handpose_ros.grasp import CLASSIFIERS
    from handpose_ros.grasp_evaluation import as_json, evaluate_grasps, table
    from handpose_ros.recordings import write_json

    reports = tuple(evaluate_grasps(name) for name in CLASSIFIERS)
    print(table(reports))
    if args.json is not None:
        write_json(args.json, as_json(reports))
    return 0


def _synthetic(args):
    from handpose_ros.recordings import write_json
    from handpose_ros.report import synthetic_table
    from handpose_ros.synthetic import LIMIT_MM, synthetic_errors

    errors = synthetic_errors()
    worst = max(each.worst_mm for each in errors)
    print(synthetic_table(errors))
    print(f"{'within' if worst <= LIMIT_MM else 'NOT WITHIN'} {LIMIT_MM} mm")
    if args.json is not None:
        write_json(args.json, {"worst_mm": worst, "errors": [vars(each) for each in errors]})
    return 0 if worst <= LIMIT_MM else 1


def _benchmark(args):
    from handpose_ros.benchmark_report import Wish, run_benchmark
    from handpose_ros.recordings import write_json

    wish = Wish(args.device, args.runtime, args.threads, args.images, args.against, args.growth, args.node)
    figures = run_benchmark(wish)
    if args.json is not None:
        write_json(args.json, figures)
    return 0


def _weights(args):
    from handpose_ros import weights

    if args.fetch:
        for name in weights.DIGESTS:
            weights.locate(name, args.path)
    files = weights.inventory(args.path)
    for file in files:
        state = "ok" if file.ok else "missing" if file.path is None else "WRONG FILE"
        print(f"{file.name:<22}{state:<12}{file.origin:<22}{file.path or ''}")
    wrong = [file.name for file in files if not file.ok]
    if wrong:
        print(f"handpose weights: {', '.join(wrong)}: run `handpose weights --fetch`", file=sys.stderr)
    return 1 if wrong else 0


def _camera(args, size):
    """The Camera of an image of `size` that the arguments speak of, or None."""
    from handpose_ros.calibration import camera_from_yaml, fit_camera
    from handpose_ros.camera import Camera

    if args.calibration is not None:
        return fit_camera(camera_from_yaml(args.calibration.read_text()), size)
    return None if args.fov is None else Camera.from_fov(size, math.radians(args.fov))


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def _seconds(text):
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text} is not at least 0 s")
    return value


def _scale(text):
    value = float(text)
    if not 0.5 <= value <= 2:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.5 and 2 times the average hand")
    return value


def _fov(text):
    value = float(text)
    if not 0 < value < 180:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 180 degrees")
    return value


if __name__ == "__main__":
    sys.exit(main())
