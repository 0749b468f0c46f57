"""Documentation cannot drift: the reference is generated, the README's commands are run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rebalance import __version__
from rebalance.cli.main import COMMANDS
from tests.reference import PATH

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
# Blocks that set the machine up, or run what another test or target runs.
NOT_RUN = ("make ", "pip install", "git clone")


def blocks(path: Path) -> list[str]:
    """The shell commands of a page."""
    return re.findall(r"```sh\n(.*?)```", path.read_text(), re.DOTALL)


def test_every_page_of_the_guide_is_in_the_readme() -> None:
    pages = sorted(path.name for path in (ROOT / "rebalance" / "guide").glob("*.md"))
    assert [page for page in pages if f"rebalance/guide/{page}" not in README] == []


def test_the_command_reference_is_what_the_commands_say() -> None:
    # A process of its own: how wide help is drawn depends on what ran before.
    command = [sys.executable, "-m", "tests.reference"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert PATH.read_text() == shown, "run: make docs"


def test_every_command_is_in_the_readme() -> None:
    missing = [name for name in COMMANDS if f"rebalance {name}" not in README]
    assert missing == []


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", ["README.md", "calibration.md", "classes.md", "correction.md", "features.md"]
)
def test_the_commands_of_a_page_run(tmp_path: Path, page: str) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    path = ROOT / page if page == "README.md" else ROOT / "rebalance" / "guide" / page
    run = [block for block in blocks(path) if not block.startswith(NOT_RUN)]
    assert run
    for block in run:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def test_help_lists_the_commands_in_the_order_of_the_pipeline() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "rebalance", "--help"], capture_output=True, text=True, check=True
    ).stdout
    positions = [shown.index(f"\n  {name} ") for name in COMMANDS]
    assert positions == sorted(positions)
    assert COMMANDS[0] == "profile"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from rebalance.cli.main import COMMANDS, cli; "
        "[cli.get_command(None, name) for name in COMMANDS]; "
        "heavy = {'numpy', 'pandas', 'pyarrow', 'sklearn', 'lightgbm', 'glum', 'duckdb', "
        "'matplotlib', 'rich', 'scipy'} & set(sys.modules); "
        "print(sorted(heavy))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert shown.strip() == "[]"
