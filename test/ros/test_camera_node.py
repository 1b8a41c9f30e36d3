import itertools
import signal

import cv2
import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image

from handpose_ros.camera import Camera
from handpose_ros.messages.calibration import camera_from_info, camera_to_yaml
from handpose_ros.messages.decoding import ImageDecoder, stamp_seconds
from handpose_ros.msg import HandPoseArray

CAMERA = Camera([[50.0, 0, 31.5], [0, 50, 23.5], [0, 0, 1]], (64, 48), [0.1, 0, 0, 0, 0], "plumb_bob")
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def folder(tmp_path):
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((48, 64, 3), 50 * index, np.uint8))
    return tmp_path


@pytest.fixture
def camera(start):
    """camera(namespace, **parameters) -> Process of a camera node, ended after the test."""
    started = []

    def start_camera(namespace, **parameters):
        words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
        started.append(start("-m", "handpose_ros.ros.camera_node", "--ros-args", "-r", f"__ns:={namespace}", *words))
        return started[-1]

    yield start_camera
    for process in started:
        process.close()


def brightness(msg):
    return int(ImageDecoder()(msg).mean())


def test_image_and_camera_info_come_in_pairs_of_one_stamp_and_frame(camera, peer, folder):
    (folder / "eye.yaml").write_text(camera_to_yaml(CAMERA, "eye"))
    images, infos = peer.collect(Image, "/pairs/camera/image"), peer.collect(CameraInfo, "/pairs/camera/camera_info")
    camera("/pairs", source=folder, calibration=folder / "eye.yaml", frame_id="eye", rate=20)

    def pair():
        known = {stamp_seconds(info.header.stamp): info for info in infos}
        stamps = [stamp_seconds(msg.header.stamp) for msg in images]
        return next(((images[i], known[stamp]) for i, stamp in enumerate(stamps) if stamp in known), None)

    image, info = peer.until(pair)
    assert image.header == info.header and image.header.frame_id == "eye"
    seen = camera_from_info(info, (64, 48))
    assert np.array_equal(seen.K, CAMERA.K) and np.array_equal(seen.D, CAMERA.D)


def test_stamps_are_as_far_apart_as_the_rate_says_and_the_folder_loops(camera, peer, folder):
    images = peer.collect(Image, "/rate/camera/image")
    camera("/rate", source=folder, rate=10)
    peer.until(lambda: len(images) >= 8)
    stamps = np.array([stamp_seconds(msg.header.stamp) for msg in images])
    assert np.median(np.diff(stamps)) == pytest.approx(0.1, rel=0.3)
    shown = [brightness(msg) for msg in images]
    assert all((after - before) % 250 == 50 for before, after in itertools.pairwise(shown))


def test_a_source_without_calibration_says_so_with_a_zero_k(camera, peer, folder):
    infos = peer.collect(CameraInfo, "/bare/camera/camera_info")
    camera("/bare", source=folder)
    info = peer.until(lambda: infos and infos[0])
    assert camera_from_info(info, (64, 48)) is None and (info.width, info.height) == (64, 48)


def test_a_camera_in_simulated_time_says_that_it_plays_by_the_clock(camera, peer, folder):
    process = camera("/simulated", source=folder, rate=20, use_sim_time="true")
    peer.until(lambda: "64x48 px, 20 images/s by the time on /clock, not calibrated" in process.log)


def test_a_best_effort_subscriber_gets_the_images_too(camera, peer, folder):
    images = peer.collect(Image, "/effort/camera/image", NEWEST)
    camera("/effort", source=folder)
    peer.until(lambda: images)


def test_a_source_that_does_not_loop_ends_the_node_with_code_0_after_its_last_image(camera, peer, folder):
    images = peer.collect(Image, "/once/camera/image")
    for _ in range(3):  # discovery takes up to three seconds, and sometimes longer
        process = camera("/once", source=folder, loop="false", rate=1)
        peer.until(lambda process=process: not process.running)
        assert process.wait() == 0 and "Traceback" not in process.log
        if images:
            break
    peer.until(lambda: brightness(images[-1]) == 200)


def test_a_paced_camera_waits_for_the_hands_of_each_image(camera, peer, folder):
    hands = peer.node.create_publisher(HandPoseArray, "/paced/hands", 5)
    images = peer.collect(Image, "/paced/camera/image")
    peer.collect(CameraInfo, "/paced/camera/camera_info")
    process = camera("/paced", source=folder, paced="true", loop="false", rate=100)
    peer.until(hands.get_subscription_count)
    for index in range(5):
        peer.until(lambda count=index: len(images) > count)
        with pytest.raises(AssertionError, match="in vain"):  # none comes by itself
            peer.until(lambda count=index: len(images) > count + 1, timeout=0.2)
        hands.publish(HandPoseArray(header=images[-1].header))
    peer.until(lambda: not process.running)
    assert [brightness(msg) for msg in images] == [0, 50, 100, 150, 200]
    assert process.wait() == 0


def test_the_images_go_on_after_the_camera_was_killed_and_started_again(camera, peer, folder):
    images = peer.collect(Image, "/again/camera/image", NEWEST)
    process = camera("/again", source=folder)
    peer.until(lambda: images)
    process.end(signal.SIGKILL)
    images.clear()
    camera("/again", source=folder)
    peer.until(lambda: images)


def test_ctrl_c_ends_the_camera_with_code_0_and_without_traceback(camera, peer, folder):
    images = peer.collect(Image, "/stopped/camera/image")
    process = camera("/stopped", source=folder)
    peer.until(lambda: images)
    assert process.end(signal.SIGINT, timeout=3) == 0
    assert "Traceback" not in process.log


@pytest.mark.parametrize(
    "parameters, words",
    [
        ({"source": "no/such.mp4"}, "no source 'no/such.mp4'"),
        ({"rate": -1.0}, "parameter 'rate' is -1.0"),
        ({"calibration": "no.yaml"}, "parameter 'calibration': no.yaml: No such file"),
    ],
)
def test_what_cannot_be_played_stops_the_start_in_one_line_with_code_1(camera, folder, parameters, words):
    process = camera("/wrong", **({"source": folder} | parameters))
    assert process.wait() == 1
    assert words in process.log and "Traceback" not in process.log and process.log.count("FATAL") == 1


def test_a_file_that_breaks_on_the_way_ends_the_camera_in_one_line_with_code_1(camera, folder):
    (folder / "3.png").write_bytes(b"")
    process = camera("/broken", source=folder, rate=50)
    assert process.wait() == 1
    assert "3.png" in process.log and "Traceback" not in process.log
