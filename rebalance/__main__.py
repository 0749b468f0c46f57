"""The command `rebalance`, also as `python -m rebalance`."""

from __future__ import annotations

from rebalance.cli.main import cli


def main() -> None:
    """Run the command line."""
    cli(prog_name="rebalance")


if __name__ == "__main__":
    main()
