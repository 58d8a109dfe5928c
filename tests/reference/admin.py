"""The reference of the admin pages, made of what they say of themselves."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.reference.running import running
from tests.support.pages import page as ask

HEAD = """# Admin pages

HTTP on `server.admin`, for operators and their programs;
[access](../operations.md#access-to-the-ports-for-services-and-operators) says who is let in. Times are seconds,
moments seconds since 1970, sizes bytes. New documents have `"version": 1`, keys are only added. What goes wrong is
answered with its status and `{"error": {"code": …, "message": …, "hint": …}}`, whatever it is; only probes answer in
text. A request without a token where one is needed gets 401, one with a `Host` or `Origin` that is none of the
gateway's 403, one for a page that there is not 404, and one with a method that a page does not have 405, with the
header `Allow`. A body is a JSON object of at most 64 KiB; where `Content-Type` names something else, it gets 415.

`/openapi.json` has all this for programs (OpenAPI 3.1), and this page is made of it.
"""


def page() -> str:
    """The whole page."""
    description = _description()
    shapes: dict[str, Any] = description["components"]["schemas"]
    parts = [HEAD]
    for path, item in description["paths"].items():
        parts += [_operation(path, method.upper(), told, shapes) for method, told in item.items()]
    parts.append("## Shapes\n")
    parts += [_shape(name, shape) for name, shape in sorted(shapes.items()) if "properties" in shape]
    return "\n".join(parts)


def _description() -> dict[str, Any]:
    with running() as (runner, gateway):
        _, body = runner.run(ask(gateway.addresses.admin, "/openapi.json"))
    found: dict[str, Any] = json.loads(body)
    return found


def _operation(path: str, method: str, told: dict[str, Any], shapes: dict[str, Any]) -> str:
    lines = [f"## {method} {path}\n", f"{told['summary']}.\n"]
    if told["parameters"]:
        lines += ["| parameter | value | meaning |", "|---|---|---|"]
        lines += [f"| `{one['name']}` | {_kind(one['schema'])} | {one['description']} |" for one in told["parameters"]]
        lines.append("")
    if "requestBody" in told:
        lines.append(f"Send {_kind(told['requestBody']['content']['application/json']['schema'])}.\n")
    for status, response in told["responses"].items():
        if status in ("401", "403"):
            continue
        content = ", ".join(f"{_kind(one['schema'])} (`{media}`)" for media, one in response["content"].items())
        lines.append(f"- **{status}**: {content}" if status == "200" else f"- **{status}**: {response['description']}")
    return "\n".join(lines) + "\n"


def _shape(name: str, shape: dict[str, Any]) -> str:
    lines = [f"### {name}\n", f"{shape['description']}\n", "| key | value | meaning |", "|---|---|---|"]
    for key, one in shape["properties"].items():
        lines.append(f"| `{key}` | {_kind(one)} | {_cell(one.get('description', ''))} |")
    return "\n".join(lines) + "\n"


def _kind(schema: dict[str, Any]) -> str:
    """What a value is, in few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])}"
    return {"integer": "whole number", "boolean": "true or false", "object": "object"}.get(
        schema.get("type", ""), schema.get("type", "any")
    )


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("``", "`").replace("|", "\\|"))
