"""All code on the pages of the documentation runs, and prints what the page says.

A ``python`` block runs as it stands, or as a doctest where it begins with ``>>>``; the blocks of a page share one
namespace, in the order of the page, and one that begins with ``# name.py`` is a file, too. A ``console`` block holds
commands after ``$`` with what they print below. ``text``, or no word, is a drawing; ``sh`` is what a reader types to
install or to check, and CI itself runs it.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from sybil import Document, Example
from sybil.parsers.myst import CodeBlockParser, PythonCodeBlockParser

import headrace

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS_TORCH = re.compile(r"import torch$|= .*to_torch\(\)$", flags=re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_console(example: Example) -> str | None:
    """Run the commands of a block and return what differs from the page, if anything does."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for session in re.split(r"^\$ ", str(example.parsed), flags=re.MULTILINE)[1:]:
        command, _, expected = session.partition("\n")
        done = subprocess.run(
            command, shell=True, env={**os.environ, "PATH": path}, text=True, stdout=-1, stderr=subprocess.STDOUT
        )
        if not doctest.OutputChecker().check_output(expected.strip() + "\n", done.stdout.strip() + "\n", FLAGS):
            return f"$ {command}\nexpected:\n{expected}\ngot:\n{done.stdout}"
    return None


PARSERS = (PythonCodeBlockParser(doctest_optionflags=FLAGS), CodeBlockParser("console", run_console))


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the language and the text of each fenced block."""
    return re.findall(r"^```(\S*)\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def of_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


def runnable(files: list[Path]) -> list[object]:
    """Return files as parameters, marked by what they need."""
    return [
        pytest.param(file, id=of_page(file), marks=[pytest.mark.torch] if NEEDS_TORCH.search(file.read_text()) else [])
        for file in files
    ]


@pytest.mark.parametrize("page", runnable(PAGES))
def test_the_code_on_a_page_runs_and_prints_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _, text in blocks(page):
        if named := re.match(r"# (\w+\.py)\n", text):
            (tmp_path / named[1]).write_text(text, encoding="utf-8")
    document = Document.parse(str(page), *PARSERS)
    document.namespace["__name__"] = "page"
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("example", runnable(EXAMPLES))
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("page", PAGES, ids=of_page)
def test_no_block_of_a_page_stays_unrun(page: Path) -> None:
    commands = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    typed = {"headrace demo", "pip install .", *(f"make {name}" for name in commands)}
    for language, text in blocks(page):
        assert language in {"python", "console", "text", "sh", ""} or language.startswith("{"), f"```{language}"
        for line in text.splitlines() if language == "sh" else []:
            command = line.partition("  #")[0].strip()
            chosen = re.fullmatch(r'pip install "\.\[([a-z,]+)\]"', command)
            assert command in typed or (chosen and {*chosen[1].split(",")} <= {*extras}), command


def test_every_command_is_on_the_page_of_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "headrace", "--help"], capture_output=True, text=True, check=True)
    commands = re.findall(r"^    (\w+)  ", done.stdout, flags=re.MULTILINE)
    page = (ROOT / "docs" / "howto" / "command-line.md").read_text(encoding="utf-8")
    assert commands
    assert [name for name in commands if f"headrace {name}" not in page] == []


@pytest.mark.parametrize("name", headrace.__all__)
def test_every_public_name_is_in_the_reference_with_words_of_its_own(name: str) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    assert re.search(rf":: headrace\.{name}$", text, flags=re.MULTILINE), f"{name} is on no page of docs/reference"
    what = getattr(headrace, name)
    assert what.__doc__
    if not (isinstance(what, type) and issubclass(what, Exception)):
        assert ">>>" in what.__doc__, f"the docstring of {name} shows no example"


def planted(tmp_path: Path, text: str) -> Document:
    (tmp_path / "page.md").write_text(text)
    return Document.parse(str(tmp_path / "page.md"), *PARSERS)


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx = 1\nassert x == 2\n```\n",
        "```python\n>>> 1 + 1\n3\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ echo one\none\n$ echo two\nthree\n```\n",
    ],
)
def test_a_page_that_says_what_is_not_so_is_found(tmp_path: Path, text: str) -> None:
    with pytest.raises(AssertionError):
        for example in planted(tmp_path, text).examples():
            example.evaluate()
