"""what is asked of a sample -> the same, checked as far as that goes before the table is read"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rebalance.core.design import LOCAL, UNIFORM, Budget
from rebalance.core.kinds import Kind
from rebalance.core.labels import canonical
from rebalance.core.selection import Terms
from rebalance.core.wording import counted
from rebalance.errors import ArtifactError, UsageError
from rebalance.samplers import Sampler, get_sampler
from rebalance.samplers.nonuniform import MATRICES
from rebalance.steps.artifacts.pilot import Pilot, read_pilot
from rebalance.steps.artifacts.sealed import design_sidecar
from rebalance.steps.context import Context
from rebalance.steps.information import curve, known_between, rate_for, tell_misfit, tell_rough
from rebalance.steps.memory import LIGHT, Need, within
from rebalance.steps.selection import Known
from rebalance.steps.withheld import why_withheld
from rebalance.storage.artifacts import is_of_classes, read_artifact
from rebalance.storage.atomic import check_outputs
from rebalance.storage.held import HELD_BYTES
from rebalance.storage.inputs import open_table
from rebalance.storage.reading import Expected
from rebalance.storage.tables import Table
from rebalance.storage.text_schema import expect
from rebalance.storage.writers import holds_metadata, output_format

# Retained rows, and the bins of the scores.
NEED = Need(LIGHT + HELD_BYTES + (16 << 20), outputs=1)
# Trees are taken at their word: linear pilots of so many positives were off by up to a tenth then.
FEW = 500


@dataclass(frozen=True)
class Asked:
    """What the user wants of a sample; None stands for what follows from the rest.

    called : the method's name as the user knows it, where it has several.
    """

    inputs: Sequence[str]
    output: str
    budget: Budget
    pilot: str | None = None
    label: str | None = None
    positive: str | None = None
    method: str | None = None
    score: str | None = None
    correction: str | None = None
    combine_pilot: bool = False
    key: str | None = None
    floor: float | None = None
    mix: float | None = None
    seed: int = 0
    probabilities: str | None = None
    design: str | None = None
    clobber: bool = True
    class_rates: Mapping[str, float] | None = None
    called: str | None = None


@dataclass(frozen=True)
class Ready:
    """A request that was checked as far as that goes without reading the table.

    correction : the estimate that efficiencies are of, "offset" or "weight".
    """

    table: Table
    pilot: Pilot | None
    known: Known
    correction: str
    planned_efficiency: float | None
    planned_between: tuple[float, float] | None
    withheld: str | None
    design_output: str | None
    not_planned: str | None = None


def asks_for_classes(asked: Asked) -> bool:
    """Whether a sample of many classes is asked for, as far as the table need not be read.

    Raises
    ------
    ArtifactError : see `storage.artifacts.read_artifact`.
    """
    if asked.class_rates is not None:
        return True
    if asked.pilot is None:
        return False
    return is_of_classes(read_artifact(asked.pilot, "pilot")[0])


def check_sample_outputs(asked: Asked) -> str | None:
    """Where the design is written apart from the sample, once sure of all outputs; None if inside.

    Raises
    ------
    UsageError : an output that is an input, has no known format, or must not be replaced.
    """
    sources = [*asked.inputs, *([asked.pilot] if asked.pilot else [])]
    output, design_output = asked.output, asked.design
    check_outputs([output, asked.probabilities, design_output], sources, clobber=asked.clobber)
    for name in filter(None, (output, asked.probabilities)):
        output_format(name)
    if design_output is None and output != "-" and not holds_metadata(output):
        design_output = design_sidecar(output)
        check_outputs([output, design_output], sources, clobber=asked.clobber)
    return design_output


def refuse_label_as_key(column: str, key: str | None) -> None:
    """Refuse draws by the label.

    Raises
    ------
    UsageError : the label is the key.
    """
    if key == column:
        raise UsageError(
            f"'{key}' is the label and --key at once", remedy="name another column with --key"
        )


def refuse_uniform_floor(asked: Asked) -> None:
    """Refuse what says nothing of uniform sampling.

    Raises
    ------
    UsageError : a floor or a share of uniform sampling is asked for.
    """
    if asked.floor is not None or asked.mix is not None:
        raise UsageError(
            "--floor and --mix have no meaning for uniform sampling", remedy="leave them out"
        )


def label_unknown() -> UsageError:
    """What is said where neither a label nor a pilot is given."""
    return UsageError(
        "the label is not known", remedy="name its column with --label, or give a --pilot"
    )


def refuse_other_label(known: str, asked: Asked) -> None:
    """Refuse a pilot of another label.

    Raises
    ------
    ArtifactError : another one is asked for.
    """
    if asked.label is not None and asked.label != known:
        raise ArtifactError(
            f"the pilot was made for the label '{known}', not '{asked.label}'",
            remedy=f"make one with 'rebalance pilot -l {asked.label}'",
        )


def expected_types(
    columns: Mapping[str, str],
    label: str,
    kinds: Mapping[str, Kind],
    asked: Asked,
    context: Context,
) -> Expected:
    """The types of text columns that the pilot knows: the table need not be read twice.

    columns : the types of the pilot's table. kinds : the columns that scores need, by kind.
    """
    named = [label, *([asked.key] if asked.key is not None else [])]
    as_text = output_format(asked.output) in ("csv", "tsv")
    return expect(columns, kinds, named, as_text=as_text, tell=context.note)


def ready(asked: Asked, context: Context) -> Ready:
    """Check everything that can be checked before the table is read.

    Raises
    ------
    UsageError, DataError, ArtifactError : see `sample`.
    """
    design_output = check_sample_outputs(asked)
    read = read_pilot(asked.pilot) if asked.pilot is not None else None
    sampler = get_sampler(asked.method, read, asked.score)
    uniform = sampler.score == UNIFORM
    if uniform:
        refuse_uniform_floor(asked)
    _check_score(sampler, read, asked, context)
    budget = _budget(sampler, read, asked, context)
    expected = Expected()
    if read is not None:
        kinds = sampler.kinds
        expected = expected_types(read.columns, read.label.column, kinds, asked, context)
    table = within(open_table(asked.inputs, context.reading, expected), context, NEED)
    table.refuse_own_columns()
    terms = Terms(budget, asked.floor, asked.mix or 0.0, uniform)
    known = _known(table, read, sampler, terms, asked)
    correction = _correction(read, asked)
    planned = between = None
    withheld = why_withheld(read) if read is not None else None
    if (
        read is not None
        and withheld is None
        and budget.rate is not None
        and _is_planned(read, terms, asked)
    ):
        place = f"file '{asked.pilot}'"
        planned = curve(read.plan, sampler.score, correction, place).efficiency(budget.rate)
        if planned is not None:
            between = known_between(read.plan, sampler.score, correction, budget.rate, planned)
            tell_misfit(read.plan, context)
        if asked.budget.efficiency is not None:
            tell_rough(read.plan, correction, planned, between, context)
    unusual = _unusual(terms, asked) if read is not None and read.plan else None
    return Ready(table, read, known, correction, planned, between, withheld, design_output, unusual)


def _correction(pilot: Pilot | None, asked: Asked) -> str:
    """What was asked for, or else what the pilot's plan is for."""
    own: str = "offset" if pilot is None else pilot.plan.get("correction", "offset")
    return asked.correction or own


