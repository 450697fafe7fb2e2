"""Watching for signs of life: only what stays the same under our eyes for long counts as gone."""

from hypothesis import given
from hypothesis import strategies as st

from digest.delivery.sending.liveness import LivenessMonitor

moments = st.lists(st.floats(0.1, 60.0), min_size=1, max_size=30)


def test_a_heartbeat_unchanged_for_the_whole_patience_is_silent() -> None:
    watch: LivenessMonitor[str] = LivenessMonitor(40.0)
    assert [at for at in range(0, 61, 5) if watch.find_silent(["a"], at)] == [40, 45, 50, 55, 60]


def test_a_change_restarts_the_patience_and_a_missing_heartbeat_is_forgotten() -> None:
    watch: LivenessMonitor[str] = LivenessMonitor(40.0)
    for at in range(0, 40, 5):
        assert not watch.find_silent(["a", "b"], at)
    assert watch.find_silent(["b"], 40) == {"b"}
    assert not watch.find_silent(["a", "c"], 45)
    assert watch.find_silent(["a", "b", "c"], 50) == set()


@given(moments)
def test_nobody_is_silent_before_the_patience_ends_and_three_checks_were_made(gaps: list[float]) -> None:
    watch: LivenessMonitor[str] = LivenessMonitor(40.0)
    at, looks = 0.0, 1
    assert not watch.find_silent(["a"], at)
    for gap in gaps:
        at, looks = at + gap, looks + 1
        if watch.find_silent(["a"], at):
            assert at >= 40.0 - 1e-6
            assert looks >= 3


@given(moments)
def test_a_heartbeat_that_changes_between_checks_is_never_silent(gaps: list[float]) -> None:
    watch: LivenessMonitor[int] = LivenessMonitor(40.0)
    at = 0.0
    for sign, gap in enumerate(gaps):
        assert not watch.find_silent([sign], at)
        at += gap
