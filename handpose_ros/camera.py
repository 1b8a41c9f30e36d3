"""A calibrated camera: points in its optical frame <-> pixels of its image.

Axes     optical frame: x right, y down, z forward (REP 103). Points in metres.
Pixels   (u, v), u to the right, v down; pixel centres at integers, so an image of width W covers
         -0.5 .. W - 0.5.
Model    a point (x, y, z) goes to (x/z, y/z), is distorted there, and K takes it to pixels:
         none                 no distortion
         plumb_bob            D = k1 k2 p1 p2 k3
         rational_polynomial  D = k1 k2 p1 p2 k3 k4 k5 k6 [s1 s2 s3 s4 [tx ty]]
         equidistant          D = k1 k2 k3 k4, on the angle from the optical axis (fisheye)
         Names are those of sensor_msgs/CameraInfo, formulas those of OpenCV's calib3d and fisheye.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import cv2
import numpy as np

DISTORTION_SIZES = {"none": (0,), "plumb_bob": (5,), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
_NEWTON_STEPS = 20
_NEWTON_TOLERANCE = 1e-12  # normalised image coordinates
_ACCEPTED_RESIDUAL = 1e-9
_COMPLEX_STEP = 1e-30
_COMPLEX_STEPS = 1j * _COMPLEX_STEP * np.eye(2)[:, None]
_ON_AXIS = 1e-12  # nearer to a fisheye's axis than this the direction from it does not matter
_SUM = np.ones(3)  # x @ _SUM is x.sum(axis=-1), in half of its time for few points
_BOTH = np.ones(2)  # so is x @ _BOTH
_I = np.eye(3)
# Most cameras need no more than these steps of OpenCV's fixed-point iteration, each a hundredth of one of Newton's.
_FIXED_POINT = (cv2.TERM_CRITERIA_COUNT, 20, 0.0)
_WIDEST = 4.0  # normalised image coordinates up to which distortions are searched for a fold: 76 degrees from the axis


@dataclass(frozen=True)
class Camera:
    """A calibrated camera: points in its optical frame <-> pixels of its image."""

    K: np.ndarray  # (3, 3) intrinsics [px]
    size: tuple[int, int]  # (width, height) [px]
    D: np.ndarray = field(default_factory=lambda: np.zeros(0))  # distortion coefficients of `model`
    model: str = "none"  # a key of DISTORTION_SIZES

    def __post_init__(self):
        object.__setattr__(self, "K", np.array(self.K, dtype=float))
        object.__setattr__(self, "D", np.array(self.D, dtype=float).ravel())
        _check_calibration(self.K, self.D, self.model, self.size)

    @classmethod
    def from_fov(cls, size: tuple[int, int], fov: float) -> "Camera":
        """An undistorted camera of `size` (width, height) [px] that sees `fov` [rad] from left to right."""
        if not 0 < fov < np.pi:
            raise ValueError(f"the horizontal field of view is {fov} rad, it must lie between 0 and pi")
        width, height = size
        f = width / 2 / np.tan(fov / 2)
        return cls(np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]]), size)

    @property
    def is_distorted(self) -> bool:
        """Whether straight lines are bent in its images."""
        return self.model == "equidistant" or any(self.D.tolist())

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) pixels of `points` (..., 3) [m]; NaN behind the camera.

        An equidistant camera sees beyond 90 degrees, the others only z > 0.
        """
        points = np.asarray(points, dtype=float)
        distorted = self._fisheye(points) if self.model == "equidistant" else self._pinhole(points)
        return distorted @ self.K[:2, :2].T + self.K[:2, 2]

    def unproject(self, pixels: np.ndarray) -> np.ndarray:
        """(..., 3) unit rays in the optical frame through `pixels` (..., 2); NaN where no ray goes there."""
        at_one, offset = self._from_pixels
        rays = np.asarray(pixels, dtype=float) @ at_one + offset
        if self.model == "equidistant":
            return _fisheye_rays(rays[..., :2], self.D)
        if self._bends:
            rays[..., :2] = _undistort(rays[..., :2], self.D)
        return rays / np.sqrt((rays * rays) @ _SUM)[..., None]

    def crop(self, x: int, y: int, width: int, height: int) -> "Camera":
        """The camera of the image cut out at pixel (x, y) with the given size [px]."""
        K = self.K.copy()
        K[:2, 2] -= (x, y)
        return replace(self, K=K, size=(width, height))

    def resize(self, width: int, height: int) -> "Camera":
        """The camera of the image scaled to the given size [px]."""
        scale = np.array([width / self.size[0], height / self.size[1]])
        K = self.K.copy()
        K[:2, :2] *= scale[:, None]
        K[:2, 2] = (K[:2, 2] + 0.5) * scale - 0.5
        return replace(self, K=K, size=(width, height))

    def _pinhole(self, points):
        z = points[..., 2:]
        xy = points[..., :2] / (z if (z > 0).all() else np.where(z > 0, z, np.nan))
        return _distort(xy, self.D) if self._bends else xy

    def _fisheye(self, points):
        radius = _length(points[..., :2])
        theta = np.arctan2(radius, points[..., 2])
        return points[..., :2] * (_theta_distorted(theta, self.D) / np.maximum(radius, _ON_AXIS))[..., None]

    @cached_property
    def _bends(self):
        """Whether a pinhole camera's lens distorts."""
        return bool(self.D.any())

    @cached_property
    def _from_pixels(self):
        """(2, 3) and (3,) that take pixels, `pixels @ (2, 3) + (3,)`, to the plane z = 1."""
        at_one = np.linalg.inv(self.K[:2, :2]).T
        return np.pad(at_one, [(0, 0), (0, 1)]), np.array([*-self.K[:2, 2] @ at_one, 1.0])


