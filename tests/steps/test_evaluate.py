import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from rebalance.core.metrics import score
from rebalance.core.ranking import rank
from rebalance.core.thresholds import Threshold
from rebalance.errors import CheckError, DataError, UsageError
from rebalance.report.curves import curves, curves_picture
from rebalance.steps.context import Context
from rebalance.steps.evaluate import evaluate
from rebalance.storage.inputs import use_threads
from rebalance.storage.reading import Reading


def predictions(rows=600, seed=0):
    rng = np.random.default_rng(seed)
    y_prob = rng.beta(1, 8, rows)
    return {
        "y": (rng.random(rows) < y_prob).astype(np.int8),
        "rb_probability": y_prob,
        "other": np.sqrt(y_prob),
        "w": rng.integers(1, 5, rows).astype(float),
        "group": pa.array(np.where(rng.random(rows) < 0.1, None, rng.integers(0, 3, rows))),
        "text": ["a"] * rows,
    }


@pytest.fixture
def table():
    return predictions()


@pytest.fixture
def write(tmp_path):
    def write(columns, name="p.parquet", metadata=None, **options):
        path = tmp_path / name
        written = pa.table(columns).replace_schema_metadata(metadata)
        if name.endswith(".csv"):
            pyarrow.csv.write_csv(written, path)
        else:
            pq.write_table(written, path, **options)
        return str(path)

    return write


@pytest.fixture
def threads():
    before = pa.cpu_count()
    yield use_threads
    use_threads(before)


def run(path, *probabilities, label="y", context=None, **options):
    inputs = [path] if isinstance(path, str) else path
    return evaluate(inputs, label, probabilities, context=context or Context(), **options)


class TestFigures:
    @pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
    @pytest.mark.parametrize("weight", [None, "w"])
    def test_are_those_of_the_arrays(self, table, write, name, weight):
        found = run(write(table, name), "rb_probability", "other", sample_weight=weight)
        y_true = table["y"] == 1
        for column in ("rb_probability", "other"):
            expected = score(y_true, table[column], table["w"] if weight else None)
            assert found.metrics[column] == pytest.approx(expected, rel=1e-12)

    def test_batches_and_files_are_one_table(self, table, write):
        whole = run(write(table), by="group").document()
        cut = run(write(table, "groups.parquet", row_group_size=70), by="group").document()
        parts = pa.table(table)
        names = [write(parts.slice(start, 250), f"part{start}.parquet") for start in (0, 250, 500)]
        assert whole == cut == run(names, by="group").document()

    @pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
    def test_batches_and_threads_change_no_bit(self, table, write, name, threads):
        path, options = write(table, name), {"sample_weight": "w", "thresholds": ["f1", "top=9"]}
        found = []
        for count, rows in ((1, 1), (2, 7), (2, 100_000)):
            threads(count)
            context = Context(threads=count, reading=Reading(batch_rows=rows))
            found.append(run(path, "other", by="group", context=context, **options).document())
        assert found[0] == found[1] == found[2]

    def test_only_the_columns_needed_are_read(self, table, write, tmp_path):
        path = write(table | {"bad": ["x" * 1000] * 600}, compression=None)
        content = bytearray((tmp_path / "p.parquet").read_bytes())
        column = pq.ParquetFile(path).metadata.row_group(0).column(6)
        assert column.path_in_schema == "bad"
        start = column.dictionary_page_offset
        content[start : start + 40] = b"\xff" * 40
        (tmp_path / "p.parquet").write_bytes(content)
        assert run(path).metrics["rb_probability"]["rows"] == 600
        with pytest.raises(DataError):
            run(path, by="bad")

    def test_thresholds(self, table, write):
        found = run(
            write(table), "other", thresholds=["0.5", "top=10", ".50"], beta=0.5, sample_weight="w"
        )
        assert list(found.thresholds) == [Threshold("value", 0.5), Threshold("top", 10.0)]
        figures = found.thresholds[Threshold("value", 0.5)]["other"]
        chosen, positive = table["other"] >= 0.5, table["y"] == 1
        tp = table["w"][chosen & positive].sum()
        assert figures["tp"] == tp
        precision, recall = tp / table["w"][chosen].sum(), tp / table["w"][positive].sum()
        assert figures["f_beta"] == pytest.approx(
            1.25 * precision * recall / (0.25 * precision + recall)
        )
        assert found.thresholds[Threshold("top", 10.0)]["other"]["selected_rows"] == 10

    def test_remarks_of_thresholds_become_notes(self, table, write):
        context = Context()
        table["rb_probability"] = np.where(table["rb_probability"] > 0.1, 0.2, 0.05)
        found = run(write(table), thresholds=["top=5", "precision=1"], context=context)
        said = " | ".join(context.notes)
        assert "top=5 of 'rb_probability': " in said
        assert "share the probability" in said
        document = found.document()["thresholds"][1]
        assert document["threshold"] == "precision=1.0"
        assert set(document["metrics"]["rb_probability"].values()) == {None}
        assert "no threshold has a precision of 1" in said


