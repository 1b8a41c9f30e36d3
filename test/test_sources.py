import time
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from huge_png import huge_png
from mp4_maker import double_the_rate_after, forget_the_rate, retime, turn, write_cut_off_video, write_video

from handpose_ros.recordings.output import VideoWriter
from handpose_ros.recordings.sources import DEMO_CLIP, open_source, read_image, read_video
from handpose_ros.recordings.video_run import Excerpt

RED, GREEN, BLUE = (250, 5, 5), (5, 250, 5), (5, 5, 250)


def plain(colour, width=64, height=48):
    return np.full((height, width, 3), colour, np.uint8)


def nearest_colour(image):
    """Index into (red, green, blue) of the image's mean colour."""
    return int(image.reshape(-1, 3).mean(axis=0).argmax())


@pytest.fixture
def folder(tmp_path):
    for name, colour in [("shot10.png", BLUE), ("shot2.png", GREEN), ("shot1.png", RED)]:
        cv2.imwrite(str(tmp_path / name), plain(colour)[..., ::-1])
    (tmp_path / "notes.txt").write_text("no image")
    return tmp_path


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    for colour in (RED, GREEN, BLUE):
        writer.write(plain(colour)[..., ::-1])
    writer.release()
    return path


def test_a_folder_is_played_in_the_order_of_its_numbers_and_as_rgb(folder):
    source = open_source(str(folder))
    assert (source.size, source.count, source.camera) == ((64, 48), 3, None)
    assert [nearest_colour(image) for image in source] == [0, 1, 2]


def test_a_video_is_played_with_its_rate_size_and_count_and_as_rgb(video):
    with open_source(str(video)) as source:
        assert (source.size, source.fps, source.count) == ((64, 48), 25.0, 3)
        assert [nearest_colour(image) for image in source] == [0, 1, 2]


def test_a_second_pass_starts_at_the_first_frame(video):
    source = open_source(str(video))
    next(iter(source))
    assert [nearest_colour(image) for image in source] == [0, 1, 2]


def test_images_of_different_sizes_are_refused_by_name(folder):
    cv2.imwrite(str(folder / "shot3.png"), plain(RED, width=32))
    with pytest.raises(ValueError, match="shot3.png has 32x48 px"):
        list(open_source(str(folder)))


def test_a_broken_image_is_refused_by_name(folder):
    (folder / "shot2.png").write_bytes(b"")
    with pytest.raises(ValueError, match="shot2.png"):
        list(open_source(str(folder)))


