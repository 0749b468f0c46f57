"""Whether the probabilities with which rows were kept are known."""

from __future__ import annotations

from rebalance.errors import ArtifactError

# The score of samples of which none is known: rows were made, or chosen by what is next to them.
UNKNOWN = "unknown"


class Knowable:
    """A design, of two classes or of many."""

    method: str
    score: str

    @property
    def correctable(self) -> bool:
        """Whether the probability that a row was kept is known, so that it can be undone."""
        return self.score != UNKNOWN

    @property
    def remedy(self) -> str:
        """What to do where it is not."""
        from rebalance.core.corrections import correction_of

        return correction_of(self.method, "", "").remedy

    def require_known(self) -> None:
        """Check that there is something to correct by.

        Raises
        ------
        ArtifactError : the method has no known probabilities.
        """
        if not self.correctable:
            raise ArtifactError(
                f"the sample was made by {self.method}, which has no known inclusion "
                "probabilities: nothing undoes it exactly",
                remedy=self.remedy,
            )
