"""The functions of the commands `image`, `video`, `bag` and `batch`. Slow imports are made where they are used.

Each takes the parsed arguments of its command and returns the exit code.
"""

import math
import sys

from handpose_ros.failures import sentence
from handpose_ros.wording import counted


def image(args):
    from dataclasses import replace

    from handpose_ros.drawing import draw_hands
    from handpose_ros.estimator import HandPoseEstimator
    from handpose_ros.recordings.output import check_results, hands_as_json, make_directory, write_image, write_json
    from handpose_ros.recordings.sources import read_image
    from handpose_ros.recordings.video_run import distance_warnings

    options, compute = _options(args), _compute(args)
    names = _names(args.files)
    check_results(args.out, (f"{name}_hands.{suffix}" for name in names for suffix in ("png", "json")), args.files)
    out = make_directory(args.out)
    estimator, failed = None, 0
    for path, name in zip(args.files, names, strict=True):
        try:
            image = read_image(path, turned=not options.calibration)  # which is that of the sensor
            camera = options.camera((image.shape[1], image.shape[0]))
        except (OSError, ValueError) as error:  # one bad file does not keep the others from being done
            print(f"handpose image: {sentence(error)}", file=sys.stderr)
            failed += 1
            continue
        if estimator is None:
            estimator = HandPoseEstimator(
                args.backend,
                max_hands=options.max_hands,
                hand_scale=options.hand_scale,
                device=compute.device,
                checkpoint=args.checkpoint,
            )
            _warn(distance_warnings(camera, bool(options.calibration)))
        hands = replace(estimator.estimate(image, camera), calibrated=bool(options.calibration))
        write_image(out / f"{name}_hands.png", draw_hands(image, hands))
        write_json(out / f"{name}_hands.json", hands_as_json(hands))
        sides = ", ".join(hand.side.name.lower() for hand in hands) or "no hands"
        print(f"{path}: {sides} -> {out / name}_hands.png, .json")
    return 1 if failed else 0


def video(args):
    from handpose_ros.recordings.job import answer_video

    options = _options(args, start=args.start, end=args.end, every=args.every, smooth=args.smooth)
    summary = answer_video(args.source, args.out, options, _compute(args), _bar)
    return _summarised(summary, args.out, "overlay.mp4", *(f"joints.{each}" for each in options.formats))


def bag(args):
    from handpose_ros.recordings.job import answer_bag

    options = _options(args, **_of_bags(args))
    summary = answer_bag(args.source, args.out, options, _compute(args), _bar, args.compare)
    files = ["hands.mcap", *(f"joints.{each}" for each in options.formats)]
    if summary.comparison is None:
        return _summarised(summary, args.out, *files)
    code = _summarised(summary, args.out, *files, "comparison.json")
    print(_compared(summary.comparison))
    return code


def batch(args):
    from contextlib import closing, nullcontext

    from handpose_ros.batch.files import SUMMARY, find_recordings
    from handpose_ros.batch.ray_cluster import RayCluster
    from handpose_ros.batch.run import choose_compute, choose_executor, run_batch
    from handpose_ros.recordings.job import Compute

    options = _options(args, every=args.every, smooth=args.smooth, **_of_bags(args))
    recordings = find_recordings(args.sources, args.out)
    if args.ray is not None:
        compute = Compute(args.device, num_threads=1)
        executor = RayCluster(args.ray, gpus=1 if args.device.startswith("cuda") else 0)
    else:
        compute = choose_compute(args.device, args.jobs or 0)
        executor = choose_executor(compute, args.jobs or 0)
    with closing(executor) if args.ray is not None else nullcontext():
        summary = run_batch(recordings, args.out, options, compute, executor)
    print(
        f"{summary.count('done')} of {counted(len(summary.files), 'recording')} done "
        f"({sum(each.found for each in summary.files)} of them before), {summary.count('failed')} failed"
    )
    warned = sum(bool(each.warnings) for each in summary.files)
    if warned:
        print(f"{counted(warned, 'recording')} with warnings: see {SUMMARY}")
    print(f"{args.out}: {SUMMARY}, a directory for each recording")
    if summary.interrupted:
        print(f"interrupted, {summary.count('not done')} not done: start it again", file=sys.stderr)
    return 130 if summary.interrupted else 1 if summary.count("failed") else 0


def _options(args, **others):
    """The RecordingOptions that the arguments give."""
    from handpose_ros.recordings.job import RecordingOptions

    rectified = others.get("rectified", False)
    calibration = _calibration(args.calibration, rectified) if args.calibration is not None else ""
    formats = {"formats": tuple(dict.fromkeys(args.format.split(",")))} if "format" in args else {}
    classifier = {"classifier": args.classifier} if "classifier" in args and args.classifier else {}
    hands = {"hand_scale": hand_scale(args), "max_hands": args.max_hands}
    camera = {"calibration": calibration, "fov": args.fov}
    return RecordingOptions(args.backend, args.checkpoint, **camera, **hands, **classifier, **formats, **others)


def _of_bags(args):
    return {"image_topic": args.image, "info_topic": args.camera_info, "rectified": args.rectified}


def hand_scale(args):
    """The size of the hands over the average hand's that the arguments speak of; None: not known."""
    if args.palm_length is None:
        return args.hand_scale
    from handpose_ros.lifting.hand_size import HandSize

    return HandSize.from_palm(args.palm_length).scale


def _calibration(path, rectified):
    """The text of a calibration file. Raises OSError, and ValueError naming the file."""
    from handpose_ros.messages.calibration import camera_from_yaml

    try:
        text = path.read_text()
        camera_from_yaml(text, rectified)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text: it must be a file of ROS's camera_calibration") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return text


def _compute(args):
    from handpose_ros.recordings.job import Compute

    return Compute(args.device)


def _names(files):
    """The name of the results of each of `files`. Raises ValueError if two would have the same name."""
    names = {}
    for path in files:
        other = names.setdefault(path.stem, path)
        if other is not path and other != path:
            raise ValueError(f"{other} and {path} would both be {path.stem}_hands.png: give each its own --out")
    return [path.stem for path in files]


def _warn(warnings):
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _bar(items, total):
    from tqdm import tqdm

    return tqdm(items, total=total, unit="frame", disable=None)


def _compared(figures):
    """The line about live and offline hands."""
    text = f"live and offline: {counted(figures.images, 'image')} answered both times"
    if not math.isfinite(figures.worst_joint_max_mm):
        return f"{text}, no joint known in both in the same frame"
    largest, median = figures.worst_joint_max_mm, figures.worst_joint_median_mm
    return f"{text}, joints apart by at most {largest:.3g} mm (median {median:.3g})"


def _summarised(summary, out, *files):
    _warn(summary.warnings)
    print(f"{counted(summary.frames, 'frame')}, a hand in {summary.frames_with_a_hand}")
    print(f"{out}: {', '.join(files)}, summary.json, report.html")
    return 0