def test_an_image_of_which_its_header_says_that_it_is_huge_is_refused_by_name(tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(huge_png())
    with pytest.raises(ValueError, match="huge.png: OpenCV refuses it"):
        read_image(path)


def test_what_macos_hides_beside_an_image_is_none(folder):
    (folder / "._shot1.png").write_bytes(b"Mac OS X")
    assert len(list(open_source(str(folder)))) == 3


def test_a_video_whose_name_is_not_utf8_is_refused_and_ends_nothing(tmp_path):
    path = write_video(tmp_path / "a.mp4").rename(tmp_path / "a\udcff.mp4")
    with pytest.raises(ValueError, match=r"a\\udcff.mp4' is not UTF-8: rename it"):
        open_source(str(path))
    with pytest.raises(ValueError, match="rename it"):
        VideoWriter(path, 30.0)


def test_a_video_may_have_a_colon_in_its_name_and_in_that_of_its_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run:1").mkdir()
    for name in ("12:30.mp4", "run:1/12:30.mp4"):
        write_video(Path(name), 3)
        for given in (name, f"./{name}", str(tmp_path / name)):
            with open_source(given) as source:
                assert len(list(source)) == len(list(source)) == 3 and source.name == str(Path(given))


def test_of_a_video_that_was_cut_off_it_is_not_known_how_many_images_it_has(tmp_path):
    path = write_cut_off_video(tmp_path / "cut.mkv")
    with open_source(str(path)) as source:
        assert source.count is None and Excerpt().count(source) is None
        assert 0 < len(list(source)) < 400


@pytest.mark.parametrize("read", [open_source, read_video])
def test_a_source_that_is_not_there_is_refused_by_name_when_it_is_asked_for(read):
    with pytest.raises(FileNotFoundError, match="no source 'no/such.mp4'"):
        read("no/such.mp4")


def test_a_file_that_is_no_video_is_refused_by_name(tmp_path):
    path = tmp_path / "letter.mp4"
    path.write_text("dear reader")
    with pytest.raises(ValueError, match="letter.mp4"):
        open_source(str(path))


@pytest.mark.skipif(Path("/dev/video99").exists(), reason="this machine has a webcam 99")
@pytest.mark.parametrize("name", ["99", "/dev/video99"])
def test_a_webcam_that_is_not_there_is_refused_with_its_number(name):
    with pytest.raises(OSError, match="webcam 99"):
        open_source(name)


class SlowWebcam:
    """A cv2.VideoCapture that claims 30 images a second and gives 10, as in the dark."""

    def __init__(self, number):
        pass

    def get(self, property):
        return 30.0 if property == cv2.CAP_PROP_FPS else 0.0

    def read(self):
        time.sleep(0.1)
        return True, plain(RED)

    def release(self):
        pass


def test_images_of_a_webcam_are_stamped_by_time_and_not_by_the_rate_that_it_claims(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", SlowWebcam)
    start = time.monotonic()
    stamps = [frame.stamp for frame in islice(read_video("0"), 6)]
    assert stamps[0] == 0 and 0.5 <= stamps[-1] <= time.monotonic() - start


@pytest.mark.skipif(not DEMO_CLIP.exists(), reason="the demo clip is not in this checkout")
def test_the_demo_clip_knows_its_camera():
    with open_source("demo") as source:
        assert source.camera.size == source.size == next(iter(source)).shape[1::-1]


def test_a_video_that_is_to_be_turned_is_turned(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    turn(path)
    with open_source(str(path)) as source:
        image = next(iter(source))
        assert source.size == (48, 64) and image.shape == (64, 48, 3)
    assert image[:12, :, 0].min() > 60 and image[20:].max() < 40  # what was left is above


def test_a_video_of_a_variable_rate_keeps_its_stamps(tmp_path):
    path = write_video(tmp_path / "a.mp4")
    double_the_rate_after(path, 20)
    with open_source(str(path)) as source:
        stamps = [stamp for stamp, _ in source.stamped()]
    truth = np.concatenate([np.arange(20) / 30, 20 / 30 + np.arange(10) / 60])
    np.testing.assert_allclose(stamps, truth, atol=2e-3)


def say_otherwise(monkeypatch, what, otherwise):
    """Makes OpenCV answer `otherwise(value)` when it is asked for `what` of a video."""

    class Capture:
        def __init__(self, name, capture=cv2.VideoCapture):
            self.video = capture(name)
            self.open, self.read, self.release = self.video.open, self.video.read, self.video.release

        def get(self, asked):
            return otherwise(self.video.get(asked)) if asked == what else self.video.get(asked)

    monkeypatch.setattr(cv2, "VideoCapture", Capture)


@pytest.mark.parametrize("width, warned", [(0, False), (1, False), (1.01, False), (4 / 3, True), (8 / 9, True)])
def test_a_video_whose_pixels_are_not_square_is_said_to_be_so(tmp_path, monkeypatch, width, warned):
    say_otherwise(monkeypatch, cv2.CAP_PROP_SAR_NUM, lambda _: width)
    say_otherwise(monkeypatch, cv2.CAP_PROP_SAR_DEN, lambda _: 1)
    with open_source(str(write_video(tmp_path / "a.mp4"))) as source:
        for images in (1, 30):  # also where not all are read
            assert len(list(Excerpt(end=images / 30 - 0.01)(source.stamped()))) == images
            assert [f"{width:.3g} times as wide as high" in each for each in source.warnings] == [True] * warned


def test_a_video_begins_at_0_also_where_its_first_stamp_is_that_of_a_later_image(tmp_path, monkeypatch):
    """As FFmpeg has it in an AVI with two B-frames, which no OpenCV writes."""
    say_otherwise(monkeypatch, cv2.CAP_PROP_POS_MSEC, lambda time: time + 2000 / 30)
    with open_source(str(write_video(tmp_path / "a.mp4"))) as source:
        np.testing.assert_allclose([stamp for stamp, _ in source.stamped()], np.arange(30) / 30, atol=2e-3)


def write_mkv(path, codec="mp4v"):
    """60 images at 30 Hz in a container that says how long they are, and not how many."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 30.0, (64, 48))
    for k in range(60):
        writer.write(np.random.default_rng(k).integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    return path


def read_all(path):
    """Stamps [s] of the images, about how many there are, warnings."""
    with open_source(str(path)) as source:
        return [stamp for stamp, _ in source.stamped()], source.count, source.warnings


def test_a_whole_video_of_a_variable_rate_is_not_called_cut_off_where_images_are_fewer_than_its_length_says(tmp_path):
    path = write_mkv(tmp_path / "a.mkv")
    retime(path, lambda t: t if t < 1000 else 1000 + 4 * (t - 1000))
    stamps, count, warnings = read_all(path)
    assert (len(stamps), warnings) == (60, ()) and count > 140 and stamps[-1] > 4.8


@pytest.mark.skipif(not hasattr(cv2, "CAP_PROP_PTS"), reason="this OpenCV does not say when a video begins")
def test_a_whole_video_that_does_not_begin_at_zero_is_not_called_cut_off(tmp_path):
    path = write_mkv(tmp_path / "a.mkv")
    retime(path, lambda t: t + 30_000)
    stamps, count, warnings = read_all(path)
    assert (len(stamps), warnings) == (60, ()) and count > 900 and stamps[0] == 0


def test_of_a_video_that_does_not_say_its_rate_it_is_measured_and_not_the_unit_of_its_stamps(tmp_path):
    path = write_mkv(tmp_path / "a.mkv", codec="MJPG")
    retime(path, lambda t: t + t * t % 17)
    forget_the_rate(path)
    with open_source(str(path)) as source:
        assert source.fps == pytest.approx(30, abs=0.5) and source.count == pytest.approx(60, abs=2)
        assert len(list(source.stamped())) == 60 and source.warnings == ()


def test_a_whole_video_is_not_called_cut_off_where_it_stands_still_at_the_beginning(tmp_path):
    path = write_mkv(tmp_path / "a.mkv", codec="MJPG")
    retime(path, lambda t: t if t < 200 else t + 3000)  # as browsers do: FFmpeg then does not number the images
    forget_the_rate(path)
    stamps, count, warnings = read_all(path)
    assert (len(stamps), warnings) == (60, ()) and count > 140 and stamps[-1] > 4.8


@pytest.mark.parametrize("time", [lambda t: t, lambda t: t if t < 1000 else 1000 + 4 * (t - 1000)])
def test_a_video_that_ends_before_it_says_it_would_is_called_cut_off(tmp_path, time):
    path = write_mkv(tmp_path / "a.mkv")
    retime(path, time)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    stamps, count, (warning,) = read_all(path)
    assert warning == f"only {len(stamps)} of about {count} images could be read: is the file whole?"
    with open_source(str(path)) as source:
        assert len(list(Excerpt(end=0.5)(source.stamped()))) == 15 and source.warnings == ()
