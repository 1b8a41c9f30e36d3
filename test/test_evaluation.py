import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from handpose_ros.camera import Camera
from handpose_ros.estimator import HandPoseEstimator
from handpose_ros.evaluation.accuracy import measure
from handpose_ros.evaluation.datasets import Sample, TrueHand, load_dataset
from handpose_ros.evaluation.outcomes import Subject, calibrated_size, compare, evaluate, evaluate_folder
from handpose_ros.evaluation.page import worst, write_page
from handpose_ros.evaluation.report import as_json, as_text
from handpose_ros.hand import DepthSource, HandPose, HandPoses, Side
from handpose_ros.kinematics import bend
from handpose_ros.recordings.output import write_json

CAMERA = Camera.from_fov((640, 480), np.radians(60))
SHAPE = bend(np.radians([20, 20, 10, 10] + [5, 20, 20, 10] * 4))[:, [1, 2, 0]]
LEFT, RIGHT = SHAPE * [-1, 1, 1] + [-0.1, 0, 0.5], SHAPE + [0.1, 0, 0.5]
PHOTOS = Path(__file__).parents[1] / ".." / "shared" / "data" / "hands" / "ntu_dev"
SUBJECT = Subject("tiny", "a network", np.nan, "average")


def true_hand(joints, side, valid=None):
    return TrueHand(side, CAMERA.project(joints), joints, np.ones(21, bool) if valid is None else valid)


def found_hand(joints, side, sigma=0.01):
    covariance = np.diag([sigma**2] * 3 + [0.1**2] * 3)
    return HandPose(
        side, 1.0, 1.0, CAMERA.project(joints), joints, depth_source=DepthSource.MONO, wrist_covariance=covariance
    )


def outcome(true, found, image="a.png"):
    return compare(Sample(image, CAMERA, tuple(true)), HandPoses(tuple(found), CAMERA.size, calibrated=True))


BOTH = (true_hand(LEFT, Side.LEFT), true_hand(RIGHT, Side.RIGHT))


def test_hands_are_paired_by_place_not_by_order_or_side():
    pairs = outcome(BOTH, [found_hand(RIGHT, Side.LEFT), found_hand(LEFT, Side.LEFT)]).pairs
    assert [pair.true.side for pair in pairs] == [Side.LEFT, Side.RIGHT]
    assert_allclose([pair.found.joints_3d for pair in pairs], [LEFT, RIGHT])


def test_each_joint_says_how_its_published_uncertainty_compares_with_its_errors():
    found = found_hand(RIGHT, Side.RIGHT)
    moved = [  # by 3 and 4 cm, with 3.5 cm expected
        replace(found, joints_3d=RIGHT + [0, 0, z], joint_sigma=np.full(21, 0.035)) for z in (0.03, 0.04)
    ]
    joint = measure([outcome(BOTH[1:], [hand]) for hand in moved]).joints[8]
    assert_allclose([joint.absolute_rms_mm, joint.sigma_mm], [np.sqrt((30**2 + 40**2) / 2), 35])
    assert (joint.within_sigma, joint.within_two_sigma) == (0.5, 1.0)
    unknown = measure([outcome(BOTH[1:], [found])]).joints[8]
    assert np.isnan(unknown.sigma_mm) and np.isnan(unknown.within_sigma)


def test_missed_and_extra_hands_and_wrong_sides_are_counted():
    elsewhere = found_hand(SHAPE + [0.1, 0.15, 0.6], Side.LEFT)
    accuracy = measure(
        [
            outcome(BOTH, [found_hand(LEFT, Side.LEFT), elsewhere]),
            outcome(BOTH, [found_hand(LEFT, Side.RIGHT), found_hand(RIGHT, Side.RIGHT)]),
            outcome([], [found_hand(LEFT, Side.LEFT)]),
        ]
    )
    assert (accuracy.images, accuracy.hands, accuracy.detected, accuracy.extra) == (3, 4, 3, 2)
    assert accuracy.detection_rate.mean == 0.75 and accuracy.detection_rate.n == 4
    assert_allclose(accuracy.side_accuracy.mean, 2 / 3)


