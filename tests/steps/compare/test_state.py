"""The file of finished fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rebalance.errors import ArtifactError
from rebalance.steps.compare.outcome import METRICS, Outcome
from rebalance.steps.compare.state import State
from rebalance.steps.compare.ways import Way
from rebalance.steps.context import Context

HEADER = {"table": "abc", "label": "y", "seed": 0}


def outcome(fold: int) -> Outcome:
    scores = dict.fromkeys(METRICS, 0.1) | {"roc_auc": float("nan")}
    return Outcome("none x gbm", fold, 80, 8, 20, 2, {"train": 0.5}, 0.6, scores, scores, ("so",))


def test_what_was_finished_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    first = State(str(path), HEADER, Context())
    first.add(outcome(0))
    first.add(outcome(1))
    context = Context()
    again = State(str(path), HEADER, context)
    assert again.finished.keys() == {("none x gbm", 0), ("none x gbm", 1)}
    assert repr(again.finished) == repr(first.finished)  # NaN is not equal to itself
    assert context.notes == [f"'{path}' has 2 finished fits: they are not made"]
    assert [json.loads(line)["fold"] for line in path.read_text().splitlines()[1:]] == [0, 1]


def test_a_line_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    state = State(str(path), HEADER, Context())
    state.add(outcome(0))
    state.add(outcome(1))
    whole = path.read_bytes()
    for cut in (1, 30, len(whole.splitlines()[-1])):
        path.write_bytes(whole[:-cut])
        context = Context()
        found = State(str(path), HEADER, context)
        assert found.finished.keys() == {("none x gbm", 0)}
        assert "cut off" in context.notes[0]
        found.add(outcome(1))
        assert path.read_bytes() == whole
    path.write_bytes(whole[:20])  # not even the first line
    State(str(path), HEADER, Context()).add(outcome(0))
    assert len(State(str(path), HEADER, Context()).finished) == 1


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (HEADER | {"table": "xyz"}, "of another table,"),
        (HEADER | {"seed": 1}, r"of another seed \(0, not 1\)"),
    ],
)
def test_the_state_of_something_else_is_refused(
    tmp_path: Path, header: dict[str, object], says: str
) -> None:
    path = tmp_path / "state.jsonl"
    State(str(path), HEADER, Context()).add(outcome(0))
    before = path.read_bytes()
    with pytest.raises(ArtifactError, match=says):
        State(str(path), header, Context())
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n", '{"kind": "other"}\n', "[]\n", "no end", '{"kind": "rebalance comparison"}\n'],
)
def test_another_file_is_not_touched(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.jsonl"
    path.write_text(text)
    with pytest.raises(ArtifactError):
        State(str(path), HEADER, Context())
    assert path.read_text() == text


def test_a_newer_format_and_a_damaged_line_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.jsonl"
    State(str(path), HEADER, Context()).add(outcome(0))
    whole = path.read_text()
    path.write_text(whole.replace('"format": 1', '"format": 2'))
    with pytest.raises(ArtifactError, match="format 2, and this version reads up to 1"):
        State(str(path), HEADER, Context())
    path.write_text(whole.replace('"scores"', '"score"'))
    with pytest.raises(ArtifactError, match="line 2 is not one"):
        State(str(path), HEADER, Context())


@pytest.mark.parametrize("content", [b"PK\x03\x04\xff\xfe\x00", "caf\xe9\n".encode("latin-1")])
def test_a_file_that_is_no_text_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.jsonl"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"line 1 is not one of a comparison's state.*--state"):
        State(str(path), HEADER, Context())
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("was", "altered", "says"),
    [
        ('"rows": 80', '"rows": 0', "'rows' is 0, and not 1 or more"),
        ('"positives": 8,', '"positives": 81,', "more positives than rows"),
        ('"test_rows": 20', '"test_rows": -1', "'test_rows' is -1"),
        ('"train": 0.5', '"train": -0.5', "'seconds/train' is -0.5, and not 0 or more"),
        ('"finishing": 0.6', '"finishing": -1', "'finishing' is -1"),
        ('"fold": 0', '"fold": -1', "'fold' is -1"),
    ],
)
def test_impossible_counts_and_times_are_refused(
    tmp_path: Path, was: str, altered: str, says: str
) -> None:
    path = tmp_path / "state.jsonl"
    State(str(path), HEADER, Context()).add(outcome(0))
    whole = path.read_text()
    assert was in whole
    path.write_text(whole.replace(was, altered))
    with pytest.raises(ArtifactError, match=f"line 2 is not one of a comparison's state: .*{says}"):
        State(str(path), HEADER, Context())


def test_seconds_of_each_step_are_required(tmp_path: Path) -> None:
    state = State(str(tmp_path / "state.jsonl"), HEADER, Context())
    assert Way("none", "gbm").steps == ("train",)
    assert Way("nonuniform+smote", "gbm").steps == ("pilot", "sample", "train")
    state.require(outcome(0), Way("none", "gbm").steps)
    with pytest.raises(
        ArtifactError, match="seconds of sample are missing in the state of 'none x"
    ):
        state.require(outcome(0), Way("uniform", "gbm").steps)
