"""model + how its rows came about -> what its probabilities are called, by the one table"""

from __future__ import annotations

from rebalance.core.corrections import Kind, correction_of
from rebalance.steps.artifacts.model import Model
from rebalance.steps.context import Context


def tell_corrected(model: Model, context: Context) -> Kind | None:
    """The kind of correction, with a note where it holds about; None where nothing was sampled."""
    if model.recalibration is not None:
        return "calibrated"
    if model.drawn is None:
        return None
    method = model.drawn.design.method
    row = correction_of(method, model.learner, model.correction)
    if row.kind == "approximate":
        context.note(
            f"of a {model.learner} model of a {method} sample, --correction {model.correction} is "
            "about right, not exact: look at predicted_over_observed; "
            f"better is {row.remedy}, or --calibrate-on TABLE"
        )
    return row.kind