def test_the_truth_itself_has_no_error():
    accuracy = measure([outcome(BOTH, [found_hand(LEFT, Side.LEFT), found_hand(RIGHT, Side.RIGHT)])] * 3)
    for figure in (accuracy.pixels_2d, accuracy.absolute_mm, accuracy.root_relative_mm, accuracy.pa_mm):
        assert figure.mean < 1e-6 and figure.n == 6
    assert accuracy.absolute_mm.auc_50mm.mean > 0.9999 and accuracy.absolute_mm.pck_20mm.mean == 1
    assert accuracy.absolute_mm.curve[0] == 0 and set(accuracy.absolute_mm.curve[1:]) == {1.0}


def test_thirty_millimetres_too_far_are_absolute_and_depth_but_not_shape():
    moved = [replace(hand, joints_3d=hand.joints_3d + [0, 0, 0.03]) for hand in (found_hand(RIGHT, Side.RIGHT),)]
    accuracy = measure([outcome(BOTH[1:], moved)])
    assert_allclose(accuracy.absolute_mm.mean, 30)
    assert_allclose(accuracy.absolute_mm.median, 30)
    assert_allclose(accuracy.depth_bias_mm.mean, 30)
    assert_allclose(accuracy.absolute_mm.auc_50mm.mean, 0.4)
    assert accuracy.absolute_mm.pck_20mm.mean == 0 and accuracy.root_relative_mm.mean < 1e-6
    assert (accuracy.depth_curve[15], accuracy.depth_curve[16]) == (0, 1)  # below 30 and below 32 mm


def test_the_table_of_joints_shows_the_one_that_is_off():
    joints = RIGHT.copy()
    joints[8] += [0.021, 0, 0]
    table = measure([outcome(BOTH[1:], [replace(found_hand(RIGHT, Side.RIGHT), joints_3d=joints)])]).joints
    assert_allclose([joint.absolute_mm for joint in table], [21.0 if j == 8 else 0 for j in range(21)], atol=1e-9)
    assert table[8].name == "index_tip"


def test_ten_pixels_are_ten_pixels_and_a_share_of_the_true_box():
    hand = found_hand(RIGHT, Side.RIGHT)
    accuracy = measure([outcome(BOTH[1:], [replace(hand, joints_2d=hand.joints_2d + [6.0, 8.0])])])
    box = np.ptp(CAMERA.project(RIGHT), axis=0).max()
    assert_allclose(accuracy.pixels_2d.mean, 10)
    assert_allclose(accuracy.box_2d.mean, 10 / box)
    assert accuracy.pck_2d_20px.mean == 1 and accuracy.pck_2d_box_05.mean == float(10 / box < 0.05)


def test_joints_that_are_not_annotated_count_in_2d_for_nothing_and_leave_the_hand_out_of_3d():
    valid = np.arange(21) != 4
    hand = found_hand(RIGHT, Side.RIGHT)
    pixels = hand.joints_2d.copy()
    pixels[4] += 500
    accuracy = measure([outcome([true_hand(RIGHT, Side.RIGHT, valid)], [replace(hand, joints_2d=pixels)])])
    assert accuracy.pixels_2d.mean < 1e-9 and accuracy.pck_2d_20px.mean == 1
    assert accuracy.root_relative_mm.n == 0 and np.isnan(accuracy.root_relative_mm.mean)


def test_a_hand_of_which_a_joint_has_no_place_in_space_is_left_out_of_every_figure_in_3d():
    joints = RIGHT.copy()
    joints[4] = np.nan
    hand = replace(true_hand(RIGHT, Side.RIGHT), joints_3d=joints)
    accuracy = measure([outcome([hand], [found_hand(RIGHT, Side.RIGHT)])])
    relative = accuracy.root_relative_mm
    assert (accuracy.pixels_2d.n, relative.n, relative.pck_20mm.n, accuracy.wrist_coverage[0].share.n) == (1, 0, 0, 0)
    assert np.isnan(accuracy.joints[0].absolute_mm)


def test_a_hand_relative_to_its_wrist_has_a_shape_but_no_place():
    hand = replace(found_hand(RIGHT, Side.RIGHT), joints_3d=RIGHT - RIGHT[0], depth_source=DepthSource.NONE)
    accuracy = measure([outcome(BOTH[1:], [hand])])
    assert accuracy.root_relative_mm.mean < 1e-9 and accuracy.absolute_mm.n == 0 and accuracy.depth_error_mm.n == 0


@pytest.mark.parametrize("error, held", [(0.018, 1.0), (0.02, 0.0)])
def test_the_68_percent_ellipsoid_of_a_centimetre_reaches_to_1_87_centimetres(error, held):
    hand = found_hand(RIGHT, Side.RIGHT)
    coverage = measure([outcome(BOTH[1:], [replace(hand, joints_3d=hand.joints_3d + [0, 0, error])])]).wrist_coverage
    assert {each.probability: each.share.mean for each in coverage}[0.68] == held


