"""Whether the images of a topic reach the node, and are one camera's: none at all, many lost on the way, or a mix."""

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
_RESTARTED = 2  # changes of the publisher in a window, of a driver that ended and its successor
_REMEDY = "set Fast DDS's profiles for the camera's process too, see the README"


class Arrivals:
    """Counts what comes and what the middleware finds missing; `log` writes a line of warning. For one thread."""

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        self.topic = self._kind = ""
        self.lost = 0  # images that were sent and did not come, since the start
        self._log, self._clock = log, clock
        self._came, self._last = 0, clock()
        self._sender, self._turns = None, 0  # the publisher of the last image, and how often it was another one
        self._window = deque([(0, 0, 0)], maxlen=_WINDOW)  # came, lost and turns, at the last looks
        self._told: set[str] = set()  # kinds of trouble that were logged
        self._published: Callable[[], set[str]] = set  # the types of what is published on the topic

    def subscribe(self, node: Node, kind: type, topic: str, take: Callable, qos: QoSProfile) -> Subscription:
        """A subscription of `node` that gives each message to `take`."""

        def on_message(msg, info):
            self.came(info.get("publisher_gid"))  # rclpy tells it since June 2025
            take(msg)

        try:
            events = SubscriptionEventCallbacks(message_lost=lambda event: self.missing(event.total_count_change))
            subscription = node.create_subscription(kind, topic, on_message, qos, event_callbacks=events)
        except UnsupportedEventTypeError:  # a middleware that does not know what it loses
            subscription = node.create_subscription(kind, topic, on_message, qos)
        self.topic, self._kind = subscription.topic_name, f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"
        self._published = lambda: {each.topic_type for each in node.get_publishers_info_by_topic(topic)}
        return subscription

    def came(self, sender: object = None):
        """Counts an image of the publisher `sender`; None: not known."""
        self._turns += sender != self._sender
        self._sender = sender
        self._came, self._last = self._came + 1, self._clock()
        self._told.discard("silence")

    def missing(self, count: int):
        """Counts images that were sent and did not come: gaps in the sender's numbers, so never of a slow camera."""
        self.lost += count

    def look(self) -> str:
        """What is wrong, empty where nothing is; to be called once a second. Logs it when it begins."""
        now = self._came, self.lost, self._turns
        came, lost, turns = (new - old for new, old in zip(now, self._window[0], strict=True))
        self._window.append(now)
        if came + lost >= _ENOUGH and (share := lost / (came + lost)) > _TOLERATED:
            return self._say("loss", f"{self.topic}: {share:.0%} of the images are lost on the way: {_REMEDY}")
        if self._clock() - self._last > _SILENCE:
            return self._say("silence", f"no images on {self.topic}: {self._reason(lost)}")
        if turns > _RESTARTED:
            remedy = "hands are lost with every change: give each camera a topic and a node of its own"
            return self._say("mix", f"{self.topic}: images of several publishers come in turn, {remedy}")
        return ""

    def _say(self, kind, text):
        if kind not in self._told:
            self._told.add(kind)
            self._log(text)
        return text

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
