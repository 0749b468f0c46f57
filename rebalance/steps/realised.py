"""rows kept -> how much of the table's information they have, by what a pilot knows

The table's rows are not there any more, so it is an estimate from the rows kept, each of which
stands for one over the share of rows at its x that a sample keeps.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow, to_numpy
from rebalance.core.correction import probability
from rebalance.core.efficiency import Chances, standing_for
from rebalance.core.forecast import Forecast
from rebalance.core.posterior import quadrature
from rebalance.core.reservoir import Reservoir
from rebalance.steps.artifacts.pilot import Pilot
from rebalance.steps.features import whole
from rebalance.steps.information import features, range_of
from rebalance.storage.tables import Batch

Floats = NDArray[np.float64]

# Rows kept of each class are looked at, no more: of so many the range is a few hundredths wide.
LOOKED_AT = 10_000
_PI_0, _PI_1 = "rb_pi_0", "rb_pi_1"  # no features: those are refused


class Realised:
    """Holds some of the rows kept, whichever they are by their draws."""

    def __init__(self, pilot: Pilot, seed: int) -> None:
        self._pilot = pilot
        self._reservoir = Reservoir(LOOKED_AT)
        self._generator = np.random.default_rng([seed, LOOKED_AT])
        self._counts = np.zeros(2, dtype=np.int64)

    def add(self, rows: Batch, y_true: NDArray[np.bool_], chances: Chances) -> None:
        """Add rows that are kept, in their order."""
        if not len(y_true):
            return
        columns = dict(rows.features(self._pilot.kinds))
        columns |= {_PI_0: to_arrow(chances.pi_0), _PI_1: to_arrow(chances.pi_1)}
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        codes = y_true.astype(np.int64)
        self._counts += np.bincount(codes, minlength=2)
        self._reservoir.add(batch, codes, self._generator.random(len(codes)))

    def efficiency(self, correction: str) -> tuple[float, tuple[float, float] | None] | None:
        """The estimate, and its 95% range; of trees, whose own error is not known, no range.

        None where nothing was kept of a class.
        """
        from threadpoolctl import threadpool_limits

        if not self._counts.all():
            return None
        table, codes = self._reservoir.finish()
        columns = {name: whole(table.column(name)) for name in table.column_names}
        chances = Chances(to_numpy(columns.pop(_PI_0)), to_numpy(columns.pop(_PI_1)))
        looked_at = np.bincount(codes, minlength=2) / self._counts
        drawn = Chances(chances.pi_0 * looked_at[0], chances.pi_1 * looked_at[1])
        with threadpool_limits(1):  # sums in another order would depend on the machine
            log_odds = self._pilot.log_odds(columns)
            z = features(self._pilot.encoder, columns, log_odds)
            known = self._pilot.known
            p = probability(log_odds)
            if known is not None:
                p = quadrature()[1] @ probability(known.nodes(z))
            count = standing_for(p, drawn)
            found = Forecast(
                z,
                log_odds,
                count,
                known,
                count_by_log_odds=p * (1 - p) * (drawn.pi_0 - drawn.pi_1) * count,
                simulated=correction == "weight",
            )
            seen = found.of(chances)[correction]
        between = None if known is None else range_of(seen.efficiency, seen.error)
        return min(seen.efficiency, 1.0), between
