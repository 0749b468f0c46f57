"""options of class weights, losses and costs -> what is asked for, once sure that it makes sense"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from rebalance.core.class_weights import ClassWeight, effective, parse_class_weight
from rebalance.core.costs import Costs, parse_costs
from rebalance.errors import UsageError
from rebalance.learners.base import Learner, Settings
from rebalance.steps.artifacts.drawn import Drawn
from rebalance.steps.recalibrate import Wanted

FOCAL = ("focal", "cb-focal")
CLASS_BALANCED = ("class-balanced", "cb-focal")
GAMMA = 2.0
BETA = 0.999


@dataclass(frozen=True)
class Weighting:
    """How rows are to count beyond the sampling, as asked for.

    gamma : of the focal loss, None for the log loss.
    alpha : the positives' weight, against 1 - alpha of the negatives.
    scale : "population", or "sample" to leave probabilities as fitted.
    """

    loss: str = "logloss"
    class_weight: ClassWeight | None = None
    gamma: float | None = None
    alpha: float | None = None
    scale: str = "population"
    costs: Costs | None = None

    @classmethod
    def of(
        cls,
        *,
        loss: str = "logloss",
        class_weight: str | None = None,
        gamma: float | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        scale: str = "population",
        cost: str | None = None,
    ) -> Weighting:
        """The same from what a user types.

        Raises
        ------
        UsageError : options that contradict each other, or cannot be read.
        """
        for option, given, losses in (
            ("--gamma", gamma, FOCAL),
            ("--alpha", alpha, FOCAL),
            ("--beta", beta, CLASS_BALANCED),
        ):
            if given is not None and loss not in losses:
                raise UsageError(
                    f"{option} is for --loss {' or '.join(losses)}, and the loss is {loss}",
                    remedy=f"leave {option} out, or give such a --loss",
                )
        weights = parse_class_weight(class_weight) if class_weight is not None else None
        if loss in CLASS_BALANCED:
            if weights is not None:
                raise UsageError(
                    f"--loss {loss} has class weights of its own, effective:BETA, and "
                    "--class-weight gives others",
                    remedy=f"leave one of them out; --loss "
                    f"{'focal' if loss in FOCAL else 'logloss'} takes any --class-weight",
                )
            weights = effective(BETA if beta is None else beta, "--beta")
        if loss in FOCAL:
            gamma = GAMMA if gamma is None else gamma
        costs = parse_costs(cost) if cost is not None else None
        if costs is not None and scale == "sample":
            raise UsageError(
                "--cost needs the population's probabilities, and --scale sample leaves them as "
                "fitted",
                remedy="leave one of them out",
            )
        return cls(loss, weights, gamma, alpha, scale, costs)

    @property
    def weighs(self) -> bool:
        """Whether classes have weights."""
        return self.class_weight is not None or self.alpha is not None

    @property
    def bends(self) -> bool:
        """Whether the fit is another than without these options."""
        return self.weighs or self.gamma is not None

    def settings(self, settings: Settings) -> Settings:
        """The learner's settings, with the loss."""
        return settings if self.gamma is None else replace(settings, gamma=self.gamma)

    @property
    def option(self) -> str:
        """The option that gives classes their weights, or the loss."""
        return "--class-weight" if self.loss == "logloss" else f"--loss {self.loss}"

    def refuse_unknown(self, learner: Learner, settings: Settings) -> None:
        """Check that the learner can fit what is asked for; a loss of its own `get_learner` checks.

        Raises
        ------
        UsageError : it takes no class weights, or balances the classes itself: stages count the
            weights as rows, so classes that are balanced by weights leave them nothing to do.
        """
        for option, asked in (
            ("--curriculum", settings.curriculum),
            ("--two-stage", settings.two_stage),
        ):
            if asked and self.weighs:
                raise UsageError(
                    f"{option} and {self.option} are two ways to balance the classes",
                    remedy="choose one",
                )
        if self.weighs and "class_weight" not in learner.accepts:
            raise UsageError(
                f"the learner '{learner.name}' takes no class weights whose probabilities could be "
                "corrected",
                where=self.option,
                remedy="leave it out, or choose --model gbm or logistic",
            )

    def refuse_calibration(self, wanted: bool) -> None:
        """Check that probabilities that are left as fitted are not to be calibrated.

        Raises
        ------
        UsageError : they are.
        """
        if wanted and self.scale == "sample":
            raise UsageError(
                "--scale sample leaves probabilities as fitted, and calibration is that of the "
                "population's",
                remedy="leave --scale out, or --calibrate-on, --recalibrate and "
                "--check-calibration",
            )

    def check_against(self, drawn: Drawn | None, wanted: Wanted) -> None:
        """Check that costs meet the population's probabilities, and that there is another scale.

        Raises
        ------
        UsageError : the sample's are all that the model will have, or it has none but the
            population's.
        """
        if self.scale == "sample" and drawn is None and not self.bends:
            raise UsageError(
                "--scale sample has nothing to leave as it is: the table is the population, and "
                "neither class weights nor a loss are given",
                remedy="leave it out",
            )
        known = drawn is None or drawn.design.correctable or wanted.method is not None
        if self.costs is not None and drawn is not None and not known:
            raise UsageError(
                f"--cost needs the population's probabilities, and a sample made by "
                f"{drawn.design.method} does not know them",
                remedy="make them known with --calibrate-on TABLE --recalibrate platt",
            )

    def refuse_many_classes(self) -> None:
        """Check that nothing but class weights is asked for, where the label has many classes.

        Raises
        ------
        UsageError : something is.
        """
        for option, given in (
            (f"--loss {self.loss}", self.gamma is not None or self.alpha is not None),
            ("--scale sample", self.scale == "sample"),
            ("--cost", self.costs is not None),
        ):
            if given:
                raise UsageError(
                    f"{option} is for two classes, and the label has many",
                    remedy="leave it out, or choose one class with --positive",
                )

    def manifest(self) -> dict[str, Any]:
        """What was asked for, for the manifest; nothing where nothing was."""
        if self == PLAIN:
            return {}
        found = asdict(replace(self, class_weight=None, costs=None))
        found["class_weight"] = str(self.class_weight) if self.class_weight else None
        found["costs"] = self.costs.to_document() if self.costs else None
        return {"weighting": found}


PLAIN = Weighting()
