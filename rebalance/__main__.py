"""The command `rebalance`, also as `python -m rebalance`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    # Nearly all objects of a start-up live to the end: looking for garbage among them, then and
    # once more at the end, takes a tenth of a second.
    gc.set_threshold(100_000, 50, 100)
    atexit.register(gc.freeze)
    # What is multiplied here is small, and threads that wait for such work keep cores busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # A thread that waits for another spins. Where others use the cores, that one may not even run:
    # a fit of 2 s took 48 s. To sleep at once takes four times as long everywhere; soon does not.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from rebalance.cli.main import cli

    if sys.stdout is None:  # closed by the shell: there is nobody to print to
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 open as long as the process is
    cli(prog_name="rebalance")


if __name__ == "__main__":
    main()
