"""What NumPy reshapes in place, and with which strides."""

import itertools

import numpy as np
import pytest

from fxad.ops.layout import strides_of_reshaped

SHAPES = [
    shape
    for ndim in range(5)
    for shape in itertools.product((1, 2, 3, 4, 6), repeat=ndim)
    if np.prod(shape) == 12
]
X = np.arange(24).reshape(2, 3, 4)
LAYOUTS = {
    "rows": np.arange(12),
    "columns": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "transposed": np.arange(12).reshape(2, 3, 2).transpose(1, 0, 2),
    "every other": X[:, :, ::2],
    "every other row": X.reshape(8, 3)[::2],
    "backwards": np.arange(12).reshape(3, 4)[::-1],
    "repeated": np.broadcast_to(np.arange(4), (3, 4)),
    "ones between": np.arange(12).reshape(3, 1, 4).transpose(2, 1, 0),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tells_views_from_copies_as_numpy_does(layout):
    x = LAYOUTS[layout]
    for shape in SHAPES:
        reshaped, strides = x.reshape(shape), strides_of_reshaped(x, shape)
        assert (strides is not None) == np.shares_memory(x, reshaped), shape
        if strides is not None:
            seen = np.lib.stride_tricks.as_strided(x, shape, strides)
            np.testing.assert_array_equal(seen, reshaped)


def test_without_elements_nothing_is_copied():
    assert strides_of_reshaped(np.zeros((0, 3)).T, (2, 0)) is not None
