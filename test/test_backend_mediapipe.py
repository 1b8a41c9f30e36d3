"""The default backend against a drawn hand, and against what the official solution said where that is recorded.

The official results (../shared) are of MediaPipe 0.10.21 on photographs and on a video. On the video each image is
given the official solution's own previous regions, because feeding ours back would compare two chaotic paths.
With the OpenCV that made the record (4.11) the video's joints differ by 0.03 px at most; later ones convert a video's
colours with another rounding (half a level on average), which makes 0.15 px in the median.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros import weights
from handpose_ros.backends import make_backend
from handpose_ros.backends.mediapipe import MediaPipe, tracked_squares
from handpose_ros.backends.palm import ANCHORS, Palm, decode, observed_region
from handpose_ros.camera import Camera, Frame
from handpose_ros.crops.cropping import Region, View, region_iou
from handpose_ros.crops.searching import whole
from handpose_ros.hand import Observation

ROOT = Path(__file__).parents[1]
DRAWING = ROOT / "test" / "data" / "networks.npz"
OFFICIAL = ROOT / ".." / "shared" / "mediapipe" / "golden"


def network_file(name: str) -> Path:
    try:
        return weights.locate(name)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not here and cannot be fetched: {error}")


def backend(complexity: str, **options) -> MediaPipe:
    network_file(f"hand_landmark_{complexity}")
    return make_backend(
        "mediapipe", complexity=complexity, device="cpu", num_threads=1, **{"detection_threshold": 0.5} | options
    )


@pytest.fixture(scope="module")
def full() -> MediaPipe:
    return backend("full")


@pytest.fixture(scope="module")
def drawing() -> tuple[np.ndarray, np.ndarray]:
    """(240, 240, 3) a left hand, its palm towards the camera, fingers up, and its joints (21, 2) [px]."""
    golden = np.load(DRAWING)
    return golden["hand"], golden["hand_joints"].astype(float)


def frame(image: np.ndarray) -> Frame:
    return Frame(np.ascontiguousarray(image), None)


def the_hand(backend: MediaPipe, image: np.ndarray) -> Observation:
    """The only hand in an image."""
    (detection,) = backend.detect(frame(image))()
    (observation,) = backend.observe(frame(image), [detection.crop])
    assert observation.score > 0.5
    return observation


def mean_distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b, axis=-1).mean())


# A drawn hand


def test_the_drawn_hand_is_found_where_it_was_drawn(full, drawing):
    image, joints = drawing
    assert mean_distance(the_hand(full, image).joints_2d, joints) < 5


def test_the_drawn_left_hand_is_a_left_one_and_its_mirror_image_a_right_one(full, drawing):
    image, joints = drawing
    mirrored = np.ascontiguousarray(image[:, ::-1])
    assert the_hand(full, image).right_score < 0.2
    right = the_hand(full, mirrored)
    assert right.right_score > 0.8
    assert mean_distance(right.joints_2d, [239, 0] + joints * [-1, 1]) < 5


def test_local_joints_are_metres_with_the_fingers_up_and_the_thumb_where_it_was_drawn(full, drawing):
    local = the_hand(full, drawing[0]).joints_local
    assert 0.1 < np.linalg.norm(local[12] - local[0]) < 0.25  # wrist to the middle finger's tip
    assert (local[[8, 12, 16, 20], 1] < local[0, 1] - 0.08).all()  # y is down
    assert local[4, 0] < local[20, 0] - 0.05  # the thumb is on the left


def test_joints_turn_with_the_image(full, drawing):
    image, joints = drawing
    upright = the_hand(full, image)
    turned = the_hand(full, np.ascontiguousarray(np.rot90(image, -1)))  # clockwise: up becomes right
    expected = np.stack([239 - joints[:, 1], joints[:, 0]], axis=-1)
    assert mean_distance(turned.joints_2d, expected) < 6
    local = upright.joints_local
    assert mean_distance(turned.joints_local, np.stack([-local[:, 1], local[:, 0], local[:, 2]], axis=-1)) < 0.01


def test_two_hands_of_one_batch_are_those_of_two_calls(full, drawing):
    image = np.concatenate([drawing[0], drawing[0][:, ::-1]], axis=1)
    regions = [detection.crop for detection in full.detect(frame(image))()]
    assert len(regions) == 2
    together = full.observe(frame(image), regions)
    assert sorted(hand.right_score > 0.5 for hand in together) == [False, True]
    for region, hand in zip(regions, together, strict=True):
        (alone,) = full.observe(frame(image), [region])
        assert_allclose(hand.joints_2d, alone.joints_2d, atol=2e-3)
        assert_allclose(hand.joints_local, alone.joints_local, atol=2e-6)


def test_a_hand_at_the_images_edge_is_seen_as_if_the_edge_went_on(full, drawing):
    image = np.ascontiguousarray(drawing[0][:, 60:])
    wider = cv2.copyMakeBorder(image, 100, 100, 100, 100, cv2.BORDER_REPLICATE)
    regions = [Region(np.array([60.0, 120.0]) + shift, 220.0) for shift in (0, 100)]
    (cut,), (whole_hand,) = full.observe(frame(image), regions[:1]), full.observe(frame(wider), regions[1:])
    assert_allclose(cut.joints_2d + 100, whole_hand.joints_2d, atol=2e-3)


def test_the_tracked_region_holds_the_hand_and_shows_the_same_joints(full, drawing):
    hand = the_hand(full, drawing[0])
    (region,) = full.track(frame(drawing[0]), [hand])
    assert (abs(hand.joints_2d - region.center) < region.size / 2).all()
    (again,) = full.observe(frame(drawing[0]), [region])
    assert again.score > 0.9
    assert mean_distance(again.joints_2d, hand.joints_2d) < 5


def test_a_region_without_a_hand_is_observed_with_a_low_score(full, drawing):
    (nothing,) = full.observe(frame(np.full_like(drawing[0], 80)), [Region(np.array([120.0, 120.0]), 200.0)])
    assert nothing.score < 0.5


def test_what_would_lie_where_the_camera_sees_nothing_is_no_hand(full):
    camera = Camera(np.array([[20.0, 0, 120], [0, 20, 120], [0, 0, 1]]), (240, 240))
    turn = Rotation.from_euler("y", 88, degrees=True).as_matrix()  # the right half of the square is behind the camera
    (found,) = full.observe(Frame(np.full((240, 240, 3), 80, np.uint8), camera), [View(camera, turn, 1.0)])
    assert np.isnan(found.joints_2d).any() and found.score == 0


def test_an_image_without_a_hand_has_no_detections_and_no_regions_no_observations(full):
    image = np.full((48, 64, 3), 80, np.uint8)
    assert full.detect(frame(image))() == []
    assert full.observe(frame(image), []) == []


def test_no_more_hands_are_detected_than_asked_for(drawing):
    one = backend("lite", max_hands=1)
    assert len(one.palms(np.concatenate([drawing[0], drawing[0][:, ::-1]], axis=1))) == 1
    assert one.model == "mediapipe-lite@0.10.21"
    assert one.license == "Apache-2.0"


# Options


def test_wrong_options_are_refused_with_the_right_ones():
    with pytest.raises(ValueError, match="'hamster'.*mediapipe"):
        make_backend("hamster")
    with pytest.raises(ValueError, match="'heavy'.*full or lite"):
        make_backend("mediapipe", complexity="heavy")


# Palms by hand


def test_the_anchors_are_cell_centres_two_a_cell_and_then_six():
    assert ANCHORS.shape == (2016, 2)
    assert_allclose(ANCHORS[[0, 1, 2, 48, 1151]], [[4, 4], [4, 4], [12, 4], [4, 12], [188, 188]])
    assert_allclose(ANCHORS[[1152, 1157, 1158, 2015]], [[8, 8], [8, 8], [24, 8], [184, 184]])


def raw_palms(*palms: tuple[int, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Network output with a 20 x 20 px palm, `right` of its anchor, for each (anchor, right, score)."""
    raw, logits = np.zeros((2016, 18)), np.full(2016, -50.0)
    for anchor, right, score in palms:
        raw[anchor] = [right, 0, 20, 20] + [right, 0] * 7
        logits[anchor] = np.log(score / (1 - score))
    return raw, logits


