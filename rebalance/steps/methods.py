"""what is asked of a sample -> the step that makes it, or says what it would take"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rebalance.steps.context import Context
from rebalance.steps.ready import Asked
from rebalance.steps.resampling.classic import Classic, ResampleResult

if TYPE_CHECKING:
    from rebalance.steps.classes.resampled import ClassResampleResult
    from rebalance.steps.classes.sample import ClassSampleResult
    from rebalance.steps.plan import Plan
    from rebalance.steps.sample import SampleResult


def sample_by(
    asked: Asked | Classic, context: Context
) -> SampleResult | ClassSampleResult | ResampleResult | ClassResampleResult:
    """The sample: by a thinning, by repeating rows, or by a method of imbalanced-learn's.

    Raises
    ------
    UsageError, DataError, ArtifactError, FitError : see the step that makes it.
    """
    if isinstance(asked, Asked):
        from rebalance.steps.sample import sample

        return sample(asked, context)
    if asked.chain.repeats:
        from rebalance.steps.oversample import oversample

        return oversample(asked.asked, asked.chain, context)
    from rebalance.steps.resample import resample

    return resample(asked, context)


def plan(asked: Asked | Classic, context: Context) -> Plan:
    """What `sample_by` would do; reads no more than the first rows.

    Raises
    ------
    UsageError, DataError, ArtifactError : whatever it would find before it reads the table.
    """
    from rebalance.steps.plan_sample import plan_classic, plan_sample

    return plan_sample(asked, context) if isinstance(asked, Asked) else plan_classic(asked, context)
