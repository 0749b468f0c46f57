"""A picture of the log mean squared distances: a column a population, a row a pilot."""

from __future__ import annotations

import io

from tests.benchmarks.paper.estimators import METHODS, PILOTS
from tests.benchmarks.paper.populations import CASES
from tests.benchmarks.paper.results import FULL, Results

# Okabe and Ito 2008; dashed are weighted, solid have the offset.
STYLES = {
    "full": ("#000000", ":", ""),
    "uniform, weighted": ("#56B4E9", "--", "o"),
    "uniform, offset": ("#56B4E9", "-", "o"),
    "optimal, weighted": ("#D55E00", "--", "s"),
    "optimal, offset": ("#D55E00", "-", "s"),
    "probability, offset": ("#009E73", "-", "^"),
    "local case-control": ("#CC79A7", "-.", "D"),
    "combined": ("#E69F00", "-", "v"),
}
STYLE = {
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
    "svg.hashsalt": "rebalance",
    "svg.fonttype": "none",
}


def picture(results: Results) -> bytes:
    """The SVG: the same results give the same bytes."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    means = results.log_mse()
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 6), layout="constrained")
        FigureCanvasSVG(figure)
        panels = figure.subplots(len(PILOTS), len(CASES), sharex=True, sharey="col", squeeze=False)
        for row, pilot in enumerate(PILOTS):
            for column, case in enumerate(CASES):
                axes = panels[row][column]
                for name, (colour, line, marker) in STYLES.items():
                    method = METHODS.index(name)
                    axes.plot(
                        results.budgets, means[column, row, method],
                        color=colour, linestyle=line, marker=marker, markersize=3.5,
                        linewidth=1.3, label=name, zorder=1 if method == FULL else 2,
                    )  # fmt: skip
                axes.set_title(f"{case.name}, pilot {pilot}", fontsize=9, loc="left")
                axes.set_xscale("log")
                axes.set_xticks(results.budgets, [f"{n / 1000:g}k" for n in results.budgets])
                axes.minorticks_off()
                if row == len(PILOTS) - 1:
                    axes.set_xlabel("negatives kept")
        figure.supylabel("log mean squared distance to the true coefficients", fontsize=9)
        lines, names = panels[0][0].get_legend_handles_labels()
        figure.legend(lines, names, loc="outside lower center", ncols=4)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
