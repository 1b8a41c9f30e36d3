"""A calibrated camera: points in its optical frame <-> pixels of its image.

Axes     optical frame: x right, y down, z forward (REP 103). Points in metres.
Pixels   (u, v), u to the right, v down; pixel centres at integers, so an image of width W covers
         -0.5 .. W - 0.5.
Model    a point (x, y, z) goes to (x/z, y/z), is distorted there, and K takes it to pixels:
         none                 no distortion
         plumb_bob            D = k1 k2 p1 p2 [k3]
         rational_polynomial  D = k1 k2 p1 p2 k3 k4 k5 k6 [s1 s2 s3 s4 [tx ty]]
         equidistant          D = k1 k2 k3 k4, on the angle from the optical axis; also called fisheye
         Names are those of sensor_msgs/CameraInfo, formulas those of OpenCV's calib3d and fisheye.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from handpose_ros.distortion import distort, fisheye_distort, fisheye_rays, undistort

DISTORTION_SIZES = {"none": (0,), "plumb_bob": (4, 5), "rational_polynomial": (8, 12, 14), "equidistant": (4,)}
OTHER_NAMES = {"fisheye": "equidistant"}
_SUM = np.ones(3)  # x @ _SUM is x.sum(axis=-1), in half of its time for few points


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera: points in its optical frame <-> pixels of its image. Equal if all numbers are equal.

    Raises: ValueError for what is no calibration.
    """

    K: np.ndarray  # (3, 3) intrinsics [px]; read-only, like D
    size: tuple[int, int]  # (width, height) [px]
    D: np.ndarray = field(default_factory=lambda: np.zeros(0))  # distortion coefficients of `model`
    model: str = "none"  # a key of DISTORTION_SIZES or OTHER_NAMES

    def __post_init__(self):
        K, D = np.array(self.K, dtype=float), np.array(self.D, dtype=float).ravel()
        size, model = _whole(self.size), OTHER_NAMES.get(self.model, self.model)
        _check_calibration(K, D, model, size)
        if model == "plumb_bob" and D.size == 4:  # without k3, as OpenCV has it too
            D = np.append(D, 0.0)
        for name, value in {"K": K, "size": size, "D": D, "model": model}.items():
            object.__setattr__(self, name, value)
        K.setflags(write=False)
        D.setflags(write=False)

    def __eq__(self, other: object) -> bool:
        if self is other:  # as nearly always
            return True
        return self._numbers == other._numbers if isinstance(other, Camera) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._numbers)

    def __reduce__(self):
        return type(self), (self.K, self.size, self.D, self.model)  # a copy is read-only too

    @classmethod
    def from_fov(cls, size: tuple[int, int], fov: float) -> "Camera":
        """An undistorted camera of `size` (width, height) [px] that sees `fov` [rad] from left to right."""
        if not 0 < fov < np.pi:
            raise ValueError(f"the horizontal field of view is {fov} rad, it must lie between 0 and pi")
        width, height = size
        f = width / 2 / np.tan(fov / 2)
        return cls(np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]]), size)

    @cached_property
    def is_distorted(self) -> bool:
        """Whether straight lines are bent in its images."""
        return self.model == "equidistant" or any(self.D.tolist())

    @cached_property
    def share_with_rays(self) -> float:
        """How much of the image, 0..1, has a ray: all of it, but where the distortion folds within the image."""
        return float(np.isfinite(self._rays[..., 2]).mean())

    def angle_to(self, other: "Camera") -> float:
        """The largest angle [rad] between the rays that the two have for one pixel of an image of this size.

        A focal length that is 1 % longer is 0.005 rad where rays are 45 degrees off the axis, and less elsewhere.
        """
        apart = np.linalg.norm(self._rays - other.unproject(self._pixels), axis=-1)
        return 2 * float(np.arcsin(np.nanmax(apart, initial=0.0) / 2))

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) pixels of `points` (..., 3) [m]; NaN behind the camera and beyond the fold of its distortion.

        An equidistant camera sees beyond 90 degrees, the others only z > 0.
        """
        points = np.asarray(points, dtype=float)
        distorted = fisheye_distort(points, self.D) if self.model == "equidistant" else self._pinhole(points)
        return distorted @ self.K[:2, :2].T + self.K[:2, 2]

    def unproject(self, pixels: np.ndarray) -> np.ndarray:
        """(..., 3) unit rays in the optical frame through `pixels` (..., 2); NaN where no ray goes there."""
        at_one, offset = self._from_pixels
        rays = np.asarray(pixels, dtype=float) @ at_one + offset
        if self.model == "equidistant":
            return fisheye_rays(rays[..., :2], self.D)
        if self.is_distorted:
            rays[..., :2] = undistort(rays[..., :2], self.D)
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
        return distort(xy, self.D) if self.is_distorted else xy

    @cached_property
    def _pixels(self):
        """(15, 15, 2) a grid over the image."""
        x, y = (np.linspace(0, length - 1, 15) for length in self.size)
        return np.stack(np.meshgrid(x, y), axis=-1)

    @cached_property
    def _rays(self):
        """(15, 15, 3) of `_pixels`."""
        return self.unproject(self._pixels)

    @cached_property
    def _numbers(self):
        """What makes it the camera that it is."""
        return self.model, self.size, *self.K.ravel().tolist(), *self.D.tolist()

    @cached_property
    def _from_pixels(self):
        """(2, 3) and (3,) that take pixels, `pixels @ (2, 3) + (3,)`, to the plane z = 1."""
        at_one = np.linalg.inv(self.K[:2, :2]).T
        return np.pad(at_one, [(0, 0), (0, 1)]), np.array([*-self.K[:2, 2] @ at_one, 1.0])


@dataclass(frozen=True, eq=False)
class Frame:
    """One image with what is known about it."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    camera: Camera | None  # None: not calibrated
    stamp: float = np.nan  # [s]
    frame_id: str = ""  # the camera's optical frame
    depth: np.ndarray | None = None  # (H, W) float32 [m] along z, pixel by pixel that of the image; NaN: not measured

    def __post_init__(self):
        if not isinstance(self.image, np.ndarray):
            raise ValueError(f"the image is {type(self.image).__name__}, it must be an array: could its file be read?")
        if self.camera is not None and not isinstance(self.camera, Camera):
            raise ValueError(
                f"the camera is {type(self.camera).__name__}, it must be a Camera: Camera(K, size, D, model)"
            )
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image is {self.image.dtype} {self.image.shape}, it must be uint8 (height, width, 3)")
        if not self.image.size:
            raise ValueError(f"the image has no pixels, it is {self.size[0]}x{self.size[1]}: give one with some")
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


