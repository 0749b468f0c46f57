"""table -> split -> pilot -> sample -> model -> predictions -> metrics, in one directory"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rebalance.core.class_design import WAYS
from rebalance.core.design import Budget
from rebalance.core.labels import LabelCounter, ManyClassesError, choose_label
from rebalance.errors import UsageError
from rebalance.steps.classes.run import ClassRunResult, class_run
from rebalance.steps.context import Context
from rebalance.steps.evaluate import Evaluation, evaluate
from rebalance.steps.models_threshold import MODELS_THRESHOLD
from rebalance.steps.predict import PROBABILITY
from rebalance.steps.recalibrate import AUTO, Wanted
from rebalance.steps.run_steps import FILES, Found, RunAsked, RunSteps, report_of
from rebalance.steps.sample import SampleResult
from rebalance.steps.suited import method_for, model_of_classes, refuse_unusable
from rebalance.steps.together import directory_for, made_together
from rebalance.steps.trained import TrainResult
from rebalance.storage.inputs import open_table
from rebalance.storage.tables import Table, located

DEFAULT_RATIO = 5.0


@dataclass(frozen=True)
class RunResult:
    """What the single steps found."""

    sample: SampleResult
    train: TrainResult
    evaluation: Evaluation
    report: dict[str, Any]
    files: tuple[str, ...] = tuple(FILES.values())

    def document(self) -> dict[str, Any]:
        """The report, as in `report.json`."""
        return self.report


def run(asked: RunAsked, context: Context) -> RunResult | ClassRunResult:
    """Do what the single commands do, with the same artifacts, and report without timings.

    A label of three or more values without a positive one is taken with all its classes.

    Raises
    ------
    UsageError, DataError, ArtifactError, FitError : see the single steps.
    """
    sources = [*asked.inputs, *([asked.features] if asked.features else [])]
    target = directory_for(asked.directory, FILES.values(), sources, clobber=asked.clobber)
    weighting, settings = asked.weighting, asked.settings
    learner = refuse_unusable(
        asked.model, weighting.settings(settings), asked.recalibrate, asked.sample_weight
    )
    weighting.refuse_unknown(learner, settings)
    table = open_table(asked.inputs, context.reading)
    asked = replace(asked, inputs=[str(path) for path in table.paths])
    try:
        positives, negatives = _look(table, asked.label, asked.positive, context)
    except ManyClassesError as exc:
        _refuse_for_classes(exc, asked)
        model = model_of_classes(asked.model, context)
        return class_run(target, replace(asked, model=model), context)
    _refuse_class_rates(asked)
    budget = asked.budget or _default_budget(positives, negatives, context)
    if asked.key is None and asked.time is None and budget.efficiency is None:
        held_out = round(asked.test * positives), round(asked.test * negatives)
        budget.negatives(positives - held_out[0], negatives - held_out[1])
    method = method_for(asked.model, asked.method, context)
    asked = replace(asked, budget=budget, method=method)
    return made_together(target, FILES, lambda paths: _steps(asked, paths, context))


def _refuse_for_classes(found: ManyClassesError, asked: RunAsked) -> None:
    """Refuse what many classes do not have, and ask for what they need."""
    budget = asked.budget
    if asked.class_rates is None and (budget is None or (budget.rows or budget.ratio) is None):
        remedy = f"{WAYS}; or one class against all others with --positive VALUE"
        raise UsageError(found.what, where=found.where, remedy=remedy) from found
    if asked.recalibrate not in (AUTO, "none"):
        raise UsageError(
            f"--recalibrate {asked.recalibrate} is for two classes, and the label has many",
            remedy="leave it out, or name one class with --positive",
        ) from found
    asked.weighting.refuse_many_classes()


def _refuse_class_rates(asked: RunAsked) -> None:
    if asked.class_rates is not None:
        raise UsageError(
            f"rates of classes are given, and '{asked.label}' has a positive value",
            remedy="give one --rate, the share of the negatives",
        )


def _steps(asked: RunAsked, paths: Mapping[str, str], context: Context) -> RunResult:
    """Table -> split -> pilot -> sample -> model -> predictions -> metrics."""
    steps = RunSteps(asked, paths, context)
    found: dict[str, Found] = {"split": steps.split(), "pilot": steps.pilot()}
    sampled = found["sample"] = steps.sample()
    trained = found["train"] = steps.train(Wanted.of([paths["train"]], asked.recalibrate))
    found["predict"] = steps.predict()
    evaluated = found["evaluate"] = evaluate(
        [paths["predictions"]],
        asked.label,
        [PROBABILITY],
        positive=asked.positive,
        sample_weight=asked.sample_weight,
        thresholds=[] if asked.weighting.costs is None else [MODELS_THRESHOLD],
        plot=paths["curves"],
        context=context,
    )
    if not (
        isinstance(sampled, SampleResult)
        and isinstance(trained, TrainResult)
        and isinstance(evaluated, Evaluation)
    ):  # many classes are refused before the split
        raise UsageError("the label has many classes", remedy="name one with --positive VALUE")
    return RunResult(sampled, trained, evaluated, report_of(found, paths))


def _look(table: Table, label: str, positive: str | None, context: Context) -> tuple[int, int]:
    """Look at the label of every row before anything is written: positives and negatives."""
    table.refuse_own_columns()
    table.require(label, "--label")
    counter = LabelCounter(label)
    for batch in context.track(table.batches([label]), "looking at the label", table.num_rows):
        with batch.located():
            counter.add(batch.column(label), batch.start)
    with located(table.place):
        chosen = choose_label(label, counter.counts, positive)
    positives = counter.counts[chosen.positive]
    return positives, table.num_rows - positives


def _default_budget(positives: int, negatives: int, context: Context) -> Budget:
    if negatives < DEFAULT_RATIO * positives:
        context.note(
            "no budget was given, and there are fewer than "
            f"{DEFAULT_RATIO:g} negatives per positive: all are kept, --rate 1"
        )
        return Budget(rate=1.0)
    context.note(f"no budget was given: --ratio {DEFAULT_RATIO:g} it is")
    return Budget(ratio=DEFAULT_RATIO)
