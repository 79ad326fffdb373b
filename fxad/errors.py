"""Every exception that fxad raises: what it means, an example, how to fix it.

Each class also derives from the built-in exception that NumPy or JAX raises for the same mistake,
so ``except ValueError`` and ``except TypeError`` written for them go on working.
"""

from __future__ import annotations


class FxadError(Exception):
    """The base of every error that fxad raises itself."""


class ShapeError(FxadError, TypeError, ValueError):
    """The shapes of the operands do not fit the operation.

    ``fnp.ones((3, 4)) @ w`` with ``w`` of shape ``(5, 6)``: the inner dimensions differ. Print the
    shapes at the line that the message names, and reshape, transpose or broadcast one of them.
    """


class DtypeError(FxadError, TypeError):
    """The dtype of an operand does not fit the operation.

    ``fxad.grad(f)(3)`` differentiates by an integer: pass ``3.0``, or ``allow_int=True``.
    """


class ArgumentTypeError(FxadError, TypeError):
    """An argument is not of a kind that the operation takes.

    ``fxad.lax.sin([1.0, 2.0])`` gets a list: make an array of it with ``fnp.asarray`` first.
    """


class ArgumentValueError(FxadError, ValueError):
    """An argument has the right type and an impossible value.

    ``fnp.sum(x, axis=3)`` for a matrix ``x``: give an axis that it has.
    """


class IndexingError(FxadError, IndexError):
    """An index does not fit the array.

    ``x[3]`` for an ``x`` of length 3, two ellipses, or an array of floats as the index: compare the
    index with the shape that the message names.
    """


class StructureError(FxadError, TypeError, ValueError):
    """Two pytrees that must have one structure differ.

    ``fxad.jvp(f, ({"w": w},), ({"v": v},))``: give the tangents the primals' own structure. The
    message names the path of the first difference.
    """


class NonScalarOutputError(FxadError, TypeError):
    """``grad`` was asked for the gradient of a function whose output is not one number.

    ``fxad.grad(lambda x: x * 2)(fnp.ones(3))``: reduce the output with ``sum`` or ``mean``, or use
    ``fxad.jacobian`` or ``fxad.vjp``.
    """


class ConcretizationTypeError(FxadError, TypeError):
    """A value that is not known while a function is traced was needed as a Python value.

    Under ``jit``, ``vmap`` and in loop bodies a tracer stands for every value of its shape and
    dtype, so ``if x > 0``, ``float(x)`` and ``range(n)`` have no answer. Use ``lax.cond`` or
    ``fnp.where``, ``lax.fori_loop``, ``lax.while_loop`` or ``lax.scan``, or mark the argument
    static (``static_argnums``). To look at a value, use ``debug.print``.

    Eager derivatives know their values, but ``math.sin(x)`` and ``float(x)`` would lose the
    derivative: use ``fnp.sin(x)``, or ``float(fxad.lax.stop_gradient(x))`` for a constant.
    """


class TracerBoolConversionError(ConcretizationTypeError):
    """The truth value of an abstract tracer was asked for.

    ``if x > 0:`` under ``jit``: use ``fnp.where`` or ``lax.cond``, or make ``x`` static.
    """


class TracerIntegerConversionError(ConcretizationTypeError):
    """An abstract tracer was used where Python needs an integer.

    ``range(n)`` or ``some_list[n]`` under ``jit``: make ``n`` static, loop with ``lax.fori_loop``,
    or look up ``fnp.asarray(some_list)[n]``.
    """


class TracerArrayConversionError(ConcretizationTypeError):
    """A tracer was handed to code that needs the numbers of a NumPy array.

    ``np.asarray(x)`` or ``scipy_function(x)`` while ``x`` is traced: stay within the functions of
    ``fxad.numpy`` (or NumPy functions that fxad overrides), call the function by
    ``fxad.pure_callback``, or leave the transformed function.
    """


class NonConcreteBooleanIndexError(ConcretizationTypeError, IndexError):
    """An array was indexed by a boolean mask whose values are not known while tracing.

    ``x[x > 0]`` under ``jit`` would have a shape that depends on values: use ``fnp.where`` with
    three arguments, or reduce with ``where=``.
    """


class UnexpectedTracerError(FxadError, TypeError):
    """A tracer was used after, or outside, the transformation that made it.

    Storing a traced value in a global and using it later leaks it: return it from the function
    instead. A function given to ``custom_jvp`` or ``custom_vjp`` must take what is differentiated
    as an argument, not from an enclosing scope.
    """