@dataclass(frozen=True)
class Frame:
    """One image with what is known about it."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    camera: Camera | None  # None: not calibrated
    stamp: float = np.nan  # [s]
    frame_id: str = ""  # the camera's optical frame
    depth: np.ndarray | None = None  # (H, W) float32 [m] along z, pixel by pixel that of the image; NaN: not measured

    def __post_init__(self):
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image is {self.image.dtype} {self.image.shape}, it must be uint8 (height, width, 3)")
        if self.camera is not None and self.camera.size != self.size:
            raise ValueError(f"the image is {self.size} px but its camera is calibrated for {self.camera.size} px")
        if self.depth is not None and self.depth.dtype.kind != "f":
            raise ValueError(f"depth is {self.depth.dtype}, it must be floating point: metres")
        if self.depth is not None and self.depth.shape != self.image.shape[:2]:
            raise ValueError(
                f"the image is {self.size} px but its depth {self.depth.shape[::-1]} px: it must be registered to it"
            )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) [px]."""
        return self.image.shape[1], self.image.shape[0]


def _check_calibration(K, D, model, size):
    if K.shape != (3, 3) or not np.isfinite(K).all():
        raise ValueError(f"K must be 3x3 and finite, it is {K.tolist()}")
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ValueError(f"the camera is not calibrated: its focal lengths are {K[0, 0]} and {K[1, 1]} px")
    if model not in DISTORTION_SIZES:
        raise ValueError(f"unknown distortion model '{model}', known are {', '.join(DISTORTION_SIZES)}")
    if D.size not in DISTORTION_SIZES[model] or not np.isfinite(D).all():
        raise ValueError(f"{model} takes {DISTORTION_SIZES[model]} finite coefficients, D is {D.tolist()}")
    if min(size) < 1:
        raise ValueError(f"the image size is {size}, it must be positive")


def _distort(xy, D):
    """OpenCV's rational model on normalised coordinates (..., 2); also takes complex ones."""
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tx, ty = D.tolist() + [0.0] * (14 - D.size)
    tangential = np.array([p2, p1])
    r2 = (xy * xy) @ _BOTH
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    if D.size > 5:
        radial = radial / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    bent = xy * (radial + xy @ (2 * tangential))[..., None] + r2[..., None] * tangential
    if D.size > 8:
        bent = bent + r2[..., None] * ([s1, s3] + r2[..., None] * [s2, s4])
    if tx or ty:
        tilted = bent @ _tilt(tx, ty)[:, :2].T + _tilt(tx, ty)[:, 2]
        bent = tilted[..., :2] / tilted[..., 2:]
    return bent


def _tilt(tx, ty):
    """(3, 3) homography of a sensor tilted by tx, ty [rad] (Scheimpflug)."""
    cx, sx, cy, sy = np.cos(tx), np.sin(tx), np.cos(ty), np.sin(ty)
    R = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    return np.array([[R[2, 2], 0, -R[0, 2]], [0, R[2, 2], -R[1, 2]], [0, 0, 1]]) @ R


