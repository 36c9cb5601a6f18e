"""Eight numbers moved at once inside compiled code, wherever they lie.

numba moves an array's items one by one, and has no way to read eight bytes as one word from a place that isn't a
multiple of eight. Nothing is checked here: the caller sees to it that the whole block lies within the arrays.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

BLOCK = 8
_WORD = ir.IntType(64)


def _data(context: Any, builder: Any, kind: Any, array: Any, first: Any, block: Any) -> Any:
    """A pointer to the items of `array` from number `first` on, as a pointer to a `block`."""
    items = builder.gep(context.make_array(kind)(context, builder, array).data, [first])
    return builder.bitcast(items, block.as_pointer())


def _load(builder: Any, place: Any) -> Any:
    value = builder.load(place)
    value.align = 1
    return value


def _store(builder: Any, value: Any, place: Any) -> None:
    builder.store(value, place).align = 1


def _items(context: Any, kind: Any, count: int) -> Any:
    return ir.VectorType(context.get_data_type(kind.dtype), count)


def _copy(parts: tuple[tuple[int, int], ...]) -> Callable[..., Any]:
    """What copies the items that `parts` name by where they begin and how many they are."""

    def typed(_typing: Any, to: Any, at: Any, source: Any, first: Any) -> Any:
        def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            to, at, source, first = arguments
            for begin, count in parts:
                block, shift = _items(context, signature.args[0], count), ir.Constant(_WORD, begin)
                place = _data(context, builder, signature.args[2], source, builder.add(first, shift), block)
                value = _load(builder, place)
                place = _data(context, builder, signature.args[0], to, builder.add(at, shift), block)
                _store(builder, value, place)
            return context.get_dummy_value()

        return types.void(to, types.intp, source, types.intp), make

    return typed


def _add(_typing: Any, to: Any, at: Any, one: Any, first: Any, other: Any, second: Any) -> Any:
    def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, at, one, first, other, second = arguments
        block = _items(context, signature.args[0], BLOCK)
        a = _load(builder, _data(context, builder, signature.args[2], one, first, block))
        b = _load(builder, _data(context, builder, signature.args[4], other, second, block))
        _store(builder, builder.add(a, b), _data(context, builder, signature.args[0], to, at, block))
        return context.get_dummy_value()

    return types.void(to, types.intp, one, types.intp, other, types.intp), make


def _word(_typing: Any, source: Any, first: Any) -> Any:
    def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load(builder, _data(context, builder, signature.args[0], arguments[0], arguments[1], _WORD))

    return types.uint64(source, types.intp), make


def _zero_bytes(_typing: Any, word: Any) -> Any:
    def make(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        bits = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))
        return builder.lshr(bits, ir.Constant(_WORD, 3))

    return types.intp(types.uint64), make


def _backwards(_typing: Any, word: Any) -> Any:
    def make(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bswap(arguments[0])

    return types.uint64(types.uint64), make


if TYPE_CHECKING:
    Items = npt.NDArray[np.int8] | npt.NDArray[np.int16]

    def copy_eight(to: Items, at: int, source: Items, first: int) -> None:
        """Copy `source[first : first + 8]` to `to[at : at + 8]`; both have items of one type."""
        ...

    def copy_seven(to: Items, at: int, source: Items, first: int) -> None:
        """The same with seven items."""
        ...

    def copy_four(to: Items, at: int, source: Items, first: int) -> None:
        """The same with four items."""
        ...

    def add_eight(to: Items, at: int, one: Items, first: int, other: Items, second: int) -> None:
        """Write the sums of `one[first : first + 8]` and `other[second : second + 8]` to `to[at : at + 8]`."""
        ...

    def eight_bytes(source: npt.NDArray[np.uint8], first: int) -> np.uint64:
        """`source[first : first + 8]` as one word, the first byte in its lowest bits."""
        ...

    def zero_bytes(word: np.uint64) -> int:
        """How many of the eight bytes are zero before the first one that isn't: 8 if all are."""
        ...

    def backwards(word: np.uint64) -> np.uint64:
        """The eight bytes in the opposite order."""
        ...

else:
    copy_eight = intrinsic(_copy(((0, 8),)))
    copy_seven = intrinsic(_copy(((0, 4), (3, 4))))
    copy_four = intrinsic(_copy(((0, 4),)))
    add_eight = intrinsic(_add)
    eight_bytes = intrinsic(_word)
    zero_bytes = intrinsic(_zero_bytes)
    backwards = intrinsic(_backwards)
