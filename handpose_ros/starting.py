"""The commands of the nodes. Their modules take seconds to import, and a Ctrl-C meanwhile ends them without a word."""

import os
import signal
from functools import partial
from importlib import import_module

from handpose_ros.failures import quiet_opencv
from handpose_ros.interrupts import SIGNALS


def start(module: str) -> int:
    """The exit code of `main()` of a module of this package, which is imported here; 0 where a signal cuts that off.

    Not by a KeyboardInterrupt: it would be printed with twenty lines of whatever is being imported.
    """
    quiet_opencv()
    heard = {number: signal.getsignal(number) for number in SIGNALS}
    heard = {number: handler for number, handler in heard.items() if handler is not signal.SIG_IGN}
    for number in heard:
        signal.signal(number, lambda *_: os._exit(0))
    main = import_module(f"handpose_ros.{module}").main
    for number, handler in heard.items():
        signal.signal(number, handler)
    return main()


camera = partial(start, "ros.camera_node")
hand_pose = partial(start, "ros.hand_pose_node")
grasp = partial(start, "ros.grasp_node")
