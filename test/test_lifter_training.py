"""The program that teaches the lifter, on made-up observations: no mesh, no pictures, no network."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation
from test_lifting import HAND, hands_in_space

from handpose_ros.lifting.lifters import LIFTERS, Network, make_lifter, scale_to_template
from tools.lifter.backdrops import backdrop, degrade, solid
from tools.lifter.dataset import Samples
from tools.lifter.lessons import imagine, join, network_offsets, prepare, split, truth
from tools.lifter.poses import HIGHEST, LOWEST, random_angles
from tools.lifter.spread import errors_along_rays, most_likely
from tools.lifter.training import Recipe, examine, export, place, teach

SMALL = Recipe(width=32, blocks=1, steps=150, batch=64, plane_noise=0.0, shape_noise=0.0, blind=0.1)
RNG = np.random.default_rng(5)
OFFSETS = RNG.normal(0, 0.005, (21, 3))
MIRROR = np.array([-1.0, 1.0, 1.0])


def observed(count, flattening=0.6, seed=0):
    """Observations of hands by a network that sees the world flattened along z; every other one is a left hand."""
    rng = np.random.default_rng(seed)
    keypoints = hands_in_space((count,), seed)
    right = np.arange(count) % 2 == 0
    keypoints[~right] *= MIRROR
    frames = Rotation.random(count * 21, random_state=seed).as_matrix().reshape(count, 21, 3, 3)
    handed = np.where(right[:, None, None], 1.0, MIRROR)
    seen = keypoints + (frames @ (OFFSETS * handed)[..., None])[..., 0]
    local = (seen - seen.mean(axis=1, keepdims=True)) * [1, 1, flattening]
    return Samples(
        picture=np.arange(count) // 2,
        right=right,
        right_score=right.astype(float),
        score=np.ones(count),
        rays=seen[..., :2] / seen[..., 2:] + rng.normal(0, 1e-4, (count, 21, 2)),
        local=local,
        z=np.zeros((count, 21)),
        keypoints=keypoints,
        frames=frames,
    )


@pytest.fixture(scope="module")
def lesson():
    return prepare(observed(400), OFFSETS)


@pytest.fixture(scope="module")
def pupil(lesson):
    return teach(lesson, SMALL, seed=0)


def test_the_networks_convention_is_found_for_left_and_right_hands_alike():
    assert_allclose(network_offsets(observed(400)), OFFSETS, atol=5e-4)


def test_without_errors_the_lesson_says_that_nothing_is_to_be_corrected():
    lesson = prepare(observed(20, flattening=1.0), OFFSETS)
    assert np.abs(lesson.errors[:, :42].numpy()).max() < 0.02
    assert np.abs(lesson.errors[:, 42:].numpy()).max() < 1e-4


def test_true_joints_on_true_rays_are_placed_where_they_are(lesson):
    placed = place(lesson.plane, lesson.joints, lesson.center, lesson.extent)
    assert_allclose(placed.numpy(), lesson.joints.numpy(), atol=2e-3)


def test_taught_hands_are_better_than_observed_ones_and_not_only_those_it_learned_from(pupil):
    exam = prepare(observed(200, seed=1), OFFSETS)
    before, after = examine([], exam), examine([pupil], exam)
    assert after.root_relative < 0.7 * before.root_relative
    assert after.aligned < 0.7 * before.aligned
    assert after.distance < 0.7 * before.distance


def test_what_was_observed_without_errors_scores_nothing():
    score = examine([], prepare(observed(20, flattening=1.0), OFFSETS))
    assert score.root_relative < 0.5 and score.aligned < 0.5 and score.distance < 1e-3


def test_teaching_twice_gives_the_same_and_another_seed_another(lesson, pupil):
    again, other = teach(lesson, SMALL, seed=0), teach(lesson, SMALL, seed=1)
    assert torch.equal(again.last.weight, pupil.last.weight)
    assert not torch.equal(other.last.weight, pupil.last.weight)


def test_the_package_computes_what_was_taught(tmp_path, lesson, pupil):
    other = teach(lesson, SMALL, seed=1)
    export([pupil, other], tmp_path / "lifter.npz")
    found = Network.load(tmp_path / "lifter.npz")(lesson.features.numpy())
    with torch.no_grad():
        plane, joints = (
            (one + two) / 2 for one, two in zip(pupil(lesson.features), other(lesson.features), strict=True)
        )
    assert_allclose(found, torch.cat([plane.flatten(1), joints.flatten(1)], dim=1).numpy(), atol=5e-3)  # half precision


def test_held_out_pictures_are_not_learned_from():
    learned, held_out = split(observed(100), 0.2)
    assert len(learned) == 80 and len(held_out) == 20
    assert not set(learned.picture) & set(held_out.picture)


def test_imagined_hands_have_errors_that_the_network_did_make(lesson):
    poses = observed(30, seed=2)
    imagined = imagine(poses, OFFSETS, lesson, np.random.default_rng(0))
    assert len(imagined) == 30 and len(join([lesson, imagined])) == 430
    made = lesson.errors[:, 42:].numpy()
    for errors in imagined.errors[:, 42:].numpy():
        assert np.abs(made - errors).max(axis=1).min() < 1e-4


def test_the_truth_of_a_left_hand_is_the_mirror_image_of_a_right_ones():
    right = observed(1)
    turn = np.diag(MIRROR)
    left = Samples(
        **{
            **vars(right),
            "right": ~right.right,
            "keypoints": right.keypoints @ turn,
            "frames": turn @ right.frames @ turn,
        }
    )
    assert_allclose(truth(left, OFFSETS), truth(right, OFFSETS) @ turn, atol=1e-12)


@pytest.mark.parametrize("name", LIFTERS)
def test_distances_less_their_errors_are_the_true_ones(name):
    samples = observed(10)
    errors, distances, variances = errors_along_rays(samples, make_lifter(name))
    true = np.linalg.norm(scale_to_template(truth(samples, network_offsets(samples))), axis=-1)
    assert_allclose(distances - errors, true, rtol=1e-3)
    assert np.abs(errors).mean() > 0.01 and (variances > 0).all()  # [m]: the network sees the hands flattened


def test_random_hands_bend_as_hands_can():
    angles = np.rad2deg([random_angles(np.random.default_rng(seed)) for seed in range(200)])
    assert (angles >= LOWEST - 1e-9).all() and (angles <= HIGHEST + 1e-9).all()
    assert np.ptp(angles[:, 1:, 3], axis=0).min() > 90  # every finger is straight somewhere and in the palm elsewhere


@pytest.mark.parametrize("seed", range(4))
def test_backgrounds_and_bad_cameras_give_pictures_that_differ_and_repeat(seed):
    def picture(number):
        rng = np.random.default_rng(number)
        return degrade((255 * np.clip(backdrop(64, rng), 0, 1)).astype(np.uint8), rng)

    image = picture(seed)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert (image == picture(seed)).all() and (image != picture(seed + 1)).any()


@pytest.mark.parametrize("seed", range(6))
def test_a_thing_to_hold_is_closed_and_its_triangles_face_outwards(seed):
    points, triangles = solid(np.random.default_rng(seed))
    a, b, c = (points[triangles[:, k]] for k in range(3))
    volume = -(np.cross(a, b) * c).sum() / 6  # corners turn clockwise from outside; of an open surface it would be off
    shifted = -(np.cross(a + 0.1, b + 0.1) * (c + 0.1)).sum() / 6
    assert 1e-7 < volume < 1e-3
    assert_allclose(shifted, volume, atol=1e-12)


def test_the_flat_hand_of_these_tests_is_of_average_size():
    assert 0.15 < np.linalg.norm(HAND[12] - HAND[0]) < 0.21


def test_the_spreads_that_are_most_likely_are_those_that_made_the_errors():
    rng = np.random.default_rng(0)
    distance, fit = rng.uniform(0.3, 0.9, (4000, 1)) + np.zeros(21), rng.uniform(0, 0.01, (4000, 1)) ** 2 + np.zeros(21)
    depth = np.linspace(0.004, 0.03, 21)
    errors = rng.normal(0, np.sqrt(fit + (0.05 * distance) ** 2 + depth**2))
    spread, found = most_likely(errors, distance, fit)
    assert spread == pytest.approx(0.05, rel=0.03)
    assert_allclose(found, depth, atol=2e-3)
