"""The README's picture."""

import numpy as np
import pytest

from tools.demo_picture import side_by_side

IMAGES = [np.full((2, 3, 3), number, np.uint8) for number in range(5)]


def test_the_images_stand_in_the_order_of_their_numbers():
    assert side_by_side(iter(IMAGES), (1, 4, 2))[0, :, 0].tolist() == [1, 1, 1, 4, 4, 4, 2, 2, 2]


def test_an_image_that_the_video_does_not_have_is_refused_by_its_number():
    with pytest.raises(ValueError, match="no image 5"):
        side_by_side(iter(IMAGES), (1, 5))