LETTERBOX = Region(np.array([192.0, 192.0]), 384.0)  # an image of twice the network's input


def test_overlapping_palms_become_their_mean_weighted_by_score_and_keep_the_best_score():
    (palm,) = decode(*raw_palms((0, 20, 0.6), (1, 24, 0.9)), LETTERBOX, 0.5, count=2)
    x = 2 * (4 + (0.6 * 20 + 0.9 * 24) / 1.5)
    assert_allclose(palm.keypoints, [[x, 8]] * 7)
    assert_allclose(palm.box, [x - 20, 8 - 20, 40, 40])
    assert palm.score == pytest.approx(0.9)


def test_palms_apart_stay_apart_the_best_first_and_weak_ones_are_left_out():
    output = raw_palms((0, 20, 0.6), (1, 60, 0.9), (2, 120, 0.4))
    assert [p.score for p in decode(*output, LETTERBOX, 0.5, count=5)] == pytest.approx([0.9, 0.6])
    assert [p.score for p in decode(*output, LETTERBOX, 0.5, count=1)] == pytest.approx([0.9])


def test_the_observed_region_lies_beyond_the_palm_along_the_fingers():
    keypoints = np.zeros((7, 2))
    keypoints[2] = [10, 0]  # fingers to the right
    region = observed_region(Palm(np.array([-10.0, -15.0, 20.0, 30.0]), keypoints, 1.0))
    assert_allclose([*region.center, region.size, region.angle], [15, 0, 2.6 * 30, np.pi / 2], atol=1e-12)