def _is_planned(pilot: Pilot, terms: Terms, asked: Asked) -> bool:
    """Whether the pilot's plan is one for this sample."""
    return _unusual(terms, asked) is None and bool(pilot.plan)


def _unusual(terms: Terms, asked: Asked) -> str | None:
    """Why a pilot's plan says nothing of this sample, where it does not."""
    given = {
        "--floor": asked.floor is not None,
        "--mix": terms.mix != 0.0,
        "--combine-pilot": asked.combine_pilot,
    }
    named = [option for option, is_given in given.items() if is_given]
    return f"the pilot's plan is for samples without {' and '.join(named)}" if named else None


def _check_score(sampler: Sampler, pilot: Pilot | None, asked: Asked, context: Context) -> None:
    """Refuse what does not go together, and say what a score means for this pilot."""
    if sampler.score == LOCAL and asked.budget.rows is not None:
        raise UsageError(
            "--rows has no meaning for local-case-control, which thins the positives, too",
            remedy="give --rate or --ratio: they count negatives",
        )
    if sampler.score in MATRICES and pilot is not None and pilot.encoder is None:
        context.note(
            f"of a {pilot.learner} pilot, '{sampler.score}' sees z = (1, log odds): what a model "
            "needs that corrects the pilot"
        )
    if not asked.combine_pilot:
        return
    if pilot is None or pilot.encoder is None or pilot.draw.bound is None:
        raise UsageError(
            "--combine-pilot needs a logistic pilot of this version, and there is "
            + (f"a {pilot.learner} one" if pilot else "none"),
            remedy="make one with 'rebalance pilot', or leave --combine-pilot out",
        )
    if asked.budget.rows is not None or asked.budget.efficiency is not None:
        what = "--rows counts all rows" if asked.budget.rows else "--efficiency counts all that is"
        raise UsageError(
            f"{what} kept, and with --combine-pilot the pilot's rows come on top",
            remedy="give --rate or --ratio: they count the negatives drawn beside the pilot's",
        )
    if sampler.score == LOCAL or asked.key is not None:
        raise UsageError(
            "--combine-pilot goes neither with local-case-control nor with --key",
            remedy="leave one of them out",
        )


