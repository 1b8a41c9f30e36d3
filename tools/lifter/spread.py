"""How far lifters' hands are from the true ones along the viewing rays: the constants of lifters and lifting.

    python -m tools.lifter.spread --samples FILE

FILE holds observations of pictures that were not learned from: tools.lifter keeps those of another --seed. Their
keypoints' errors are made as small as they are on photos, the size of the hand is known. The variance of a joint's
distance is then that of the fit, that of the whole hand's distance and that of the joint's depth in the hand; the last
two are found by maximum likelihood.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from handpose_ros.camera import Camera
from handpose_ros.hand import KEYPOINTS
from handpose_ros.lifting.lifters import LIFTERS, Lifter, make_lifter, scale_to_template
from handpose_ros.lifting.ray_fit import fit, variances_along
from tools.lifter.dataset import Samples
from tools.lifter.lessons import network_offsets, truth

PHOTOS_ERRORS = 0.036 / 0.065  # the keypoints' mean error on photos over that on renders, in boxes of the hand
_CAMERA = Camera(np.eye(3), (1, 1))  # its pixels are the samples' rays
_RANGE = (1e-3, 0.3)  # of spreads and sigmas


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True)
    samples = Samples.load(parser.parse_args().samples)
    for name in LIFTERS:
        spread, depth = most_likely(*errors_along_rays(samples, make_lifter(name)))
        print(f"{name}: distance {100 * spread:.1f} %; depth in the hand [mm]:")
        print(", ".join(f"{joint} {1e3 * sigma:.0f}" for joint, sigma in zip(KEYPOINTS, depth, strict=True)))


def errors_along_rays(samples: Samples, lifter: Lifter) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, 21) [m] errors of the joints' distances, those distances, and (N, 21) [m^2] what the fit has of variance."""
    true = scale_to_template(truth(samples, network_offsets(samples)))
    exact = true[..., :2] / true[..., 2:]
    seen = exact + PHOTOS_ERRORS * (samples.rays - exact)
    shaped = lifter(_CAMERA.unproject(seen), samples.local, samples.right)
    translation, covariance = fit(shaped.joints, shaped.rays)
    distance = ((shaped.joints + translation[:, None]) * shaped.rays).sum(axis=-1)
    joints = shaped.rays * distance[..., None]
    errors = ((joints - true) * shaped.rays).sum(axis=-1)
    return errors, distance, variances_along(shaped.rays, covariance)


def most_likely(errors: np.ndarray, distance: np.ndarray, fitted: np.ndarray) -> tuple[float, np.ndarray]:
    """The relative spread of the distance and (21,) [m] of each joint's depth that explain `errors` (N, 21) best."""

    def surprise(logarithms):
        spread, depth = np.exp(logarithms[0]), np.exp(logarithms[1:])
        variance = fitted + (spread * distance) ** 2 + depth**2
        return (np.log(variance) + errors**2 / variance).mean()

    found = minimize(surprise, np.full(22, np.log(0.02)), bounds=[np.log(_RANGE)] * 22)
    return float(np.exp(found.x[0])), np.exp(found.x[1:])


if __name__ == "__main__":
    main()