# Tracking by hand


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, -2.0])
def test_the_tracked_square_is_twice_the_hand_without_tips_and_lies_a_tenth_towards_the_fingers(angle):
    joints = np.zeros((21, 2))  # wrist and thumb in the origin
    joints[[5, 6, 9, 10, 13, 14, 17, 18]] = [[-20, -80]] * 2 + [[0, -80]] * 2 + [[20, -80]] * 2 + [[20, -60]] * 2
    joints[[4, 8, 12, 16, 20]] = 500
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    ((x, y, side, own_angle),) = tracked_squares(np.array([joints @ turn.T]))
    assert_allclose([x, y], turn @ [0, -40 - 8], atol=1e-9)
    assert_allclose([side, own_angle], [160, angle])


# The official solution


@dataclass(frozen=True)
class Official:
    """What MediaPipe 0.10.21 said about one image, in pixels."""

    palms: np.ndarray  # (N, 7, 2) keypoints
    palm_regions: list[Region]
    hands: list[Observation]
    tracked_regions: list[Region]


def official(record: dict, width: int, height: int) -> Official:
    def regions(rows: list) -> list[Region]:
        return [Region(np.array(row[:2]) * [width, height], row[2] * width, row[4]) for row in rows]

    return Official(
        palms=np.array([p["keypoints"] for p in record["palms"]]).reshape(-1, 7, 2) * [width, height],
        palm_regions=regions(record["rects_from_palms"]),
        hands=[_official_hand(hand, [width, height]) for hand in record["hands"]],
        tracked_regions=regions(record["rects_from_landmarks"]),
    )


def _official_hand(hand: dict, size: list[int]) -> Observation:
    # Its label is for a mirrored image: what it calls a left hand is a right one.
    right = hand["label_score"] if hand["label"] == "Left" else 1 - hand["label_score"]
    return Observation(np.array(hand["landmarks"])[:, :2] * size, np.array(hand["world"]), 1.0, right)


