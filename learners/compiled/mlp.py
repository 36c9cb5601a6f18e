"""Forward and backward of one multi-layer perceptron over a block of rows, in buffers that the caller keeps.

A layer's weight (in, out) and bias (out,) lie one after the other in the flat parameter vector, so together they are
one matrix (in + 1, out). Every layer's input has a last column of ones: its product with that matrix is x @ weight +
bias, and the product of its transpose with the outputs' gradient is the gradient of both.
"""

from typing import Any, NamedTuple

import numpy as np

from actors.kernels import tanh
from learners.compiled import compiled
from learners.compiled.blas import add_turned_multiply, multiply


class Network(NamedTuple):
    """One network's place in the flat vector and in the buffers.

    sizes: int64 (layers + 1,), numbers in and out; at: int64 (layers,), where each layer's parameters begin; row: int64
    (layers,), the row of `inputs` with what the layer gets; stride: int64 (layers,), its row length there.
    """

    sizes: Any
    at: Any
    row: Any
    stride: Any


@compiled
def forward(flat: Any, net: Network, inputs: Any, rows: int, is_tanh: bool, out: Any) -> None:
    """All layers over `rows` rows: fills the hidden layers' rows of `inputs`, and `out` (rows, sizes[-1])."""
    last = net.at.size - 1
    for k in range(last + 1):
        x, weights, units, given = inputs[net.row[k]], flat[net.at[k] :], net.sizes[k + 1], net.sizes[k] + 1
        if k == last:
            multiply(x, net.stride[k], weights, units, out, units, rows, units, given)
        else:
            h, stride = inputs[net.row[k + 1]], net.stride[k + 1]
            multiply(x, net.stride[k], weights, units, h, stride, rows, units, given)
            _activate(h, stride, rows, units, is_tanh)


@compiled
def backward(
    turned: Any, gradient: Any, net: Network, inputs: Any, rows: int, is_tanh: bool, d_out: Any, room: Any
) -> None:
    """Add to `gradient` (P,) what `d_out` (rows, sizes[-1]), the loss by this network's outputs, gives its parameters.

    `turned` (P,) is what `turn` made of the parameters; `room` f32 (2, rows * the widest layer) is scratch.
    """
    d = d_out
    for k in range(net.at.size - 1, -1, -1):
        x, units, given = inputs[net.row[k]], net.sizes[k + 1], net.sizes[k]
        add_turned_multiply(x, net.stride[k], d, units, gradient[net.at[k] :], units, given + 1, units, rows)
        if k > 0:
            below = room[k % 2]
            multiply(d, units, turned[net.at[k] :], given, below, given, rows, given, units)
            _through_activation(below, x, net.stride[k], rows, given, is_tanh)
            d = below


@compiled
def turn(flat: Any, net: Network, turned: Any) -> None:
    """Transpose all weights but the first layer's, once for all blocks: BLAS is slower at turning them itself.

    `turned` (P,): a layer's (out, in) at the place of its (in, out).
    """
    for k in range(1, net.at.size):
        given, units, at = net.sizes[k], net.sizes[k + 1], net.at[k]
        for i in range(given):
            for j in range(units):
                turned[at + j * given + i] = flat[at + i * units + j]


@compiled
def _activate(z: Any, stride: int, rows: int, units: int, is_tanh: bool) -> None:
    """Have z := tanh(z) or max(z, 0), row by row; what lies between the rows stays."""
    for r in range(rows):
        row = z[r * stride : r * stride + units]  # a view: numba can't rule out a negative index otherwise
        if is_tanh:
            for u in range(units):
                row[u] = tanh(row[u])
        else:
            for u in range(units):
                row[u] = max(row[u], np.float32(0.0))


@compiled
def _through_activation(d: Any, h: Any, stride: int, rows: int, units: int, is_tanh: bool) -> None:
    """From d (rows, units) by a layer's outputs h to d by what went into its activation: tanh' = 1 - tanh^2."""
    for r in range(rows):
        below, out = d[r * units : (r + 1) * units], h[r * stride : r * stride + units]
        if is_tanh:
            for u in range(units):
                below[u] *= np.float32(1.0) - out[u] * out[u]
        else:
            for u in range(units):
                below[u] = below[u] if out[u] > 0.0 else np.float32(0.0)
