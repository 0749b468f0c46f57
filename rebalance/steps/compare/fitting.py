"""recipe + fold -> pilot, sample, model, predictions -> outcome"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from rebalance.core.matrix import MEDIAN
from rebalance.errors import FitError
from rebalance.learners.base import Settings
from rebalance.steps.compare.folds import FoldFiles
from rebalance.steps.compare.outcome import Outcome, score_column
from rebalance.steps.compare.recipes import Recipe
from rebalance.steps.context import Context
from rebalance.steps.oversample import oversample
from rebalance.steps.pilot import pilot
from rebalance.steps.predict import PROBABILITY, SAMPLED, predict
from rebalance.steps.ready import Asked
from rebalance.steps.recalibrate import NOTHING_WANTED, Wanted
from rebalance.steps.resample import resample
from rebalance.steps.resampling.classic import Classic
from rebalance.steps.sample import sample
from rebalance.steps.train import train
from rebalance.steps.train_task import TrainAsked
from rebalance.steps.trained import TrainResult
from rebalance.storage.reading import Reading


@dataclass(frozen=True)
class Made:
    """An artifact of a fold, the seconds it took, and what was said."""

    path: str
    seconds: float
    notes: tuple[str, ...]


@dataclass
class Bench:
    """One fold at work: pilots and samples are made once, for all ways that need them.

    What a way took is counted as if it had made them itself.
    """

    files: FoldFiles
    surroundings: Context
    precision: float
    uncorrected: bool
    made: dict[str, Made] = field(default_factory=dict)

    def fit(self, recipe: Recipe, limit: float) -> Outcome:
        """Carry a way out; its method in memory may take `limit` seconds.

        Raises
        ------
        RebalanceError : the way refuses.
        """
        way = recipe.way
        seconds: dict[str, float] = {}
        notes: list[str] = []
        source, guide = self.files.train, None
        if way.pilot is not None:
            guide = self._pilot(recipe, way.pilot)
            seconds["pilot"] = guide.seconds
            notes += guide.notes
        if way.chain is not None:
            drawn = self._sample(recipe, guide, limit)
            source, seconds["sample"] = drawn.path, drawn.seconds
            notes += drawn.notes
        context = self._quiet()
        model, predictions = self._path("model.rbl"), self._path("predictions.parquet")
        start = time.perf_counter()
        fitted = train(self._training(recipe, source, model), context)
        seconds["train"] = time.perf_counter() - start
        if not isinstance(fitted, TrainResult):
            raise FitError("the label has many classes", remedy="name one with --positive VALUE")
        label = recipe.label
        both = self.uncorrected and way.chain is not None
        predict(
            [self.files.test],
            model,
            predictions,
            keep=[label.column],
            sampled=both,
            context=context,
        )
        scores = score_column(predictions, label, PROBABILITY, self.precision)
        raw = score_column(predictions, label, SAMPLED, self.precision) if both else None
        return Outcome(
            way=way.name,
            fold=self.files.number,
            rows=fitted.rows,
            positives=fitted.positives,
            test_rows=self.files.test_rows,
            test_positives=self.files.test_positives,
            seconds=seconds,
            finishing=time.perf_counter() - start,
            scores=scores,
            uncorrected=raw,
            notes=tuple(dict.fromkeys([*notes, *context.notes])),
        )

    def trial(self, recipe: Recipe, part: str) -> float:
        """The seconds that training on a part of the natural rows takes, and predicting the test.

        Raises
        ------
        RebalanceError : the learner refuses.
        """
        context = self._quiet()
        model, predictions = self._path("trial.rbl"), self._path("trial.parquet")
        start = time.perf_counter()
        asked = self._training(recipe, part, model)
        train(replace(asked, natural=True, wanted=NOTHING_WANTED), context)
        label = recipe.label.column
        predict([self.files.test], model, predictions, keep=[label], context=context)
        return time.perf_counter() - start

    def _quiet(self) -> Context:
        """Surroundings of a step that tell nobody; folds are Parquet, however the table is read."""
        around = self.surroundings
        reading = Reading(batch_rows=around.reading.batch_rows)
        return Context(around.threads, reading, around.memory_limit)

    def _path(self, name: str) -> str:
        return str(self.files.folder / name)

    def _training(self, recipe: Recipe, source: str, model: str) -> TrainAsked:
        way = recipe.way
        wanted = NOTHING_WANTED
        if way.calibrates:
            wanted = Wanted.of([self.files.train], recipe.recalibrate)
        return TrainAsked(
            [source],
            model,
            model=way.learner,
            settings=Settings(seed=recipe.seed, threads=self.surroundings.threads),
            natural=way.chain is None,
            label=recipe.label.column,
            positive=recipe.label.positive,
            drop=recipe.drop,
            key=recipe.key,
            wanted=wanted,
        )

    def _pilot(self, recipe: Recipe, kind: str) -> Made:
        """The fold's pilot of a kind."""
        name = f"pilot-{kind}.rbl"
        if name not in self.made:
            context = self._quiet()
            start = time.perf_counter()
            pilot(
                [self.files.train],
                recipe.label.column,
                self._path(name),
                model=kind,
                positive=recipe.label.positive,
                drop=recipe.drop,
                key=recipe.key,
                seed=recipe.seed,
                context=context,
            )
            self.made[name] = self._done(name, start, context)
        return self.made[name]

    def _sample(self, recipe: Recipe, guide: Made | None, limit: float) -> Made:
        """The fold's sample by a method, with a pilot or without."""
        way = recipe.way
        name = f"{way.method}-{way.pilot}.parquet"
        if name in self.made:
            return self.made[name]
        context = self._quiet()
        chain = way.chain
        start = time.perf_counter()
        asked = Asked(
            [self.files.train],
            self._path(name),
            recipe.budget,
            pilot=guide.path if guide is not None else None,
            label=recipe.label.column if guide is None else None,
            positive=recipe.label.positive if guide is None else None,
            method=chain.thinning if chain is not None else None,
            seed=recipe.seed,
        )
        if chain is not None and chain.repeats:
            oversample(asked, chain, context)
        elif recipe.in_memory is not None:
            resample(
                Classic(asked, recipe.in_memory, (), MEDIAN, recipe.not_features, seconds=limit),
                context,
            )
        else:
            sample(asked, context)
        self.made[name] = self._done(name, start, context)
        return self.made[name]

    def _done(self, name: str, start: float, context: Context) -> Made:
        return Made(self._path(name), time.perf_counter() - start, tuple(context.notes))
