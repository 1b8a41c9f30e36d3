"""What each `handpose` command does with its arguments. What takes long to import is imported where it is used.

Each takes the parsed arguments of its command and returns the exit code.
"""

import math
import sys


def demo(args):
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


def image(args):
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
            print(f"handpose image: {sentence(error)}", file=sys.stderr)
            failed += 1
            continue
        estimator = estimator or HandPoseEstimator(args.backend, device=args.device, checkpoint=args.checkpoint)
        hands = estimator.estimate(image, camera)
        write_image(out / f"{path.stem}_hands.png", draw_hands(image, hands))
        write_json(out / f"{path.stem}_hands.json", hands_as_json(hands))
        sides = ", ".join(hand.side.name.lower() for hand in hands) or "no hands"
        print(f"{path}: {sides} -> {out / path.stem}_hands.png, .json")
    return 1 if failed else 0


def video(args):
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


def bag(args):
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


def evaluate(args):
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


def benchmark(args):
    from handpose_ros.benchmark_report import Wish, run_benchmark
    from handpose_ros.recordings import write_json

    wish = Wish(args.device, args.runtime, args.threads, args.images, args.against, args.growth, args.node)
    figures = run_benchmark(wish)
    if args.json is not None:
        write_json(args.json, figures)
    return 0


def weights(args):
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


def sentence(error):
    """What happened, without the errno that Python puts before it."""
    named = isinstance(error, OSError) and error.filename is not None
    return f"{error.filename}: {error.strerror}" if named else str(error)
