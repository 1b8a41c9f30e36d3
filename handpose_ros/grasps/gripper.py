"""From a hand's grasps to the width of a parallel gripper."""

import numpy as np

from handpose_ros.grasps.grasp import Grasp
from handpose_ros.grasps.taxonomy import Phase
from handpose_ros.hand import DepthSource, Side

LONGEST_STEP = 0.1  # [s] that count of a gap between two images, or twice the last step: the gripper must not jump


class GripperFollower:
    """Makes a gripper as wide as a hand, never faster than it may move, and still while no hand is sure."""

    def __init__(self, max_width: float, max_velocity: float, side: Side = Side.UNKNOWN):
        """A gripper that opens to `max_width` [m] at up to `max_velocity` [m/s], led by the hand of `side` or any."""
        self.max_width, self.max_velocity, self.side = max_width, max_velocity, side
        self.velocity = 0.0  # [m/s] at which the commanded width changed to the latest one
        self._width: float | None = None
        self._leader: int | None = None  # track of the hand that was followed last
        self._stamp, self._step = np.nan, 0.0  # [s] of the last image, and what counted of the time before it

    def update(self, grasps: tuple[Grasp, ...], stamp: float) -> float | None:
        """The width [m] to command at `stamp` [s]; None before the first sure grasp, the last width without one.

        Of several hands the one that has been tracked longest leads (ids count up), and goes on to while it is there:
        when it is not sure, the gripper stands still and does not follow the other. Its aperture is clamped to what
        the gripper can do; without absolute depth, where metres mean little, its share of the widest is scaled.
        """
        dt = stamp - self._stamp  # NaN before the first image
        self._stamp, self.velocity = stamp, 0.0
        self._step = min(dt, max(LONGEST_STEP, 2 * self._step)) if dt > 0 else 0.0  # a bag that loops stands still
        wanted = [grasp for grasp in grasps if self.side in (Side.UNKNOWN, grasp.side)]
        sure = [grasp for grasp in wanted if self._is_sure(grasp)]
        if self._leader in [grasp.track_id for grasp in wanted]:
            sure = [grasp for grasp in sure if grasp.track_id == self._leader]
        if sure:
            leader = min(sure, key=lambda grasp: grasp.track_id)
            self._leader = leader.track_id
            self._approach(self._target(leader), dt)
        return self._width

    def _is_sure(self, grasp: Grasp) -> bool:
        return grasp.phase is not Phase.UNKNOWN and np.isfinite(self._target(grasp))

    def _target(self, grasp: Grasp) -> float:
        if grasp.depth_source is DepthSource.NONE:
            return grasp.aperture_normalized * self.max_width
        return min(grasp.aperture, self.max_width)

    def _approach(self, target: float, dt: float):
        if self._width is None:
            self._width = target
        elif dt > 0:
            way, before = self.max_velocity * self._step, self._width
            self._width = float(np.clip(target, before - way, before + way))
            self.velocity = (self._width - before) / dt