@pytest.mark.parametrize("angle, held", [(0.18, 1.0), (0.20, 0.0)])
def test_the_rotation_of_a_wrist_has_an_error_and_an_ellipsoid_of_its_own(angle, held):
    turned = (RIGHT - RIGHT[0]) @ Rotation.from_euler("y", angle).as_matrix().T + RIGHT[0]
    accuracy = measure([outcome(BOTH[1:], [replace(found_hand(RIGHT, Side.RIGHT), joints_3d=turned)])])
    assert_allclose(accuracy.wrist_rotation_deg.mean, np.degrees(angle))
    assert {each.probability: each.share.mean for each in accuracy.rotation_coverage}[0.68] == held


def test_the_error_of_the_rotation_is_in_the_axes_of_its_covariance():
    """Turned about the frame's x, about which it is uncertain, and not about the hand's own."""
    turn = Rotation.from_euler("x", 0.3).as_matrix()
    sideways = (RIGHT - RIGHT[0]) @ Rotation.from_euler("z", 1.5).as_matrix().T + RIGHT[0]
    hand = replace(
        found_hand(sideways, Side.RIGHT),
        joints_3d=(sideways - sideways[0]) @ turn.T + sideways[0],
        wrist_covariance=np.diag([1e-4] * 3 + [1.0, 1e-4, 1e-4]),
    )
    accuracy = measure([outcome([true_hand(sideways, Side.RIGHT)], [hand])])
    assert {each.probability: each.share.mean for each in accuracy.rotation_coverage}[0.5] == 1.0


def test_the_rotation_of_a_hand_that_was_taken_for_one_of_the_other_side_does_not_count():
    accuracy = measure([outcome(BOTH[1:], [found_hand(RIGHT, Side.LEFT)])])
    assert accuracy.detected == 1 and accuracy.wrist_rotation_deg.n == accuracy.rotation_coverage[0].share.n == 0


def test_recall_is_told_for_each_size_of_hands_in_pixels():
    small = RIGHT + [0, 0, 5.5]  # 15 px at 6 m
    true = [true_hand(LEFT, Side.LEFT), true_hand(small, Side.RIGHT)]
    recall = {
        each.from_px: each.recall for each in measure([outcome(true, [found_hand(LEFT, Side.LEFT)])]).recall_by_size
    }
    assert [size for size, figure in recall.items() if figure.n] == [0, 128]
    assert recall[0].mean == 0 and recall[128].mean == 1


def test_scores_of_joints_are_judged_by_whether_the_joints_are_good():
    joints = RIGHT + np.where(np.arange(21)[:, None] < 7, 0.05, 0.0)  # a third is off by more than a tenth of the box
    scores = np.where(np.arange(21) < 7, 0.2, 0.8)
    found = replace(found_hand(joints, Side.RIGHT), joint_scores=scores)
    told = measure([outcome(BOTH[1:], [found])]).joint_confidence
    assert (told.auroc, told.n) == (1.0, 21)
    assert_allclose([told.brier, told.ece, told.good], [0.04, 0.2, 14 / 21])
    unsure = measure([outcome(BOTH[1:], [replace(found, joint_scores=1 - scores)])]).joint_confidence
    assert unsure.auroc == 0


def test_hands_that_all_seem_a_tenth_too_near_are_a_ninth_larger():
    found = [found_hand(0.9 * LEFT, Side.LEFT), found_hand(0.9 * RIGHT, Side.RIGHT)]
    assert_allclose(calibrated_size([outcome(BOTH, found)]), 1 / 0.9)


def test_without_known_places_the_size_cannot_be_calibrated():
    with pytest.raises(ValueError, match="no hand"):
        calibrated_size([outcome(BOTH, [])])


@pytest.fixture
def folder(tmp_path):
    items = []
    for number, joints in enumerate((LEFT, RIGHT, RIGHT)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((480, 640, 3), 60 * number, np.uint8))
        side = "left" if joints is LEFT else "right"
        hand = {"side": side, "joints_2d": CAMERA.project(joints).tolist(), "joints_3d": joints.tolist()}
        hand["valid"] = [1] * 21
        size = {"width": 640, "height": 480, "K": CAMERA.K.tolist(), "dist": None}
        items.append({"image": f"{number}.png", "hands": [hand], **size})
    (tmp_path / "annotations.json").write_text(json.dumps({"items": items}))
    return tmp_path


