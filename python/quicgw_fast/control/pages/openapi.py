"""``/openapi.json``: what the pages say of themselves, as an OpenAPI 3.1 description."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter
from starlette.responses import JSONResponse, Response
from typing_extensions import TypedDict

from quicgw_fast.control.errors import DESCRIPTION
from quicgw_fast.control.guard import PROBES
from quicgw_fast.control.pages.described import JSON, SHAPE, TEXT, DescribedRoute, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    Schemas = dict[str, Any]

REFERENCE: Final = "#/components/schemas/{model}"
DOORS: Final = {
    "401": "No token, or none of `control.admin_token_file`",
    "403": "The header Host or Origin is none of this gateway's",
}
"""Answers of the guard before every page."""
BODIES: Final = {"413": "The body is too large", "415": "The body says that it is no JSON"}
"""Answers to what is sent."""
SHOW: Final = Operation("GET", "This description", dict)


class ErrorBody(TypedDict):
    """What went wrong, for programs and for people."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    code: str
    message: str
    hint: str
    """What to do about it."""


class ErrorAnswer(TypedDict):
    """Why something was not done."""

    __pydantic_config__ = SHAPE  # type: ignore[misc]

    error: ErrorBody


def openapi_pages(pages: Sequence[BaseRoute]) -> list[DescribedRoute]:
    """Return /openapi.json of these pages and itself; what is for people alone is not in it."""

    async def show(_: Request) -> Response:
        return JSONResponse(description([*pages, *own]))

    own = [DescribedRoute(DESCRIPTION, show, SHOW)]
    return own


def description(pages: Sequence[BaseRoute]) -> dict[str, Any]:
    """Describe those of the pages that say what they do."""
    schemas: Schemas = {}
    paths: dict[str, dict[str, Any]] = {}
    for page in pages:
        if isinstance(page, DescribedRoute):
            for operation in page.operations:
                described = _operation(page.path, operation, schemas)
                paths.setdefault(page.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "quicgw admin pages",
            "version": version("quicgw-fast"),
            "description": "What operators and their programs ask a gateway. Times are seconds, moments seconds since "
            "1970, sizes bytes. Keys may be added; `version` changes when one means something else.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(path: str, operation: Operation, schemas: Schemas) -> dict[str, Any]:
    answer = _schema(operation.answer, schemas)
    responses: dict[str, Any] = {"200": _response("Done", dict.fromkeys(operation.media, answer))}
    responses |= {str(code): _text(why) for code, why in operation.texts.items()}
    error = {JSON: _schema(ErrorAnswer, schemas)}
    if path not in PROBES:
        responses["400"] = _response("A parameter is not known", error)
    responses |= {str(code): _response(why, error) for code, why in operation.errors.items()}
    refusals = DOORS if operation.body is None else {**BODIES, **DOORS}
    responses |= {code: _response(why, error) for code, why in refusals.items()}
    made: dict[str, Any] = {
        "operationId": _name(operation.method, path),
        "summary": operation.summary,
        "parameters": [_parameter(path, parameter) for parameter in operation.parameters],
        "responses": responses,
    }
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(operation.body, schemas)}}}
    return made


def _parameter(path: str, parameter: Parameter) -> dict[str, Any]:
    in_path = f"{{{parameter.name}}}" in path
    made = {"name": parameter.name, "in": "path" if in_path else "query", "required": in_path}
    return {**made, "description": parameter.help, "schema": dict(parameter.schema), "example": parameter.example}


def _schema(shape: type, schemas: Schemas) -> dict[str, Any]:
    """The schema of a shape; what is in it goes among the others."""
    made = TypeAdapter(shape).json_schema(ref_template=REFERENCE)
    schemas.update(made.pop("$defs", {}))
    name = made.get("title")
    if name is None:
        return made
    schemas[name] = made
    return {"$ref": REFERENCE.format(model=name)}


def _response(why: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": why, "content": {media: {"schema": schema} for media, schema in content.items()}}


def _text(why: str) -> dict[str, Any]:
    return _response(why, {TEXT: {"type": "string"}})


def _name(method: str, path: str) -> str:
    words = path.strip("/").replace(".", "_").replace("{", "").replace("}", "").split("/")
    return "_".join([method.lower(), *words])