class TestSegments:
    def test_are_the_metrics_of_their_rows(self, table, write):
        found = run(write(table), by="group", sample_weight="w")
        group = np.array(table["group"].to_pylist(), dtype=object)
        assert [each.value for each in found.segments] == [0, 1, 2, None]
        for segment in found.segments:
            rows = np.array([value == segment.value for value in group])
            expected = score(
                (table["y"] == 1)[rows], table["rb_probability"][rows], table["w"][rows]
            )
            assert segment.metrics["rb_probability"] == pytest.approx(expected)

    def test_months(self, table, write):
        hours = np.datetime64("2024-01-30T00") + np.arange(600) % 72
        path = write(table | {"when": pa.array(hours.astype("datetime64[us]"))})
        found = run(path, by="when:month")
        assert [each.value for each in found.segments] == ["2024-01", "2024-02"]
        rows = [each.metrics["rb_probability"]["rows"] for each in found.segments]
        assert rows == [408, 192]  # eight rounds of 48 hours in January and 24 after, then 24

    def test_a_name_with_a_colon_comes_first(self, table, write):
        path = write(table | {"group:day": ["x"] * 600})
        assert [each.value for each in run(path, by="group:day").segments] == ["x"]

    def test_one_class_is_no_crash(self, table, write):
        found = run(write(table), by="y").document()["segments"]
        negatives, positives = (each["metrics"]["rb_probability"] for each in found)
        assert [each["value"] for each in found] == [0, 1]
        assert negatives["predicted_over_observed"] is None
        assert positives["predicted_over_observed"] is not None
        assert negatives["roc_auc"] is positives["roc_auc"] is None
        assert negatives["calibration_slope"] is positives["calibration_slope"] is None

    def test_too_many(self, write):
        columns = predictions(3000)
        with pytest.raises(DataError, match=r"makes more than 1,000 segments.*file '.*p.parquet'"):
            run(write(columns), by="rb_probability")

    @pytest.mark.parametrize(
        ("by", "words"),
        [
            ("grup", "no column 'grup'.*--by.*nearest is 'group'"),
            ("grup:day", "no column 'grup'.*--by.*nearest is 'group'"),
        ],
    )
    def test_no_such_column(self, table, write, by, words):
        with pytest.raises(DataError, match=words):
            run(write(table), by=by)

    def test_periods_of_numbers(self, table, write):
        with pytest.raises(UsageError, match="'group' is int64, which has no periods"):
            run(write(table), by="group:day")


