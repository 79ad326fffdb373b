"""Policies: what is kept, what runs again, what moves to the host; values do not depend on it."""

import functools

import numpy as np
import pytest

import fxad
import fxad.numpy as fnp
from fxad.ad_checkpoint import Offloadable, Recompute, Saveable, checkpoint_name, saved_residuals
from fxad.backends.numpy import xp
from fxad.errors import ArgumentTypeError, ArgumentValueError
from fxad.test_util import check_grads
from tests.control.counting import count, counted

policies = fxad.checkpoint_policies
rng = np.random.default_rng(0)
A, B, X = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=(2, 5, 3))


def network(x, a, b):
    """A stack times matrices, a batched product, names, a call, and a constant."""
    h = checkpoint_name(fnp.tanh(x @ a), "hidden")
    s = fxad.jit(lambda h: checkpoint_name(fnp.sin(h) * 0.5, "sines"))(h)
    t = fnp.einsum("nij,nkj->nik", s, h)
    return fnp.exp(t * 0.1) @ fnp.exp(s @ b)


MEMORIES = {"offload_src": "device", "offload_dst": "pinned_host"}
POLICIES = {
    "none": None,
    "everything": policies.everything_saveable,
    "nothing": policies.nothing_saveable,
    "dots": policies.dots_saveable,
    "plain dots": policies.dots_with_no_batch_dims_saveable,
    "names": policies.save_only_these_names("hidden"),
    "any names but": policies.save_any_names_but_these("hidden"),
    "anything except": policies.save_anything_except_these_names("hidden"),
    "both": policies.save_from_both_policies(
        policies.dots_saveable, policies.save_only_these_names("hidden")
    ),
    "offload": policies.save_and_offload_only_these_names(
        names_which_can_be_saved=["hidden"], names_which_can_be_offloaded=["sines"], **MEMORIES
    ),
    "offload dots": policies.offload_dot_with_no_batch_dims(**MEMORIES),
    "own": lambda primitive, *avals, **params: str(primitive) == "exp",
}
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())


# Values -------------------------------------------------------------------------------------------


@every_policy
def test_values_and_derivatives_are_the_functions_own(policy):
    f = fxad.checkpoint(network, policy=policy)
    check_grads(f, (X, A, B), order=2, modes=["fwd", "rev"])
    plain = fxad.grad(lambda *args: network(*args).sum(), argnums=(0, 1, 2))
    saving = fxad.grad(lambda *args: f(*args).sum(), argnums=(0, 1, 2))
    for transform in (
        lambda g: g(X, A, B),
        lambda g: fxad.jit(g)(X, A, B),
        lambda g: fxad.vmap(g, in_axes=(None, 0, 0))(
            X, np.stack([A, -A, A]), np.stack([B, B, 2 * B])
        ),
        lambda g: fxad.jvp(lambda a: g(X, a, B), (A,), (np.ones_like(A),)),
        lambda g: fxad.grad(lambda a: g(X, a, B)[2].sum())(A),
        lambda g: fxad.jit(fxad.grad(lambda a: g(X, a, B)[2].sum()))(A),
    ):
        for got, wanted in zip(
            fxad.tree.leaves(transform(saving)), fxad.tree.leaves(transform(plain)), strict=True
        ):
            np.testing.assert_allclose(got, wanted, rtol=1e-11, atol=1e-13)


@every_policy
def test_float32_stays(policy):
    x, a, b = (v.astype(np.float32) for v in (X, A, B))
    f = fxad.checkpoint(network, policy=policy)
    assert f(x, a, b).dtype == np.float32
    gradients = fxad.grad(lambda *args: f(*args).sum(), argnums=(0, 1, 2))(x, a, b)
    assert {g.dtype for g in gradients} == {np.dtype(np.float32)}


# What is kept ------------------------------------------------------------------------------------


def kept(policy, f=network, args=(X, A, B)):
    """The shapes of what a derivative keeps beside arguments, and what made it."""
    found = saved_residuals(fxad.checkpoint(f, policy=policy), *args)
    return [(a.shape, text.partition(" from ")[0]) for a, text in found if "argument" not in text]


PRODUCT, STACKS, LAST = (2, 5, 4), (2, 5, 5), (2, 5, 2)
DOT = "output of dot_general"


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        ("none", []),
        ("nothing", []),
        ("dots", [(PRODUCT, DOT), (STACKS, DOT), (LAST, DOT)]),
        ("plain dots", [(PRODUCT, DOT), (LAST, DOT)]),
        ("names", [(PRODUCT, "named 'hidden'")]),
        ("any names but", [(PRODUCT, "named 'sines'")]),
        ("both", [(PRODUCT, "named 'hidden'"), (STACKS, DOT), (LAST, DOT)]),
        ("offload", [(PRODUCT, "named 'hidden'"), (PRODUCT, "named 'sines'")]),
        ("own", [(STACKS, "output of exp"), (LAST, "output of exp")]),
    ],
)
def test_what_each_keeps(policy, wanted):
    assert sorted(kept(POLICIES[policy])) == sorted(wanted)


