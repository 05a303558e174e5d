"""A trace is read as intervals, and what is left of a large one still tells where the GPU waited."""

import json

import pytest

from perceiver_edu import InputError
from perceiver_edu.course.exercises import find
from perceiver_edu.instruments.profiling import trace
from perceiver_edu.instruments.timeline import busy, events_of, read_trace, simulated, trimmed


@pytest.mark.parametrize("case", find("07.gaps").cases())
def test_gaps_as_the_exercise_has_them(case):
    exercise, arguments = find("07.gaps"), find("07.gaps").cases()[case]
    found = busy([event for event in events_of(arguments["events"]) if event.on_gpu])
    right = exercise.variant(**arguments)
    assert found.fraction == pytest.approx(right["busy"])
    longest = max((end - begin for begin, end in found.gaps), default=0)
    assert longest == pytest.approx(right["longest_gap"])


def test_small_kernels_leave_gaps_and_large_ones_a_queue():
    small = [e for e in simulated([("k", 1e-6)] * 10, 4e-6) if e.on_gpu]
    large = [e for e in simulated([("k", 9e-6)] * 10, 4e-6) if e.on_gpu]
    assert busy(small).fraction == pytest.approx(10 / 37) and len(busy(small).gaps) == 9
    assert busy(large).fraction == 1 and large[-1].end == pytest.approx(4 + 90)


def test_a_trace_is_read_and_trimmed(model, batch, tmp_path):
    trace(model, *batch, path=tmp_path / "trace.json")
    events = read_trace(tmp_path / "trace.json")
    assert events[0].begin == 0 and {"encoder", "processor"} <= {event.name for event in events}
    kept = trimmed(tmp_path / "trace.json", tmp_path / "small.json", most=20_000)
    assert (tmp_path / "small.json").stat().st_size <= 20_000 < (tmp_path / "trace.json").stat().st_size
    less = read_trace(tmp_path / "small.json")
    assert len(less) == kept < len(events) and {"encoder", "processor"} <= {event.name for event in less}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"traceEvents": [{"ph": "X", "cat": 1, "dur": 1}]}'])
def test_what_is_no_trace_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match=r"a\.json is not a trace"):
        read_trace(tmp_path / "a.json")
    (tmp_path / "b.json").write_text(json.dumps({"traceEvents": []}))
    assert read_trace(tmp_path / "b.json") == []
    with pytest.raises(InputError, match="no events"):
        busy([])
