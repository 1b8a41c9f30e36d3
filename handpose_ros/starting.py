"""The commands of the nodes. Their modules take seconds to import, and a Ctrl-C in these ends them without a word."""

import os
import signal
from functools import partial
from importlib import import_module

from handpose_ros.failures import quiet_opencv


def start(module: str) -> int:
    """The exit code of `main()` of a module of this package, which is imported here; 0 where a Ctrl-C cuts that off.

    Not by a KeyboardInterrupt: it would be printed with twenty lines of whatever is being imported.
    """
    quiet_opencv()
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored, as nohup wants it
    if heard:
        signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    main = import_module(f"handpose_ros.{module}").main
    if heard:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


camera = partial(start, "ros.camera_node")
hand_pose = partial(start, "ros.hand_pose_node")
grasp = partial(start, "ros.grasp_node")
