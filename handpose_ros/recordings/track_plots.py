"""What the hands of a recording did over time, as plots for its page: presence, grasps, apertures, paths, angles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handpose_ros.features import ANGLE_NAMES
from handpose_ros.filtering.recorded import GAP
from handpose_ros.grasps.taxonomy import Phase, grasp_name
from handpose_ros.hand import FINGERS, Side
from handpose_ros.recordings.plots import Bar, Line, bars_plot, lines_plot, paths_plot
from handpose_ros.recordings.results import Results
from handpose_ros.recordings.trajectories import Trajectory, period, stretches

# The hues of drawing.COLORS, darker: thin lines on white. A right hand's lines are dashed besides.
_SIDE_COLORS = {Side.LEFT: "#2a86c2", Side.RIGHT: "#cf8400", Side.UNKNOWN: "#777777"}
_PHASE_COLORS = {  # Okabe and Ito, light enough for black text
    Phase.UNKNOWN: "#ffffff",
    Phase.OPEN: "#d5dbe1",
    Phase.PRESHAPE: "#f0e442",
    Phase.HOLD: "#5cc4a0",
    Phase.RELEASE: "#9ad0f2",
}
_ANGLE_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito; a finger's four angles
_SMALL_PLOT = (470, 150, 92)  # [px] width, height, room for the names


@dataclass(frozen=True)
class Timeline:
    """The time of a recording."""

    start: float  # [s] first stamp
    length: float  # [s]
    period: float  # [s] the usual one between images; NaN for fewer than two

    @classmethod
    def of(cls, stamps: np.ndarray) -> "Timeline":
        """That of images with these stamps (F,) [s]."""
        start, end = (float(stamps.min()), float(stamps.max())) if len(stamps) else (0.0, 0.0)
        return cls(start, end - start, period(stamps))

    @property
    def span(self) -> tuple[float, float]:
        """[s] since the start, for axes."""
        return 0.0, self.length or 1.0

    @property
    def gap(self) -> float:
        """[s] two points further apart are not joined."""
        return GAP * self.period if np.isfinite(self.period) else np.inf

    def ends(self, stamps: np.ndarray) -> tuple[float, float]:
        """[s] since the start: the first image, and the end of the last one's period."""
        last = float(stamps[-1] - self.start)
        return float(stamps[0] - self.start), last + (self.period if np.isfinite(self.period) else 0.0)


def presence_bars(tracks: Sequence[Trajectory], timeline: Timeline) -> str:
    """When each track was measured."""
    bars = [
        Bar(track.name, *timeline.ends(track.stamps[part]), _SIDE_COLORS[track.side])
        for track in tracks
        for part in stretches(track, timeline.period)
    ]
    return bars_plot(bars, [track.name for track in tracks], timeline.span) if tracks else "<p>No hand was seen.</p>"


def grasp_bars(results: Results, tracks: Sequence[Trajectory], timeline: Timeline) -> str:
    """Phase and type of each track's grasp over time, and the key to the colours."""
    names = {track.track_id: track.name for track in tracks}
    open_runs, bars = {}, []
    for stamp, grasps in zip(results.stamps.tolist(), results.grasps, strict=True):
        for grasp in grasps:
            if grasp.track_id not in names:
                continue
            key, run = (grasp.phase, grasp.type.name), open_runs.get(grasp.track_id)
            if run and run[0] == key and stamp - run[2] <= timeline.gap:
                run[2] = stamp
                continue
            bars += [_grasp_bar(names[grasp.track_id], run, timeline)] if run else []
            open_runs[grasp.track_id] = [key, stamp, stamp]
    bars += [_grasp_bar(names[track], run, timeline) for track, run in open_runs.items()]
    key = "".join(
        f'<span style="background:{color};border:1px solid #ccd3da">{phase.name.lower()}</span>'
        for phase, color in _PHASE_COLORS.items()
    )
    return tracks and f'<p class="key">{key}</p>' + bars_plot(bars, list(names.values()), timeline.span)


def _grasp_bar(row, run, timeline):
    (phase, type), first, last = run
    return Bar(row, *timeline.ends(np.array([first, last])), _PHASE_COLORS[phase], type, grasp_name(phase, type))


def aperture_lines(tracks: Sequence[Trajectory], timeline: Timeline) -> str:
    """The grasps' apertures over time."""
    lines = [_line(track, 100 * track.aperture, timeline) for track in tracks if np.isfinite(track.aperture).any()]
    return lines and '<p class="s">Free space between the opposing pads.</p>' + lines_plot(lines, timeline.span, "cm")


def wrist_paths(tracks: Sequence[Trajectory]) -> str:
    """The wrists' paths from three sides."""
    placed = [track for track in tracks if np.isfinite(track.wrist).any()]
    if not placed:
        return "<p>Without a calibrated camera the wrist's place is not known.</p>" if tracks else ""

    def view(x, y, labels, **options):
        return paths_plot([_path(track, x, y) for track in placed], labels, **options)

    views = [
        view(0, 1, ("as the camera sees it: right [m]", "down [m]"), y_down=True),
        view(0, 2, ("from above: right [m]", "forward [m]")),
        view(2, 1, ("from the side: forward [m]", "down [m]"), y_down=True),
    ]
    note = "In the camera's optical frame. A ring is the beginning, a disc the end; a right hand is dashed."
    return f'<p class="s">{note}</p><div class="row">{"".join(views)}</div>'


def _path(track: Trajectory, x: int, y: int) -> Line:
    return Line(
        track.name, track.wrist[:, x], track.wrist[:, y], _SIDE_COLORS[track.side], dashed=track.side is Side.RIGHT
    )


def _line(track: Trajectory, values: np.ndarray, timeline: Timeline) -> Line:
    color = _SIDE_COLORS[track.side]
    return Line(track.name, track.stamps - timeline.start, values, color, timeline.gap, track.side is Side.RIGHT)


def angle_lines(track: Trajectory, timeline: Timeline) -> str:
    """A plot for each finger; empty where no angle is known."""
    if not np.isfinite(track.angles).any():
        return ""
    plots = []
    for finger, name in enumerate(FINGERS):
        lines = [
            Line(
                ANGLE_NAMES[k].removeprefix(f"{name}_").replace("_", " ").replace("abduction", "abd."),
                track.stamps - timeline.start,
                np.degrees(track.angles[:, k]),
                _ANGLE_COLORS[k % 4],
                timeline.gap,
            )
            for k in range(4 * finger, 4 * finger + 4)
        ]
        plot = lines_plot(lines, timeline.span, "deg", *_SMALL_PLOT)
        plots.append(f'<figure style="margin:0"><figcaption>{name}</figcaption>{plot}</figure>')
    return f'<div class="row">{"".join(plots)}</div>'
