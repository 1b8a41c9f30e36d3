from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.testing import assert_allclose

from handpose_ros.camera import Camera
from handpose_ros.evaluation.clip_sequences import clip_sequences
from handpose_ros.evaluation.datasets import Sample, TrueHand
from handpose_ros.evaluation.photo_sequences import photo_sequences
from handpose_ros.evaluation.recorded_sequences import recorded_sequences
from handpose_ros.evaluation.sequences import HandSequence, chosen, dropped, in_view, noisy
from handpose_ros.hand import WRIST, Side
from handpose_ros.kinematics import bend

DISTANCE = 0.4  # [m]
CAMERA = Camera(
    np.array([[480.0, 0, 130.0], [0, 480.0, 110.0], [0, 0, 1]]), (256, 256), np.array([0.05, 0, 0, 0, 0]), "plumb_bob"
)
# Palm to the camera, fingers up, a little to the left of the axis.
JOINTS = bend(np.zeros(20))[:, [1, 2, 0]] * [1.0, -1.0, 1.0] + [-0.02, 0.05, DISTANCE]


def photo(folder, joints=JOINTS, **fields) -> Sample:
    """A black photo with a red spot at the wrist, of a camera with distortion."""
    pixels = CAMERA.project(joints)
    image = np.zeros((256, 256, 3), np.uint8)
    cv2.circle(image, tuple(int(v) for v in np.round(pixels[WRIST])), 4, (0, 0, 255), -1)
    path = folder / f"{len(list(folder.iterdir()))}.png"
    cv2.imwrite(str(path), image)
    return Sample(path, CAMERA, (TrueHand(Side.LEFT, pixels, joints, np.ones(21, bool), "7"),), **fields)


@pytest.fixture(scope="module")
def of_photo(tmp_path_factory) -> dict[str, HandSequence]:
    folder = tmp_path_factory.mktemp("photos")
    return {sequence.name: sequence for sequence in photo_sequences([photo(folder)])}


def spot(image) -> np.ndarray:
    """(2,) x, y [px] of the middle of what is red."""
    rows, columns = np.nonzero(image[..., 0] > 128)
    return np.array([columns.mean(), rows.mean()])


def test_a_turning_camera_sees_the_photo_where_its_truth_says(of_photo):
    sequence = of_photo["moving across at 0.5 m/s, 30 Hz"]
    for index in (0, 20, len(sequence.stamps) - 1):
        assert_allclose(spot(sequence.image(index)), sequence.joints_2d[index, 0, WRIST], atol=1.5)
        assert_allclose(sequence.camera.project(sequence.joints_3d[index, 0]), sequence.joints_2d[index, 0])


def test_a_turn_of_the_camera_keeps_distances_and_makes_half_a_metre_a_second(of_photo):
    for rate in (15, 30, 60):
        sequence = of_photo[f"moving across at 0.5 m/s, {rate} Hz"]
        center = sequence.joints_3d[:, 0].mean(axis=-2)
        assert_allclose(np.linalg.norm(center, axis=-1), np.linalg.norm(JOINTS.mean(axis=0)))
        moving = center[sequence.within(sequence.moving)]
        speed = np.linalg.norm(np.diff(moving, axis=0), axis=-1) * rate
        assert_allclose(speed, 0.5, rtol=0.01)
        assert (np.diff(moving[:, 0]) > 0).all(), "to the right"


def test_the_hand_leaves_the_view_for_a_second_and_comes_back(of_photo):
    visible = of_photo["leaving for a second"].visible[:, 0]
    assert visible[0] and visible[-1] and 30 <= (~visible).sum() <= 54


def test_blur_smears_and_its_truth_is_the_middle_of_the_smear(of_photo):
    sharp, blurred = (of_photo[f"moving across at 0.5 m/s, {what}"] for what in ("30 Hz", "blurred by 1/60 s"))
    index = len(sharp.stamps) - 5
    assert (blurred.image(index)[..., 0] > 20).sum() > 1.1 * (sharp.image(index)[..., 0] > 20).sum()
    columns = np.average(
        np.arange(640), weights=np.clip(blurred.image(index)[..., 0].astype(float) - 20, 0, None).sum(axis=0)
    )
    assert_allclose(columns, blurred.joints_2d[index, 0, WRIST, 0], atol=1.5)


def test_photos_with_a_joint_that_is_not_known_in_space_make_no_sequence(tmp_path):
    joints = JOINTS.copy()
    joints[4] = np.nan
    known = photo(tmp_path)
    with pytest.raises(ValueError, match="with all joints in metres"):
        list(photo_sequences([replace(known, hands=(replace(known.hands[0], joints_3d=joints),))]))


