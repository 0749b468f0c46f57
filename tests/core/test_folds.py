"""Folds of rows of many classes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.folds import class_folds


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=80),
    st.integers(2, 5),
)
def test_rows_that_share_a_draw_are_in_one_fold(rows: list[tuple[int, int]], count: int) -> None:
    codes, number = np.array(rows, dtype=np.int64).T
    folds = class_folds(codes, number / 31, count)
    for code in np.unique(codes):
        own = {at: set(folds[(codes == code) & (number == at)]) for at in number[codes == code]}
        assert all(len(each) == 1 for each in own.values())
        of = [min(each) for each in own.values()]
        dealt = [of.count(fold) for fold in range(count)]
        if len(own) < count:
            assert set(of) == {-1}
        else:
            assert max(dealt) - min(dealt) <= 1
