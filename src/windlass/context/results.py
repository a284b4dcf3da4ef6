"""What the parents of a job returned, for the job that waited for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

import msgspec

from windlass.outcome import PermanentError
from windlass.payload import decode_hook

if TYPE_CHECKING:
    from windlass.store.protocol import Store

T = TypeVar("T")


class Results(tuple[T, ...]):
    """What the jobs that a job waited for returned, in their order: a tuple.

    A handler asks for it by annotation, and each result is checked against the type in it. The default is for
    type checkers, and for calls of the function by hand.

    >>> def total(results: Results[int] = Results()) -> int:
    ...     return sum(results)
    >>> total(Results([2, 3]))
    5
    """

    __slots__ = ()


def is_results(annotation: Any) -> bool:
    """``Results``, or ``Results[…]``."""
    return annotation is Results or get_origin(annotation) is Results


def decoder_of(annotation: Any) -> msgspec.json.Decoder[Any]:
    """What reads one result for that annotation.

    Raises:
        TypeError: JSON cannot hold what it wants.
    """
    kind = get_args(annotation)[0] if get_args(annotation) else Any
    return msgspec.json.Decoder(kind, dec_hook=decode_hook)


def load_results(store: Store, job_id: int, decoder: msgspec.json.Decoder[Any]) -> Results[Any]:
    """The results of a job's parents, in their order.

    Raises:
        LookupError: one of them was deleted, or is to run again.
        PermanentError: one does not fit.
    """
    found: list[Any] = []
    for row in store.parent_results(job_id):
        if row.status != "COMPLETED":
            raise LookupError(
                f"job {row.id}, whose result this one wants, was deleted"
                if row.status is None
                else f"job {row.id} ({row.key}), whose result this one wants, is {row.status} again"
            )
        try:
            found.append(decoder.decode("null" if row.result is None else row.result))
        except msgspec.ValidationError as error:
            raise PermanentError(f"the result of job {row.id} ({row.key}) does not fit: {error}") from None
    return Results(found)
