"""Where the files lie that are installed beside the Python package: messages, configuration."""

import os
import sys
from pathlib import Path


def share_path(name: str) -> Path:
    """The path of `name`, such as "msg/HandPose.msg", in an installation's share directory or in the checkout.

    The installation comes first: its messages are those that were built. Raises FileNotFoundError.
    """
    package = Path(__file__).parent
    above = [*package.absolute().parents, *package.resolve().parents]
    prefixes = [*above, Path(sys.prefix)]
    prefixes += [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    places = [prefix / "share" / "handpose_ros" for prefix in prefixes] + [package.resolve().parent]
    for place in places:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"{name} of handpose_ros is not installed: reinstall the package")
