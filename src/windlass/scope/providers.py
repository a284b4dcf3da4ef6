"""The types that can be asked for by annotation, and how each is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from windlass.context import Context, Service, decoder_of, is_results
from windlass.errors import RegistrationError
from windlass.signature import (
    describe,
    injected_kind,
    is_async,
    is_async_generator,
    local_names,
    parameters_of,
)

DATABASE: Any = "the worker's connection"
"""What stands for any driver's ``Connection`` class: drivers are not imported here."""


class Recipe(NamedTuple):
    """How to build one provided type."""

    kind: Any
    factory: Callable[..., Any]
    needs: tuple[tuple[str, Any], ...]
    """Parameter names and what fills them."""
    is_async: bool
    close: bool
    fixed: bool = False
    """``factory`` is not called: it is the value."""


class Providers:
    """The types that can be asked for by annotation, and how each is made."""

    def __init__(self) -> None:
        self._factories: dict[Any, tuple[Any, bool, dict[str, Any]]] = {}
        self._overrides: dict[Any, list[Any]] = {}
        self._recipes: dict[Any, Recipe] = {}

    def provide(self, kind: Any, factory: Callable[..., Any], *, close: bool = True) -> None:
        """Registers the factory for a type; ``close=False`` for an object that outlives the scope.

        Raises:
            RegistrationError: the type already has one, or is one that Windlass fills in itself.
        """
        if self.key_of(kind) in (Context, Service, DATABASE) or is_results(kind):
            raise RegistrationError(f"{type_label(kind)} is filled in by Windlass and cannot be provided")
        if kind in self._factories:
            known = describe(self._factories[kind][0])
            raise RegistrationError(
                f"{type_label(kind)} is already provided by {known}, and again by {describe(factory)}"
            )
        if not callable(factory):
            raise RegistrationError(f"expected a factory for {type_label(kind)}, got {factory!r:.80}")
        self._factories[kind] = (factory, close, local_names(factory))

    @contextmanager
    def override(self, overrides: Mapping[Any, Any]) -> Generator[None]:
        """Replaces providers in this process for as long as the ``with`` block runs."""
        for kind, replacement in overrides.items():
            self._overrides.setdefault(kind, []).append(replacement)
        self._recipes.clear()
        try:
            yield
        finally:
            for kind in overrides:
                self._overrides[kind].pop()
            self._recipes.clear()

    def key_of(self, annotation: Any) -> Any | None:
        """What a scope knows the annotation by, or None where nothing provides it."""
        kind = injected_kind(annotation, self._is_known)
        return DATABASE if kind is not None and is_connection(kind) else kind

    def recipe(self, kind: Any, overrides: Mapping[Any, Any] | None = None) -> Recipe:
        """How to build the type, overrides considered."""
        if overrides and kind in overrides:
            return self._read(kind, overrides[kind], override=True)
        recipe = self._recipes.get(kind)
        if recipe is None:
            replaced = self._overrides.get(kind)
            recipe = self._read(kind, replaced[-1], override=True) if replaced else self._read_own(kind)
            self._recipes[kind] = recipe
        return recipe

    def check(self, kind: Any, *, asynchronous: bool, path: tuple[Any, ...] = ()) -> None:
        """Walks what the type needs.

        Raises:
            RegistrationError: a cycle, a parameter nobody provides, or an async provider for a sync handler.
        """
        if kind in (Context, Service, DATABASE):
            return
        if kind in path:
            raise cycle((*path, kind))
        recipe = self.recipe(kind)
        if recipe.is_async and not asynchronous:
            raise async_in_sync(recipe)
        for _, need in recipe.needs:
            self.check(need, asynchronous=asynchronous, path=(*path, kind))

    def _is_known(self, kind: Any) -> bool:
        return (
            kind is Context
            or kind is Service
            or kind in self._factories
            or bool(self._overrides.get(kind))
            or is_connection(kind)
            or is_results(kind)
        )

    def _read_own(self, kind: Any) -> Recipe:
        if is_results(kind):
            return Recipe(kind, _results_factory(kind), (("ctx", Context),), is_async=False, close=False)
        factory, close, names = self._factories[kind]
        return self._read(kind, factory, close=close, names=names)

    def _read(
        self, kind: Any, factory: Any, *, override: bool = False, close: bool = True, names: Any = None
    ) -> Recipe:
        if override and not _is_factory(factory):
            return Recipe(kind, factory, (), is_async=False, close=False, fixed=True)
        needs: list[tuple[str, Any]] = []
        for parameter in parameters_of(factory, names):
            key = self.key_of(parameter.annotation)
            if key is not None:
                if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                    raise RegistrationError(f"{describe(factory)} takes {parameter.name} by position only")
                needs.append((parameter.name, key))
            elif parameter.required and parameter.kind not in (
                inspect.Parameter.VAR_POSITIONAL,
                inspect.Parameter.VAR_KEYWORD,
            ):
                raise RegistrationError(
                    f"{describe(factory)} provides {type_label(kind)} and needs {parameter.name}: "
                    f"{type_label(parameter.annotation)}, which nothing provides"
                )
        asynchronous = is_async(factory) or is_async_generator(factory)
        return Recipe(kind, factory, tuple(needs), asynchronous, close)


def _is_factory(value: Any) -> bool:
    """A function, method, class or partial; any other object is the value to use, also a callable one."""
    return inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, partial)


def _results_factory(annotation: Any) -> Callable[[Context], Any]:
    try:
        decoder = decoder_of(annotation)
    except TypeError as error:
        raise RegistrationError(f"{annotation} cannot be read from JSON: {error}") from error
    return lambda ctx: ctx.results_for(decoder)


def is_connection(kind: Any) -> bool:
    """A driver's ``Connection`` class, or one derived from it."""
    return any(
        base.__name__ == "Connection" and base.__module__.partition(".")[0] in ("sqlite3", "psycopg")
        for base in getattr(kind, "__mro__", ())
    )


def cycle(path: tuple[Any, ...]) -> RegistrationError:
    """The error for providers that need each other."""
    start = path.index(path[-1])
    return RegistrationError(
        f"providers need each other in a circle: {' → '.join(map(type_label, path[start:]))}"
    )


def async_in_sync(recipe: Recipe) -> RegistrationError:
    """The error for an async provider where nothing can wait."""
    return RegistrationError(
        f"{describe(recipe.factory)} provides {type_label(recipe.kind)} and is async: "
        "only async handlers can use it"
    )


def type_label(kind: Any) -> str:
    """A type as it is written."""
    return kind if isinstance(kind, str) else getattr(kind, "__qualname__", None) or repr(kind)