def read_official(name: str):
    path = OFFICIAL / name
    if not path.exists():
        pytest.skip("the recorded results of the official solution (../shared) are not here")
    return json.loads(path.read_text())


def associated(regions: list[Region]) -> list[Region]:
    """The official rule: a region evicts the earlier ones that it overlaps by more than half."""
    kept = []
    for region in regions:
        kept = [other for other in kept if region_iou(other, region) <= 0.5] + [region]
    return kept


class Comparison:
    """Gathers differences between our results and the official ones."""

    def __init__(self):
        self.mismatches = []  # what was found in other numbers
        self.joints, self.local, self.right = [], [], []  # [px], [m], probability
        self.palms, self.regions = [], []  # as parts of the image's, of the region's size; [rad]

    def add(self, label: str, backend: MediaPipe, image: np.ndarray, truth: Official, previous: list[Region]) -> None:
        palms = backend.palms(image) if len(previous) < 2 else []
        regions = associated([observed_region(palm) for palm in palms] + previous)
        hands = [hand for hand in backend.observe(frame(image), regions) if hand.score > 0.5]
        if len(palms) != len(truth.palms) or len(hands) != len(truth.hands):
            self.mismatches.append(label)
            return
        self.palms += [abs(p.keypoints - k) / whole(image).size for p, k in zip(palms, truth.palms, strict=True)]
        ours = [observed_region(palm) for palm in palms] + backend.track(frame(image), hands)
        for region, expected in zip(ours, truth.palm_regions + truth.tracked_regions, strict=True):
            offset = (region.center - expected.center) / expected.size
            self.regions.append(
                abs(np.array([*offset, region.size / expected.size - 1, region.angle - expected.angle]))
            )
        for hand, expected in zip(hands, truth.hands, strict=True):
            self.joints.append(np.linalg.norm(hand.joints_2d - expected.joints_2d, axis=-1))
            self.local.append(np.linalg.norm(hand.joints_local - expected.joints_local, axis=-1))
            self.right.append(abs(hand.right_score - expected.right_score))

    def check(self, hands: int) -> None:
        assert self.mismatches == []
        assert len(self.joints) == hands
        assert np.median(self.joints) < 0.5
        assert np.percentile(self.joints, 95) < 2
        assert np.median(self.local) < 0.001
        assert np.median(self.palms) < 0.001
        assert np.max(self.palms) < 0.02
        assert np.median(self.regions) < 0.002
        assert np.max(self.regions) < 0.05
        assert np.max(self.right) < 0.05  # every side is the official one


@pytest.mark.parametrize("complexity, hands", [("full", 25), ("lite", 21)])
def test_photographs_give_the_official_palms_regions_landmarks_and_sides(complexity, hands):
    records = read_official("official_static.json")
    network, comparison = backend(complexity), Comparison()
    for record in records:
        if record["complexity"] == (complexity == "full"):
            image = cv2.cvtColor(cv2.imread(str(OFFICIAL / record["image"])), cv2.COLOR_BGR2RGB)
            truth = official(record, record["width"], record["height"])
            comparison.add(record["image"], network, image, truth, previous=[])
    comparison.check(hands)


def test_a_video_gives_the_official_landmarks_from_the_official_previous_regions(full):
    recording = read_official("official_tracking.json")
    comparison, previous = Comparison(), []
    for number, (record, image) in enumerate(
        zip(recording["frames"], video(OFFICIAL / recording["video"]), strict=False)
    ):
        truth = official(record, recording["width"], recording["height"])
        comparison.add(f"frame {number}", full, image, truth, previous)
        previous = truth.tracked_regions
    comparison.check(hands=70)


def video(path: Path) -> Iterator[np.ndarray]:
    """The RGB images of a video, one after the other."""
    capture = cv2.VideoCapture(str(path))
    while True:
        read, image = capture.read()
        if not read:
            return
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
