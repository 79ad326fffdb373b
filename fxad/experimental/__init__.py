"""Names that stand here in JAX."""

from fxad.control.callback import io_callback

__all__ = ["io_callback"]
