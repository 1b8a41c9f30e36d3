"""What several test files need."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from handpose_ros import weights


@pytest.fixture(scope="session")
def need_weights():
    """Skips tests where the default backend's weights cannot be had."""
    try:
        for name in ("palm_detection_full", "hand_landmark_full"):
            weights.locate(name)
    except FileNotFoundError as error:
        pytest.skip(f"the weights are not there: {error}")


@pytest.fixture(scope="session")
def wildhands_folder(tmp_path_factory) -> Iterator[Path]:
    """Where a made-up wildhands.ckpt, MANO_LEFT.pkl and MANO_RIGHT.pkl are (0.3 GB)."""
    from made_up_wildhands import made_up_network, made_up_state_dict, write_checkpoint  # torch only for who asks

    folder = tmp_path_factory.mktemp("wildhands")
    write_checkpoint(folder / "wildhands.ckpt", made_up_state_dict(made_up_network(folder)))
    yield folder
    shutil.rmtree(folder)
