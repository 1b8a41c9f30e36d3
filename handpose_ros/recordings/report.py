"""A recording as one self-contained HTML page: pictures, who was seen when, grasps, paths, angles, warnings."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from handpose_ros.recordings.comparison import Comparison
from handpose_ros.recordings.output import replacing
from handpose_ros.recordings.plots import Line, lines_plot
from handpose_ros.recordings.results import RecordingSummary, Results
from handpose_ros.recordings.track_plots import (
    Timeline,
    angle_lines,
    aperture_lines,
    grasp_bars,
    presence_bars,
    wrist_paths,
)
from handpose_ros.wording import counted

_MOST_TRACKS = 8  # of one plot; the rest were seen more briefly
_ANGLED_TRACKS = 4
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2530;max-width:980px;margin:2.2em auto;padding:0 1.2em}
h1{font-size:1.6em;margin:0 0 .1em}h2{font-size:1.15em;margin:2em 0 .5em;border-bottom:1px solid #dde2e7}
p{margin:.4em 0}.s{color:#5c6773}.tiles{display:grid;grid-template-columns:repeat(7,auto);gap:10px;margin:1.2em 0}
.tile{background:#f4f6f8;border-radius:8px;padding:.55em .7em;font-size:13px}
.tile b{display:block;font-size:1.55em;white-space:nowrap}
@media(max-width:900px){.tiles{grid-template-columns:repeat(4,auto)}.tile:first-child{grid-column:span 2}}
@media(max-width:520px){.tiles{grid-template-columns:repeat(2,auto)}}
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
    timeline = Timeline.of(results.stamps)
    sections = [
        _head(summary),
        *[f'<p class="warn">{escape(warning)}</p>' for warning in summary.warnings],
        _pictures(results, timeline),
        _section("Hands in view", presence_bars(tracks[:_MOST_TRACKS], timeline)),
        _section("Grasps", grasp_bars(results, tracks[:_MOST_TRACKS], timeline)),
        _section("Aperture", aperture_lines(tracks[:_MOST_TRACKS], timeline)),
        _section("Wrist", wrist_paths(tracks[:_MOST_TRACKS])),
        *[_section(f"Joint angles, {track.name}", angle_lines(track, timeline)) for track in tracks[:_ANGLED_TRACKS]],
        _section("Figures", _figures(summary)),
        _section("Latency of the live hands", _latency(latencies, timeline)),
        _section("Live and offline", _comparison(comparison, timeline)),
    ]
    title = escape(f"Hands in {Path(summary.source).name}")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    with replacing(path) as partial:
        text = head + "\n".join(filter(None, sections)) + "</html>\n"
        partial.write_bytes(text.encode(errors="replace"))  # a file's name can hold what is no text


def _section(title, body):
    return f"<h2>{escape(title)}</h2>\n{body}" if body else ""


def _head(summary):
    shares = summary.coverage
    jitters = sorted(track.jitter_mm for track in summary.tracks if np.isfinite(track.jitter_mm))
    ends = dict.fromkeys(f"{jitter:.1f}" for jitter in jitters[:1] + jitters[-1:])  # one where they read alike
    tiles = [
        counted(summary.frames, "image").split(),
        (f"{summary.duration:.1f} s", f"at {summary.fps:.3g} Hz" if np.isfinite(summary.fps) else "long"),
        (f"{100 * shares['any']:.0f} %", "with a hand"),
        (f"{100 * shares['left']:.0f} %", "with a left hand"),
        (f"{100 * shares['right']:.0f} %", "with a right hand"),
        counted(len(summary.track_ids), "track").split(),
        (f"{'-'.join(ends)} mm" if ends else "-", "jitter of the wrist"),
    ]
    cells = "".join(f'<div class="tile"><b>{escape(value)}</b>{escape(name)}</div>' for value, name in tiles)
    return (
        f"<h1>Hands in {escape(Path(summary.source).name)}</h1>"
        f'<p class="s">{escape(summary.model)} ({escape(summary.license)})</p><div class="tiles">{cells}</div>'
    )


def _pictures(results, timeline):
    figures = [
        f'<figure><img alt="image at {each.stamp - timeline.start:.2f} s" '
        f'src="data:image/jpeg;base64,{base64.b64encode(each.jpeg).decode()}">'
        f"<figcaption>{each.stamp - timeline.start:.2f} s</figcaption></figure>"
        for each in results.pictures
    ]
    begin = f'<p class="s">Time 0 is the first image, stamped {timeline.start:.3f} s.</p>' if timeline.start else ""
    return f'<div class="pics">{"".join(figures)}</div>{begin}'


def _figures(summary):
    head = "<tr><th>hand</th><th>images</th><th>share</th><th>jitter of the wrist</th></tr>"
    rows = [
        f"<tr><td>{track.side} {track.track_id}</td><td>{track.frames}</td>"
        f"<td>{100 * track.frames / max(summary.frames, 1):.0f} %</td><td>{_number(track.jitter_mm, 'mm')}</td></tr>"
        for track in summary.tracks
    ]
    note = "Jitter: median distance of the wrist from where an even motion from one image before to one after has it."
    return rows and f'<table>{head}{"".join(rows)}</table><p class="s">{note}</p>'


def _latency(latencies, timeline):
    values = np.array([each for each in latencies if np.isfinite(each[1])]).reshape(-1, 2)
    if not len(values):
        return ""
    p50, p95 = np.percentile(1000 * values[:, 1], [50, 95])
    line = Line("live", values[:, 0] - timeline.start, 1000 * values[:, 1], "#0072b2", timeline.gap)
    text = f'<p class="s">From the image\'s stamp to the publication: median {p50:.0f} ms, p95 {p95:.0f} ms.</p>'
    return text + lines_plot([line], timeline.span, "ms")


def _comparison(comparison, timeline):
    if comparison is None:
        return ""
    rows = comparison.differences
    off = np.array([row.joints_3d_mm for row in rows], float)
    text = f"{counted(len(rows), 'image')} answered both times"
    text += f", {comparison.only_offline} only offline, {comparison.only_live} only live. "
    text += f"The number of hands differs in {sum(row.live_hands != row.offline_hands for row in rows)}, "
    text += f"a side in {sum(not row.same_sides for row in rows)}."
    if not np.isfinite(off).any():
        return f"<p>{text}</p>"
    known = off[np.isfinite(off)]
    text += f" The joint that differs most: median {np.median(known):.3g} mm, at worst {known.max():.3g} mm."
    line = Line("worst", np.array([row.stamp * 1e-9 for row in rows]) - timeline.start, off, "#d55e00", timeline.gap)
    return f"<p>{text}</p>" + lines_plot([line], timeline.span, "mm")


def _number(value, unit):
    return f"{value:.1f} {unit}" if np.isfinite(value) else "-"