def test_photos_without_a_camera_make_no_sequence(tmp_path):
    known = photo(tmp_path)
    with pytest.raises(ValueError, match="no photo has a camera"):
        list(photo_sequences([Sample(known.image, None, known.hands)]))


def test_noise_is_of_the_size_asked_for_and_the_same_every_time(of_photo):
    still = HandSequence(
        "grey",
        None,
        lambda _: np.full((50, 60, 3), 128, np.uint8),
        np.arange(2.0),
        np.array([Side.LEFT]),
        np.zeros((2, 1, 21, 2)),
        np.zeros((2, 1, 21, 3)),
        np.ones((2, 1), bool),
    )
    first, second = noisy(still, 3.0).image(0), noisy(still, 3.0).image(1)
    assert 2.8 < first.std() < 3.2 and abs(first.mean() - 128) < 0.2
    assert (first != second).any() and (first == noisy(still, 3.0).image(0)).all()


def test_images_that_are_dropped_leave_the_others_their_stamps_and_truth(of_photo):
    sequence = of_photo["at rest"]
    fewer = dropped(sequence, 0.5)
    kept = np.searchsorted(sequence.stamps, fewer.stamps)
    assert 30 < len(kept) < 60 and kept[0] == 0
    assert (fewer.image(3) == sequence.image(kept[3])).all()
    assert_allclose(fewer.joints_2d, sequence.joints_2d[kept])
    with pytest.raises(ValueError, match="do not rise"):
        chosen(sequence, np.array([3, 2]))


def test_half_of_the_joints_must_lie_in_the_image():
    joints = np.full((21, 2), 5.0)
    joints[:10] = -9.0
    assert in_view(joints, (10, 10))
    joints[10] = 9.6
    assert not in_view(joints, (10, 10))


def test_samples_with_stamps_are_the_sequences_that_they_belong_to(tmp_path):
    shifted = JOINTS + [0.01, 0, 0]
    samples = [photo(tmp_path, shifted, stamp=0.2, sequence="b"), photo(tmp_path, stamp=0.1, sequence="b")]
    samples += [photo(tmp_path), photo(tmp_path, stamp=5.0, sequence="a")]
    a, b = recorded_sequences(samples)
    assert (a.name, b.name) == ("a", "b") and b.stamps.tolist() == [0.1, 0.2]
    assert_allclose(b.joints_3d[:, 0], [JOINTS, shifted])
    assert b.sides.tolist() == [Side.LEFT] and b.visible.all()
    assert_allclose(spot(b.image(1)), CAMERA.project(shifted)[WRIST], atol=1.0)


def test_a_hand_that_is_not_in_every_image_is_the_same_one_by_its_id(tmp_path):
    with_hand, other = photo(tmp_path, stamp=0.0), photo(tmp_path, stamp=0.2)
    without = Sample(with_hand.image, CAMERA, (), stamp=0.1)
    [sequence] = recorded_sequences([with_hand, without, other])
    assert sequence.visible[:, 0].tolist() == [True, False, True]
    assert np.isnan(sequence.joints_2d[1]).all()


def test_two_hands_of_one_image_must_differ_in_their_ids(tmp_path):
    sample = photo(tmp_path, stamp=0.0)
    with pytest.raises(ValueError, match=r"0.png are called the same \(7, 7\): give each an id"):
        list(recorded_sequences([Sample(sample.image, CAMERA, sample.hands * 2, 0.0)]))


def test_images_of_two_cameras_are_no_sequence(tmp_path):
    one, two = photo(tmp_path, stamp=0.0), photo(tmp_path, stamp=0.1)
    with pytest.raises(ValueError, match="several cameras"):
        list(recorded_sequences([one, Sample(two.image, None, two.hands, 0.1)]))


def test_the_hands_of_the_clip_change_places_and_their_pixels_with_them():
    crossing = next(each for each in clip_sequences() if each.name == "crossing in 0.5 s and back")
    start, changed = crossing.joints_2d[0].mean(axis=1), crossing.joints_2d[35].mean(axis=1)
    assert start[0, 0] < start[1, 0] - 100 and changed[0, 0] > changed[1, 0] + 100
    wrist = np.round(crossing.joints_2d[35, 0, 9]).astype(int)
    background = crossing.image(0)[wrist[1], wrist[0]].astype(int), crossing.image(35)[wrist[1], wrist[0]].astype(int)
    assert np.abs(background[0] - background[1]).max() > 10