class TestLabel:
    def test_the_rarer_value_is_positive_and_that_is_said(self, table, write):
        context = Context()
        names = np.where(table["y"] == 1, "yes", "no")
        found = run(write(table | {"y": names}), context=context)
        assert found.label.positive == "yes"
        assert found.metrics == run(write(table, "q.parquet")).metrics
        assert "'yes' is the positive value of 'y'" in context.notes

    def test_the_value_that_was_predicted_is_positive(self, table, write):
        # 'no' is the more frequent one, but it is what the probabilities are of.
        names = np.where(table["y"] == 1, "no", "yes")
        names[:400] = "no"
        known = {"column": "y", "positive": "yes", "negatives": ["no"]}
        metadata = {"rebalance.label": json.dumps(known | {"positive": "no", "negatives": ["yes"]})}
        assert run(write(table | {"y": names})).label.positive == "yes"
        path = write(table | {"y": names, "z": names}, metadata=metadata)
        assert run(path).label.positive == "no"
        assert run(path, positive="yes").label.positive == "yes"
        assert run(path, label="z").label.positive == "yes"  # the metadata speaks of y

    @pytest.mark.parametrize("written", ["{", "[]", "{}", "7"])
    def test_damaged_metadata(self, table, write, written):
        path = write(table, metadata={"rebalance.label": written})
        with pytest.raises(DataError, match=r"'rebalance.label'.*p.parquet.*--positive"):
            run(path)
        assert run(path, positive="1").label.positive == "1"

    def test_three_classes(self, table, write):
        kinds = np.arange(600) % 3
        path = write(table | {"y": kinds})
        with pytest.raises(DataError, match=r"3 classes where two are needed.*--positive"):
            run(path)
        context = Context()
        found = run(path, positive="2", context=context)
        assert found.metrics["rb_probability"]["positives"] == 200
        assert "'2' is positive; 2 other values of 'y' count as negative" in context.notes


class TestNotes:
    def test_certain_probabilities(self, table, write):
        context = Context()
        table["rb_probability"][:5] = 0
        table["y"][:5] = [1, 0, 0, 0, 0]
        run(write(table), context=context)
        assert any(
            "5 values of 'rb_probability' are exactly 0 or 1, 1 of them wrong" in note
            and "2.2e-16" in note
            and "leave them out" in note
            for note in context.notes
        )

    def test_no_slope(self, table, write):
        context = Context()
        table["other"][:] = 0.1
        found = run(write(table), "other", context=context)
        assert found.document()["metrics"]["other"]["calibration_slope"] is None
        assert any(
            "slope of 'other' cannot be estimated: all probabilities are the same" in note
            for note in context.notes
        )

    def test_rows_of_a_sample(self, table, write):
        context = Context()
        path = write(table | {"rb_pi": table["w"] / 4, "rb_weight": 4 / table["w"]})
        run(path, context=context)
        assert any("--sample-weight rb_weight" in note for note in context.notes)
        quiet = Context()
        run(path, sample_weight="rb_weight", context=quiet)
        assert not any("rb_pi" in note for note in quiet.notes)


class TestChecks:
    def test_raise_after_the_result(self, table, write):
        found = run(
            write(table), checks=["roc_auc<0.01", "brier>=0", "recall@f1>0"], thresholds=["f1"]
        )
        assert [each["failed"] for each in found.document()["checks"]] == [False, True, True]
        assert [each.check.metric for each in found.failed] == ["brier", "recall"]
        with pytest.raises(CheckError, match="2 of 3 checks failed"):
            found.raise_failed()

    def test_pass(self, table, write):
        found = run(write(table), checks=["roc_auc<0.01"])
        found.raise_failed()
        assert found.failed == []


def changed(table, column, row, value):
    values = table[column].tolist()
    values[row] = value
    return table | {column: pa.array(values)}


