import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize

from handpose_ros.lifting.ray_fit import errors_about, fit, mean_distance, place, variances_along

RNG = np.random.default_rng(0)
HUBER, MEDIAN_RADIUS = 1.345, 1.1774  # in standard deviations


def hands(count, error=0.01, seed=0):
    """Shapes, unit rays that miss them by `error` [rad] in each direction, and where the shapes are in truth."""
    rng = np.random.default_rng(seed)
    shape, place = rng.normal(0, 0.05, (count, 21, 3)), rng.uniform([-0.2, -0.2, 0.3], [0.2, 0.2, 0.8], (count, 3))
    points = shape + place[:, None]
    seen = points / np.linalg.norm(points, axis=-1, keepdims=True) + rng.normal(0, error, points.shape)
    return shape, seen / np.linalg.norm(seen, axis=-1, keepdims=True), place


def residuals(translation, shape, rays):
    """(K, 3) from the rays' ends to where the joints are seen on the planes that touch the unit sphere there."""
    points = shape + translation
    return points / (points * rays).sum(axis=-1, keepdims=True) - rays


def test_exact_rays_give_the_exact_place_of_any_number_of_hands():
    for count in (0, 1, 5):
        shape, rays, place = hands(count, error=0.0)
        assert_allclose(fit(shape, rays)[0], place, atol=1e-9)


def test_the_place_is_where_the_residuals_by_hubers_loss_are_least():
    (shape,), (rays,), _ = hands(1)
    rays[3] += [0.3, 0.1, 0.0]  # far off
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    found = fit(shape[None], rays[None])[0][0]
    limit = HUBER * np.median(np.linalg.norm(residuals(found, shape, rays), axis=-1)) / MEDIAN_RADIUS

    def loss(translation):
        size = np.linalg.norm(residuals(translation, shape, rays), axis=-1)
        return np.where(size < limit, size**2 / 2, limit * (size - limit / 2)).sum()

    assert_allclose(found, minimize(loss, found, method="Nelder-Mead", options={"xatol": 1e-7}).x, atol=3e-5)


def test_the_covariance_is_the_inverse_of_the_weighted_normal_matrix():
    (shape,), (rays,), _ = hands(1, seed=3)
    translation, covariance = fit(shape[None], rays[None])
    step = 1e-6 * np.eye(3)
    jacobian = np.stack(
        [(residuals(translation + d, shape, rays) - residuals(translation - d, shape, rays)) / 2e-6 for d in step]
    )
    size = np.linalg.norm(residuals(translation, shape, rays), axis=-1)
    sigma = np.median(size) / MEDIAN_RADIUS
    weight = np.minimum(HUBER * sigma / size, 1.0)
    normal = np.einsum("k,ikc,jkc->ij", weight, jacobian, jacobian)
    assert_allclose(covariance[0], sigma**2 * np.linalg.inv(normal), rtol=5e-3)  # that of the last step


def test_a_hand_beside_others_is_what_it_is_alone_to_the_last_bit():
    shape, rays, _ = hands(4)
    rays[1, 5:9], rays[2] = np.nan, np.nan
    spread = np.full(4, 0.05)
    together = place(shape, 1.1, rays, spread, 0.08)
    for hand in range(4):
        one = slice(hand, hand + 1)
        for value, alone in zip(together, place(shape[one], 1.1, rays[one], spread[one], 0.08), strict=True):
            assert_array_equal(value[one], alone)


@pytest.mark.parametrize("missing", [1, 2, 18])
def test_a_joint_without_a_ray_says_nothing_about_the_place(missing):
    shape, rays, _ = hands(2)
    rays[0, :missing] = np.nan
    without = fit(shape[:1, missing:].copy(), rays[:1, missing:].copy())
    for value, expected in zip(fit(shape, rays), without, strict=True):
        assert_array_equal(value[0], expected[0])


def test_two_rays_give_no_place_and_what_is_not_a_number_none_either():
    shape, rays, _ = hands(3)
    rays[0, 2:], shape[1, 7] = np.nan, np.nan
    translation, covariance = fit(shape, rays)
    assert_array_equal(np.isnan(translation).all(axis=1), [True, True, False])
    assert_array_equal(np.isnan(covariance).all(axis=(1, 2)), [True, True, False])


