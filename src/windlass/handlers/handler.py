"""One registered function, and the plan by which a payload becomes its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter as Kind
from typing import Any, NamedTuple

import msgspec

from windlass.context import Context, Service
from windlass.errors import InvalidPayload, RegistrationError
from windlass.handlers.options import Options
from windlass.handlers.shape import MISSING, FieldShape, OpenShape, Shape, WholeShape, check_types, make_field
from windlass.payload import type_name
from windlass.scope import DATABASE, Providers
from windlass.signature import (
    KEY,
    Parameter,
    check_context,
    describe,
    is_async,
    is_whole_payload,
    local_names,
    parameters_of,
    takes_none,
)


class Plan(NamedTuple):
    """How to call a handler: what the payload gives, what is filled in, and where each of them goes."""

    shape: Shape
    decode: Callable[[str | None], tuple[Any, ...]]
    """The shape's own, one step closer: the hot path."""
    needs: tuple[Any, ...]
    """What is filled in, by the keys of ``Providers.key_of``."""
    positions: tuple[int, ...]
    """Places of the positional arguments in (payload values, then filled-in ones)."""
    keywords: tuple[tuple[str, int], ...]
    rest: int | None
    """The place of the dict that becomes ``**kwargs``."""
    scoped: bool
    """Something filled in comes from a provider."""
    straight: bool
    """The payload values, in order, are the arguments."""

    def arguments(self, values: tuple[Any, ...], filled: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        """Positional and keyword arguments for the call."""
        places = [*values, *filled]
        named = {name: places[place] for name, place in self.keywords}
        if self.rest is not None:
            named.update(places[self.rest])
        return [places[place] for place in self.positions], named


class Handler:
    """A job key's function and options. Made by ``Registry.add``."""

    def __init__(
        self,
        key: str,
        fn: Callable[..., Any],
        options: Options,
        providers: Providers,
        *,
        is_fallback: bool = False,
    ) -> None:
        self.key = key
        self.fn = fn
        self.options = options
        self.is_async = is_async(fn)
        self.is_fallback = is_fallback
        self.where = describe(fn)
        self._providers = providers
        self._names = local_names(fn)
        self._plan: Plan | None = None

    def __repr__(self) -> str:
        return f"<handler {self.key!r}: {self.where}>"

    @property
    def plan(self) -> Plan:
        """The plan, made at the first use.

        Raises:
            RegistrationError: the signature cannot be used; the message names the file and line.
        """
        plan = self._plan
        if plan is None:
            plan = self._plan = self._read()
        return plan

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
        """The JSON text for a call's payload arguments; filled-in parameters are not among them.

        Raises:
            InvalidPayload: they do not fit; the message names the parameter, what was expected and what came.
        """
        shape = self.plan.shape
        return shape.encode(shape.bind(args, kwargs))

    def encode_mapping(self, payload: Mapping[str, Any] | None) -> str | None:
        """The JSON text for a payload given as a dict; None stays SQL NULL where nothing is required.

        Raises:
            InvalidPayload: it does not fit.
        """
        shape = self.plan.shape
        if isinstance(shape, WholeShape):
            return shape.encode_whole(payload)
        if payload is not None and not isinstance(payload, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidPayload(
                f"{self.key}: expected payload to be a dict or None, got {type_name(payload)}"
            )
        values = shape.bind((), payload or {})
        return None if payload is None else shape.encode(values)

    def decode(self, payload: str | None) -> tuple[Any, ...]:
        """The values of the payload parameters, in the signature's order.

        Raises:
            InvalidPayload: the payload does not fit.
            msgspec.DecodeError: it is not JSON.
        """
        plan = self.plan
        try:
            return plan.decode(payload)
        except msgspec.ValidationError as error:
            raise InvalidPayload(f"{self.key}: {plan.shape.explain(error)}") from error

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the payload."""
        return self.plan.shape.schema()

    def check(self) -> None:
        """Finds now what would otherwise fail at the first job.

        Raises:
            RegistrationError: with the place of the function.
        """
        plan = self.plan
        check_types(self.key, plan.shape, self.where)
        for need in plan.needs:
            if need is not KEY:
                self._providers.check(need, asynchronous=self.is_async)

    def forget(self) -> None:
        """Makes the plan anew at the next use: a provider was registered meanwhile."""
        self._plan = None

    def _read(self) -> Plan:
        parameters = parameters_of(self.fn, self._names)
        fields: list[Parameter] = []
        needs: list[tuple[Parameter, Any]] = []
        rest: Parameter | None = None
        for parameter in parameters:
            check_context(self.fn, parameter)
            key = self._key_of(parameter)
            if parameter.kind is Kind.VAR_POSITIONAL:
                raise self._refused(
                    f"*{parameter.name} cannot be filled from a JSON object: name the parameters"
                )
            if parameter.kind is Kind.VAR_KEYWORD:
                rest = parameter
            elif key is not None:
                needs.append((parameter, key))
            else:
                fields.append(parameter)
        shape = self._shape(fields, rest, needs)
        order = [*shape.names, *([rest.name] if rest else []), *(parameter.name for parameter, _ in needs)]
        place = {name: index for index, name in enumerate(order)}
        positional = [
            one.name for one in parameters if one.kind in (Kind.POSITIONAL_ONLY, Kind.POSITIONAL_OR_KEYWORD)
        ]
        keywords = [one.name for one in parameters if one.kind is Kind.KEYWORD_ONLY]
        return Plan(
            shape=shape,
            decode=shape.decode,
            needs=tuple(key for _, key in needs),
            positions=tuple(place[name] for name in positional),
            keywords=tuple((name, place[name]) for name in keywords),
            rest=None if rest is None else place[rest.name],
            scoped=any(key not in (Context, Service, DATABASE, KEY) for _, key in needs),
            straight=not needs and not keywords and rest is None and len(positional) == len(shape.names),
        )

    def _key_of(self, parameter: Parameter) -> Any | None:
        if self.is_fallback and parameter.name == "key":
            return KEY
        return self._providers.key_of(parameter.annotation)

    def _shape(
        self, fields: list[Parameter], rest: Parameter | None, needs: list[tuple[Parameter, Any]]
    ) -> Shape:
        whole = [parameter for parameter in fields if is_whole_payload(parameter)]
        if whole and (len(fields) > 1 or rest is not None):
            raise self._refused(
                "payload takes the whole object, so no other payload parameter can stand beside it: "
                "rename it, or take the fields from it"
            )
        if whole:
            default = MISSING if whole[0].required else whole[0].default
            return WholeShape(self.key, optional=takes_none(whole[0].annotation), default=default)
        if self.is_fallback and fields:
            raise self._refused(
                f"a fallback takes key: str, payload: dict | None and what is provided, not {fields[0].name}"
            )
        if self.is_fallback:
            return WholeShape(self.key, optional=True, default=MISSING)
        try:
            made = tuple(
                make_field(
                    one.name,
                    one.annotation,
                    MISSING if one.required else one.default,
                    positional=one.kind is not Kind.KEYWORD_ONLY,
                )
                for one in fields
            )
            if rest is not None:
                taken = frozenset(parameter.name for parameter, _ in needs)
                return OpenShape(self.key, made, rest.annotation, taken)
            return FieldShape(self.key, made)
        except (TypeError, ValueError) as error:
            raise self._refused(f"its payload cannot be described as JSON: {error}") from error

    def _refused(self, why: str) -> RegistrationError:
        return RegistrationError(f"the handler {self.key}, {self.where}: {why}")
