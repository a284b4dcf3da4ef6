"""Many things of one kind, kept as columns: each is made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self, TypeVar, cast, overload

T = TypeVar("T")


class Columns(Sequence[T]):
    """A sequence whose elements are told as one sequence for each of their fields.

    Whoever works a column at a time makes none of the elements; everybody else has the same sequence.
    """

    __slots__ = ("columns",)
    make: Callable[..., T]
    """Makes an element of a value of each column."""

    def __init__(self, *columns: Sequence[Any]) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[T]:
        return map(self.make, *self.columns)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> T | Self:
        if isinstance(index, slice):
            return type(self)(*[column[index] for column in self.columns])
        return self.make(*[column[index] for column in self.columns])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(cast("Sequence[Any]", other))

    __hash__ = None  # type: ignore[assignment] - as a list