def test_anything_except_keeps_what_has_no_such_name():
    everything = kept(policies.everything_saveable)
    assert (PRODUCT, "named 'hidden'") in everything
    found = kept(POLICIES["anything except"])
    assert (PRODUCT, "named 'hidden'") not in found
    assert {(STACKS, "output of exp"), (PRODUCT, "named 'sines'")} <= set(found)


def test_only_what_the_backward_pass_reads_is_kept():
    """A sum reads nothing, however saveable."""
    total = lambda x: checkpoint_name(x * 2.0, "double").sum()  # noqa: E731
    assert kept(policies.everything_saveable, total, (X,)) == []
    assert saved_residuals(fxad.checkpoint(total), X) == []


def test_a_policy_is_asked_for_what_is_linearized():
    """As in JAX, the factors of tangents are saveable too: a cosine is there for a sine."""
    f = fxad.checkpoint(
        lambda x: fnp.sin(fnp.sin(x)), policy=lambda primitive, *_, **__: str(primitive) == "cos"
    )
    push = str(fxad.make_jaxpr(fxad.linearize(f, 1.0)[1])(1.0))
    assert "sin " not in push and "cos " not in push


@pytest.mark.parametrize("call", [lambda f: f, fxad.jit])
def test_what_runs_when_the_linear_part_runs(call):
    sin = lambda x: checkpoint_name(fnp.sin(x), "sin")  # noqa: E731
    square = call(lambda x: x * x)
    for policy, sines, cosines in [
        (policies.everything_saveable, 0, 0),
        (None, 1, 2),
        (policies.save_only_these_names("sin"), 0, 2),
    ]:
        f = fxad.checkpoint(lambda x: sin(square(sin(x))), policy=policy)
        y, push = fxad.linearize(f, 1.0)
        text = str(fxad.make_jaxpr(push)(2.0))
        assert (text.count(" sin "), text.count(" cos ")) == (sines, cosines)
        wanted = fxad.jvp(lambda x: np.sin(np.sin(x) ** 2), (1.0,), (2.0,))
        np.testing.assert_allclose((y, push(2.0)), wanted, rtol=1e-14)


def test_saved_products_are_not_computed_again():
    def f(x, product):
        for _ in range(3):
            x = fnp.sin(fnp.einsum(product, x, x))
        return x

    for policy, product, shape, dots in [
        (policies.checkpoint_dots, "ij,jk->ik", (2, 2), 6),
        (policies.checkpoint_dots_with_no_batch_dims, "ij,jk->ik", (2, 2), 6),
        (policies.checkpoint_dots_with_no_batch_dims, "nij,njk->nik", (3, 2, 2), 9),
    ]:
        g = fxad.checkpoint(functools.partial(f, product=product), policy=policy)
        text = str(fxad.make_jaxpr(fxad.linearize(g, np.ones(shape))[1])(np.ones(shape)))
        # The third sine is the result alone; the third of three recomputed products is not read.
        assert (text.count("= sin "), text.count("= dot_general[")) == (2, dots)


def test_named_values_are_computed_once():
    @fxad.checkpoint(policy=policies.save_only_these_names("kept"))
    def f(x):
        return fnp.sin(checkpoint_name(counted(x), "kept")) * counted(x * 2.0)

    x = np.ones(3)
    with count() as runs:
        _, pull = fxad.vjp(f, x)
    assert len(runs) == 2
    with count() as runs:
        pull(x)
    assert len(runs) == 1


def test_a_named_result_of_several():
    """Where the operation that made it runs again anyway, the value is there without its name."""
    @fxad.checkpoint(policy=policies.save_any_names_but_these())
    def f(x):
        sign, logarithm = np.linalg.slogdet(x)
        values, vectors = np.linalg.eigh(x + x.T)
        values = checkpoint_name(values, "values")
        return (values * vectors).sum() * checkpoint_name(logarithm, "l") * sign

    x = A[:, :3] + 3.0 * np.eye(3)
    check_grads(f, (x,), order=2, modes=["fwd", "rev"])


def test_a_named_input_is_the_input():
    assert kept(policies.save_any_names_but_these(), lambda x: fnp.sin(checkpoint_name(x, "x")),
                (X,)) == [((2, 5, 3), "named 'x'")]
    f = fxad.checkpoint(lambda x: x * checkpoint_name(x, "x"), policy=policies.everything_saveable)
    assert fxad.grad(f)(3.0) == 6.0
    tree = checkpoint_name({"a": X, "b": (1, 2.0)}, "x")
    assert tree["a"] is X and tree["b"] == (1, 2.0)
    assert fxad.jit(lambda x: checkpoint_name(x, "x"))(3) == 3


# Offloading --------------------------------------------------------------------------------------


