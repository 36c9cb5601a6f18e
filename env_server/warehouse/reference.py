"""Named tuples of arrays passed by reference inside compiled code.

numba passes a tuple by value, field by field: for our `State` some 170 numbers at each of a hundred calls, which takes
the compiler a minute. `refer(state)` gives a pointer to it instead, whose fields read the same: `state.cell[e, n]`.
An entry function (one that Python calls) refers once, and all it calls take either form.
"""

from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar

from numba.core import cgutils, types
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, models, register_model

T = TypeVar("T")


class ReferenceType(types.Type):
    """A pointer to a named tuple of type `target`; a tuple in it is read as a reference too."""

    def __init__(self, target: Any) -> None:
        self.target = target
        digest = sha256(str(target).encode()).hexdigest()[:12]  # the full name would be part of every symbol
        super().__init__(name=f"Reference({target.instance_class.__name__}, {digest})")

    def field(self, name: str) -> Any:
        """The type of a field as it is read."""
        kind = self.target[self.target.fields.index(name)]
        return ReferenceType(kind) if isinstance(kind, types.BaseNamedTuple) else kind


@register_model(ReferenceType)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: ReferenceType) -> None:
        pointer = manager.lookup(kind.target).get_value_type().as_pointer()
        super().__init__(manager, kind, pointer)  # type: ignore[no-untyped-call]


@infer_getattr
class _ReferenceFields(AttributeTemplate):
    key = ReferenceType

    def generic_resolve(self, kind: ReferenceType, name: str) -> Any:  # type: ignore[override]
        return kind.field(name) if name in kind.target.fields else None


@lower_getattr_generic(ReferenceType)  # type: ignore[no-untyped-call]
def _read_field(context: Any, builder: Any, kind: ReferenceType, pointer: Any, name: str) -> Any:
    place = cgutils.gep_inbounds(builder, pointer, 0, kind.target.fields.index(name))  # type: ignore[no-untyped-call]
    return place if isinstance(kind.field(name), ReferenceType) else builder.load(place)


if TYPE_CHECKING:

    def refer(value: T) -> T:
        """A reference to the named tuple `value`, good until the compiled function that asks for it returns."""
        ...

else:

    @intrinsic
    def refer(_typing: Any, value: Any) -> Any:
        """As above: numba calls this with the type of `value`, and what it gives with the value itself."""

        def make(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = cgutils.alloca_once(builder, arguments[0].type)  # in the frame of the function that refers
            builder.store(arguments[0], place)
            return place

        return ReferenceType(value)(value), make
