"""What the nodes said about the images in a bag, and the pictures made of it. No ROS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handpose_ros.drawing import contact_sheet, draw_hands, grasp_label
from handpose_ros.grasps.taxonomy import Phase, grasp_name
from handpose_ros.hand import HandPoses, Side
from handpose_ros.messages.decoding import decode_compressed, hands_from_msg
from handpose_ros.recordings.bags import read_messages
from handpose_ros.recordings.output import VideoWriter, write_image

IMAGE, CAMERA_INFO = "/camera/image", "/camera/camera_info"
COMPRESSED_IMAGE = f"{IMAGE}/compressed"  # what a bag holds instead of IMAGE
HANDS, MARKERS, HAND_MODEL = "/hand_pose/hands", "/hand_pose/markers", "/hand_pose/hand_model"
GRASPS, GRASP_MARKERS = "/grasp/grasps", "/grasp/markers"
_SHEET_TILES, _SHEET_COLUMNS = 12, 4


@dataclass(frozen=True)
class GraspSeen:
    """What the grasp node said about one hand."""

    track_id: int
    side: Side
    name: str  # "open", "hold tripod"
    aperture: float  # [m] between the contact pads; NaN: not known

    @property
    def caption(self) -> str:
        """For people: "hold tripod  3.1 cm"."""
        return grasp_label(self.name, self.aperture)


@dataclass(frozen=True)
class Answer:
    """What the nodes said about one image."""

    hands: HandPoses
    latency: float  # [s] from the image's stamp to the publication of the hands
    inference_time: float  # [s]
    grasps: tuple[GraspSeen, ...]


def grasps_seen(msg) -> tuple[GraspSeen, ...]:
    """The grasps of a GraspArray, live or from a bag."""
    return tuple(
        GraspSeen(g.track_id, Side(g.handedness), grasp_name(Phase(g.phase), g.name), g.aperture) for g in msg.grasps
    )


def read_answers(bag: Path | str) -> dict[int, Answer]:
    """The answers in a bag by the stamp [ns] of their image."""
    grasps = {message.stamp: grasps_seen(message.message) for message in read_messages(bag, GRASPS)}
    return {
        stamp: Answer(hands_from_msg(msg), msg.latency, msg.inference_time, grasps.get(stamp, ()))
        for stamp, msg in ((message.stamp, message.message) for message in read_messages(bag, HANDS))
    }


def write_overlay(out: Path, bag: Path, stamps: Sequence[int], answers: Mapping[int, Answer], fps: float):
    """Writes overlay.mp4 and contact_sheet.png into `out`: the images of `bag` with `stamps` [ns], hands drawn in."""
    tiles = {stamps[k] for k in np.linspace(0, len(stamps) - 1, min(_SHEET_TILES, len(stamps))).round().astype(int)}
    wanted, sheet = set(stamps), []
    with VideoWriter(out / "overlay.mp4", fps) as video:
        for message in read_messages(bag, COMPRESSED_IMAGE):
            if message.stamp not in wanted:
                continue
            drawn = decode_compressed(message.message)
            if message.stamp in answers:
                answer = answers[message.stamp]
                drawn = draw_hands(drawn, answer.hands, {g.track_id: g.caption for g in answer.grasps})
            video.write(drawn)
            sheet += [drawn] * (message.stamp in tiles)
    if sheet:
        write_image(out / "contact_sheet.png", contact_sheet(sheet, _SHEET_COLUMNS))
