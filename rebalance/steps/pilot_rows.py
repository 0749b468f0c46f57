"""draw -> the rows that a pilot is fitted to, on the population's scale"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import offset
from rebalance.core.draws import Purpose, uniforms
from rebalance.core.kinds import Kind
from rebalance.learners.base import TrainingRows
from rebalance.steps.draw import Draw
from rebalance.steps.features import check_total, whole
from rebalance.steps.pilot_task import DrawOptions


def pilot_rows(draw: Draw, kinds: dict[str, Kind], options: DrawOptions) -> TrainingRows:
    """The rows of a draw with their columns of these kinds; the offset is what drawing shifts.

    Raises
    ------
    DataError : weights that sum to nothing in a class.
    """
    columns = {name: whole(draw.table.column(name)) for name in kinds}
    weight = None
    if options.sample_weight is not None:
        weight = whole(draw.table.column(options.sample_weight)).to_numpy()
        check_total(weight, draw.y_true, options.sample_weight)
        weight = weight / weight.mean()  # their scale must not change a fit
    drawn = np.array([draw.y_true.sum()]), np.array([(~draw.y_true).sum()])
    shift = offset(drawn[1] / draw.negatives, drawn[0] / draw.positives)[0]
    count = len(draw.y_true)
    return TrainingRows(
        columns=columns,
        kinds=kinds,
        y_true=draw.y_true,
        # The whole shift log(n_1 N_0 / (n_0 N_1)) is an offset: what is fitted is the population.
        offset=np.full(count, shift),
        baseline=np.full(count, draw.population_log_odds + _log_mean_ratio(draw.y_true, weight)),
        sample_weight=weight,
        draws=uniforms(options.seed, Purpose.FOLDS, 0, count),
    )


def population_weight(rows: TrainingRows, draw: Draw) -> NDArray[np.float64]:
    """Weights that make the draw stand for the table, shape (n,); the user's count too."""
    return draw.stands_for if rows.sample_weight is None else draw.stands_for * rows.sample_weight


def _log_mean_ratio(y_true: NDArray[np.bool_], weight: NDArray[np.float64] | None) -> float:
    """How far the user's weights move the log odds: the log of the classes' mean weights."""
    if weight is None:
        return 0.0
    return float(np.log(weight[y_true].mean() / weight[~y_true].mean()))
