"""Solutions of equations as functions: derivatives by the implicit function theorem."""

from fxad.implicit.convergence import Info
from fxad.implicit.functions import fixed_point, minimize, root
from fxad.implicit.host import on_host

__all__ = ["Info", "fixed_point", "minimize", "on_host", "root"]
