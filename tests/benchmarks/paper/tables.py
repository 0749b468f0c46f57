"""The results as Markdown, by the names of the markers in the guide's page."""

from __future__ import annotations

from collections.abc import Sequence

from tests.benchmarks.paper.estimators import METHODS, PILOTS, PREDICTED, SOURCES
from tests.benchmarks.paper.populations import CASES
from tests.benchmarks.paper.results import OPTIMAL, Results, Verdict

LOCAL = METHODS.index("local case-control")
COMBINED = METHODS.index("combined")
PREDICTION_BAR = 0.1


def tables(results: Results) -> dict[str, str]:
    """Every table and the bars."""
    made = {"populations": _populations(results)}
    for pilot, name in enumerate(PILOTS):
        made[f"pilot {name}"] = _distances(results, pilot)
    return made | {
        "bars": _bars(results),
        "kept": _kept(results),
        "efficiency": _efficiency(results),
        "within": _within(results),
    }


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table whose first `texts` columns are words and the others numbers."""
    ruler = ["---"] * texts + ["---:"] * (len(headings) - texts)
    return "".join(f"| {' | '.join(row)} |\n" for row in (headings, ruler, *rows))


def _populations(results: Results) -> str:
    rows = []
    for case, positives in zip(CASES, results.positives, strict=True):
        share = results.rows[0] / positives.mean()
        least, most = positives.min(), positives.max()
        intercept = f"{case.intercept:g}"
        counts = f"{positives.mean():,.0f} ({least:,.0f} to {most:,.0f})"
        rows.append([case.name, intercept, counts, f"{share:,.0f}"])
    return markdown(["features", "intercept", "positives", "one in"], rows)


def _budgets(results: Results) -> list[str]:
    return [f"{int(budget):,}" for budget in results.budgets]


def _distances(results: Results, pilot: int) -> str:
    """log MSE, and behind it by how much optimal, offset is lower, with the paired error."""
    means = results.log_mse()
    rows = []
    for number, case in enumerate(CASES):
        for method, name in enumerate(METHODS):
            row = [case.name if method == 0 else "", name]
            for budget in range(len(results.budgets)):
                text = f"{means[number, pilot, method, budget]:.2f}"
                if method != OPTIMAL:
                    found = results.difference(number, pilot, budget, method, OPTIMAL)
                    text += f" ({found.log_ratio:+.2f} ± {found.error:.2f})"
                row.append(text)
            rows.append(row)
    return markdown(["features", "estimator", *_budgets(results)], rows, 2)


def _kept(results: Results) -> str:
    """Mean rows of local case-control and of the combined estimator, and of the others."""
    kept = results.kept.mean(axis=1)
    rows = []
    for number, case in enumerate(CASES):
        for pilot, name in enumerate(PILOTS):
            for method in (OPTIMAL, LOCAL, COMBINED):
                counts = kept[number, pilot, method]
                cells = [f"{negative:,.0f} + {positive:,.0f}" for negative, positive in counts]
                first = case.name if (pilot, method) == (0, OPTIMAL) else ""
                rows.append([first, name if method == OPTIMAL else "", METHODS[method], *cells])
    return markdown(["features", "pilot", "estimator", *_budgets(results)], rows, 3)


def _efficiency(results: Results) -> str:
    rows = []
    for number, case in enumerate(CASES):
        for method in PREDICTED:
            row = [case.name if method == PREDICTED[0] else "", method]
            for budget in range(len(results.budgets)):
                found = results.efficiency(number, method, budget)
                predicted = " / ".join(f"{each:.3f}" for each in found.predicted)
                row.append(f"{predicted} / {found.realised:.3f} ± {found.error:.3f}")
            rows.append(row)
    return markdown(["features", "estimator", *_budgets(results)], rows, 2)


def _within(results: Results) -> str:
    """By estimator and source, how many predictions are within the bar, and the largest miss."""
    rows = []
    for method in PREDICTED:
        row = [method]
        for source in range(len(SOURCES)):
            misses = []
            for number, case in enumerate(CASES):
                for place, budget in enumerate(_budgets(results)):
                    found = results.efficiency(number, method, place)
                    miss = found.predicted[source] / found.realised - 1
                    misses.append((abs(miss), miss, f"{case.name}, {budget}"))
            within = sum(miss[0] <= PREDICTION_BAR for miss in misses)
            _, worst, where = max(misses)
            row.append(f"{within} of {len(misses)}; {worst:+.1%} ({where})")
        rows.append(row)
    return markdown(["estimator", *SOURCES], rows, 1 + len(SOURCES))


def _bars(results: Results) -> str:
    return _bar(
        "Pilot as fitted: `optimal, offset` is within two paired standard errors of the best but "
        "for full and combined",
        results.fitted_bar(),
    ) + _bar(
        "Wrong pilot: `optimal, offset` is not significantly worse than `uniform, weighted`",
        results.wrong_bar(),
    )


def _bar(text: str, verdicts: Sequence[Verdict]) -> str:
    line = f"- {text}: {sum(one.holds for one in verdicts)} of {len(verdicts)}.\n"
    for one in verdicts:
        if not one.holds:
            line += (
                f"  - Not with {one.case}, n = {one.budget:,}: log MSE higher than {one.rival} by "
                f"{one.found.log_ratio:.3f} ± {one.found.error:.3f}.\n"
            )
    return line
