"""imbalanced-learn's samplers behind one registry: a new one is an entry in `CLASSIC`.

An entry says where the class is, what it needs, what it costs, and which parameters may be set.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from rebalance.core.parameters import Parameter, Value, read_parameters

Role = Literal["over", "under", "clean", "combine"]
Needs = Literal["numbers", "numbers and categories", "categories"]

NEGATIVE, POSITIVE = 0, 1
# Seeds of NumPy's RandomState, which imbalanced-learn draws with.
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Method:
    """One of imbalanced-learn's samplers.

    path : its module below `imblearn`, and its class.
    role : over (makes positives), under (keeps a number of negatives), clean (drops negatives, as
        many as it finds), combine (over, then clean).
    makes : it makes rows. tells_parents : and says of which rows each was made.
    cost : in words; `power` is that of the number of rows, `memory_power` that of its memory.
    neighbours : parameters that count neighbours among the positives.
    clusters : it sums distances to clusters, which depend on the threads in their last bits.
    parts : of a combination, what makes rows and what cleans after it: by the names they have there
        the path and the parameters.
    failures : words of imbalanced-learn's by which it fails, and ours: what, and what to do; they
        may name parameters, {k_neighbors}.
    trial : the rows of a first trial.
    """

    name: str
    path: tuple[str, str]
    role: Role
    cost: str
    power: int = 2
    memory_power: int = 1
    needs: Needs = "numbers"
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    neighbours: tuple[str, ...] = ()
    makes: bool = False
    tells_parents: bool = False
    seeded: bool = False
    clusters: bool = False
    parts: Mapping[str, tuple[tuple[str, str], tuple[str, ...]]] = field(default_factory=dict)
    failures: tuple[tuple[str, str, str], ...] = ()
    trial: int = 2_000

    def settings(self, given: Sequence[str]) -> dict[str, Value]:
        """What was set, as NAME=VALUE, on top of the defaults.

        Raises
        ------
        UsageError : not of that form, an unknown name, twice the same, or an impossible value.
        """
        return read_parameters(self.name, self.parameters, given)

    def build(self, settings: Mapping[str, Value], strategy: Any, seed: int, **fixed: Any) -> Any:
        """The sampler; `strategy` is the number of rows wanted, by class (of `clean`, the classes).

        What is `fixed` is no parameter of the user's.
        """
        named: dict[str, Any] = {**settings, **fixed}
        if self.parts:
            named = {}
            for part, (path, parameters) in self.parts.items():
                inner = {name: settings[name] for name in parameters}
                if part == "smote":
                    inner |= {"sampling_strategy": strategy, "random_state": seed}
                else:
                    inner |= {"sampling_strategy": "all"}
                named[part] = _class(path)(**inner)
        if self.role == "clean" and named.pop("clean", "negatives") == "all":
            strategy = "all"
        if self.seeded:
            named["random_state"] = seed
        if self.path[1] == "ADASYN":
            from rebalance.samplers.parents import watched_neighbours

            named["n_neighbors"] = watched_neighbours(int(settings["n_neighbors"]) + 1)
        return _class(self.path)(sampling_strategy=strategy, **named)


@cache
def _class(path: tuple[str, str]) -> Any:
    """A class of imbalanced-learn; of those that interpolate, one that is watched."""
    from rebalance.samplers.parents import watched, watched_nominal

    kind = getattr(importlib.import_module(f"imblearn.{path[0]}"), path[1])
    if path[1] == "SMOTEN":
        return watched_nominal(kind)
    return watched(kind) if hasattr(kind, "_generate_samples") else kind


def _count(default: int) -> Parameter:
    return Parameter(default, low=1)


_SMOTE = ("over_sampling", "SMOTE")
_CLEAN = Parameter("negatives", choices=("negatives", "all"))
_KIND = Parameter("all", choices=("all", "mode"))
OF_POSITIVES = "positives x positives"
_OF_ALL = "rows x rows"


def _over(
    name: str, kind: str, cost: str, parameters: Mapping[str, Parameter], **rest: Any
) -> Method:
    """A sampler that makes positives, from k neighbours of each."""
    k = {"k_neighbors": _count(5)} if "n_neighbors" not in parameters else {}
    given: dict[str, Any] = {"neighbours": ("k_neighbors",), "seeded": True} | rest
    return Method(
        name,
        ("over_sampling", kind),
        "over",
        cost,
        parameters={**k, **parameters},
        makes=True,
        tells_parents=True,
        **given,
    )


def _cleaning(name: str, kind: str, parameters: Mapping[str, Parameter], **rest: Any) -> Method:
    """A sampler that drops negatives."""
    parameters = {**parameters, "clean": _CLEAN}
    path = ("under_sampling", kind)
    return Method(name, path, "clean", _OF_ALL, parameters=parameters, **rest)


def _combination(name: str, kind: str, part: str, cleaner: str, **parameters: Parameter) -> Method:
    """SMOTE, and then a cleaning of all rows."""
    return Method(
        name,
        ("combine", kind),
        "combine",
        _OF_ALL,
        parameters={"k_neighbors": _count(5), **parameters},
        neighbours=("k_neighbors",),
        makes=True,
        tells_parents=True,
        seeded=True,
        parts={
            "smote": (_SMOTE, ("k_neighbors",)),
            part: (("under_sampling", cleaner), tuple(parameters)),
        },
    )


_LIST = (
    _over("smote", "SMOTE", OF_POSITIVES, {}),
    _over("smotenc", "SMOTENC", OF_POSITIVES, {}, needs="numbers and categories"),
    _over("smoten", "SMOTEN", OF_POSITIVES, {}, needs="categories", memory_power=2),
    _over(
        "borderline-smote",
        "BorderlineSMOTE",
        "positives x rows",
        {
            "m_neighbors": _count(10),
            "kind": Parameter("borderline-1", choices=("borderline-1", "borderline-2")),
        },
    ),
    _over(
        "svm-smote",
        "SVMSMOTE",
        _OF_ALL,
        {
            "m_neighbors": _count(10),
            "out_step": Parameter(0.5, low=0, high=1, above=True, whole=False),
        },
        failures=(
            (
                "considered as noise",
                "every positive near the border has only negatives among its {m_neighbors} nearest "
                "rows: svm-smote takes them for noise",
                "look at more with --set m_neighbors=N, or take --method smote",
            ),
        ),
    ),
    _over(
        "kmeans-smote",
        "KMeansSMOTE",
        "rows x clusters",
        {
            "k_neighbors": _count(2),
            "kmeans_estimator": Parameter(8, low=1),
            "cluster_balance_threshold": Parameter(
                "auto", low=0, high=1, choices=("auto",), whole=False
            ),
            "density_exponent": Parameter("auto", low=0, choices=("auto",), whole=False),
        },
        power=1,
        neighbours=(),
        clusters=True,
        failures=(
            (
                "No clusters",
                "no cluster has enough positives for kmeans-smote: a share of at least "
                "cluster_balance_threshold, and k_neighbors of them",
                "lower the first, as --set cluster_balance_threshold=0.01, or give more "
                "clusters, as --set kmeans_estimator=50",
            ),
            (
                "n_clusters",
                "kmeans-smote is to make {kmeans_estimator} clusters of fewer rows",
                "give a smaller --set kmeans_estimator=N",
            ),
        ),
    ),
    _over(
        "adasyn",
        "ADASYN",
        "positives x rows",
        {"n_neighbors": _count(5)},
        neighbours=("n_neighbors",),
        failures=(
            (
                "Not any",
                "no positive has a negative among its {n_neighbors} nearest rows, and adasyn makes "
                "rows where classes meet",
                "look at more with --set n_neighbors=N, or take --method smote",
            ),
            (
                "No samples",
                "adasyn has too few rows to make: it shares them among the positives, and each "
                "share rounds to none",
                "give a smaller --ratio, or take --method smote",
            ),
        ),
    ),
    Method(
        "near-miss",
        ("under_sampling", "NearMiss"),
        "under",
        "positives x rows",
        parameters={
            "version": Parameter(1, low=1, high=3),
            "n_neighbors": _count(3),
            "n_neighbors_ver3": _count(3),
        },
        neighbours=("n_neighbors",),
    ),
    _cleaning("tomek", "TomekLinks", {}),
    _cleaning("enn", "EditedNearestNeighbours", {"n_neighbors": _count(3), "kind_sel": _KIND}),
    _cleaning(
        "repeated-enn",
        "RepeatedEditedNearestNeighbours",
        {"n_neighbors": _count(3), "max_iter": _count(100), "kind_sel": _KIND},
    ),
    _cleaning("all-knn", "AllKNN", {"n_neighbors": _count(3), "kind_sel": _KIND}),
    _cleaning(
        "condensed-nn",
        "CondensedNearestNeighbour",
        {"n_neighbors": _count(1), "n_seeds_S": _count(1)},
        seeded=True,
        trial=500,
    ),
    _cleaning(
        "one-sided",
        "OneSidedSelection",
        {"n_neighbors": _count(1), "n_seeds_S": _count(1)},
        seeded=True,
    ),
    _cleaning(
        "neighbourhood-cleaning",
        "NeighbourhoodCleaningRule",
        {
            "n_neighbors": _count(3),
            "threshold_cleaning": Parameter(0.5, low=0, above=True, whole=False),
        },
    ),
    Method(
        "instance-hardness",
        ("under_sampling", "InstanceHardnessThreshold"),
        "under",
        "five forests: rows x log rows",
        power=1,
        parameters={"cv": Parameter(5, low=2)},
        seeded=True,
    ),
    Method(
        "cluster-centroids",
        ("under_sampling", "ClusterCentroids"),
        "under",
        "rows x clusters, one for each row made",
        makes=True,
        seeded=True,
        clusters=True,
    ),
    _combination(
        "smote-enn",
        "SMOTEENN",
        "enn",
        "EditedNearestNeighbours",
        n_neighbors=_count(3),
        kind_sel=_KIND,
    ),
    _combination("smote-tomek", "SMOTETomek", "tomek", "TomekLinks"),
)
CLASSIC: dict[str, Method] = {method.name: method for method in _LIST}
