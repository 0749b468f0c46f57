"""Forests and balanced ensembles, grown by scikit-learn and imbalanced-learn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.parameters import Value
from rebalance.core.wording import first_line
from rebalance.errors import FitError
from rebalance.learners.base import Fitted, Settings, TrainingRows
from rebalance.learners.listed import Listed
from rebalance.learners.tree_votes import Form, TreeVotes, as_matrix, load_votes

Floats = NDArray[np.float64]


class Ensemble(Listed):
    """Trees that vote; the offset of a sample is no part of their fit."""

    def fit(self, rows: TrainingRows, settings: Settings) -> Fitted:
        """Grow the trees; each has a seed of its own, so that threads change nothing.

        Raises
        ------
        FitError : the library cannot fit these rows.
        """
        given = self.parameters(settings)
        encoder = self.encoder(rows)
        jobs = settings.threads or -1
        estimator = _estimator(self.name, given, settings.seed % 2**31, jobs)
        weight = {} if rows.sample_weight is None else {"sample_weight": rows.sample_weight}
        notes = fit_quietly(
            self.name, estimator, as_matrix(encoder, rows.columns), rows.y_true, weight
        )
        trees, bags, weights = _taken_apart(self.name, estimator)
        asked = given["n_estimators"]
        if self.name == "rusboost" and len(trees) < int(asked):
            notes += (
                f"rusboost: boosting ended after {len(trees)} of {asked} trees, as the next was no "
                "better than chance on all rows; --set max_depth=3 lets each tell more",
            )
        form: Form = "averaged" if self.name in _AVERAGED else "boosted"
        return TreeVotes(encoder, self.name, trees, form, bags, weights, made_by(), notes)

    def load(self, members: Mapping[str, bytes]) -> Fitted:
        """The model that `members` described."""
        return load_votes(self.name, members)


_AVERAGED = ("forest", "balanced-forest", "balanced-bagging")


def made_by() -> str:
    """The library that trees are of, with its version."""
    import sklearn

    return f"scikit-learn {sklearn.__version__}"


def fit_quietly(
    name: str, estimator: Any, matrix: Any, target: Any, weight: Mapping[str, Any]
) -> tuple[str, ...]:
    """Fit an estimator, and give what it warned of.

    Raises
    ------
    FitError : it cannot be fitted.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator.fit(matrix, *([] if target is None else [target]), **weight)
        except (
            ValueError,
            RuntimeError,
            IndexError,
            ArithmeticError,
            np.linalg.LinAlgError,
        ) as exc:
            raise FitError(
                f"{name} cannot be fitted: {first_line(exc)}",
                remedy="let its trees tell more, with --set max_depth=3"
                if "worse than random" in str(exc)
                else "change its parameters with --set (see train --models), or the --model",
            ) from exc
    said = (each for each in caught if issubclass(each.category, UserWarning))
    return tuple(dict.fromkeys(f"{name}: {first_line(each.message)}" for each in said))


def _estimator(name: str, given: Mapping[str, Value], seed: int, jobs: int) -> Any:
    from imblearn import ensemble as balanced
    from sklearn import ensemble
    from sklearn.tree import DecisionTreeClassifier

    fixed = {"random_state": seed}
    if name == "forest":
        return ensemble.RandomForestClassifier(**given, **fixed, n_jobs=jobs)
    if name == "balanced-forest":
        return balanced.BalancedRandomForestClassifier(**given, **fixed, n_jobs=jobs)
    # The others would start processes of their own, not threads.
    rest = dict(given)
    count = rest.pop("n_estimators")
    if name == "balanced-bagging":
        tree = DecisionTreeClassifier(**rest)
        return balanced.BalancedBaggingClassifier(tree, n_estimators=count, **fixed)
    if name == "easy-ensemble":
        boosted = ensemble.AdaBoostClassifier(n_estimators=rest["stumps"])
        return balanced.EasyEnsembleClassifier(count, boosted, **fixed)
    tree = DecisionTreeClassifier(max_depth=rest.pop("max_depth"))
    return balanced.RUSBoostClassifier(tree, n_estimators=count, random_state=seed, **rest)


def _taken_apart(name: str, estimator: Any) -> tuple[list[Any], tuple[int, ...], Floats]:
    """The trees of an ensemble, how many each bag has, and their weights."""
    if name == "rusboost":
        boosted = [estimator]
    elif name == "easy-ensemble":
        boosted = [pipeline[-1] for pipeline in estimator.estimators_]
    else:
        grown = [getattr(each, "steps", [(None, each)])[-1][1] for each in estimator.estimators_]
        return [each.tree_ for each in grown], (len(grown),), np.ones(len(grown))
    trees = [each.tree_ for bag in boosted for each in bag.estimators_]
    bags = tuple(len(bag.estimators_) for bag in boosted)
    weights = np.concatenate([bag.estimator_weights_[: len(bag.estimators_)] for bag in boosted])
    return trees, bags, weights.astype(np.float64)
