"""Equations with effects: they stay, in their order, and are run as often as they are written."""

import numpy as np
import pytest

import fxad
from fxad.compiler import passes
from fxad.core.jaxpr import dce_jaxpr
from fxad.core.primitive import Primitive

heard = []


def _tell(xp, x, *, word):
    heard.append((word, np.asarray(x).tolist()))
    return []


tell_p = Primitive(
    "tell",
    abstract=lambda x, *, word: [],
    impl=_tell,
    jvp=None,
    batch=lambda size, args, dims, **params: (tell_p.bind(args[0], **params), []),
    cost=lambda avals, params: (0.0, 0.0),
    multiple_results=True,
    effect="debug",
)


@pytest.fixture(autouse=True)
def silence():
    heard.clear()


def told(x):
    tell_p.bind(x, word="before")
    y = np.sin(x) * 2.0
    tell_p.bind(y, word="between")
    tell_p.bind(x, word="before")
    tell_p.bind(x, word="before")
    np.cos(x)
    return y


WORDS = ["before", "between", "before", "before"]


@pytest.mark.parametrize("run", [dce_jaxpr, *passes.PIPELINE], ids=lambda p: p.__name__)
def test_every_pass_keeps_them(run):
    before = fxad.make_jaxpr(told)(1.0).jaxpr
    words = [e.params["word"] for e in run(before).eqns if e.primitive is tell_p]
    assert words == WORDS


def test_a_jaxpr_with_effects_says_so_however_deep():
    def silent(x):
        return fxad.jit(np.sin)(x)

    assert fxad.make_jaxpr(silent)(1.0).effects() == frozenset()
    deep = fxad.make_jaxpr(fxad.jit(fxad.checkpoint(fxad.jit(told))))(1.0).jaxpr
    assert deep.effects() == deep.eqns[0].effects() == {"debug"}
    assert dce_jaxpr(deep, [False]).eqns == deep.eqns
    assert dce_jaxpr(deep, [False], effects=False).eqns == ()
    assert dce_jaxpr(fxad.make_jaxpr(silent)(1.0).jaxpr, [False]).eqns == ()


def test_printed_without_results():
    text = str(fxad.make_jaxpr(lambda x: tell_p.bind(x, word="it") or x)(1.0))
    assert text.splitlines()[1] == "    tell[word=it] a"


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f,
        fxad.jit,
        fxad.grad,
        lambda f: fxad.jit(fxad.grad(f)),
        lambda f: fxad.grad(fxad.jit(f)),
        lambda f: lambda x: fxad.jvp(f, (x,), (x,)),
        lambda f: lambda x: fxad.jvp(fxad.jit(f), (x,), (x,)),
        lambda f: lambda x: fxad.linearize(fxad.jit(f), x)[0],
        fxad.checkpoint,
        lambda f: fxad.hessian(fxad.jit(f)),
    ],
)
def test_heard_once_in_order(transform):
    run = transform(told)
    for _ in range(2):  # traced, and run again
        heard.clear()
        run(0.5)
        assert [word for word, _ in heard] == WORDS
        assert heard[0] == ("before", 0.5) and heard[1] == ("between", 2 * np.sin(0.5))


def test_a_program_without_results_runs():
    fxad.jit(lambda x: tell_p.bind(x, word="it") and None)(2.0)
    assert heard == [("it", 2.0)]


def test_checkpoint_hears_the_second_run_too():
    fxad.grad(fxad.checkpoint(told))(0.5)
    assert [word for word, _ in heard] == WORDS * 2


def test_batched():
    fxad.jit(fxad.vmap(told))(np.arange(2.0))
    assert heard[0] == ("before", [0.0, 1.0]) and len(heard) == len(WORDS)
