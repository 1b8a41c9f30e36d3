"""A recording as one self-contained HTML page: pictures, who was seen when, grasps, paths, angles, warnings."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from handpose_ros.comparison import Comparison
from handpose_ros.features import ANGLE_NAMES
from handpose_ros.hand import FINGERS, Side
from handpose_ros.plots import Bar, Line, bars_plot, lines_plot, paths_plot
from handpose_ros.recordings import replacing
from handpose_ros.results import RecordingSummary, Results, grasp_name
from handpose_ros.taxonomy import Phase
from handpose_ros.trajectories import Trajectory, period, stretches

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
_MOST_TRACKS = 8  # of one plot; the rest were seen more briefly
_ANGLED_TRACKS = 4
_SMALL_PLOT = (470, 150, 92)  # [px] width, height, room for the names
_GAPS = 1.6  # periods between two points that are not joined
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2530;max-width:980px;margin:2.2em auto;padding:0 1.2em}
h1{font-size:1.6em;margin:0 0 .1em}h2{font-size:1.15em;margin:2em 0 .5em;border-bottom:1px solid #dde2e7}
p{margin:.4em 0}.s{color:#5c6773}.tiles{display:flex;flex-wrap:wrap;gap:10px;margin:1.2em 0}
.tile{background:#f4f6f8;border-radius:8px;padding:.55em .95em;min-width:105px}.tile b{display:block;font-size:1.35em}
.warn{background:#fff5d9;border-left:4px solid #e0a800;padding:.5em .9em;margin:.5em 0}
.pics{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:8px}.pics figure{margin:0}
.pics img{width:100%;display:block;border-radius:4px}figcaption{font-size:12px;color:#5c6773}
svg{max-width:100%;height:auto;font-size:12px;font-family:system-ui,sans-serif}svg .t{fill:#5c6773;font-size:11px}
svg .n{paint-order:stroke;stroke:#fff;stroke-width:4px}
.row{display:flex;flex-wrap:wrap;gap:6px}.key span{display:inline-block;padding:0 .5em;margin-right:.5em;font-size:13px}
table{border-collapse:collapse}td,th{padding:.2em .9em;text-align:right}td:first-child,th:first-child{text-align:left}
tr:nth-child(even) td{background:#f4f6f8}
"""


def write_report(
    path: Path | str,
    results: Results,
    summary: RecordingSummary,
    latencies: Sequence[tuple[float, float]] = (),
    comparison: Comparison | None = None,
):
    """Writes the page. `latencies` (stamp [s], latency [s]) are those of hands that were recorded live."""
    tracks = results.trajectories()
    usual, start, span = _times(results)
    sections = [
        _head(summary),
        *[f'<p class="warn">{escape(warning)}</p>' for warning in summary.warnings],
        _pictures(results, start),
        _section("Hands in view", _presence(tracks[:_MOST_TRACKS], usual, start, span)),
        _section("Grasps", _grasps(results, tracks[:_MOST_TRACKS], usual, start, span)),
        _section("Aperture", _apertures(tracks[:_MOST_TRACKS], usual, start, span)),
        _section("Wrist", _paths(tracks[:_MOST_TRACKS], usual)),
        *[
            _section(f"Joint angles, {track.name}", _angles(track, usual, start, span))
            for track in tracks[:_ANGLED_TRACKS]
        ],
        _section("Figures", _figures(summary)),
        _section("Latency of the live hands", _latency(latencies, usual, start, span)),
        _section("Live and offline", _comparison(comparison, usual, start, span)),
    ]
    title = escape(f"Hands in {Path(summary.source).name}")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    with replacing(path) as partial:
        partial.write_text(head + "\n".join(filter(None, sections)) + "</html>\n")


def _times(results):
    """(usual period, first stamp, (0, duration)) [s]."""
    stamps = results.stamps
    start = float(stamps.min()) if len(stamps) else 0.0
    length = float(stamps.max() - start) if len(stamps) else 0.0
    return period(stamps), start, (0.0, length or 1.0)


def _section(title, body):
    return f"<h2>{escape(title)}</h2>\n{body}" if body else ""


def _head(summary):
    shares = summary.coverage
    jitters = [track.jitter_mm for track in summary.tracks if np.isfinite(track.jitter_mm)]
    tiles = [
        (f"{summary.frames}", "images"),
        (f"{summary.duration:.1f} s", f"at {summary.fps:.3g} Hz"),
        (f"{100 * shares['any']:.0f} %", "with a hand"),
        (f"{100 * shares['left']:.0f} %", "with a left hand"),
        (f"{100 * shares['right']:.0f} %", "with a right hand"),
        (f"{len(summary.track_ids)}", "tracks"),
        (f"{min(jitters):.1f}-{max(jitters):.1f} mm" if jitters else "-", "jitter of the wrist"),
    ]
    cells = "".join(f'<div class="tile"><b>{escape(value)}</b>{escape(name)}</div>' for value, name in tiles)
    return (
        f"<h1>Hands in {escape(Path(summary.source).name)}</h1>"
        f'<p class="s">{escape(summary.model)} ({escape(summary.license)})</p><div class="tiles">{cells}</div>'
    )


def _pictures(results, start):
    figures = [
        f'<figure><img alt="image at {each.stamp - start:.2f} s" '
        f'src="data:image/jpeg;base64,{base64.b64encode(each.jpeg).decode()}">'
        f"<figcaption>{each.stamp - start:.2f} s</figcaption></figure>"
        for each in results.pictures
    ]
    return f'<div class="pics">{"".join(figures)}</div>'