def _whole(size):
    """`size` as a tuple of integers, if it is that."""
    if any(not np.isfinite(length) or length != int(length) for length in size):
        raise ValueError(f"the image size is {size}, it must be a whole width and height")
    return tuple(int(length) for length in size)


def _check_calibration(K, D, model, size):
    if K.shape != (3, 3) or not np.isfinite(K).all():
        raise ValueError(f"K must be 3x3 and finite, it is {K.tolist()}")
    if K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ValueError(f"the camera is not calibrated: its focal lengths are {K[0, 0]} and {K[1, 1]} px")
    if not K[0, 0] * K[1, 1] > K[0, 1] * K[1, 0]:
        raise ValueError(f"K takes all rays to one line, or mirrors the image: it is {K.tolist()}, calibrate again")
    if model not in DISTORTION_SIZES:
        known = ", ".join([*DISTORTION_SIZES, *OTHER_NAMES])
        raise ValueError(f"unknown distortion model '{model}', known are {known}")
    if model == "none" and D.size:
        models = ", ".join(name for name in DISTORTION_SIZES if name != "none")
        raise ValueError(f"D is {D.tolist()} but the model is none: name the model that D is of, one of {models}")
    if D.size not in DISTORTION_SIZES[model] or not np.isfinite(D).all():
        sizes = " or ".join(map(str, DISTORTION_SIZES[model]))
        raise ValueError(f"{model} takes {sizes} finite coefficients, D is {D.tolist()}")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"the image size is {size}, it must be a positive width and height")
