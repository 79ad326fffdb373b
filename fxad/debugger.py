"""Python's debugger, as ``debug.breakpoint`` opens it."""

from __future__ import annotations

import bdb
import pdb
from typing import Any


class Debugger(pdb.Pdb):
    """Python's own, which tells whether it was left by ``q``."""

    left = False

    def __init__(self, stdin: Any, stdout: Any) -> None:
        super().__init__(stdin=stdin, stdout=stdout, nosigint=True)
        self.use_rawinput = stdin is None

    def set_quit(self) -> None:
        """Ends the program that is debugged."""
        self.left = True
        super().set_quit()

    def raise_if_left(self) -> None:
        """Ends the program that was looked at."""
        if self.left:
            raise bdb.BdbQuit
