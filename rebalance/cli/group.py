"""A group of commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from rebalance.errors import RebalanceError

INTERRUPTED = 130
TERMINATED = 143
# What makes the work of a command smaller.
_A_SAMPLE = "give --memory-limit to work on less at once, or a sample instead of the table"
_SMALLER = {
    "sample": "give --memory-limit to work on less at once",
    "train": "train on a sample, which 'rebalance sample' makes",
}


class Commands(click.Group):
    """Commands in the order of the pipeline; errors as one line on stderr.

    Each command stands in a file of its name, imported when it is asked for.
    """

    def __init__(self, *args: Any, names: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._names = list(names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order they are used."""
        return self._names

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name, or None."""
        if cmd_name not in self._names:
            return None
        found: click.Command = getattr(import_module(f"rebalance.cli.{cmd_name}"), cmd_name)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and turn what a user can act on into a message and an exit code."""
        signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except RebalanceError as exc:
            return _stop(str(exc), exc.exit_code)
        except BrokenPipeError:
            from rebalance.storage.writers import quiet_standard_output

            quiet_standard_output()
            return sys.exit(0)
        except KeyboardInterrupt:
            return _stop("interrupted; no output was changed", INTERRUPTED)
        except MemoryError:
            remedy = _SMALLER.get(ctx.invoked_subcommand or "", _A_SAMPLE)
            return _stop(f"there is not enough memory; {remedy}", 3)
        except OSError as exc:
            where = f", file '{exc.filename}'" if exc.filename else ""
            return _stop(f"{exc.strerror or exc}{where}; check the path and its permissions", 3)


def _stop(message: str, code: int) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


def _terminate(*_: object) -> None:
    sys.exit(TERMINATED)