def test_offloaded_values_go_to_the_host_and_come_back(monkeypatch):
    moved = []
    monkeypatch.setattr(xp, "offload", lambda x: moved.append(("away", x)) or x)
    monkeypatch.setattr(xp, "fetch", lambda x: moved.append(("back", x)) or x)
    f = fxad.checkpoint(network, policy=POLICIES["offload"])
    y, pull = fxad.vjp(f, X, A, B)
    sines = np.sin(np.tanh(X @ A)) * 0.5
    assert [where for where, _ in moved] == ["away"]
    np.testing.assert_allclose(moved[0][1], sines, rtol=1e-13)
    pull(y)
    assert [where for where, _ in moved] == ["away", "back"]
    moved.clear()
    f = fxad.checkpoint(network, policy=POLICIES["offload dots"])
    fxad.grad(lambda x: f(x, A, B).sum())(X)
    assert sorted((where, x.shape) for where, x in moved) == [
        ("away", LAST), ("away", PRODUCT), ("back", LAST), ("back", PRODUCT)
    ]  # of three products that of stacks stays


def test_offloads_are_in_the_program():
    f = fxad.checkpoint(lambda x: network(x, A, B).sum(), policy=POLICIES["offload dots"])
    text = str(fxad.make_jaxpr(fxad.grad(f))(X))
    assert (text.count("= offload "), text.count("= fetch ")) == (2, 2)


def test_both_policies_prefer_the_device():
    offload = lambda *_, **__: Offloadable("device", "pinned_host")  # noqa: E731
    both = policies.save_from_both_policies
    assert both(offload, policies.everything_saveable)(None) is Saveable is True
    assert both(offload, policies.nothing_saveable)(None) == Offloadable()
    assert both(policies.nothing_saveable, policies.nothing_saveable)(None) is Recompute is False


# When it runs again ------------------------------------------------------------------------------


def test_what_runs_again_does_so_where_it_is_read():
    """One checkpoint around many layers: no layer's values are there before their turn."""
    def f(x):
        for _ in range(4):
            x = fnp.sin(x @ A[:, :3])
        return x.sum()

    policy = policies.dots_saveable
    closed = fxad.make_jaxpr(fxad.grad(fxad.checkpoint(f, policy=policy)))(X[0])
    backward = str(closed.eqns[-1].params["jaxpr"])
    order = [line.split(" = ")[1].split()[0].split("[")[0] for line in backward.splitlines()[1:-1]]
    order = [name for name in order if name in ("cos", "dot_general")]
    assert order == ["cos", "dot_general"] * 4


# What is refused ---------------------------------------------------------------------------------


class Unhashable:
    """A policy that equals others."""

    def __eq__(self, other):
        return True

    def __call__(self, *args, **params):
        return True


@pytest.mark.parametrize("policy", ["dots", 3, policies, Unhashable()])
def test_what_is_no_policy(policy):
    with pytest.raises(ArgumentTypeError, match=r"\[checkpoint\] got a policy of type"):
        fxad.checkpoint(network, policy=policy)


def test_what_makes_policies_is_none():
    with pytest.raises(ArgumentTypeError, match=r"policy=checkpoint_policies.save_only_these_name"):
        fxad.checkpoint(network, policy=policies.save_only_these_names)


@pytest.mark.parametrize(
    "make",
    [
        lambda: policies.save_only_these_names(["hidden"]),
        lambda: policies.save_only_these_names(("hidden", "other")),
        lambda: policies.save_any_names_but_these(3),
        lambda: policies.save_anything_except_these_names(("hidden",)),
        lambda: policies.save_and_offload_only_these_names(
            names_which_can_be_saved="hidden", names_which_can_be_offloaded=[], **MEMORIES
        ),
    ],
)
def test_names_that_no_value_can_have(make):
    with pytest.raises(ArgumentTypeError, match=r"got the names .*, wanted strings"):
        make()


@pytest.mark.parametrize("wrong", [None, "dots", policies.save_only_these_names])
def test_of_two_policies_each_is_one(wrong):
    for pair in ((wrong, policies.dots_saveable), (policies.dots_saveable, wrong)):
        with pytest.raises(ArgumentTypeError, match=r"\[save_from_both_policies\] got"):
            policies.save_from_both_policies(*pair)


def test_names_to_offload_and_memories():
    make = policies.save_and_offload_only_these_names
    with pytest.raises(ArgumentValueError, match=r"got \['y'\] .* should be exclusive"):
        make(names_which_can_be_saved=["y"], names_which_can_be_offloaded=["y", "z"], **MEMORIES)
    with pytest.raises(ArgumentValueError, match="wanted 'device' and 'pinned_host'"):
        policies.offload_dot_with_no_batch_dims("device", "disk")
    with pytest.raises(ArgumentTypeError, match=r"\[checkpoint_name\] got a name of type int"):
        checkpoint_name(X, 3)
