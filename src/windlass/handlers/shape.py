"""Shapes: how a call becomes a JSON object, and how that object becomes arguments again.

``FieldShape`` has one field per parameter, compiled to an msgspec decoder, which is what the worker's hot
path runs. ``OpenShape`` also takes what no parameter names (``**kwargs``). ``WholeShape`` hands the
object over as it is. What ``encode`` lets through, ``decode`` reads: values that are not plainly right are
decoded once at enqueue, so that a job cannot be refused by the very signature it was made with.
"""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, NamedTuple, cast, get_args, get_origin

import msgspec

from windlass.errors import InvalidPayload, RegistrationError
from windlass.payload import (
    INT_MAX,
    INT_MIN,
    MAX_BYTES,
    check_values,
    decode_hook,
    encode,
    is_path_type,
    type_name,
)

MISSING: Any = object()
"""No default."""

_PLAIN: dict[Any, frozenset[type]] = {
    int: frozenset({int}),
    float: frozenset({float, int}),
    str: frozenset({str}),
    bool: frozenset({bool}),
    None: frozenset({type(None)}),
    type(None): frozenset({type(None)}),
}
_CONTAINERS = (Mapping, list, tuple, set, frozenset)
_AT_PATH = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_FIELD_NAMED = re.compile(r"Object (missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)


class Field(NamedTuple):
    """One payload parameter."""

    name: str
    annotation: Any
    default: Any
    positional: bool
    """It may be given by position."""
    plain: frozenset[type]
    """Types whose values fit as they are; empty where a value has to be looked at."""
    typed_keys: bool
    """The annotation reads dict keys back as something other than text."""


def make_field(name: str, annotation: Any, default: Any, *, positional: bool) -> Field:
    """The field for a parameter's annotation."""
    return Field(name, annotation, default, positional, _plain_types(annotation), _has_typed_keys(annotation))


class FieldShape:
    """A JSON object with exactly the fields of a signature."""

    rest_annotation: Any = MISSING

    def __init__(self, key: str, fields: tuple[Field, ...]) -> None:
        self.key = key
        self.fields = fields
        self.names = tuple(field.name for field in fields)
        self._by_name = {field.name: field for field in fields}
        self._positional = tuple(field.name for field in fields if field.positional)
        self._required = tuple(field.name for field in fields if field.default is MISSING)
        self._struct = _struct(key, fields, closed=self.rest_annotation is MISSING)
        self._decode = msgspec.json.Decoder(self._struct, dec_hook=decode_hook).decode

    def decode(self, payload: str | None) -> tuple[Any, ...]:
        """The values of ``names``, in order.

        Raises:
            InvalidPayload, msgspec.ValidationError: it does not fit; ``explain`` says why.
            msgspec.DecodeError: it is not JSON.
        """
        return msgspec.structs.astuple(self._decode("{}" if payload is None else payload))

    def bind(self, args: tuple[Any, ...], given: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a call; what was not given stays out, so that a later default applies."""
        if len(args) == len(self.names) == len(self._positional) and not given:
            return dict(zip(self.names, args, strict=True))
        if len(args) > len(self._positional):
            raise InvalidPayload(
                f"{self.key} takes at most {len(self._positional)} arguments by position, got {len(args)}"
            )
        values = {**dict(zip(self._positional, args, strict=False)), **given}
        if len(values) < len(args) + len(given):
            twice = next(name for name in self._positional if name in given)
            raise InvalidPayload(f"{self.key} got {twice} twice, by position and by name")
        for name in self._required:
            if name not in values:
                raise InvalidPayload(self._missing(name))
        if len(values) > len(self._by_name) or not values.keys() <= self._by_name.keys():
            self._take_unknown(values)
        return values

    def encode(self, values: dict[str, Any]) -> str | None:
        """The JSON text of bound fields.

        Raises:
            InvalidPayload: the message names the field, what was expected and what came.
        """
        looked_at = False
        for name, value in values.items():
            field = self._by_name.get(name) or self._rest_field(name)
            kind = cast("type[Any]", type(value))
            if kind in field.plain:
                if kind is str:
                    fits = len(value) <= MAX_BYTES
                elif kind is int:
                    fits = INT_MIN <= value <= INT_MAX
                else:
                    fits = kind is not float or math.isfinite(value)
                if not fits:
                    check_values(value, f"payload.{name}")
            else:
                looked_at = True
                values[name] = self._fit(field, value)
        text = encode(values)
        if looked_at:
            try:
                self.decode(text)
            except msgspec.ValidationError as error:
                raise InvalidPayload(f"{self.key}: {self.explain(error)}") from error
        return text

    def explain(self, error: Exception) -> str:
        """What a decoding error means, in the words of the signature."""
        found = _FIELD_NAMED.fullmatch(str(error))
        if found is None:
            return _pick(error)
        return self._missing(found["name"]) if "missing" in found[1] else self._unknown(found["name"])

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the object."""
        return msgspec.json.schema(self._struct, schema_hook=_schema_hook)

    def _take_unknown(self, values: Mapping[str, Any]) -> None:
        """What to do about fields that no parameter names: refuse the first."""
        for name in values:
            if name not in self._by_name:
                raise InvalidPayload(f"{self.key}: {self._unknown(name)}")

    def _rest_field(self, name: str) -> Field:
        raise InvalidPayload(f"{self.key}: {self._unknown(name)}")

    def _fit(self, field: Field, value: Any) -> Any:
        where = f"payload.{field.name}"
        if isinstance(value, _CONTAINERS):
            # First the limits: what follows recurses.
            check_values(value, where, depth=2, typed_keys=field.typed_keys)
        try:
            fitted = msgspec.convert(value, field.annotation, str_keys=True, dec_hook=decode_hook)
        except msgspec.ValidationError as error:
            raise InvalidPayload(f"{self.key}: {_pick(error, where)}") from error
        except ValueError as error:
            raise InvalidPayload(f"{self.key}: {where}: {error}") from error
        check_values(fitted, where, depth=2, typed_keys=field.typed_keys)
        return fitted

    def _missing(self, name: str) -> str:
        return f"payload.{name} is missing: {self.key} needs {', '.join(self._required)}"

    def _unknown(self, name: str) -> str:
        import difflib

        close = difflib.get_close_matches(name, self.names, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        takes = f"it takes {', '.join(self.names)}" if self.names else "it takes no payload"
        return f"{self.key} has no payload field {name!r:.60}: {hint}{takes}"


class OpenShape(FieldShape):
    """Known fields, and a dict of all others for ``**kwargs``."""

    def __init__(
        self, key: str, fields: tuple[Field, ...], rest_annotation: Any, taken: frozenset[str]
    ) -> None:
        self.rest_annotation = rest_annotation
        self._rest_type = dict[str, rest_annotation]
        self._rest_template = make_field("", rest_annotation, MISSING, positional=False)
        self._taken = taken
        super().__init__(key, fields)

    def decode(self, payload: str | None) -> tuple[Any, ...]:
        """The values of ``names``, and last the dict of the rest."""
        text = "{}" if payload is None else payload
        known = super().decode(text)
        whole = msgspec.json.decode(text, type=dict[str, Any])
        rest = {name: value for name, value in whole.items() if name not in self._by_name}
        self._take_unknown(rest)
        typed = msgspec.convert(rest, self._rest_type, builtin_types=(), str_keys=True, dec_hook=decode_hook)
        return (*known, typed)

    def _take_unknown(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if name in self._taken:
                raise InvalidPayload(
                    f"{self.key} fills its parameter {name} itself: a payload cannot have that field"
                )

    def _rest_field(self, name: str) -> Field:
        return self._rest_template._replace(name=name)


class WholeShape:
    """The object itself, for a parameter ``payload: dict | None``."""

    names = ("payload",)
    fields: tuple[Field, ...] = ()
    rest_annotation: Any = MISSING

    def __init__(self, key: str, *, optional: bool, default: Any) -> None:
        self.key = key
        self._optional = optional
        self._default = default
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    def decode(self, payload: str | None) -> tuple[Any, ...]:
        """The dict, or None for SQL NULL."""
        if payload is not None:
            return (self._decode(payload),)
        if self._default is not MISSING:
            return (self._default,)
        if self._optional:
            return (None,)
        raise InvalidPayload(f"{self.key} needs a payload: expected a JSON object, got null")

    def bind(self, args: tuple[Any, ...], given: Mapping[str, Any]) -> dict[str, Any]:
        """The call ``enqueue({...})`` or ``enqueue(payload={...})``."""
        values = {**({"payload": args[0]} if args else {}), **given}
        if len(args) + len(given) > 1 or values.keys() - {"payload"}:
            raise InvalidPayload(
                f"{self.key} takes its payload whole: enqueue({{...}}) or enqueue(payload={{...}})"
            )
        return values

    def encode(self, values: dict[str, Any]) -> str | None:
        """The JSON text of the object, None for None."""
        return self.encode_whole(values.get("payload"))

    def encode_whole(self, payload: Any) -> str | None:
        """The JSON text of the object, None for None."""
        if payload is None:
            if not self._optional and self._default is MISSING:
                raise InvalidPayload(f"{self.key} needs a payload: expected a dict, got None")
            return None
        if not isinstance(payload, Mapping):
            raise InvalidPayload(
                f"{self.key}: expected payload to be a dict or None, got {type_name(payload)}"
            )
        check_values(payload)
        return encode(cast("Any", payload))

    def explain(self, error: Exception) -> str:
        """What a decoding error means."""
        return _pick(error)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the object."""
        return {"type": ["object", "null"] if self._optional else "object"}


Shape = FieldShape | WholeShape


def _struct(key: str, fields: tuple[Field, ...], *, closed: bool) -> type[msgspec.Struct]:
    # Neutral attribute names: a parameter may be called like something a Struct already has.
    attributes = {f"p{index}": field for index, field in enumerate(fields)}
    members: list[Any] = []
    for attribute, field in attributes.items():
        if field.default is MISSING:
            members.append((attribute, field.annotation))
        elif isinstance(field.default, (str, int, float, bool, types.NoneType)):
            members.append((attribute, field.annotation, field.default))
        else:
            # The very object, as in any Python call; msgspec would copy some defaults and refuse others.
            members.append(
                (attribute, field.annotation, msgspec.field(default_factory=_always(field.default)))
            )
    return msgspec.defstruct(
        re.sub(r"\W", "_", key),
        members,
        rename={attribute: field.name for attribute, field in attributes.items()},
        forbid_unknown_fields=closed,
        kw_only=True,
    )


def check_types(key: str, shape: Shape, where: str) -> None:
    """Refuses annotations that JSON cannot carry: nearly always a provider that was forgotten."""
    for field in shape.fields:
        alien = _alien(field.annotation)
        if alien is not None:
            name = getattr(alien, "__qualname__", alien)
            raise RegistrationError(
                f"{key}: the parameter {field.name} has the type {name}, which is neither provided "
                f"nor something that JSON can hold: app.provide({name}, factory), or a dataclass ({where})"
            )


def _always(value: Any) -> Any:
    return lambda: value


def _alien(annotation: Any) -> Any:
    """A class in the annotation that msgspec would leave to a hook of ours which knows nothing of it."""
    import msgspec.inspect

    seen: set[int] = set()
    waiting: list[Any] = [msgspec.inspect.type_info(annotation)]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, msgspec.inspect.CustomType):
            if not _is_hooked(node.cls):
                return node.cls
        elif isinstance(node, msgspec.Struct):
            waiting.extend(
                getattr(node, name) for name in node.__struct_fields__ if name not in ("cls", "default")
            )
        elif isinstance(node, tuple):
            waiting.extend(cast("tuple[Any, ...]", node))
    return None


def _is_hooked(kind: Any) -> bool:
    return hasattr(kind, "model_validate_json") or is_path_type(kind)


def _schema_hook(kind: Any) -> dict[str, Any]:
    schema = getattr(kind, "model_json_schema", None)
    return {"type": "string"} if schema is None else schema()


def _plain_types(annotation: Any) -> frozenset[type]:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        arms = [_plain_types(arm) for arm in get_args(annotation)]
        return frozenset[type]().union(*arms) if all(arms) else frozenset()
    try:
        return _PLAIN.get(annotation, frozenset())
    except TypeError:
        return frozenset()


def _has_typed_keys(annotation: Any) -> bool:
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping) and arguments[:1] not in ((str,), (Any,)):
        return True
    return any(_has_typed_keys(argument) for argument in arguments)


def _pick(error: Exception, where: str = "payload") -> str:
    """msgspec's sentence with our name for the place; its paths begin with ``$``."""
    found = _AT_PATH.fullmatch(str(error))
    assert found is not None  # the pattern takes any text
    what = found["what"].replace("`", "")
    if what.startswith(("Expected ", "Object ", "Invalid ")):
        what = what[0].lower() + what[1:]
    return f"{where}{found['path'] or ''}: {what}"