class TestBadInput:
    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (1.5, "1.5 is not between 0 and 1"),
            (-1e-9, "-1e-09 is not between 0 and 1"),
            (float("nan"), "nan is not between 0 and 1"),
            (None, "the probability is missing"),
        ],
    )
    @pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
    def test_no_probability(self, table, write, name, value, words):
        path = write(changed(table, "rb_probability", 417, value), name)
        with pytest.raises(DataError) as caught:
            run(path)
        message = str(caught.value)
        assert words in message
        assert f"file '{path}', row 417 (counting from 0), column 'rb_probability'" in message

    def test_row_numbers_count_over_batches(self, table, write):
        path = write(changed(table, "rb_probability", 417, 2.0), row_group_size=100)
        with pytest.raises(DataError, match="row 417"):
            run(path)

    @pytest.mark.parametrize(
        ("column", "value", "words"),
        [
            ("w", -1.0, "weight -1.0 is not a number of 0 or more"),
            ("w", float("nan"), "weight nan is not"),
            ("y", None, "label is missing"),
        ],
    )
    def test_weights_and_labels(self, table, write, column, value, words):
        path = write(changed(table, column, 3, value))
        with pytest.raises(DataError, match=words) as caught:
            run(path, sample_weight="w")
        assert "row 3 (counting from 0)" in str(caught.value)
        assert str(caught.value).count("p.parquet") == 1

    def test_all_weights_zero(self, table, write):
        with pytest.raises(DataError, match="weights of the positives are zero"):
            run(write(table | {"w": np.zeros(600)}), sample_weight="w")

    def test_one_class(self, table, write):
        with pytest.raises(DataError, match=r"one class only: 0 \(600\).*p.parquet"):
            run(write(table | {"y": np.zeros(600, dtype=int)}))

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"label": "z"}, "no column 'z'.*--label"),
            ({"label": "other"}, "more than 100 different fractions"),
            ({"sample_weight": "v"}, "no column 'v'.*--sample-weight"),
            ({"sample_weight": "text"}, "weights are string, not numbers"),
            ({"positive": "7"}, "no row has the positive value '7'"),
        ],
    )
    def test_columns(self, table, write, options, words):
        with pytest.raises(DataError, match=words):
            run(write(table), **options)

    @pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
    def test_beta(self, table, write, beta):
        with pytest.raises(UsageError, match="--beta"):
            run(write(table), beta=beta)


class TestPlot:
    def test_is_that_of_the_arrays(self, table, write, tmp_path):
        plot = tmp_path / "a.svg"
        found = run(write(table), sample_weight="w", plot=str(plot))
        assert found.document()["plot"] == str(plot)
        ranking = rank(table["y"] == 1, table["rb_probability"], table["w"])
        expected = curves_picture({"rb_probability": curves(ranking)}, image_format="svg")
        assert plot.read_bytes() == expected

    @pytest.mark.parametrize(
        ("plot", "words"),
        [
            ("p.jpg", "kind of picture"),
            ("missing/p.png", "does not exist"),
            ("there.png", "there already"),
        ],
    )
    def test_is_refused_before_any_work(self, table, write, tmp_path, plot, words):
        (tmp_path / "there.png").write_bytes(b"old")
        bad = write(changed(table, "rb_probability", 0, 2.0))
        with pytest.raises(UsageError, match=words):
            run(bad, plot=str(tmp_path / plot), clobber=False)
        assert (tmp_path / "there.png").read_bytes() == b"old"

    def test_nothing_is_written_when_the_data_are_bad(self, table, write, tmp_path):
        bad = write(changed(table, "rb_probability", 599, 2.0))
        with pytest.raises(DataError):
            run(bad, plot=str(tmp_path / "new.png"))
        assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_document_is_plain_json(table, write):
    found = run(
        write(table), "rb_probability", "other", thresholds=["f1"], by="group", checks=["ece>1"]
    )
    document = found.document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["rows"] == 600
    assert document["label"] == {"column": "y", "positive": "1", "negatives": ["0"]}
    whole = document["thresholds"][0]["metrics"]["other"]
    assert isinstance(whole["tp"], int)
    assert whole["tp"] + whole["fp"] + whole["fn"] + whole["tn"] == 600
