"""The table of results: one row per piece of work, written as Markdown and JSON."""

import datetime
import importlib.metadata
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path

import fxad

PACKAGES = ("numpy", "autograd", "torch", "jax")


@dataclass
class Row:
    """One measured piece of work.

    Args:
        work: what was measured.
        unit: the unit of `values`.
        values: contestant to its median (or other value).
        measure: what `figure` is, such as `fxad / autograd`.
        figure: the number that is held against the target; None where its peer is absent.
        target: the greatest figure that meets the target; None for a row that only informs.
    """

    work: str
    unit: str
    values: dict[str, float]
    measure: str = ""
    figure: float | None = None
    target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none, or nothing to compare with."""
        if self.figure is None or self.target is None:
            return None
        return self.figure <= self.target


def ratio(values: dict[str, float], peer: str, mine: str = "fxad") -> float | None:
    """`mine` over `peer`, None where the peer was not measured."""
    return values[mine] / values[peer] if peer in values else None


@dataclass
class Report:
    """All rows of a run and the surroundings that they were measured in."""

    rows: list[Row] = field(default_factory=list)
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def add(self, row: Row) -> None:
        """Appends a row."""
        self.rows.append(row)

    def surroundings(self) -> dict[str, str]:
        """Versions and processor count; nothing that names a machine."""
        found = {"python": platform.python_version(), "machine": platform.machine(),
                 "processors": str(os.cpu_count()), "fxad": fxad.__version__}
        for package in PACKAGES:
            try:
                found[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                found[package] = "absent"
        found["threads"] = os.environ.get("OMP_NUM_THREADS", "default")
        if hasattr(os, "getloadavg"):
            found["load average"] = f"{os.getloadavg()[2]:.1f}"
        return found

    def markdown(self) -> str:
        """The table as Markdown."""
        names = list(dict.fromkeys(name for row in self.rows if "fxad" in row.values
                                   for name in row.values))
        head = ["work", "unit", *names, "measure", "figure", "target", "met"]
        lines = [f"# Benchmarks, {self.date}", "",
                 ", ".join(f"{key} {value}" for key, value in self.surroundings().items()) + ".",
                 "Medians of rounds in which the libraries take turns in one process.", ""]
        if names:
            lines += _table(head, [self._cells(row, names) for row in self.rows
                                   if "fxad" in row.values])
        for row in self.rows:
            if "fxad" not in row.values:
                lines += ["", f"**{row.work}** ({row.unit}). {_verdict(row)}", "",
                          *_table(list(row.values), [[_number(v) for v in row.values.values()]])]
        lines += [""] + [f"- {row.work}: {row.note}" for row in self.rows if row.note]
        return "\n".join(lines).rstrip() + "\n"

    def _cells(self, row: Row, names: list[str]) -> list[str]:
        values = [_number(row.values[name]) if name in row.values else "" for name in names]
        return [row.work, row.unit, *values, row.measure, _number(row.figure),
                "" if row.target is None else f"≤ {_number(row.target)}", _met(row)]

    def write(self, folder: Path, device: str = "cpu") -> list[Path]:
        """Writes `<date>-<device>.md` and `.json` into a folder and returns their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [asdict(row) | {"met": row.met} for row in self.rows]
        text = json.dumps({"date": self.date, "surroundings": self.surroundings(), "rows": rows},
                          indent=1, ensure_ascii=False)
        paths = [folder / f"{self.date}-{device}{suffix}" for suffix in (".md", ".json")]
        for path, content in zip(paths, (self.markdown(), text + "\n"), strict=True):
            path.write_text(content, encoding="utf-8")
        return paths


def _table(head: list[str], body: list[list[str]]) -> list[str]:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *body)]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _met(row: Row) -> str:
    return {True: "yes", False: "no", None: ""}[row.met]


def _verdict(row: Row) -> str:
    if row.figure is None:
        return ""
    goal = "" if row.target is None else f", target ≤ {_number(row.target)}: {_met(row)}"
    return f"{row.measure}: {_number(row.figure)}{goal}."
