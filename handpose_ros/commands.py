"""The functions of the `handpose` commands. Slow imports are made where they are used.

Each takes the parsed arguments of its command and returns the exit code.
"""

import math
import sys

from handpose_ros.wording import counted

_OF_PHOTOS = ("calibrate_size", "html", "looks")
_OF_ACCURACY = (*_OF_PHOTOS, "complexity", "precision", "lifter", "hand_scale")
_WITHOUT_EFFECT = {  # options of `evaluate` that would change nothing
    "sequences": _OF_PHOTOS,
    "grasps": _OF_ACCURACY,
    "synthetic": (*_OF_ACCURACY, "device", "backend", "checkpoint"),
}


def demo(args):
    from handpose_ros.demo import Demo, run_demo
    from handpose_ros.recording_commands import hand_scale

    demo = Demo(
        source=args.source,
        out=args.out,
        frames=args.frames,
        device=args.device,
        calibration=args.calibration,
        fov=args.fov or 0.0,
        hand_scale=hand_scale(args) or 0.0,
        max_hands=args.max_hands,
        viewer=args.viewer,
        backend=args.backend,
        checkpoint=args.checkpoint,
    )
    return show_demo(run_demo(demo), args.out)


def show_demo(summary, out):
    """Prints what a DemoSummary says of a run that left its files in `out`; returns the exit code."""
    if not summary.answered:
        print(f"handpose demo: {_unanswered(summary)}", file=sys.stderr)
        return 130 if summary.interrupted else 1
    latency = f"{summary.latency_p50_ms:.0f} ms (p95 {summary.latency_p95_ms:.0f} ms)"
    print(
        f"{counted(summary.frames, 'frame')}, a hand in {summary.frames_with_a_hand}, "
        f"both in {summary.frames_with_both_hands}; {summary.lost_frames} lost, {summary.stale_frames} stale; "
        f"latency {latency if math.isfinite(summary.latency_p95_ms) else 'not known'}"
    )
    if summary.error is not None:
        print(
            f"joints off the truth by {summary.error.absolute_median_mm:.0f} mm (median), "
            f"{summary.error.root_relative_mm:.0f} mm from the wrist, {summary.error.pa_mm:.0f} mm in shape"
        )
    print(f"{out}: overlay.mp4, hands.mcap, summary.json, contact_sheet.png")
    return 130 if summary.interrupted else 0


def _unanswered(summary):
    if summary.interrupted:
        return "interrupted before the first image was answered"
    return (
        f"none of {counted(summary.frames, 'image')} was answered with hands: another camera may publish on the same "
        "ROS_DOMAIN_ID, unset it or choose another"
    )


