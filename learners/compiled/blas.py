"""Matrix products inside compiled functions: the BLAS that scipy brings, called without a way through Python.

All matrices are row-major. BLAS thinks in columns, so it is asked for c' = b' a', which is the same memory.
"""

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types
from numba.core import cgutils as _cgutils
from numba.extending import get_cython_function_address, intrinsic

from learners.compiled import compiled

# By name, not by address: machine code that names it can be kept on disk and loaded by another process.
_NAME = "fleet_sgemm"
llvm.add_symbol(_NAME, get_cython_function_address("scipy.linalg.cython_blas", "sgemm"))
_sgemm: Any = types.ExternalFunction(_NAME, types.void(*[types.voidptr] * 13))

cgutils: Any = _cgutils  # untyped
_PLAIN, _TURNED = np.int8(ord("N")), np.int8(ord("T"))


def _address(context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(cgutils.alloca_once_value(builder, arguments[0]), cgutils.voidptr_t)

    return types.voidptr(value), generate


_reference: Any = intrinsic(_address)
"""The address of a copy of a number, for compiled code: Fortran takes every argument so."""


@compiled
def multiply(a: Any, a_row: int, b: Any, b_row: int, c: Any, c_row: int, m: int, n: int, k: int) -> None:
    """`c (m, n) = a (m, k) @ b (k, n)`, f32. Each is 1-D, its rows `*_row` items apart."""
    _gemm(_PLAIN, a, a_row, _PLAIN, b, b_row, 0.0, c, c_row, m, n, k)


@compiled
def add_turned_multiply(a: Any, a_row: int, b: Any, b_row: int, c: Any, c_row: int, m: int, n: int, k: int) -> None:
    """`c (m, n) += a' (m, k) @ b (k, n)`, with a (k, m)."""
    _gemm(_TURNED, a, a_row, _PLAIN, b, b_row, 1.0, c, c_row, m, n, k)


@compiled
def _gemm(
    a_as: Any,
    a: Any,
    a_row: int,
    b_as: Any,
    b: Any,
    b_row: int,
    beta: float,
    c: Any,
    c_row: int,
    m: int,
    n: int,
    k: int,
) -> None:
    _sgemm(
        _reference(np.int8(b_as)),
        _reference(np.int8(a_as)),
        _reference(np.int32(n)),
        _reference(np.int32(m)),
        _reference(np.int32(k)),
        _reference(np.float32(1.0)),
        b.ctypes,
        _reference(np.int32(b_row)),
        a.ctypes,
        _reference(np.int32(a_row)),
        _reference(np.float32(beta)),
        c.ctypes,
        _reference(np.int32(c_row)),
    )
