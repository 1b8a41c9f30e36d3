"""A recorded bag answered as the nodes would have: hands, markers and grasps in a bag of their own, and a report."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from handpose_ros.grasps.grasp import DEFAULT_CLASSIFIER, Grasp, GraspTracker, make_classifier
from handpose_ros.hand import HandPoses
from handpose_ros.messages.decoding import hands_from_msg, stamp_nanoseconds
from handpose_ros.messages.encoding import grasps_to_msg, hand_model_msg, hands_to_msg
from handpose_ros.messages.markers import grasp_markers, hand_markers
from handpose_ros.pipeline import HandPosePipeline
from handpose_ros.recordings.bag_images import BagImage, BagImages
from handpose_ros.recordings.bags import BagWriter, bag_files, make_message, read_messages, read_topics, typestore
from handpose_ros.recordings.buffering import Behind, ahead
from handpose_ros.recordings.comparison import ComparisonFigures, compare
from handpose_ros.recordings.joint_tables import FORMATS, check_formats
from handpose_ros.recordings.node_outputs import GRASP_MARKERS, GRASPS, HAND_MODEL, HANDS, MARKERS
from handpose_ros.recordings.output import make_directory, remove_results, write_json
from handpose_ros.recordings.report import write_report
from handpose_ros.recordings.results import RecordingSummary, Results

OUTPUTS = ("hands.mcap", "summary.json", "report.html", "comparison.json", *(f"joints.{each}" for each in FORMATS))
HAND_POSE_ARRAY = "handpose_ros/msg/HandPoseArray"


@dataclass(frozen=True)
class LiveHands:
    """The hands that were recorded live, by the stamp [ns] of their image."""

    topic: str
    hands: dict[int, HandPoses]
    latencies: tuple[tuple[float, float], ...]  # stamp [s], latency [s]


@dataclass(frozen=True)
class BagSummary(RecordingSummary):
    """What a bag came to."""

    comparison: ComparisonFigures | None  # with the live hands; None: not asked for


def run_bag(
    images: BagImages,
    pipeline: HandPosePipeline,
    out: Path,
    *,
    compared: str | None = None,
    formats: tuple[str, ...] = ("npz",),
    classifier: str = DEFAULT_CLASSIFIER,
    progress: Callable[[Iterable[BagImage]], Iterable[BagImage]] = iter,
) -> BagSummary:
    """Leaves hands.mcap, joints.<format>, summary.json and report.html in `out`, answers to `images`.

    Where `compared` names a topic of live hands, comparison.json too; "" compares with the only one there is.
    `classifier` of grasps: a key of grasp.CLASSIFIERS. `progress` wraps the images, to show how far it is.
    Raises OSError, ValueError and ImportError with a remedy; what is there then is whole.
    """
    check_formats(formats)
    live, left_out = None, []
    try:
        live = find_live_hands(images.path, compared)
    except ValueError:
        if compared is not None:
            raise
        left_out = ["the hands that were recorded live cannot be read and are left out: --compare says why"]
    out = make_directory(out)
    remove_results(out, OUTPUTS, bag_files(images.path))
    backend = pipeline.backend
    results, offline = Results(str(images.path), backend.model, backend.license, out), {}
    with BagWriter(out / "hands.mcap") as bag:
        answers = AnswerWriter(bag, backend.model, backend.license, pipeline.filter, classifier)

        def finish(item):
            image, hands, seconds = item
            results.add(image.frame.image, hands, answers.write(image, hands, seconds))
            if compared is not None:
                offline[image.stamp] = results.frames[-1]

        with Behind(finish) as finishing:  # this thread is for the networks alone
            for image in progress(ahead(images)):
                start = time.perf_counter()
                hands = pipeline(image.frame)
                seconds = time.perf_counter() - start
                finishing.put((image, replace(hands, calibrated=image.calibrated), seconds))
    difference = compare(live.hands, offline) if live and compared is not None else None
    figures = difference.figures() if difference else None
    summary = results.summary([*images.warnings, *left_out])
    for format in formats:
        FORMATS[format](out / f"joints.{format}", results.frames)
    write_report(out / "report.html", results, summary, live.latencies if live else (), difference)
    if difference:
        write_json(out / "comparison.json", asdict(difference))
    given = {"hand_scale": pipeline.hand_scale, "max_hands": pipeline.max_hands}
    topics = {"image_topic": images.topic.name, "camera_info_topic": images.info_topic}
    write_json(out / "summary.json", {**asdict(summary), **given, **topics, **_compared(live, figures)})
    return BagSummary(**vars(summary), comparison=figures)


class AnswerWriter:
    """Writes hands, markers and grasps of one image after the other as the nodes would have published them."""

    def __init__(self, bag: BagWriter, model: str, license: str, filter: str, classifier: str):
        self._bag, self._model, self._meaning = bag, model, (model, license, filter)
        self._tracker = GraspTracker(make_classifier(classifier))
        self._began: dict[float, object] = {}  # exact stamps of what grasps call `since`
        self._hands_shown = self._grasps_shown = frozenset()
        self._empty = True

    def write(self, image: BagImage, hands: HandPoses, inference_time: float) -> tuple[Grasp, ...]:
        """Writes the answer to `image`, and returns the grasps of its `hands`."""
        header, stamp = image.header, image.stamp
        if self._empty:
            self._put(HAND_MODEL, stamp, hand_model_msg(make_message, *self._meaning), latched=True)
            self._empty = False
        msg = hands_to_msg(make_message, hands, header, model=self._model, inference_time=inference_time)
        self._put(HANDS, stamp, msg)
        markers, self._hands_shown = hand_markers(make_message, hands, header, self._hands_shown)
        self._put(MARKERS, stamp, markers)
        grasps = self._tracker.update(hands)
        since = [self._began.get(grasp.since, header.stamp) for grasp in grasps]
        self._began = dict(zip((grasp.since for grasp in grasps), since, strict=True))
        self._put(GRASPS, stamp, grasps_to_msg(make_message, grasps, since, header, self._tracker.classifier.name))
        markers, self._grasps_shown = grasp_markers(make_message, grasps, header, self._grasps_shown)
        self._put(GRASP_MARKERS, stamp, markers)
        return grasps

    def _put(self, topic, stamp, msg, **options):
        type = msg.__msgtype__
        self._bag.write(topic, type, stamp, bytes(typestore().serialize_cdr(msg, type)), **options)


def find_live_hands(path: Path, name: str | None = None) -> LiveHands | None:
    """The hands in the bag on topic `name`, or on its only topic of hands; None if there is none and none is asked for.

    Raises ValueError if `name` is not None and cannot be had.
    """
    topics = [topic.name for topic in read_topics(path) if topic.type == HAND_POSE_ARRAY and topic.count]
    if name and name not in topics:
        raise ValueError(f"{path} has no hands on {name} to compare with; it has {', '.join(topics) or 'none'}")
    if name is not None and not topics:
        raise ValueError(f"{path} has no hands (HandPoseArray) to compare with: leave out --compare")
    if name == "" and len(topics) > 1:
        raise ValueError(f"{path} has hands on {', '.join(topics)}: name one with --compare")
    if not topics:
        return None
    topic, hands, latencies = name or topics[0], {}, []
    for message in read_messages(path, topic):
        found, msg = hands_from_msg(message.message), message.message
        hands[stamp_nanoseconds(msg.header.stamp)] = found
        latencies.append((found.stamp, msg.latency))
    return LiveHands(topic, hands, tuple(latencies))


def _compared(live: LiveHands | None, figures: ComparisonFigures | None) -> dict:
    """What the summary says about hands that were recorded live."""
    if live is None:
        return {}
    latencies = [1000 * latency for _, latency in live.latencies if np.isfinite(latency)]
    said = {"live_topic": live.topic}
    if latencies:
        p50, p95 = np.percentile(latencies, [50, 95]).tolist()
        said |= {"live_latency_p50_ms": p50, "live_latency_p95_ms": p95}
    if figures:
        said["comparison"] = asdict(figures)
    return said
