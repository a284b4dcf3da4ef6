"""Reads a function's signature: which parameters are payload, which are filled in by annotation.

Annotations are resolved late, at the first use of a handler: providers may be registered after it, and
names in string annotations may be defined after it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast, get_args, get_origin

from windlass.errors import RegistrationError

KEY: Any = "the job's key"
"""What fills a fallback handler's ``key``."""


class Parameter(NamedTuple):
    """One parameter with its annotation resolved."""

    name: str
    kind: Any
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """It has no default."""
        return self.default is inspect.Parameter.empty


def parameters_of(fn: Callable[..., Any], names: Mapping[str, Any] | None = None) -> list[Parameter]:
    """The parameters of a function, class, partial or callable object.

    ``names`` are further names for string annotations: see ``local_names``.

    Raises:
        RegistrationError: it has no readable signature, or an annotation that names nothing.
    """
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise RegistrationError(f"the signature of {describe(fn)} cannot be read: {error}") from error
    hints = _hints(fn, names)
    return [
        Parameter(name, parameter.kind, hints.get(name, Any), parameter.default)
        for name, parameter in signature.parameters.items()
    ]


def local_names(fn: Callable[..., Any]) -> dict[str, Any]:
    """Names that string annotations of a nested function may mean: the locals of the call that defines it.

    Call it while the defining function still runs, as a decorator does.
    """
    plain = _plain(fn)
    code = getattr(plain, "__code__", None)
    if code is None or "<locals>" not in plain.__qualname__:
        return {}
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if code in frame.f_code.co_consts:
            text = " ".join(str(annotation) for annotation in getattr(plain, "__annotations__", {}).values())
            return {name: value for name, value in frame.f_locals.items() if name in text}
        frame = frame.f_back
    return {}


def injected_kind(annotation: Any, is_known: Callable[[Any], bool]) -> Any | None:
    """What an annotation asks to be filled with: itself, the known arm of ``X | None``, or None."""
    if get_origin(annotation) is typing.Annotated:
        annotation = get_args(annotation)[0]
    if _known(annotation, is_known):
        return annotation
    if get_origin(annotation) in (typing.Union, types.UnionType):
        arms = [arm for arm in get_args(annotation) if arm is not types.NoneType]
        if len(arms) == 1 and _known(arms[0], is_known):
            return arms[0]
    return None


def is_whole_payload(parameter: Parameter) -> bool:
    """A parameter ``payload: dict | None`` (or ``dict``, with or without type arguments)."""
    if parameter.name != "payload":
        return False
    annotation = parameter.annotation
    arms = (
        get_args(annotation) if get_origin(annotation) in (typing.Union, types.UnionType) else (annotation,)
    )
    return all(arm is types.NoneType or arm is dict or get_origin(arm) is dict for arm in arms)


def takes_none(annotation: Any) -> bool:
    """The annotation is a union with None."""
    return types.NoneType in get_args(annotation)


def is_async(fn: Callable[..., Any]) -> bool:
    """Calling it gives a coroutine."""
    # The outermost function decides: a wrapper may well run an async function to its end.
    outer = _without_partials(fn)
    return inspect.iscoroutinefunction(outer) or inspect.iscoroutinefunction(_call_of(outer))


def is_generator(fn: Callable[..., Any]) -> bool:
    """Calling it gives a generator, sync or async."""
    outer = _without_partials(fn)
    return inspect.isgeneratorfunction(outer) or inspect.isasyncgenfunction(outer)


def is_async_generator(fn: Callable[..., Any]) -> bool:
    """Calling it gives an async generator (or, decorated, an async context manager)."""
    return inspect.isasyncgenfunction(_plain(fn))


def describe(fn: Any) -> str:
    """``module.name (file:line)``: where a function is, for error messages."""
    plain = _plain(fn)
    name = getattr(plain, "__qualname__", None) or repr(plain)
    module = getattr(plain, "__module__", None)
    named = f"{module}.{name}" if module else name
    code = getattr(plain, "__code__", None)
    return named if code is None else f"{named} ({code.co_filename}:{code.co_firstlineno})"


def check_context(fn: Callable[..., Any], parameter: Parameter) -> None:
    """Refuses a ``ctx`` without annotation, which would silently be a payload field."""
    if parameter.name == "ctx" and parameter.annotation is Any:
        raise RegistrationError(
            f"the parameter ctx of {describe(fn)} has no annotation: write ctx: Context to get it"
        )


def _known(annotation: Any, is_known: Callable[[Any], bool]) -> bool:
    try:
        hash(annotation)
    except TypeError:
        return False
    return is_known(annotation)


def _call_of(value: Any) -> Any:
    kind: Any = cast("Any", type(value))
    return kind.__call__


def _without_partials(fn: Any) -> Any:
    while isinstance(fn, functools.partial):
        fn = fn.func
    return fn


def _plain(fn: Any) -> Any:
    fn = _without_partials(fn)
    return inspect.unwrap(fn) if callable(fn) else fn


def _hints(fn: Any, names: Mapping[str, Any] | None) -> dict[str, Any]:
    plain = _plain(fn)
    if inspect.isclass(plain):
        plain = plain.__init__
    elif not inspect.isroutine(plain):
        plain = _call_of(plain)
    try:
        return typing.get_type_hints(plain, localns=dict(names or {}), include_extras=True)
    except NameError as error:
        raise RegistrationError(
            f"an annotation of {describe(fn)} cannot be resolved: {error}; import what it names at the top "
            "of the module, outside `if TYPE_CHECKING`"
        ) from error
    except (AttributeError, TypeError, SyntaxError) as error:
        raise RegistrationError(f"an annotation of {describe(fn)} cannot be resolved: {error}") from error