class Nearsighted:
    """Knows the hands of the first two images of `folder`, but takes them for smaller, and so nearer, by a fifth."""

    model = "a network <1>"

    def __init__(self, hand_scale=None, max_hands=2):
        self._factor = 0.8 * (hand_scale or 1.0)
        self._source = DepthSource.MONO_SCALED if hand_scale else DepthSource.MONO

    def estimate(self, image, camera):
        number = image[0, 0, 0] // 60
        hands = [found_hand(LEFT, Side.LEFT), found_hand(RIGHT, Side.RIGHT)][number : number + 1]
        hands = [replace(h, joints_3d=self._factor * h.joints_3d, depth_source=self._source) for h in hands]
        return HandPoses(tuple(hands), camera.size, calibrated=True)


def test_a_folder_is_evaluated_photo_by_photo(folder):
    subject, outcomes = evaluate_folder(folder, Nearsighted)
    assert [len(outcome.pairs) for outcome in outcomes] == [1, 1, 0]
    assert (subject.data_set, subject.hand_scale_source) == (folder.name, "average")
    assert_allclose(measure(outcomes).absolute_mm.mean, 1000 * 0.2 * np.linalg.norm([LEFT, RIGHT], axis=-1).mean())


@pytest.mark.parametrize("hands, looked_for", [(1, 2), (4, 4)])
def test_as_many_hands_are_looked_for_as_a_photo_has(folder, hands, looked_for):
    annotations = json.loads((folder / "annotations.json").read_text())
    annotations["items"][1]["hands"] *= hands
    (folder / "annotations.json").write_text(json.dumps(annotations))
    asked = []
    evaluate_folder(folder, lambda hand_scale, max_hands: asked.append(max_hands) or Nearsighted(hand_scale))
    assert asked == [looked_for]


def test_the_folder_that_one_stands_in_has_a_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert evaluate_folder(Path("."), Nearsighted)[0].data_set == folder.name


def test_calibrating_the_size_finds_it_uses_it_and_says_so(folder):
    subject, outcomes = evaluate_folder(folder, Nearsighted, calibrate_size=True)
    assert_allclose(subject.hand_scale, 1.25)
    assert measure(outcomes).absolute_mm.mean < 1e-6
    assert "hand size calibrated: 1.25" in as_text(subject, measure(outcomes))


class Giant(Nearsighted):
    def estimate(self, image, camera):
        hands = super().estimate(image, camera)
        return replace(hands, hands=tuple(replace(each, joints_3d=each.joints_3d / 2) for each in hands))


def test_distances_that_no_hand_size_fits_are_told_to_be_in_another_unit(folder):
    with pytest.raises(ValueError, match="2.50 of the average hand's: are they in metres"):
        evaluate_folder(folder, Giant, calibrate_size=True)


class Headstrong(Nearsighted):
    def __init__(self, hand_scale=None, max_hands=2):
        super().__init__(None)


def test_an_estimator_that_does_not_care_about_the_size_cannot_be_calibrated(folder):
    with pytest.raises(ValueError, match="itself"):
        evaluate_folder(folder, Headstrong, calibrate_size=True)


def test_a_given_size_is_used_and_said(folder):
    subject, outcomes = evaluate_folder(folder, Nearsighted, hand_scale=1.25)
    assert measure(outcomes).absolute_mm.mean < 1e-6
    assert "hand size given: 1.25" in as_text(subject, measure(outcomes))


def test_an_image_that_is_missing_is_named(folder):
    (folder / "1.png").unlink()
    with pytest.raises(OSError, match="1.png"):
        evaluate_folder(folder, Nearsighted)


