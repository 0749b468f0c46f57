"""A learner's rows with the features that a recipe makes, and models that make them themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from rebalance.core.encoding import Encoder
from rebalance.core.kinds import Kind
from rebalance.errors import UsageError
from rebalance.learners.base import Reads, TrainingRows
from rebalance.learners.class_base import ClassRows
from rebalance.learners.encoded import Encoded
from rebalance.learners.focal import FocalModel

if TYPE_CHECKING:
    from rebalance.core.recipes import Recipe

R = TypeVar("R", TrainingRows, ClassRows)
F = TypeVar("F", bound=Reads)


def with_features(rows: R, kinds: Mapping[str, Kind], recipe: Recipe) -> R:
    """The rows with the features made of their columns, beside those of `kinds`.

    Raises
    ------
    DataError : a number is infinite, or has no logarithm.
    """
    recipe.check(rows.columns)
    own = {name: kind for name, kind in kinds.items() if name not in recipe.drop}
    return replace(rows, columns=recipe.columns(rows.columns), kinds=own | recipe.kinds)


def that_makes(fitted: F, recipe: Recipe) -> F:
    """The model, fitted to rows with features, as one that makes them of a table's columns.

    Raises
    ------
    UsageError : it is of a learner that does not encode columns.
    """
    if isinstance(fitted, FocalModel):
        return cast(F, replace(fitted, scores=that_makes(fitted.scores, recipe)))
    if not isinstance(fitted, Encoded):
        raise UsageError(
            f"a model of this kind ({type(fitted).__name__}) takes no features of a recipe",
            remedy="leave --features out, or choose another --model",
        )
    return replace(fitted, encoder=replace(fitted.encoder, recipe=recipe))


def features_of(fitted: Reads) -> Mapping[str, Kind]:
    """The features that a model uses, those that it makes itself among them, by kind."""
    inner = _encoded(fitted)
    return inner.reading.kinds if isinstance(inner, Encoded) else inner.kinds


def recipe_of(fitted: Reads) -> Recipe | None:
    """What a model makes its features by; None where all of them are columns."""
    encoder = encoder_of(fitted)
    return None if encoder is None else encoder.recipe


def encoder_of(fitted: Reads) -> Encoder | None:
    """What a model encodes columns by; None where it does not."""
    inner = _encoded(fitted)
    return inner.encoder if isinstance(inner, Encoded) else None


def _encoded(fitted: Reads) -> Reads:
    """What reads the columns: of the focal loss, the learner of its scores."""
    return fitted.scores if isinstance(fitted, FocalModel) else fitted