def evaluate(args):
    if args.sequences + args.synthetic + args.grasps > 1:
        args.wrong("--sequences goes with DIR or alone")
    for what, options in _WITHOUT_EFFECT.items():
        given = [option for option in options if getattr(args, what) and getattr(args, option) != args.default(option)]
        if given:
            args.wrong(f"--{what} goes without {' and '.join(f'--{option}' for option in given)}".replace("_", "-"))
    if not (args.folder or args.sequences or args.synthetic or args.grasps):
        args.wrong("give DIR, --sequences, --synthetic or --grasps")
    _make_places(args.json, args.html)
    if args.sequences:
        return _sequences(args)
    if args.synthetic:
        return _synthetic(args)
    if args.grasps:
        return _grasps(args)
    from functools import partial

    from tqdm import tqdm

    from handpose_ros.estimator import HandPoseEstimator
    from handpose_ros.evaluation.accuracy import measure
    from handpose_ros.evaluation.outcomes import evaluate_folder
    from handpose_ros.evaluation.page import write_page
    from handpose_ros.evaluation.report import as_json, as_text
    from handpose_ros.recordings.output import write_json

    size = {"complexity": args.complexity, "precision": args.precision}
    subject, outcomes = evaluate_folder(
        args.folder,
        partial(
            HandPoseEstimator,
            args.backend,
            device=args.device,
            checkpoint=args.checkpoint,
            **size,
            lifter=args.lifter,
            looks=args.looks,
        ),
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


def _make_places(json, html=None):
    """Makes the directories of the results, before minutes of computing. Raises OSError with a remedy."""
    from handpose_ros.recordings.output import make_directory, make_place

    if json is not None:
        make_place(json)
    if html is not None:
        make_directory(html)


def _sequences(args):
    from functools import partial

    from tqdm import tqdm

    from handpose_ros.backends import make_backend
    from handpose_ros.evaluation.clip_sequences import clip_sequences
    from handpose_ros.evaluation.datasets import load_dataset, most_hands
    from handpose_ros.evaluation.photo_sequences import photo_sequences
    from handpose_ros.evaluation.recorded_sequences import recorded_sequences
    from handpose_ros.evaluation.sequence_evaluation import follow
    from handpose_ros.evaluation.sequence_report import as_json, as_text, rows
    from handpose_ros.recordings.output import write_json

    if args.folder is None:
        samples, sequences = (), clip_sequences()
    else:
        samples = load_dataset(args.folder)
        sequences = list(recorded_sequences(samples)) or photo_sequences(samples)
    size = {"complexity": args.complexity, "precision": args.precision}
    hands = {"max_hands": most_hands(samples)}
    backend = make_backend(args.backend, device=args.device, checkpoint=args.checkpoint, **size, **hands)
    followed = partial(follow, backend=backend, lifter=args.lifter, hand_scale=args.hand_scale, **hands)
    table = rows(map(followed, tqdm(sequences, unit="sequence", disable=None)))
    print(as_text(table))
    if args.json is not None:
        write_json(args.json, as_json(table))
    return 0


def _grasps(args):
    from dataclasses import replace

    from handpose_ros.backends import make_backend
    from handpose_ros.evaluation.grasp_clip import clip_figures, estimated_clip, followed, read_truth
    from handpose_ros.evaluation.grasp_evaluation import Figure, as_json, evaluate_grasps, table
    from handpose_ros.grasps.grasp import CLASSIFIERS
    from handpose_ros.pipeline import HandPosePipeline
    from handpose_ros.recordings.output import write_json

    clip = estimated_clip(HandPosePipeline(make_backend(args.backend, device=args.device, checkpoint=args.checkpoint)))
    reports = []
    for name in CLASSIFIERS:
        seen = tuple(Figure(*each) for each in clip_figures(read_truth(), followed(name, clip)))
        report = evaluate_grasps(name)
        reports.append(replace(report, figures=report.figures + seen))
    reports = tuple(reports)
    print(table(reports))
    if args.json is not None:
        write_json(args.json, as_json(reports))
    return 0


def _synthetic(args):
    from handpose_ros.evaluation.report import synthetic_table
    from handpose_ros.evaluation.synthetic import LIMIT_MM, synthetic_errors
    from handpose_ros.recordings.output import write_json

    errors = synthetic_errors()
    worst = max(each.worst_mm for each in errors)
    print(synthetic_table(errors))
    print(f"{'within' if worst <= LIMIT_MM else 'NOT WITHIN'} {LIMIT_MM} mm")
    if args.json is not None:
        write_json(args.json, {"worst_mm": worst, "errors": [vars(each) for each in errors]})
    return 0 if worst <= LIMIT_MM else 1


def benchmark(args):
    from handpose_ros.benchmark.report import Wish, run_benchmark
    from handpose_ros.recordings.output import write_json

    _make_places(args.json)
    wish = Wish(
        backend=args.backend,
        checkpoint=args.checkpoint,
        complexity=args.complexity,
        precision=args.precision,
        device=args.device,
        runtime=args.runtime,
        num_threads=args.threads,
        images=args.images,
        against=args.against,
        growth=args.growth,
        node=args.node,
    )
    figures = run_benchmark(wish)
    if args.json is not None:
        write_json(args.json, figures)
    return 0


def weights(args):
    from handpose_ros import weights

    if args.fetch:
        weights.fetch(args.path)
    files = weights.inventory(args.path)
    for file in files:
        state = "ok" if file.ok else "missing" if file.path is None else "WRONG FILE"
        print(f"{file.name:<22}{state:<12}{file.origin:<22}{file.path or ''}")
    wrong = [file.name for file in files if not file.ok]
    if wrong:
        given = any(file.origin == "given" for file in files)
        remedy = "give another directory or wheel" if given else "run `handpose weights --fetch`"
        print(f"handpose weights: {', '.join(wrong)}: {remedy}", file=sys.stderr)
    return 1 if wrong else 0