@pytest.mark.parametrize("K", [CAMERA.K.tolist(), None])
def test_a_photo_of_another_size_than_annotated_is_named(folder, K):
    annotations = json.loads((folder / "annotations.json").read_text())
    annotations["items"] = [item | {"K": K} for item in annotations["items"][1:]]
    (folder / "annotations.json").write_text(json.dumps(annotations))
    cv2.imwrite(str(folder / "1.png"), np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(ValueError, match=r"1\.png: the image is \(64, 48\) px but it was annotated at \(640, 480\) px"):
        evaluate(load_dataset(folder), lambda image, camera: HandPoses((), CAMERA.size))


def test_the_json_has_every_figure_with_its_n_and_no_nan(folder, tmp_path):
    subject, outcomes = evaluate_folder(folder, Nearsighted)
    write_json(tmp_path / "a.json", as_json(subject, measure(outcomes)))
    figures = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert (figures["detected"], figures["hands"], figures["images"], figures["extra"]) == (2, 3, 3, 0)
    for name in ("absolute_mm", "root_relative_mm", "scale_aligned_mm", "pa_mm", "pixels_2d", "depth_error_mm"):
        assert figures[name]["n"] == 2 and {"mean", "median", "mean_95", "median_95"} <= set(figures[name])
    assert figures["pa_mm"]["mean"] < 1e-6 and figures["absolute_mm"]["auc_50mm"]["n"] == 2
    assert figures["hand_scale"] is None and figures["absolute_mm"]["mean_95"] == [None, None]


def test_text_and_page_leave_out_what_the_data_set_cannot_tell(folder):
    photo = replace(BOTH[1], joints_3d=None)
    found = replace(found_hand(RIGHT, Side.RIGHT), joint_scores=np.ones(21))  # all joints are good
    outcomes = [outcome([photo], [found], folder / "0.png")]
    text = as_text(SUBJECT, measure(outcomes))
    write_page(folder, SUBJECT, measure(outcomes), outcomes)
    page = re.sub('base64,[^"]*', "", (folder / "index.html").read_text())
    assert "AUROC -" in text and "AUROC -" in page and "nan" not in page
    assert (
        "2D error [px]" in text
        and "detected, 128 .. 256 px [%]" in text
        and "Procrustes-aligned error" not in text
        and "nan" not in text
    )


def test_nothing_at_all_is_a_table_too():
    accuracy = measure([])
    assert accuracy.hands == 0 and "0 of 0 hands" in as_text(SUBJECT, accuracy)


def test_the_worst_photos_are_those_with_missed_hands_then_those_with_the_largest_error():
    near = replace(found_hand(RIGHT, Side.RIGHT), joints_3d=RIGHT * [1.1, 1, 1])
    far = replace(found_hand(RIGHT, Side.RIGHT), joints_3d=RIGHT * [1.5, 1, 1])
    outcomes = [outcome(BOTH[1:], [hand], name) for name, hand in (("near", near), ("far", far))]
    ranked = worst([*outcomes, outcome(BOTH[1:], [], "missed")], count=3)
    assert [each.sample.image for each, _ in ranked] == ["missed", "far", "near"]
    assert "1 missed" in ranked[0][1] and "mm root-relative" in ranked[1][1]


def test_the_page_is_one_file_that_asks_for_nothing_else(folder, tmp_path):
    subject, outcomes = evaluate_folder(folder, Nearsighted)
    write_page(tmp_path / "page", subject, measure(outcomes), outcomes)
    page = (tmp_path / "page" / "index.html").read_text()
    assert list((tmp_path / "page").iterdir()) == [tmp_path / "page" / "index.html"]
    assert page.count("<img") == 3 and page.count('src="data:image/jpeg;base64,') == 3
    assert page.count("<svg") == 2 and "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "a network &lt;1&gt;" in page and "a network <1>" not in page


def test_a_page_is_written_also_of_a_folder_whose_name_is_no_text(folder, tmp_path):
    subject, outcomes = evaluate_folder(folder, Nearsighted)
    write_page(tmp_path / "page", replace(subject, data_set="ds\udcff"), measure(outcomes), outcomes)
    assert "<h1>ds?</h1>" in (tmp_path / "page" / "index.html").read_text()


def test_progress_sees_every_photo(folder):
    seen = []
    evaluate_folder(folder, Nearsighted, progress=lambda samples: seen.extend(samples) or samples)
    assert len(seen) == 3 and evaluate([], Nearsighted().estimate) == ()


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the photos are not part of the repository")
def test_real_photos_show_left_hands_near_their_true_places():
    accuracy = measure(evaluate(load_dataset(PHOTOS)[::13], HandPoseEstimator(device="cpu").estimate))
    assert accuracy.detection_rate.mean > 0.9 and accuracy.side_accuracy.mean > 0.9
    assert accuracy.box_2d.mean < 0.05 and accuracy.pa_mm.mean < 13 and accuracy.root_relative_mm.mean < 35
    assert accuracy.absolute_mm.median < 60
