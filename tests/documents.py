"""What the tests read: the package's modules, and the code blocks of Markdown documents."""

import contextlib
import importlib
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import fxad
from fxad.errors import MissingDependencyError

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int
    heading: str  # the nearest above
    lead: str  # the line of prose above


def blocks(document: Path) -> list[Block]:
    """The fenced blocks in order; ``line`` is that of the first line of code."""
    text = document.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        above = text[: match.start()]
        headings = re.findall(r"^#+ (.*)$", FENCE.sub("", above), re.MULTILINE)
        lead = above.rstrip().rpartition("\n")[2]
        line = above.count("\n") + 2
        found.append(Block(match[1], match[2], line, headings[-1] if headings else "", lead))
    return found


def run_python(document: Path) -> None:
    """Runs the Python blocks of a document one after another, as one program."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(document):
        if block.language == "python":
            # Blank lines above, so that a traceback names the document's own line.
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, str(document), "exec"), names)


def modules() -> list[ModuleType]:
    """Every module of the package that can be imported here."""
    found = [fxad]
    for info in pkgutil.walk_packages(fxad.__path__, "fxad."):
        if not info.name.endswith("__main__"):
            with contextlib.suppress(MissingDependencyError):  # backends.cupy without CuPy
                found.append(importlib.import_module(info.name))
    return found
