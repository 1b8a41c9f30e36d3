"""Whether the images of a topic reach the node: none at all, or many lost on the way."""

import time
from collections import deque
from collections.abc import Callable

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

_SILENCE = 5.0  # [s] without an image, after which it is said
_WINDOW = 5  # looks, over which losses count
_ENOUGH = 20  # images sent in a window, below which it says nothing
_TOLERATED = 0.3  # of the images
_REMEDY = "set Fast DDS's profiles for the camera's process too, see the README"


class Arrivals:
    """Counts what comes and what the middleware finds missing; `log` writes a line of warning. For one thread."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self.topic = self._kind = ""
        self.lost = 0  # images that were sent and did not come, since the start
        self._log, self._clock = log, clock
        self._came, self._last = 0, clock()
        self._window: deque[tuple[int, int]] = deque([(0, 0)], maxlen=_WINDOW)  # came and lost, at the last looks
        self._told_of_silence = self._told_of_loss = False
        self._published: Callable[[], set[str]] = set  # the types of what is published on the topic

    def subscribe(self, node: Node, kind: type, topic: str, take: Callable, qos: QoSProfile) -> Subscription:
        """A subscription of `node` that gives each message to `take`."""

        def on_message(msg):
            self.came()
            take(msg)

        try:
            events = SubscriptionEventCallbacks(message_lost=lambda event: self.missing(event.total_count_change))
            subscription = node.create_subscription(kind, topic, on_message, qos, event_callbacks=events)
        except UnsupportedEventTypeError:  # a middleware that does not know what it loses
            subscription = node.create_subscription(kind, topic, on_message, qos)
        self.topic, self._kind = subscription.topic_name, f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"
        self._published = lambda: {each.topic_type for each in node.get_publishers_info_by_topic(topic)}
        return subscription

    def came(self):
        """Counts an image."""
        self._came, self._last = self._came + 1, self._clock()
        self._told_of_silence = False

    def missing(self, count: int):
        """Counts images that were sent and did not come: gaps in the sender's numbers, so never of a slow camera."""
        self.lost += count

    def look(self) -> str:
        """What is wrong, empty where nothing is; to be called once a second. Logs it when it begins."""
        came, lost = self._window[0]
        came, lost = self._came - came, self.lost - lost
        self._window.append((self._came, self.lost))
        if came + lost >= _ENOUGH and lost > _TOLERATED * (came + lost):
            text = f"{self.topic}: {lost / (came + lost):.0%} of the images are lost on the way: {_REMEDY}"
            if not self._told_of_loss:
                self._told_of_loss = True
                self._log(text)
            return text
        if self._clock() - self._last > _SILENCE:
            text = f"no images on {self.topic}: {self._reason(lost)}"
            if not self._told_of_silence:
                self._told_of_silence = True
                self._log(text)
            return text
        return ""

    def _reason(self, lost):
        kinds = self._published()
        if lost:
            return f"{lost} were lost on the way: {_REMEDY}"
        if not kinds:
            return "nobody publishes there, check the topic's name and the driver"
        if self._kind not in kinds:
            return f"what is published there is {', '.join(sorted(kinds))}, not {self._kind}"
        # Silence and the loss of every image look alike: a lost one is noticed by the next that arrives.
        return f"there is a publisher but nothing arrives: check the driver; if it sends images, {_REMEDY}"
