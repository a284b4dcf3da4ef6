"""``python -m windlass.web.typescript FILE``: the API's shapes as TypeScript, for the front end.

Without a file, it is printed. The types come from the OpenAPI document, so they cannot say anything else.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from windlass.web.app import route_table
from windlass.web.openapi import document

Schema = dict[str, Any]

_HEAD = "// Written by python -m windlass.web.typescript from the API's shapes: do not edit.\n"
_IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")
_SIMPLE = {"integer": "number", "number": "number", "string": "string", "boolean": "boolean", "null": "null"}


def typescript(api: Schema) -> str:
    """The types of an OpenAPI document: one for each component, and ``Api`` with each route's."""
    components = cast("dict[str, Schema]", api["components"]["schemas"])
    given = _given(api, components)
    parts = [_HEAD, _api(api)]
    parts += [_component(name, schema, name in given) for name, schema in sorted(components.items())]
    return "\n".join(parts)


def _api(api: Schema) -> str:
    """What each route takes and gives, by method and path."""
    lines = ["/** What each route takes and gives. */", "export interface Api {"]
    for path, methods in cast("dict[str, dict[str, Schema]]", api["paths"]).items():
        for method, operation in methods.items():
            status, answer = next(iter(cast("dict[str, Schema]", operation["responses"]).items()))
            del status
            content = next(iter(answer["content"].values()))
            body = operation.get("requestBody")
            taken = "undefined" if body is None else _type(body["content"]["application/json"]["schema"])
            asked = [one for one in operation["parameters"] if one["in"] == "query"]
            query = "; ".join(
                f"{one['name']}{'' if one['required'] else '?'}: {_type(one['schema'])}" for one in asked
            )
            lines += [
                f"  /** {operation['summary']} */",
                f"  {json.dumps(f'{method.upper()} {path}')}: {{",
                f"    query: {f'{{ {query} }}' if query else 'undefined'};",
                f"    body: {taken};",
                f"    answer: {_type(content['schema'])};",
                "  };",
            ]
    return "\n".join([*lines, "}", ""])


def _component(name: str, schema: Schema, given: bool) -> str:
    told = _comment(schema.get("description"), "")
    if "properties" not in schema:
        return f"{told}export type {name} = {_type(schema)};\n"
    lines = [f"{told}export interface {name} {{"]
    required = schema.get("required", ())
    for field, kind in cast("dict[str, Schema]", schema["properties"]).items():
        # Answers have all their fields; who asks may leave out what has a default.
        mark = "?" if given and field not in required else ""
        lines.append(f"  {_key(field)}{mark}: {_type(kind)};")
    return "\n".join([*lines, "}", ""])


def _type(schema: Any) -> str:
    if not isinstance(schema, dict) or not schema:
        return "unknown"
    known = cast("Schema", schema)
    if "$ref" in known:
        return str(known["$ref"]).rpartition("/")[2]
    if "enum" in known:
        return " | ".join(json.dumps(one) for one in known["enum"])
    if "const" in known:
        return json.dumps(known["const"])
    for several in ("anyOf", "oneOf"):
        if several in known:
            return " | ".join(dict.fromkeys(_type(one) for one in known[several]))
    if known.get("type") == "array":
        return f"Array<{_type(known.get('items'))}>"
    if known.get("type") == "object":
        more = known.get("additionalProperties")
        return f"Record<string, {_type(more) if isinstance(more, dict) else 'unknown'}>"
    return _SIMPLE.get(str(known.get("type")), "unknown")


def _given(api: Schema, components: dict[str, Schema]) -> set[str]:
    """The components that somebody sends, those within them included."""
    operations = [
        operation
        for methods in cast("dict[str, dict[str, Schema]]", api["paths"]).values()
        for operation in methods.values()
    ]
    sent = [operation["requestBody"] for operation in operations if "requestBody" in operation]
    answered = _reached([operation["responses"] for operation in operations], components)
    # What no answer holds is asked: the structs of queries are told in parts.
    return _reached(sent, components) | (set(components) - answered)


def _reached(parts: list[Any], components: dict[str, Schema]) -> set[str]:
    found: set[str] = set()
    todo = list(_references(parts))
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += _references(components[name])
    return found


def _references(value: Any) -> Iterator[str]:
    match value:
        case {"$ref": str(reference)}:
            yield reference.rpartition("/")[2]
        case dict():
            yield from _all_of(cast("Schema", value).values())
        case list():
            yield from _all_of(cast("list[Any]", value))
        case _:
            return


def _all_of(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from _references(value)


def _key(field: str) -> str:
    return field if _IDENTIFIER.fullmatch(field) else json.dumps(field)


def _comment(text: str | None, indent: str) -> str:
    if not text:
        return ""
    return f"{indent}/** {' '.join(text.replace('*/', '* /').split())} */\n"


def main(arguments: list[str]) -> None:
    """Writes the file that is named, where it is not so already."""
    parser = argparse.ArgumentParser(
        prog="python -m windlass.web.typescript", description="Writes the API's shapes as TypeScript."
    )
    parser.add_argument("file", nargs="?", type=Path, help="where to; printed unless given")
    target: Path | None = parser.parse_args(arguments).file
    text = typescript(document(route_table().routes))
    if target is None:
        sys.stdout.write(text)
    elif not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