def test_joints_lie_on_their_rays_as_far_away_as_the_shape_says_and_where_it_says_without_a_ray():
    shape, rays, _ = hands(2)
    rays[0, 4] = np.nan
    joints, points, _, _ = place(shape, 1.2, rays, np.zeros(2), 0.0)
    assert_allclose(joints[0, 4], points[0, 4])
    seen = np.isfinite(rays[..., 0])
    assert_allclose(np.cross(joints, rays)[seen], 0, atol=1e-12)
    assert_allclose(((joints - points) * rays).sum(axis=-1)[seen], 0, atol=1e-12)
    assert_allclose(np.diff(points, axis=1), 1.2 * np.diff(shape, axis=1), atol=1e-12)


def test_the_distances_variance_is_that_of_the_fit_and_of_both_spreads():
    shape, rays, _ = hands(3, error=0.02)
    joints, _, covariance, sigma = place(shape, 1.0, rays, np.full(3, 0.03), 0.04)
    _, _, surer, surer_sigma = place(shape, 1.0, rays, np.zeros(3), 0.0)
    squared = (joints**2).sum(axis=-1)
    assert_allclose(sigma**2 - surer_sigma**2, 0.05**2 * squared, rtol=1e-9)
    along_wrist = np.einsum("ni,nij,nj->n", rays[:, 0], (covariance - surer)[:, :3, :3], rays[:, 0])
    assert_allclose(along_wrist, 0.05**2 * squared[:, 0], rtol=1e-9)
    fitted = variances_along(rays, fit(shape, rays)[1])
    rest = surer_sigma**2 - fitted
    assert_allclose(rest, np.broadcast_to(rest[0], rest.shape), atol=1e-12)  # joints' own, the same for all hands


def test_a_fits_variance_along_a_ray_is_the_sixteenfold_of_its_covariances_there():
    (factor,) = RNG.normal(0, 0.01, (1, 3, 3))
    covariance, axes = (factor @ factor.T)[None], np.eye(3)[None]
    assert_allclose(variances_along(axes, covariance)[0], 16 * np.diag(covariance[0]))


def test_about_its_ray_a_wrist_errs_by_the_given_variance_along_it_and_by_the_keypoints_across():
    _, rays, _ = hands(2)
    covariance, sigma = errors_about(rays, np.full((2, 21), 0.04**2))
    for matrix, ray in zip(covariance[:, :3, :3], rays[:, 0], strict=True):
        assert_allclose(matrix @ ray, 0.04**2 * ray)
        assert_allclose(np.linalg.eigvalsh(matrix), np.array([0.0076, 0.0076, 0.04]) ** 2)
    assert_allclose(sigma[:, 0] ** 2, np.trace(covariance[:, :3, :3], axis1=1, axis2=2))


@pytest.mark.parametrize("ray, along", [(np.nan, 0.04**2), (0.0, np.nan)])
def test_of_a_wrist_without_a_ray_or_a_distance_nothing_is_known(ray, along):
    _, rays, _ = hands(2)
    variances = np.full((2, 21), 0.04**2)
    rays[0, 0], variances[0, 0] = rays[0, 0] + ray, along
    covariance, _ = errors_about(rays, variances)
    assert np.isnan(covariance[0]).all() and np.isfinite(covariance[1]).all()


def test_the_mean_distance_leaves_out_what_is_not_known():
    points, others = np.zeros((3, 21, 2)), np.full((3, 21, 2), [3.0, 4.0])
    points[0, :20], others[1, 0], points[2] = np.nan, [6.0, 8.0], np.nan
    assert_allclose(mean_distance(points, others), [5.0, 110 / 21, np.nan])


def test_a_shape_that_only_fits_behind_the_camera_has_no_place_and_does_not_disturb_its_neighbour():
    shape, rays, places = hands(2, error=0.0)
    shape[0] *= -1
    translation, covariance = fit(shape, rays)
    assert np.isnan(translation[0]).all() and np.isnan(covariance[0]).all()
    assert_allclose(translation[1], places[1], atol=1e-9)