def _budget(sampler: Sampler, pilot: Pilot | None, asked: Asked, context: Context) -> Budget:
    """The budget; an efficiency becomes the rate that the pilot's plan gives for it."""
    efficiency = asked.budget.efficiency
    if efficiency is None:
        if asked.correction is not None:
            raise UsageError(
                "--correction says for which estimate an --efficiency is planned, and none is "
                "asked for",
                remedy="give it to 'rebalance train'",
            )
        return asked.budget
    if pilot is None:
        raise UsageError(
            "--efficiency needs a pilot, which knows how much information samples keep",
            remedy="make one with 'rebalance pilot' and give it with --pilot",
        )
    if asked.floor is not None or asked.mix is not None:
        raise UsageError(
            "an --efficiency is planned for the usual --floor and --mix", remedy="leave them out"
        )
    withheld = why_withheld(pilot)
    if withheld is not None:
        raise UsageError(withheld, remedy="give --rate, --ratio or --rows")
    if pilot.draw.positives < FEW and "standard_error_of_log" not in pilot.plan:
        context.note(
            f"the pilot saw {counted(pilot.draw.positives, 'positive')}: what it plans may be "
            "off by a tenth and more"
        )
    correction = _correction(pilot, asked)
    place = f"file '{asked.pilot}'"
    rate = rate_for(pilot.plan, sampler.score, correction, efficiency, place)
    return asked.budget.at_rate(rate)


def _known(
    table: Table, pilot: Pilot | None, sampler: Sampler, terms: Terms, asked: Asked
) -> Known:
    """What is known before the table is read; checks that the columns needed are there."""
    label, positive, key = asked.label, asked.positive, asked.key
    if key is not None:
        table.require(key, "--key")
    if pilot is None:
        if label is None:
            raise label_unknown()
        table.require(label, "--label")
        wanted = canonical(positive) if positive is not None else None
        found = Known(label, None, wanted, sampler, terms, asked.seed, key)
    else:
        refuse_other_label(pilot.label.column, asked)
        if positive is not None and canonical(positive) != pilot.label.positive:
            raise ArtifactError(
                f"the pilot's positive value is '{pilot.label.positive}', not '{positive}'",
                remedy=f"make one with 'rebalance pilot --positive {positive}'",
            )
        table.require(pilot.label.column, "the pilot's label")
        table.require_features(sampler.kinds, "the pilot")
        known = pilot.label
        joined = pilot.draw if asked.combine_pilot else None
        found = Known(known.column, known, known.positive, sampler, terms, asked.seed, key, joined)
        if joined is not None and joined.made_from != table.digest:
            raise ArtifactError(
                "the pilot was made from another file, or a copy of this one in another format or "
                "order: which of these rows it saw is not known",
                where=table.place,
                remedy="give the very file that the pilot was made from, make a pilot from this "
                "one, or leave --combine-pilot out",
            )
    refuse_label_as_key(found.column, key)
    return found
