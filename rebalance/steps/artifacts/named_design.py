"""a name given for a design -> where the design lies, and its JSON"""

from __future__ import annotations

from rebalance.errors import ArtifactError
from rebalance.steps.artifacts.sealed import DESIGN_KEY, design_sidecar
from rebalance.storage.artifacts import named_bytes
from rebalance.storage.formats import format_if_known
from rebalance.storage.inputs import open_table
from rebalance.storage.remote import exists

_KIND, _REMEDY = "design", "name the file that 'rebalance sample' wrote"


def named_design(name: str) -> tuple[str, bytes]:
    """The file that holds the design, and the design as JSON: of a sample, or of a design file.

    A sample has it in its metadata (Parquet, Arrow), or in a file beside it (text).

    Raises
    ------
    ArtifactError : there is no such file, or a sample that has lost its design.
    DataError : a sample that is damaged.
    """
    if not exists(name):
        return name, named_bytes(name, _KIND, _REMEDY)  # says what is wrong
    found = None if name.lower().endswith(".json") else format_if_known(name)
    if found in ("parquet", "arrow"):
        metadata = open_table([name]).metadata
        if DESIGN_KEY in metadata:
            return name, metadata[DESIGN_KEY]
    beside = design_sidecar(name)
    if exists(beside):
        return beside, named_bytes(beside, _KIND, "draw the sample again")
    if found is not None:
        raise ArtifactError(
            "the table has no design",
            where=f"file '{name}'",
            remedy="name a sample as 'rebalance sample' wrote it, or its .design.json",
        )
    return name, named_bytes(name, _KIND, _REMEDY)
