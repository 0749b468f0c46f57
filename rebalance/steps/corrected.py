"""model + how its rows came about -> what its probabilities are called, by the one table"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rebalance.core.corrections import CURRICULUM, TWO_STAGE, Kind, correction_of, worse
from rebalance.learners.base import Settings
from rebalance.steps.artifacts.model import Model
from rebalance.steps.context import Context
from rebalance.steps.weigh import Weighed
from rebalance.steps.weighting import Weighting

LEFT_AS_FITTED = (
    "--scale sample: probabilities are left on the sample's scale, and not the population's"
)


def tell_corrected(
    model: Model, settings: Settings, weighed: Weighed | None, context: Context
) -> str | None:
    """The kind of correction, with a note where it holds about.

    None where there is nothing to correct, or probabilities are left as fitted.
    """
    if model.recalibration is not None:
        return "calibrated"
    bent = weighed.correction if weighed is not None and weighed.reweighted.bends else None
    if bent == "none":
        return None
    if model.correctable and model.drawn is not None and model.output_scale == "sample":
        context.note(LEFT_AS_FITTED)
        return None
    if not model.gives_population:
        return "refused"
    method = model.drawn.design.method if model.drawn is not None else None
    what = ""
    staged = {CURRICULUM: settings.curriculum, TWO_STAGE: settings.two_stage}
    asked = next((name for name, wanted in staged.items() if wanted), None)
    if asked is not None and model.correctable:
        method, what = asked, f"the correction of --{asked}"
    if method is None:
        return bent
    kind = tell_approximate(method, model.learner, model.correction, context, what)
    return bent if bent is not None and kind == "exact" else kind


def tell_approximate(
    method: str, learner: str, correction: str, context: Context, what: str = ""
) -> Kind:
    """The kind of a sampler's correction in a model, of two classes or of many; says "about"."""
    row = correction_of(method, learner, correction)
    if row.kind == "approximate":
        what = what or f"of a {method} sample, --correction {correction}"
        context.note(
            f"in a model by {learner}, {what} is about right, not exact: look at "
            f"predicted_over_observed; better is {row.remedy}"
        )
    return row.kind


def weighting_of(model: Model, weighed: Weighed | None, asked: Weighting) -> dict[str, Any] | None:
    """What became of class weights and the loss, as JSON; they are undone as truly as the sampling.

    For they are of a fit to the sample, whose log odds are the population's by its own correction.
    """
    if weighed is None:
        return None
    if weighed.correction != "none" and model.drawn is not None:
        method = model.drawn.design.method
        sampling = correction_of(method, model.learner, model.correction).kind
        weighed = replace(weighed, correction=worse(weighed.correction, sampling))
    return weighed.document(asked)
