"""table -> classes, columns, suspicions -> advice

One pass over the table gives counts, a summary of each column, and up to 10,000 rows of each class
on which every column is tried alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from rebalance.core.advice import advise
from rebalance.core.kinds import Kind, kind_of
from rebalance.core.label_values import check_classes
from rebalance.core.labels import Label, canonical, choose_label
from rebalance.core.situation import Advice, Situation
from rebalance.core.suspicions import MIN_LEAK_ROWS, Remark, Trials, Word, is_constant, suspicions
from rebalance.errors import DataError, UsageError
from rebalance.steps.context import Context
from rebalance.steps.memory import HEAVY, Need, open_within
from rebalance.storage.statistics import DRAW_ROWS, Gathered, Summary, gather
from rebalance.storage.tables import OWN_PREFIX, Table, located


@dataclass(frozen=True)
class ColumnProfile:
    """One column: what it holds, how well it alone ranks the classes, and remarks.

    `roc_auc` is held out, None where it was not measured.
    """

    name: str
    type: str
    kind: Kind | None
    summary: Summary
    rows: int
    roc_auc: float | None
    remarks: tuple[Remark, ...]

    def has(self, *words: Word) -> bool:
        """Whether there is a remark with one of these words."""
        return any(remark.word in words for remark in self.remarks)

    def document(self) -> dict[str, Any]:
        """The column as JSON."""
        found = self.summary
        return {
            "name": self.name,
            "type": self.type,
            "kind": self.kind,
            "missing": found.missing,
            "missing_share": found.missing / self.rows,
            "distinct": found.distinct,
            "distinct_is_exact": found.distinct_is_exact,
            "min": found.low,
            "max": found.high,
            "most_frequent": found.top,
            "most_frequent_share": None if found.top is None else found.top_count / self.rows,
            "most_frequent_is_exact": found.top_is_exact,
            "roc_auc": self.roc_auc,
            "remarks": [asdict(remark) for remark in self.remarks],
        }


@dataclass(frozen=True)
class Profile:
    """What a table is like, and what to do about it."""

    title: str
    rows: int
    label: Label
    chosen: str
    counts: dict[str, int]
    checked: int
    columns: tuple[ColumnProfile, ...]
    situation: Situation
    advice: tuple[Advice, ...]

    def document(self) -> dict[str, Any]:
        """The profile as JSON."""
        return {
            "input": self.title,
            "rows": self.rows,
            "label": {
                "column": self.label.column,
                "positive": self.label.positive,
                "positive_chosen": self.chosen,
                "positives": self.situation.positives,
                "negatives": self.situation.negatives,
                "classes": [
                    {"value": value, "rows": count, "share": count / self.rows}
                    for value, count in self.counts.items()
                ],
            },
            "imbalance_ratio": self.situation.imbalance_ratio,
            "rows_checked_for_leaks": self.checked,
            "columns": [column.document() for column in self.columns],
            "advice": [asdict(advice) for advice in self.advice],
        }


def profile(
    inputs: Sequence[str],
    label: str,
    *,
    positive: str | None = None,
    drop: Sequence[str] = (),
    key: str | None = None,
    seed: int = 0,
    context: Context,
) -> Profile:
    """Describe a table and say what to do about its imbalance.

    Raises
    ------
    UsageError : the label is dropped or is the key.
    DataError : a file cannot be read, a named column is not there, or the label is no label.
    """
    table = open_within(inputs, context, Need(HEAVY))
    outside = _named(table, label, drop, key)
    usable = [
        field.name
        for field in table.schema
        if kind_of(field.type) is not None and field.name not in outside
    ]
    gathered = gather(
        context.track(table.batches(), "reading", table.rows_if_known),
        table.schema,
        label,
        usable,
        seed=seed,
        threads=context.threads,
        positive=None if positive is None else canonical(positive),
    )
    if positive is None:
        with located(table.place):
            check_classes(label, gathered.counts)
    chosen, why = _choose(label, gathered.counts, positive)
    drawn = gathered.drawn
    tried = _tried(chosen, gathered.counts, positive, context)
    positive_code = list(gathered.counts).index(tried)
    trials = Trials(drawn.codes, drawn.codes == positive_code, drawn.u, DRAW_ROWS)
    if not trials.enough:
        context.note(
            f"a class has fewer than {MIN_LEAK_ROWS} rows: no column was tried for being a leak"
        )
    columns = tuple(
        _column(field, gathered, outside.get(field.name), trials) for field in table.schema
    )
    situation = _situation(
        _inputs(table, inputs),
        chosen,
        gathered.counts,
        columns,
        piped="-" in inputs,
        positive_was_named=positive is not None,
        drop=drop,
        key=key,
    )
    return Profile(
        title=table.title,
        rows=gathered.rows,
        label=chosen,
        chosen=why,
        counts=dict(sorted(gathered.counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        checked=len(trials),
        columns=columns,
        situation=situation,
        advice=tuple(advise(situation)),
    )


def _named(table: Table, label: str, drop: Sequence[str], key: str | None) -> dict[str, Remark]:
    """The columns that the user has put aside, each with a remark; checks that they are there."""
    table.require(label, "--label")
    if kind_of(table.schema.field(label).type) in (None, "vector") and not pa.types.is_null(
        table.schema.field(label).type
    ):
        raise DataError(
            f"the label is {table.schema.field(label).type}, which is no class",
            where=f"file '{table.title}', column '{label}'",
            remedy="name a column of numbers, text or truth values with --label",
        )
    outside = {}
    for name in drop:
        table.require(name, "--drop")
        outside[name] = Remark("dropped", "left out by --drop")
    if key is not None:
        table.require(key, "--key")
        outside[key] = Remark("key", "the key: never a feature")
    if label in outside:
        raise UsageError(
            f"the column '{label}' is the label and named by --drop or --key too",
            remedy="name it once",
        )
    outside[label] = Remark("label", "the label")
    return outside


def _choose(label: str, counts: Mapping[str, int], asked: str | None) -> tuple[Label, str]:
    """The positive value and why it is that one; of three or more, the rarest for now."""
    if asked is None and len(counts) > 2:
        rarest = min(counts, key=lambda value: (counts[value], value))
        return choose_label(
            label, counts, rarest
        ), f"the rarest of {len(counts)}, until you name one"
    chosen = choose_label(label, counts, asked)
    if asked is not None:
        return chosen, "as you named it"
    if set(counts) == {"0", "1"}:
        return chosen, "1 of 0 and 1"
    if len(set(counts.values())) == 1:
        return chosen, "the first of two that are as frequent"
    return chosen, "the rarer of two"


def _tried(chosen: Label, counts: Mapping[str, int], asked: str | None, context: Context) -> str:
    """The value that columns are tried to tell from the others.

    Where none was named and the rarest of many has too few rows for that it is the commonest.
    """
    if asked is not None or len(counts) < 3 or counts[chosen.positive] >= MIN_LEAK_ROWS:
        return chosen.positive
    commonest = max(counts, key=lambda value: (counts[value], value))
    context.note(
        "the rarest classes have too few rows for it: columns were tried for telling "
        f"'{commonest}' from all others"
    )
    return commonest


def _column(
    field: pa.Field, gathered: Gathered, outside: Remark | None, trials: Trials
) -> ColumnProfile:
    name, kind = field.name, kind_of(field.type)
    summary = gathered.summaries[name]
    rows = gathered.rows
    remarks = [outside] if outside is not None else []
    auc = None
    if name.startswith(OWN_PREFIX):
        remarks.append(Remark("reserved", "a name that rebalance keeps for its own columns"))
    if is_constant(rows, summary.missing, summary.distinct):
        text = "missing in every row" if summary.missing == rows else "one value in every row"
        remarks.append(Remark("constant", text))
    elif kind is None:
        remarks.append(Remark("unusable", f"no learner here can use {field.type}"))
    elif outside is None:
        values = gathered.drawn.columns[name]
        auc = trials.auc(values)
        remarks += suspicions(
            field.type,
            filled=rows - summary.missing,
            distinct=summary.distinct,
            limits=(summary.low, summary.high),
            auc=auc,
            copies_label=trials.copies_label(values),
        )
    return ColumnProfile(name, str(field.type), kind, summary, rows, auc, tuple(remarks))


def _inputs(table: Table, inputs: Sequence[str]) -> tuple[str, ...]:
    """The inputs as commands name them: for standard input, a file that it could be saved as."""
    if "-" in inputs:
        return ("TABLE" + "".join(table.paths[0].suffixes),)
    return tuple(inputs)


def _situation(
    inputs: tuple[str, ...],
    label: Label,
    counts: Mapping[str, int],
    columns: Sequence[ColumnProfile],
    *,
    piped: bool,
    positive_was_named: bool,
    drop: Sequence[str],
    key: str | None,
) -> Situation:
    """What the advice depends on."""

    def those(*words: Word) -> tuple[str, ...]:
        return tuple(column.name for column in columns if column.has(*words))

    suspects = those("leak", "duplicate", "identifier", "infinite")
    aside = {*suspects, *those("label", "key", "dropped", "constant", "unusable", "reserved")}
    features = [column for column in columns if column.name not in aside]
    times = [column.name for column in features if column.kind == "time"]
    positives = counts[label.positive]
    return Situation(
        inputs=inputs,
        label=label.column,
        positive=label.positive if positive_was_named or len(counts) > 2 else None,
        positives=positives,
        negatives=sum(counts.values()) - positives,
        features=len(features),
        leaks=those("leak", "duplicate"),
        identifiers=those("identifier"),
        infinite=those("infinite"),
        reserved=those("reserved"),
        drop=tuple(dict.fromkeys([*drop, *suspects])),
        key=key,
        time=times[0] if times else None,
        classes=len(counts),
        singles=sum(count == 1 for count in counts.values()),
        positive_was_named=positive_was_named,
        piped=piped,
    )
