"""The accuracy on a data set as one self-contained HTML page: tables, curves, and the worst photos."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from handpose_ros.drawing import draw_hands
from handpose_ros.evaluation.accuracy import CURVE_MM, DEPTH_CURVE_MM, Accuracy
from handpose_ros.evaluation.outcomes import Outcome, Subject
from handpose_ros.evaluation.report import confidence, headline, interval, rows
from handpose_ros.hand import BONES
from handpose_ros.metrics import box_size, joint_errors, root_relative_mpjpe
from handpose_ros.recordings.output import make_directory, replacing
from handpose_ros.recordings.sources import read_image

_WORST = 10
_PHOTO_WIDTH = 480  # [px]
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito
_PLOT = (420, 260)  # [px]
_STYLE = (
    "body{font:15px/1.4 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{padding:.15em .8em;text-align:right}td:first-child{text-align:left}"
    "tr:nth-child(even){background:#f3f3f3}figure{display:inline-block;margin:.5em}img{max-width:480px}"
)


def write_page(folder: Path, subject: Subject, accuracy: Accuracy, outcomes: Sequence[Outcome]):
    """Writes `folder`/index.html. White skeletons are the annotated hands."""
    lines = [f"<h1>{html.escape(subject.data_set)}</h1>", f"<p>{_lines(headline(subject, accuracy))}</p>"]
    lines += [_figures(accuracy), "<h2>Curves</h2>", *_curves(accuracy), "<h2>Joints</h2>", _joints(accuracy)]
    lines += [f"<p>{html.escape(confidence(accuracy))}</p>"] if accuracy.joint_confidence.n else []
    lines += ["<h2>The worst photos</h2>", *map(_photo, worst(outcomes))]
    page = f"<!doctype html><meta charset=utf-8><title>{html.escape(subject.data_set)}</title><style>{_STYLE}</style>"
    with replacing(make_directory(folder) / "index.html") as partial:
        text = page + "\n".join(lines) + "\n"
        partial.write_bytes(text.encode(errors="replace"))  # a file's name can hold what is no text


def worst(outcomes: Sequence[Outcome], count: int = _WORST) -> list[tuple[Outcome, str]]:
    """The `count` worst photos and what is wrong: missed hands, then large errors of shape, or of 2D."""
    ranked = sorted(((*_badness(outcome), outcome) for outcome in outcomes), key=lambda each: each[0], reverse=True)
    return [(outcome, words) for _, words, outcome in ranked[:count]]


def _badness(outcome):
    """((missed, error), words): to sort by, and to write below the photo."""
    missed = len(outcome.sample.hands) - len(outcome.pairs)
    boxes, millimetres = [0.0], [np.nan]
    for pair in outcome.pairs:
        boxes.append(np.nanmean(joint_errors(pair.found.joints_2d, pair.true_2d)) / box_size(pair.true_2d))
        millimetres.append(1000 * root_relative_mpjpe(pair.found.joints_3d, pair.true_3d))
    known = np.array(millimetres)[np.isfinite(millimetres)]
    words = [f"{missed} missed"] if missed else []
    words += [f"{known.max():.0f} mm root-relative"] if len(known) else []
    words += [f"2D {max(boxes):.2f} of the box"] if outcome.pairs else []
    return (missed, known.max() / 1000 if len(known) else max(boxes)), ", ".join(words)


def _photo(ranked):
    outcome, words = ranked
    drawn = read_image(outcome.sample.image)
    scale = _PHOTO_WIDTH / drawn.shape[1]
    drawn = draw_hands(drawn, outcome.hands)
    drawn = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for hand in outcome.sample.hands:
        points = (hand.joints_2d + 0.5) * scale - 0.5
        for a, b in BONES:
            if hand.valid[a] and hand.valid[b]:
                ends = [tuple(int(v) for v in points[k].round()) for k in (a, b)]
                cv2.line(drawn, *ends, (255, 255, 255), 1, cv2.LINE_AA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
    source = base64.b64encode(data.tobytes()).decode()
    caption = html.escape(f"{outcome.sample.image.name}: {words}")
    picture = f'<img alt="{caption}" src="data:image/jpeg;base64,{source}">'
    return f"<figure>{picture}<figcaption>{caption}</figcaption></figure>"


def _figures(accuracy):
    body = [
        (name, interval(figure, factor, digits), interval(figure, factor, digits, "median"), str(figure.n))
        for name, figure, factor, digits in rows(accuracy)
    ]
    return _table(("", "mean [95 %]", "median [95 %]", "n"), body)


def _joints(accuracy):
    body = [
        (joint.name, f"{joint.box_2d:.4f}", f"{joint.root_relative_mm:.1f}", f"{joint.absolute_mm:.1f}")
        for joint in accuracy.joints
    ]
    return _table(("", "2D [box]", "root-relative [mm]", "absolute [mm]"), body).replace("nan", "-")


def _curves(accuracy):
    spatial = {
        "Procrustes": accuracy.pa_mm.curve,
        "scale-aligned": accuracy.scale_aligned_mm.curve,
        "root-relative": accuracy.root_relative_mm.curve,
        "absolute": accuracy.absolute_mm.curve,
    }
    if accuracy.pa_mm.n:
        yield _plot(CURVE_MM, spatial, "joints nearer than [mm]")
    if accuracy.depth_error_mm.n:
        yield _plot(DEPTH_CURVE_MM, {"hands": accuracy.depth_curve}, "depth error below [mm]")


def _plot(x, curves, label):
    """An SVG of shares (0..1) over `x`."""
    width, height = _PLOT
    lines = [f'<svg width="{width + 70}" height="{height + 50}" font-size="12" xmlns="http://www.w3.org/2000/svg">']
    lines.append('<g transform="translate(45,10)">')
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = height * (1 - share)
        lines.append(
            f'<path d="M0 {y}H{width}" stroke="#ccc"/><text x="-6" y="{y + 4}" text-anchor="end">{share}</text>'
        )
    for tick in np.linspace(x[0], x[-1], 6):
        at = width * (tick - x[0]) / (x[-1] - x[0])
        lines.append(f'<text x="{at}" y="{height + 16}" text-anchor="middle">{tick:g}</text>')
    for k, (name, shares) in enumerate(curves.items()):
        if not np.isfinite(shares).all():
            continue
        points = " ".join(
            f"{width * (v - x[0]) / (x[-1] - x[0]):.1f},{height * (1 - share):.1f}"
            for v, share in zip(x, shares, strict=True)
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{_COLORS[k]}" stroke-width="2"/>')
        lines.append(f'<text x="{width - 110}" y="{height - 70 + 16 * k}" fill="{_COLORS[k]}">{name}</text>')
    lines.append(f'<text x="{width / 2}" y="{height + 34}" text-anchor="middle">{label}</text></g></svg>')
    return "".join(lines)


def _table(head, body):
    cells = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
    cells += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in body]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


def _lines(text):
    return html.escape(text).replace("\n", "<br>")