def _undistort(target, D):
    """The inverse of `_distort`; NaN beyond its fold."""
    if not target.size:
        return target
    with np.errstate(over="ignore", invalid="ignore"):  # beyond the fold it may run away; that is found out at the end
        points = np.ascontiguousarray(target).reshape(-1, 2)
        start = cv2.undistortPointsIter(points[:, None], _I, D, None, None, _FIXED_POINT)[:, 0]
        off = np.abs(_distort(start, D) - points)
        if off.max() < _NEWTON_TOLERANCE and _length(start).max() < _first_fold(D.tobytes()):
            return start.reshape(target.shape)
        xy, found = _newton(points, D, start)
        if not found.all():  # a strong distortion lets OpenCV's iteration diverge
            again, found_again = _newton(points, D, points)
            xy = np.where(found[:, None], xy, np.where(found_again[:, None], again, np.nan))
        return xy.reshape(target.shape)


@lru_cache(maxsize=16)
def _first_fold(D):
    """Distance from the axis where the distortion, of the bytes of D, begins to fold; _WIDEST if it does not before."""
    radius, angle = np.linspace(0, _WIDEST, 401), np.linspace(0, 2 * np.pi, 32, endpoint=False)
    circles = radius[:, None, None] * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    _, dx, dy = _distort_with_jacobian(circles.reshape(-1, 2), np.frombuffer(D))
    rises = (_cross(dx, dy) > 0).reshape(circles.shape[:2]).all(axis=1)
    return radius[np.argmin(rises) - 1]  # the last one, where all rise


def _newton(target, D, xy):
    """Newton's method on `_distort`, from `xy` (N, 2) on: where it ends, and (N,) whether that is the place."""
    for _ in range(_NEWTON_STEPS):
        distorted, dx, dy = _distort_with_jacobian(xy, D)
        residual, det = distorted - target, _cross(dx, dy)
        if not (np.abs(residual) > _NEWTON_TOLERANCE).any():
            break
        xy = xy - np.stack([_cross(residual, dy) / det, _cross(dx, residual) / det], axis=-1)
    # Beyond the fold of a distortion no ray exists; Newton then ends nowhere, or on the mirrored far branch.
    close = (residual * residual) @ _BOTH < _ACCEPTED_RESIDUAL**2
    return xy, close & (det > 0) & ((xy * target) @ _BOTH > -_ACCEPTED_RESIDUAL)


def _distort_with_jacobian(xy, D):
    """`_distort` of (N, 2) and its d/dx and d/dy, by complex steps: exact, and no second formula to keep right."""
    stepped = _distort(xy + _COMPLEX_STEPS, D)
    dx, dy = stepped.imag / _COMPLEX_STEP
    return stepped[0].real, dx, dy


def _cross(a, b):
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _theta_distorted(theta, D):
    k1, k2, k3, k4 = D.tolist()
    t2 = theta * theta
    return theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))


def _fisheye_rays(distorted, D):
    radius = _length(distorted)
    k1, k2, k3, k4 = D.tolist()
    theta = np.interp(radius, *_theta_table(D.tobytes()), right=np.nan)
    for _ in range(_NEWTON_STEPS):
        residual = _theta_distorted(theta, D) - radius
        if not (np.abs(residual) > _NEWTON_TOLERANCE).any():
            break
        t2 = theta * theta
        theta = theta - residual / (1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4))))
    theta = np.where(np.abs(residual) < _ACCEPTED_RESIDUAL, theta, np.nan)
    rays = np.empty((*theta.shape, 3))
    rays[..., :2] = distorted * (np.sin(theta) / np.maximum(radius, _ON_AXIS))[..., None]
    rays[..., 2] = np.cos(theta)
    return rays


@lru_cache(maxsize=16)
def _theta_table(D):
    """`_theta_distorted`, by the bytes of D, from 0 to where it stops rising or pi is reached, and the angles there."""
    theta = np.linspace(0, np.pi, 1000)
    distorted = _theta_distorted(theta, np.frombuffer(D))
    rising = np.argmax(np.diff(distorted, append=-np.inf) <= 0) + 1
    return distorted[:rising], theta[:rising]


def _length(vectors):
    return np.sqrt((vectors * vectors) @ _BOTH)