def _presence(tracks, usual, start, span):
    bars = [
        Bar(track.name, *_ends(track.stamps[part], usual, start), _SIDE_COLORS[track.side])
        for track in tracks
        for part in stretches(track, usual)
    ]
    return bars_plot(bars, [track.name for track in tracks], span) if tracks else "<p>No hand was seen.</p>"


def _grasps(results, tracks, usual, start, span):
    names = {track.track_id: track.name for track in tracks}
    open_runs, bars = {}, []
    for frame, grasps in zip(results.frames, results.grasps, strict=True):
        for grasp in grasps:
            if grasp.track_id not in names:
                continue
            key, run = (grasp.phase, grasp.type.name, grasp_name(grasp)), open_runs.get(grasp.track_id)
            if run and run[0] == key and frame.stamp - run[2] <= _GAPS * usual:
                run[2] = frame.stamp
                continue
            bars += [_grasp_bar(names[grasp.track_id], run, usual, start)] if run else []
            open_runs[grasp.track_id] = [key, frame.stamp, frame.stamp]
    bars += [_grasp_bar(names[track], run, usual, start) for track, run in open_runs.items()]
    key = "".join(
        f'<span style="background:{color};border:1px solid #ccd3da">{phase.name.lower()}</span>'
        for phase, color in _PHASE_COLORS.items()
    )
    return tracks and f'<p class="key">{key}</p>' + bars_plot(bars, list(names.values()), span)


def _grasp_bar(row, run, usual, start):
    (phase, type, name), first, last = run
    return Bar(row, *_ends(np.array([first, last]), usual, start), _PHASE_COLORS[phase], type, name)


def _ends(stamps, usual, start):
    """From the first image to the end of the last one's period, since the recording's start [s]."""
    return float(stamps[0] - start), float(stamps[-1] - start + (usual if np.isfinite(usual) else 0.0))


def _apertures(tracks, usual, start, span):
    lines = [_line(track, 100 * track.aperture, usual, start) for track in tracks if np.isfinite(track.aperture).any()]
    return lines and '<p class="s">Free space between the opposing pads.</p>' + lines_plot(lines, span, "cm")


def _paths(tracks, usual):
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


def _line(track: Trajectory, values: np.ndarray, usual: float, start: float) -> Line:
    color = _SIDE_COLORS[track.side]
    return Line(track.name, track.stamps - start, values, color, _gap(usual), track.side is Side.RIGHT)


def _gap(usual):
    return _GAPS * usual if np.isfinite(usual) else np.inf


def _angles(track: Trajectory, usual, start, span):
    if not np.isfinite(track.angles).any():
        return ""
    plots = []
    for finger, name in enumerate(FINGERS):
        lines = [
            Line(
                ANGLE_NAMES[k].removeprefix(f"{name}_").replace("_", " ").replace("abduction", "abd."),
                track.stamps - start,
                np.degrees(track.angles[:, k]),
                _ANGLE_COLORS[k % 4],
                _gap(usual),
            )
            for k in range(4 * finger, 4 * finger + 4)
        ]
        plot = lines_plot(lines, span, "deg", *_SMALL_PLOT)
        plots.append(f'<figure style="margin:0"><figcaption>{name}</figcaption>{plot}</figure>')
    return f'<div class="row">{"".join(plots)}</div>'


def _figures(summary):
    head = "<tr><th>hand</th><th>images</th><th>share</th><th>jitter of the wrist</th></tr>"
    rows = [
        f"<tr><td>{track.side} {track.track_id}</td><td>{track.frames}</td>"
        f"<td>{100 * track.frames / max(summary.frames, 1):.0f} %</td><td>{_number(track.jitter_mm, 'mm')}</td></tr>"
        for track in summary.tracks
    ]
    note = "Jitter: median distance of the wrist from midway between where it was one image before and one after."
    return rows and f'<table>{head}{"".join(rows)}</table><p class="s">{note}</p>'


def _latency(latencies, usual, start, span):
    values = np.array([each for each in latencies if np.isfinite(each[1])]).reshape(-1, 2)
    if not len(values):
        return ""
    p50, p95 = np.percentile(1000 * values[:, 1], [50, 95])
    line = Line("live", values[:, 0] - start, 1000 * values[:, 1], "#0072b2", _gap(usual))
    text = f'<p class="s">From the image\'s stamp to the publication: median {p50:.0f} ms, p95 {p95:.0f} ms.</p>'
    return text + lines_plot([line], span, "ms")


def _comparison(comparison, usual, start, span):
    if comparison is None:
        return ""
    rows = comparison.differences
    off = np.array([row.joints_3d_mm for row in rows], float)
    text = f"{len(rows)} images were answered both times"
    text += f", {comparison.only_offline} only offline, {comparison.only_live} only live. "
    text += f"The number of hands differs in {sum(row.live_hands != row.offline_hands for row in rows)}, "
    text += f"a side in {sum(not row.same_sides for row in rows)}."
    if not np.isfinite(off).any():
        return f"<p>{text}</p>"
    known = off[np.isfinite(off)]
    text += f" The joint that differs most: median {np.median(known):.3g} mm, at worst {known.max():.3g} mm."
    line = Line("worst", np.array([row.stamp * 1e-9 for row in rows]) - start, off, "#d55e00", _gap(usual))
    return f"<p>{text}</p>" + lines_plot([line], span, "mm")


def _number(value, unit):
    return f"{value:.1f} {unit}" if np.isfinite(value) else "-"
