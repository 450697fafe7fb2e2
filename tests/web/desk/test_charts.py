"""Charts stay within their frame, and one in a million is still visible."""

from hypothesis import given
from hypothesis import strategies as st

from digest.web.desk import charts

numbers = st.lists(st.integers(0, 10**9), min_size=1, max_size=60)


def inside(chart: charts.Chart) -> bool:
    return all(
        bar.x >= 0
        and bar.y >= -charts.LEAST
        and bar.x + bar.width <= chart.width
        and bar.y + bar.height <= 102
        for bar in chart.bars
    )


@given(numbers)
def test_columns_stay_within_their_frame(values: list[int]) -> None:
    chart = charts.columns((("back", values), ("front", [value // 2 for value in values])), "words")
    assert inside(chart)
    assert chart.top == max(values)
    tall = max((bar.height for bar in chart.bars), default=charts.HEIGHT)
    assert tall == charts.HEIGHT


@given(st.lists(st.tuples(*[st.integers(0, 10**9)] * 3), min_size=1, max_size=60))
def test_gains_are_drawn_above_the_line_and_losses_below(rows: list[tuple[int, int, int]]) -> None:
    came, left, barred = zip(*rows, strict=True)
    chart = charts.mirrored(
        ("confirmed", came), (("unsubscribed", left), ("suppressed", barred)), "description"
    )
    assert 0 <= chart.base <= charts.HEIGHT
    for bar in chart.bars:
        above = bar.y + bar.height <= chart.base + 0.02
        assert above if bar.kind == "confirmed" else bar.y >= chart.base - 0.02


def test_one_in_a_million_is_visible_and_zero_is_not() -> None:
    chart = charts.columns((("one", [1_000_000, 1, 0]),), "words")
    assert [(bar.x, bar.height) for bar in chart.bars] == [(1.0, 100.0), (11.0, charts.LEAST)]
    assert charts.columns((("one", [0, 0]),), "words").bars == ()
    assert charts.columns((), "words").width == 0


def test_the_median_is_where_half_are_above() -> None:
    chart = charts.small([10, 40, 20], "words", "kind", here=1)
    assert chart.mark == 50.0
    assert [bar.kind for bar in chart.bars] == ["c-past", "kind", "c-past"]
    assert charts.small([0, 0], "words", "kind", here=0).mark is None


def test_a_curve_bridges_missing_values() -> None:
    line = charts.percentages("panel", [0, None, 100])
    assert line.dots == ((5.0, 100), (25.0, 0))
