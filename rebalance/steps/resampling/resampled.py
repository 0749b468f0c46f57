"""kept rows and made rows -> the sample and its design"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.arrays import to_arrow
from rebalance.core.design import Design
from rebalance.core.known import UNKNOWN
from rebalance.core.matrix import Matrix
from rebalance.samplers.fitting import Resampled
from rebalance.samplers.resampling import Order
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.artifacts.sealed import DESIGN_KEY
from rebalance.steps.ready import Ready
from rebalance.steps.resampling.rows import Held, Rows, made_batch
from rebalance.storage.tables import Table
from rebalance.storage.writers import output_format, table_writer


@dataclass(frozen=True)
class Work:
    """What was done to which rows.

    thinned : the design of the thinning, if there was one. unmade : columns without made values.
    """

    found: Ready
    rows: Rows
    matrix: Matrix
    order: Order
    done: Resampled
    thinned: Design | None
    unmade: tuple[str, ...]

    @cached_property
    def counts(self) -> tuple[int, int, int, int]:
        """Positives and negatives kept, positives and negatives made."""
        done = self.done
        kept, made = int(self.rows.y_true[done.kept].sum()), int(done.made_codes.sum())
        return kept, len(done.kept) - kept, made, len(done.made) - made

    @property
    def imputed(self) -> dict[str, Any]:
        """Of each column with missing values, how many, and what stood for them."""
        return imputed(self.matrix)

    def design(self, drawn: Design, key: str | None) -> Design:
        """The sample's: what it was made by, and that nothing undoes it."""
        order = self.order
        stage: dict[str, Any] = {
            "method": order.method.name,
            "settings": dict(order.settings),
            "wanted": order.wanted,
            "features": [place.name for place in self.matrix.places],
            "imputed": self.imputed,
        }
        before = (self.thinned,) if self.thinned else ()
        key = key or drawn.key
        _, kept, _, made = self.counts
        return replace(
            drawn,
            method=",".join([*(design.method for design in before), order.method.name]),
            score=UNKNOWN,
            rate=(kept + made) / drawn.negatives,
            c=1.0,
            floor=1.0,
            mix=0.0,
            drop=tuple(
                dict.fromkeys([*drawn.drop, *(name for name in self.unmade if name != key)])
            ),
            key=key,
            sample_weight=None if drawn.sample_weight in self.unmade else drawn.sample_weight,
            pilot_digest=None,
            stages=(*(design.to_document() for design in before), stage),
        )


def imputed(matrix: Matrix) -> dict[str, Any]:
    """Of each column with missing values, how many, and what stood for them."""
    return {
        each.name: {"rows": each.filled, "with": each.filled_with}
        for each in matrix.places
        if each.filled
    }


def write(work: Work, design: Design, output: str) -> None:
    """Kept rows in input order, then made ones."""
    rows, done = work.rows, work.done
    first = [np.argmax(rows.y_true == positive) for positive in (False, True)]
    column = design.label.column
    labels = rows.values(column, np.array(first)).take(to_arrow(done.made_codes))
    written = Written(
        work.found.table, rows, work.matrix, done, column, labels, makes=work.order.method.makes
    )
    written.write(Drawn(design, None).to_json(), output)


@dataclass(frozen=True)
class Written:
    """Rows that are kept and made, of any number of classes.

    labels : the values of the label's column in made rows.
    """

    table: Table
    rows: Held
    matrix: Matrix
    done: Resampled
    label: str
    labels: pa.Array
    makes: bool

    def write(self, design: str, output: str) -> None:
        """Kept rows in input order, then made ones; the design as JSON goes along."""
        rows, done = self.rows, self.done
        as_text = output_format(output) in ("csv", "tsv")
        with table_writer(output, self.table) as writer:
            writer.describe({DESIGN_KEY.decode(): design})
            start = 0
            for part in rows.parts:
                low, high = np.searchsorted(done.kept, [start, start + len(part)])
                at = done.kept[low:high]
                extra = {"rb_row": to_arrow(rows.numbers[at])}
                if self.makes:
                    extra |= _marks(np.zeros(len(at), dtype=bool), None, as_text)
                kept = part if len(at) == len(part) else part.take(at - start)
                writer.write(rows.relaxed(kept) if self.makes else kept, extra)
                start += len(part)
            if len(done.made):
                made = made_batch(rows, self.matrix, done.made, self.label, self.labels)
                parents = None if done.parents is None else rows.numbers[done.parents]
                extra = {"rb_row": pa.nulls(len(done.made), pa.int64())}
                extra |= _marks(np.ones(len(done.made), dtype=bool), parents, as_text)
                writer.write(made, extra)


def _marks(
    is_made: NDArray[np.bool_], parents: NDArray[np.int64] | None, as_text: bool
) -> dict[str, pa.Array]:
    """`rb_synthetic` and `rb_parents` of some rows."""
    kind = pa.string() if as_text else pa.list_(pa.int64())
    if parents is None:
        listed = pa.nulls(len(is_made), kind)
    elif as_text:
        listed = pa.array([" ".join(map(str, row)) for row in parents.tolist()], kind)
    else:
        ends = np.arange(0, parents.size + 1, parents.shape[1], dtype=np.int32)
        listed = pa.ListArray.from_arrays(to_arrow(ends), to_arrow(parents.ravel()))
    return {"rb_synthetic": to_arrow(is_made), "rb_parents": listed}
