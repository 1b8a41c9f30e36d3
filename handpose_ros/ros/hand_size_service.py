"""The service `~/calibrate_hand`: learns the size of the person's hand while the node goes on."""

import math
from collections.abc import Callable

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future

from handpose_ros.hand import HandPoses
from handpose_ros.lifting.hand_size import CalibrationError, HandSize, SizeFromDistance
from handpose_ros.srv import CalibrateHand

_DURATION = 3.0  # [s] where the request gives none
_LONGEST = 60.0  # [s]


class HandSizeService:
    """Answers `~/calibrate_hand`, from a ruler at once, from images after the time that the request gives them."""

    def __init__(self, node: Node, apply: Callable[[float], None]):
        """`apply` is called with every hand scale that was learned, in the thread that spins."""
        self._node, self._apply = node, apply
        self._collecting: SizeFromDistance | None = None
        self._group = ReentrantCallbackGroup()  # in the node's own one a call that waits would hold up all others
        node.create_service(CalibrateHand, "~/calibrate_hand", self._on_call, callback_group=self._group)

    @property
    def collects(self) -> bool:
        """Whether it waits for images."""
        return self._collecting is not None

    def see(self, hands: HandPoses):
        """Takes the hands of an image, from any one thread."""
        collecting = self._collecting
        if collecting is not None:
            collecting.add(hands)

    async def _on_call(self, request, response):
        try:
            size = await self._learn(request)
        except CalibrationError as error:
            response.message, response.hand_scale, response.spread = str(error), math.nan, math.nan
            self._node.get_logger().warning(f"calibrate_hand: {error}")
            return response
        self._apply(size.scale)
        response.success, response.message = True, _sentence(size)
        response.hand_scale, response.spread, response.images = size.scale, size.spread, size.looks
        self._node.get_logger().info(f"calibrate_hand: {response.message}")
        return response

    async def _learn(self, request) -> HandSize:
        if (request.palm_length == 0) == (request.distance == 0):
            raise CalibrationError("give either palm_length or distance, in metres")
        if request.palm_length:
            return HandSize.from_palm(request.palm_length)
        if self._collecting is not None:
            raise CalibrationError("another calibration is under way: wait for its answer")
        duration = request.duration or _DURATION
        if not 0 < duration <= _LONGEST:
            raise CalibrationError(f"duration is {duration:g} s, it must be above 0 and at most {_LONGEST:g}")
        self._collecting = collecting = SizeFromDistance(request.distance)
        try:
            await self._sleep(duration)
        finally:
            self._collecting = None
        return collecting.size

    async def _sleep(self, seconds):
        """Gives way to other callbacks for `seconds`, also where simulated time stands still."""
        over = Future(executor=self._node.executor)
        timer = self._node.create_timer(
            seconds, lambda: over.set_result(None), self._group, Clock(clock_type=ClockType.STEADY_TIME)
        )
        await over
        self._node.destroy_timer(timer)


def _sentence(size):
    images = f" in {size.looks} images that differ by {100 * size.spread:.1f} %" if size.looks else ""
    return (
        f"the hand is {size.scale:.3f} times as large as an average one{images}; it is used from the next image on, "
        f"and with the parameter hand_scale:={size.scale:.3f} from the start"
    )
