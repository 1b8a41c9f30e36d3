import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from handpose_ros.recordings.plots import Bar, Line, bars_plot, lines_plot, paths_plot, ticks

T = np.arange(10.0)


def polylines(svg):
    found = [each.get("points") for each in ElementTree.fromstring(svg).iter("polyline")]
    return [np.array([pair.split(",") for pair in points.split()], float) for points in found]


@pytest.mark.parametrize(
    "low, high, expected",
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (-7, 12, [-5, 0, 5, 10]), (0, 0.03, [0, 0.01, 0.02, 0.03])],
)
def test_ticks_are_round_numbers_within_the_range(low, high, expected):
    np.testing.assert_allclose(ticks(low, high, 5), expected, atol=1e-12)


def test_the_hours_of_a_night_are_written_out():
    svg = lines_plot([Line("a", 3000 * T, 3000 * T, "#000")], (0.0, 27000.0), "ms")
    written = [each.text for each in ElementTree.fromstring(svg).iter("text")]
    assert "15000 s" in written and "20000" in written


def test_what_rises_goes_up_and_time_to_the_right():
    (points,) = polylines(lines_plot([Line("a", T, T, "#000")], (0.0, 9.0), "cm"))
    assert (np.diff(points[:, 0]) > 0).all() and (np.diff(points[:, 1]) < 0).all()  # pixels count downward


def test_a_line_breaks_at_nan_and_at_a_gap_in_time():
    y = np.where(T == 4, np.nan, T)
    assert [len(each) for each in polylines(lines_plot([Line("a", T, y, "#000")], (0, 9), ""))] == [4, 5]
    late = T + 5 * (T > 6)
    assert [len(p) for p in polylines(lines_plot([Line("a", late, T, "#000", gap=2.0)], (0, 14), ""))] == [7, 3]


def test_a_path_has_the_same_scale_in_both_directions():
    square = Line("a", np.array([0.0, 1, 1, 0]), np.array([0.0, 0, 1, 1]), "#000")
    for y_down in (False, True):
        (points,) = polylines(paths_plot([square], ("x", "y"), y_down=y_down))
        across, along = np.ptp(points, axis=0)
        assert across == pytest.approx(along, rel=0.02)
        assert (points[-1, 1] > points[0, 1]) == y_down


def test_nothing_is_drawn_of_a_path_nowhere():
    assert paths_plot([Line("a", T * np.nan, T, "#000")], ("x", "y")) == ""


def test_names_do_not_lie_on_each_other():
    svg = lines_plot([Line(name, T, T * 0 + k / 1000, "#123456") for k, name in enumerate("abcd")], (0, 9), "")
    heights = sorted(float(y) for y in re.findall(r'y="([\d.]+)" fill="#123456"', svg))
    assert len(heights) == 4 and np.diff(heights).min() > 10


def test_a_bars_text_is_escaped_and_left_out_where_it_does_not_fit():
    wide = bars_plot([Bar("<L>", 0.0, 9.0, "#fff", "a < b")], ["<L>"], (0.0, 10.0))
    narrow = bars_plot([Bar("<L>", 0.0, 0.1, "#fff", "a < b")], ["<L>"], (0.0, 10.0))
    written = [[each.text for each in ElementTree.fromstring(svg).iter("text")] for svg in (wide, narrow)]
    assert "a < b" in written[0] and "a < b" not in written[1]
