"""The command `rebalance`, also as `python -m rebalance`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rebalance.cli.main import cli


def main() -> None:
    """Run the command line."""
    if sys.stdout is None:  # closed by the shell: there is nobody to print to
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 open as long as the process is
    cli(prog_name="rebalance")


if __name__ == "__main__":
    main()
