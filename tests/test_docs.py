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


PAGES = (
    "README.md", "calibration.md", "classes.md", "correction.md", "features.md", "sampling.md",
)  # fmt: skip
WRITTEN = re.compile(r"(?:-o|>|--plot|--plan|--design) ([\w.]+)")


def text_of(page: str) -> str:
    return README if page == "README.md" else (ROOT / "rebalance" / "guide" / page).read_text()


def chains(text: str) -> list[list[str]]:
    """A page's blocks of shell commands; those that use what another one writes follow it."""
    found: list[tuple[list[str], set[str]]] = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        if block.startswith(NOT_RUN):
            continue
        chain, names, others = [block], set(WRITTEN.findall(block)), []
        for before, written in found:
            if written & set(block.split()):
                chain, names = [*before, *chain], names | written
            else:
                others.append((before, written))
        found = [*others, (chain, names)]
    return [chain for chain, _ in found]


def test_blocks_that_share_no_file_are_chains_of_their_own() -> None:
    make, use, other, both = "a b -o x.csv\n", "c x.csv -o z\n", "d -o y.csv\n", "e y.csv z\n"
    page = "".join(f"```sh\n{block}```\n" for block in ("make demo\n", make, other, use))
    assert chains(page) == [[other], [make, use]]
    assert chains(f"{page}```sh\n{both}```\n") == [[make, use, other, both]]
    assert all(chains(text_of(page)) for page in PAGES)


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
    "blocks",
    [
        pytest.param(chain, id=f"{page}-{number}")
        for page in PAGES
        for number, chain in enumerate(chains(text_of(page)), 1)
    ],
)
def test_the_commands_of_a_page_run(tmp_path: Path, blocks: list[str]) -> None:
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    for block in blocks:
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
