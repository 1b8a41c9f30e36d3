"""Where the files lie that are installed beside the Python package: messages, configuration."""

import os
import sys
from pathlib import Path


def share_path(name: str) -> Path:
    """The path of `name`, such as "msg/HandPose.msg", in the checkout or in an installation's share directory.

    Raises FileNotFoundError.
    """
    package = Path(__file__).parent
    above = [*package.absolute().parents, *package.resolve().parents]
    prefixes = [*above, Path(sys.prefix)]
    prefixes += [Path(prefix) for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    places = [package.resolve().parent] + [prefix / "share" / "handpose_ros" for prefix in prefixes]
    for place in places:
        if (place / name).exists():
            return place / name
    raise FileNotFoundError(f"{name} of handpose_ros is not installed: reinstall the package")
