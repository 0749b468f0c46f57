"""table -> split -> pilot -> sample -> model -> predictions -> metrics, in one directory"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebalance import __version__
from rebalance.core.design import Budget
from rebalance.core.documents import plain
from rebalance.core.labels import LabelCounter, choose_label
from rebalance.errors import UsageError
from rebalance.learners.base import Settings
from rebalance.steps.context import Context
from rebalance.steps.evaluate import Evaluation, evaluate
from rebalance.steps.pilot import DEFAULT_SIZE, pilot
from rebalance.steps.predict import PROBABILITY, predict
from rebalance.steps.sample import SampleResult, sample
from rebalance.steps.split import split
from rebalance.steps.train import TrainResult, train
from rebalance.storage.atomic import check_outputs, write_bytes
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import located

DEFAULT_RATIO = 5.0
REPORT_FORMAT = 1
FILES = {
    "train": "train.parquet",
    "test": "test.parquet",
    "pilot": "pilot.rbl",
    "sample": "sample.parquet",
    "model": "model.rbl",
    "predictions": "predictions.parquet",
    "curves": "curves.png",
    "report": "report.json",
}


@dataclass(frozen=True)
class RunResult:
    """What the single steps found."""

    directory: str
    sample: SampleResult
    train: TrainResult
    evaluation: Evaluation
    report: dict[str, Any]
    files: tuple[str, ...] = tuple(FILES.values())

    def document(self) -> dict[str, Any]:
        """The report, as in `report.json`."""
        return self.report


def run(
    inputs: Sequence[str],
    label: str,
    directory: str,
    *,
    budget: Budget | None = None,
    test: float = 0.2,
    time: str | None = None,
    key: str | None = None,
    method: str | None = None,
    pilot_model: str = "logistic",
    size: int = DEFAULT_SIZE,
    model: str = "gbm",
    correction: str | None = None,
    positive: str | None = None,
    drop: Sequence[str] = (),
    sample_weight: str | None = None,
    settings: Settings,
    clobber: bool = True,
    context: Context,
) -> RunResult:
    """Do what the single commands do, with the same artifacts, and report without timings.

    Raises
    ------
    UsageError, DataError, ArtifactError, FitError : see the single steps.
    """
    paths = _paths(directory, inputs, clobber=clobber)
    if budget is None:
        context.note(f"no --rate, --ratio or --rows was given: --ratio {DEFAULT_RATIO:g} it is")
        budget = Budget(ratio=DEFAULT_RATIO)
    _check_label(inputs, label, positive, context)
    Path(directory).mkdir(exist_ok=True)
    seed = settings.seed
    parts = split(
        inputs,
        label,
        [paths["train"], paths["test"]],
        test=test,
        validation=None,
        key=key,
        time=time,
        positive=positive,
        seed=seed,
        clobber=True,
        context=context,
    )
    piloted = pilot(
        [paths["train"]],
        label,
        paths["pilot"],
        model=pilot_model,
        size=size,
        positive=positive,
        drop=drop,
        key=key,
        sample_weight=sample_weight,
        seed=seed,
        context=context,
    )
    sampled = sample(
        [paths["train"]],
        paths["sample"],
        budget=budget,
        pilot=paths["pilot"],
        method=method,
        seed=seed,
        context=context,
    )
    trained = train(
        [paths["sample"]],
        paths["model"],
        model=model,
        correction=correction,
        settings=settings,
        context=context,
    )
    predicted = predict([paths["test"]], paths["model"], paths["predictions"], context=context)
    evaluated = evaluate(
        [paths["predictions"]],
        label,
        [PROBABILITY],
        positive=positive,
        sample_weight=sample_weight,
        plot=paths["curves"],
        context=context,
    )
    steps: dict[str, Any] = {
        "split": parts,
        "pilot": piloted,
        "sample": sampled,
        "train": trained,
        "predict": predicted,
        "evaluate": evaluated,
    }
    report: dict[str, Any] = {"report_format": REPORT_FORMAT, "made_with": __version__}
    report |= {name: result.document() for name, result in steps.items()}
    report = _relative(plain(report), {path: FILES[name] for name, path in paths.items()})
    text = json.dumps(report, indent=2, sort_keys=True, allow_nan=False)
    write_bytes(Path(paths["report"]), text.encode() + b"\n")
    return RunResult(directory, sampled, trained, evaluated, report)


def _paths(directory: str, inputs: Sequence[str], *, clobber: bool) -> dict[str, str]:
    """Where each artifact goes, once sure that it can."""
    folder = Path(directory)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"'{directory}' is a file", remedy="name a directory with --output")
    if not folder.parent.is_dir():
        raise UsageError(
            f"the folder '{folder.parent}' does not exist",
            remedy=f"make it first: mkdir -p '{folder.parent}'",
        )
    paths = {name: str(folder / file) for name, file in FILES.items()}
    if folder.is_dir():
        check_outputs(list(paths.values()), inputs, clobber=clobber)
    return paths


def _check_label(inputs: Sequence[str], label: str, positive: str | None, context: Context) -> None:
    """Look at the label of every row before anything is written."""
    table = open_table(inputs)
    table.refuse_own_columns()
    table.require(label, "--label")
    counter = LabelCounter(label)
    for batch in context.track(table.batches([label]), "looking", table.num_rows):
        with batch.located():
            counter.add(batch.column(label), batch.start)
    with located(table.place):
        choose_label(label, counter.counts, positive)


def _relative(value: Any, names: Mapping[str, str]) -> Any:
    """The same document with the directory taken off the paths: the report may be moved."""
    if isinstance(value, dict):
        return {key: _relative(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_relative(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value
