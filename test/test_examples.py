"""The examples in docs/examples do what they say, on the demo clip."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from bag_maker import demo_images

from handpose_ros import Side, VideoWriter, read_joints, read_video, write_image

DOCS = Path(__file__).resolve().parents[1] / "docs"
EXAMPLES = DOCS / "examples"


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture(scope="module")
def folder(tmp_path_factory, need_weights):
    """A folder with a video of twelve images, and a photo beside it."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "videos").mkdir()
    with VideoWriter(folder / "videos" / "clip.mp4", 30.0) as video:
        for image in demo_images(12)[0]:
            video.write(image)
    write_image(folder / "photo.png", demo_images(1)[0][0])
    return folder


def test_no_example_goes_untested():
    here = Path(__file__).read_text()
    assert [path.stem for path in EXAMPLES.glob("*.py") if f'example("{path.stem}")' not in here] == []


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_without_its_arguments_says_how_it_is_called(path):
    done = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert done.returncode == 1 and f"\npython {path.name} " in done.stderr and "Traceback" not in done.stderr


def test_a_single_image_becomes_joints_in_metres_with_confidence_and_an_overlay(folder, capsys):
    image = demo_images(1)[0][0]
    hands = example("single_image")(str(folder / "photo.png"), str(folder / "overlay.png"))
    assert {hand.side for hand in hands} == {Side.LEFT, Side.RIGHT}
    assert all(0.2 < hand.joints_3d[0, 2] < 1.5 and hand.joint_scores.min() > 0 for hand in hands)
    assert capsys.readouterr().out.count("index_tip") == 2
    overlay = cv2.imread(str(folder / "overlay.png"))[..., ::-1]
    assert overlay.shape == image.shape and (overlay != image).any()


def test_a_video_becomes_an_overlay_and_smooth_joints(folder):
    clip, joints = folder / "videos" / "clip.mp4", folder / "joints.npz"
    example("video_file")(str(clip), str(folder / "overlay.mp4"), str(joints))
    assert len(list(read_video(folder / "overlay.mp4"))) == 12
    recording = read_joints(joints)
    bones = [np.linalg.norm(hand.joints_3d[6] - hand.joints_3d[5]) for each in recording for hand in each][::2]
    assert len(recording) == 12 and np.ptp(bones) < 1e-9  # of one length for the whole track


def test_a_video_of_one_image_becomes_an_overlay_of_one(folder, tmp_path):
    with VideoWriter(tmp_path / "one.mp4", 30.0) as video:
        video.write(demo_images(1)[0][0])
    example("video_file")(str(tmp_path / "one.mp4"), str(tmp_path / "overlay.mp4"), str(tmp_path / "joints.npz"))
    assert len(list(read_video(tmp_path / "overlay.mp4"))) == 1


def test_a_folder_becomes_files_and_a_summary(folder, tmp_path):
    ((source, recording),) = example("batch_folder")(str(folder / "videos"), str(tmp_path)).items()
    assert source.endswith("clip.mp4") and [len(hands) for hands in recording] == [2] * 12
    assert (tmp_path / "processing_summary.json").exists() and (tmp_path / "clip.mp4" / "joints.csv").exists()


def test_gestures_and_grasps_are_read_off_a_recording(folder, capsys):
    example("video_file")(str(folder / "videos" / "clip.mp4"), str(folder / "o.mp4"), str(folder / "joints.npz"))
    rows = example("gestures")(str(folder / "joints.npz"))
    assert len(rows) == 24 and capsys.readouterr().out.count("thumb-index") == 24
    for _, side, angles, openness, tips, grasp in rows:
        assert side in (Side.LEFT, Side.RIGHT) and grasp.side is side
        assert angles.shape == (20,) and 0 <= openness <= 1 and (tips > 5).all() and (tips < 250).all()


def test_the_blocks_of_the_page_about_the_api_are_a_program(folder, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    (tmp_path / "page.py").write_text("\n".join([*blocks, "print(pipeline.filter)"]))
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["LEFT", "RIGHT"]
    assert len(lines) == 2 + 2 * 30 + 2
    assert lines[-2:] == ["1", "none"]  # one recording done; what is smoothed is not filtered, or its lag would stay
    assert len(read_joints(tmp_path / "results" / "overlay.mp4" / "joints.npz")) == 30
