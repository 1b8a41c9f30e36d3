import pytest

from handpose_ros.wording import counted


@pytest.mark.parametrize("number, said", [(0, "0 images"), (1, "1 image"), (2, "2 images")])
def test_only_one_is_singular(number, said):
    assert counted(number, "image") == said
