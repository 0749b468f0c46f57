"""what the user asked for + what the learner can do -> what training is to do

How each learner's probabilities are made true is in `learners.catalogue`; here it is obeyed.
"""

from __future__ import annotations

from dataclasses import replace

from rebalance.core.design import UNIFORM
from rebalance.errors import UsageError
from rebalance.learners import get_learner
from rebalance.learners.base import Learner, Settings
from rebalance.learners.catalogue import AUTO as CHOSEN_LATER
from rebalance.learners.catalogue import DEFAULT_CALIBRATION, Entry, entry_of
from rebalance.steps.choice import tell_many_classes
from rebalance.steps.context import Context
from rebalance.steps.recalibrate import AUTO, NO_METHOD, Wanted
from rebalance.steps.train_task import TrainAsked, TrainTask, scale_of

_GIVE = (
    "give --calibrate-on TABLE, labelled rows of the natural distribution; the table that was "
    "sampled serves"
)


def refuse_unsuited(asked: TrainAsked) -> None:
    """Check what can be checked before anything is read.

    Raises
    ------
    UsageError : see `_refuse_correction` and `_refuse_scores`.
    """
    entry = entry_of(asked.model)
    _refuse_correction(entry, asked.correction)
    if entry.one_class:
        _refuse_scores(entry, asked.wanted)
    if asked.sample_weight is not None:
        _refuse_weights(entry, "--sample-weight")


def suited(asked: TrainAsked, task: TrainTask, context: Context) -> tuple[TrainAsked, TrainTask]:
    """The same, with the learner's own correction and calibration where none was asked for.

    Raises
    ------
    UsageError : the learner cannot do what was asked for.
    """
    entry = entry_of(asked.model)
    if task.sample_weight is not None:
        _refuse_weights(entry, f"the column '{task.sample_weight}'")
    if task.correction not in ("none", *entry.corrections):
        usual = entry.corrections[0] if entry.corrections else "none"
        task = replace(task, correction=usual)
    if not entry.needs_calibration:
        return asked, task
    if entry.one_class and task.drawn is not None and task.drawn.design.score != UNIFORM:
        context.note(
            f"the sample keeps negatives that look like positives, and --model {asked.model} takes "
            "what it sees of the common class for usual: a uniform sample serves it better"
        )
    wanted = asked.wanted
    if wanted.on and wanted.method in (None, AUTO) and not wanted.declined:
        context.note(
            f"--model {asked.model} is calibrated by {DEFAULT_CALIBRATION} on the natural rows "
            "(--recalibrate beta or isotonic for another)"
        )
        return replace(asked, wanted=replace(wanted, method=DEFAULT_CALIBRATION)), task
    if asked.weighting.costs is not None and wanted.method is None:
        raise UsageError(
            "--cost needs the population's probabilities, and those of --model "
            f"{asked.model} are the population's only once they are calibrated",
            remedy=_GIVE,
        )
    known = task.drawn is None or task.drawn.design.correctable
    if wanted.method is None and known:
        context.note(
            f"the probabilities of --model {asked.model} are not calibrated, and on the scale of "
            "what it was trained on: --calibrate-on TABLE, rows of the natural distribution, makes "
            "them the population's"
        )
    return asked, task


def pilot_for(model: str) -> str:
    """What a pilot of this model is: the same where that is fast and knows offsets, else gbm."""
    return model if model in ("logistic", "gbm") else "gbm"


def method_for(model: str, method: str | None, context: Context) -> str | None:
    """The sampler of a run: uniform for a learner of the common class, where none was named."""
    if method is not None or model == CHOSEN_LATER or not entry_of(model).one_class:
        return method
    context.note(
        f"--method uniform it is: --model {model} learns the common class, of which another sample "
        "keeps what looks like positives"
    )
    return UNIFORM


def refuse_unusable(
    model: str, settings: Settings, recalibrate: str, sample_weight: str | None
) -> Learner:
    """The learner, once sure, before anything is read, that it can give what a run promises.

    Raises
    ------
    UsageError : an unknown learner or setting, or one left uncalibrated that must not be.
    """
    named = "gbm" if model == CHOSEN_LATER else model
    learner = get_learner(named, settings)
    entry = entry_of(named)
    if sample_weight is not None:
        _refuse_weights(entry, "--sample-weight")
    if entry.one_class:
        _refuse_scores(entry, Wanted.of(["train"], recalibrate))
    if entry.needs_calibration and recalibrate == NO_METHOD:
        raise UsageError(
            f"--model {model} gives the population's probabilities only once it is calibrated, and "
            "--recalibrate none leaves it as it is",
            remedy="give --recalibrate platt, beta or isotonic",
        )
    return learner


def model_of_classes(model: str, context: Context) -> str:
    """The learner of many classes that `auto` comes to; any other is itself."""
    tell_many_classes(context, chosen=model == CHOSEN_LATER)
    return "gbm" if model == CHOSEN_LATER else model


def scale_for(task: TrainTask, model: str) -> str:
    """Whether what is fitted is on the "sample"'s scale, the "population"'s, or a "score"."""
    return "score" if entry_of(model).one_class else scale_of(task)


def _refuse_correction(entry: Entry, correction: str | None) -> None:
    if correction is None or correction in entry.corrections:
        return
    can = " or ".join(f"--correction {name}" for name in entry.corrections)
    raise UsageError(
        f"--model {entry.name} cannot be corrected by --correction {correction}",
        remedy=f"its probabilities are made true by: {entry.correction.formula}; "
        + (f"give {can}, or leave it out" if can else "leave it out"),
    )


def _refuse_weights(entry: Entry, what: str) -> None:
    """Refuse the user's weights, where the learner has no place for them.

    Raises
    ------
    UsageError : it has none.
    """
    if not entry.weights:
        raise UsageError(
            f"--model {entry.name} takes no weights of rows, and {what} gives some",
            remedy="choose --model gbm, logistic or forest",
        )


def _refuse_scores(entry: Entry, wanted: Wanted) -> None:
    """Refuse to leave a score as it is, which is no probability on any scale.

    Raises
    ------
    UsageError : no table to calibrate on, or no map with a slope.
    """
    if not wanted.on:
        raise UsageError(
            f"--model {entry.name} learns the common class alone and gives scores, which are no "
            "probabilities before they are calibrated",
            remedy=_GIVE,
        )
    if wanted.declined or wanted.method == "intercept":
        raise UsageError(
            f"--recalibrate {wanted.method or 'none'} leaves the scores of --model {entry.name} "
            "as they are, which are no probabilities",
            remedy="give --recalibrate platt, beta or isotonic",
        )