class TracerAssignmentError(FxadError, TypeError):
    """An item of a tracer was assigned.

    ``x[0] = 1.0`` while ``x`` is traced: write ``x = x.at[0].set(1.0)``, or
    ``fnp.at(x)[0].set(1.0)``, which takes arrays as well.
    """


class NonDifferentiableError(FxadError, TypeError):
    """A derivative was asked of an operation that has none, or of a rule that is not linear.

    A ``custom_jvp`` rule that squares its tangent cannot be transposed: make the tangent output
    linear in the tangent inputs.
    """


class CallbackResultError(FxadError, RuntimeError, ValueError):
    """A callback returned something else than its ``result_shape_dtypes`` says.

    ``fxad.pure_callback(np.sum, x, x)`` for a vector ``x``: the result is a number. Describe it as
    ``fxad.ShapeDtypeStruct((), x.dtype)``.
    """


class CallbackBatchingError(FxadError, NotImplementedError, ValueError):
    """``vmap`` met a callback that does not say how it is batched, or that must stay in order.

    ``fxad.vmap(lambda x: fxad.pure_callback(f, x, x))(xs)``: add ``vmap_method="sequential"``.
    """


class CallbackDifferentiationError(NonDifferentiableError, ValueError, NotImplementedError):
    """A callback was differentiated, which nobody can look into.

    ``fxad.grad(lambda x: fxad.pure_callback(np.sin, x, x))(1.0)``: write the call into a function
    with a ``custom_jvp`` or ``custom_vjp`` rule.
    """


class MissingRuleError(NonDifferentiableError, AttributeError):
    """A function with a rule of its own was transformed before the rule was given.

    ``fxad.grad(fxad.custom_jvp(f))(1.0)``: call ``defjvp`` first; ``defvjp`` for ``custom_vjp``,
    ``def_vmap`` for ``custom_vmap``.
    """


class AxisNameError(FxadError, NameError):
    """A collective names an axis that no enclosing ``vmap`` has.

    ``lax.psum(x, "batch")`` outside ``vmap(..., axis_name="batch")``: add the ``axis_name``.
    """


class LoopBoundError(FxadError, RuntimeError):
    """A loop's condition still holds after as many steps as the loop may take.

    ``lax.while_loop(cond, body, init, max_steps=n)`` promises that ``n`` steps are enough. Look at
    what the condition reads of the carry, or allow more steps.
    """


class InputMutatedError(FxadError, RuntimeError):
    """An array that a pullback still needs was changed in place before the pullback ran.

    ``y, pull = fxad.vjp(f, x); x += 1; pull(ct)``: change a copy, or pull back first. Reported
    only under ``config.check_mutation``.
    """


class ConvergenceError(FxadError, ArithmeticError):
    """An iteration ended before it was as near to its solution as was asked for.

    ``fxad.implicit.fixed_point(f, x0)`` of an ``f`` that is no contraction, or in too few steps:
    begin nearer, raise ``maxiter`` or ``tol``, choose another ``method``; or take what there is
    with ``return_info=True``, or NaN with ``on_failure="nan"``.
    """


class MemoryBudgetError(FxadError, ValueError):
    """A memory budget that no way of recomputing meets.

    ``fxad.checkpoint(f, memory_budget=1000)`` for arrays of a megabyte: give the budget that the
    message names, or more. ``fxad.memory_plan`` shows where the memory goes.
    """


class DeviceError(FxadError, ValueError):
    """Operands live on devices that do not mix, or a device does not exist."""


class MissingDependencyError(FxadError, ImportError):
    """An optional package is needed and is not installed: the message names it."""


class ConfigError(FxadError, ValueError):
    """A setting, or the environment variable behind it, has an unknown name or value."""


class NonFiniteError(FxadError, FloatingPointError):
    """An operation made a NaN or an infinity under ``debug_nans`` or ``debug_infs``.

    The message names the operation, its operands' ranges, the user's line, and, for a derivative,
    the operation whose derivative it was. The gradient of ``fnp.where(x > 0, fnp.sqrt(x), 0.0)``
    at 0 multiplies the cotangent 0 of the branch not taken by an infinite slope: make the operand
    safe, ``fnp.sqrt(fnp.where(x > 0, x, 1.0))``, or set ``fxad.safe_where()``.
    """

    #: Whether the message says already whose derivative it was.
    explained = False


class JaxprTypeError(FxadError, TypeError):
    """A jaxpr is inconsistent: a fault of the pass or the rule that made it, not of the user."""


class KernelError(FxadError, RuntimeError):
    """A CUDA kernel could not be compiled or launched: the message holds the compiler's log."""


class HostFallbackWarning(UserWarning):
    """An operation has no GPU path and ran on the host; said once for each operation."""
