"""What the admin pages say of themselves is true: each answer is held against its description."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jsonschema
import pytest
from openapi_spec_validator import validate

from quicgw_fast.config import split_address
from quicgw_fast.control import AdminServer
from quicgw_fast.control.guard import PROBES
from quicgw_fast.control.pages.described import DescribedRoute
from tests.support import wire
from tests.support.parts import GATEWAYS, Parts

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from tests.support.world import World, WorldMaker

DRAFT = jsonschema.Draft202012Validator
FREE = {"get_stats", "post_reload", "get_openapi_json"}
"""Operations whose answers have no fixed shape."""


class Answered:
    """An answer, held against what the description says of it."""

    def __init__(self, status: int, media: str, body: bytes, allow: str) -> None:
        self.status = status
        self.media = media.partition(";")[0]
        self.body = body
        self.allow = allow

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def check(self, description: dict[str, Any], operation: dict[str, Any]) -> None:
        told = operation["operationId"], self.status, self.media, self.body[:300]
        assert str(self.status) in operation["responses"], told
        content = operation["responses"][str(self.status)]["content"]
        assert self.media in content, told
        if self.media == "application/json":
            schema = {**content[self.media]["schema"], "components": description["components"]}
            if schema.get("type") != "string":  # of a page that may come as text or JSON
                DRAFT(schema).validate(self.json)


async def ask(
    world: World, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
) -> Answered:
    def asked() -> Answered:
        connection = http.client.HTTPConnection(*split_address(world.gateway.addresses.admin), timeout=20)
        try:
            sent = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, sent, headers or {})
            response = connection.getresponse()
            media, allow = (response.getheader(name, "") for name in ("content-type", "allow"))
            return Answered(response.status, media, response.read(), allow)
        finally:
            connection.close()

    return await asyncio.to_thread(asked)


async def description_of(world: World) -> dict[str, Any]:
    found: dict[str, Any] = (await ask(world, "GET", "/openapi.json")).json
    return found


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method.upper(), told) for path, item in description["paths"].items() for method, told in item.items()
    ]


def parameters(operation: dict[str, Any], where: str) -> dict[str, str]:
    return {one["name"]: one["example"] for one in operation["parameters"] if one["in"] == where}


def filled(path: str, operation: dict[str, Any]) -> str:
    return path.format(**parameters(operation, "path"))


@pytest.fixture
def parts() -> Parts:
    """One choice: the pages are the same for all."""
    return GATEWAYS["plain"]


@pytest.fixture
async def pages(monkeypatch: pytest.MonkeyPatch, make_world: WorldMaker) -> tuple[World, list[BaseRoute]]:
    """A world in which somebody is at work, and all its pages."""
    served: list[BaseRoute] = []
    start = AdminServer.start

    async def noted(host: str, port: int, pages: list[Any], guard: Any, **given: Any) -> AdminServer:
        served.extend(pages)
        return await start(host, port, pages, guard, **given)

    monkeypatch.setattr("quicgw_fast.gateway.AdminServer.start", noted)
    world = await make_world()
    client = await world.online("alice")
    await client.call("echo", data=b"x")
    await world.pusher.push("alice", content="n")
    return world, served


async def test_the_description_is_one_and_no_page_is_missing(pages: tuple[World, list[BaseRoute]]) -> None:
    world, served = pages
    description = await description_of(world)
    validate(description)
    described = {(path, method) for path, method, _ in operations(description)}
    for page in served:
        path = getattr(page, "path", "")
        if path != "/" and not path.startswith("/web/"):  # the page for people, and its files
            assert isinstance(page, DescribedRoute), f"{path or page} does not say what it does"
            assert {(page.path, operation.method) for operation in page.operations} <= described
    names = [told["operationId"] for _, _, told in operations(description)]
    assert len(names) == len(set(names))
    for name, schema in description["components"]["schemas"].items():
        assert schema.get("description"), f"{name} has no docstring"


async def test_each_answer_is_as_described(pages: tuple[World, list[BaseRoute]]) -> None:
    world, _ = pages
    description = await description_of(world)
    sessions = (await ask(world, "GET", "/sessions")).json["sessions"]
    bodies: dict[str, object] = {
        "patch_overload": {"limits": {"in_flight": 50}},
        "post_overload": {"overload": {"observe": ["in-flight"]}},
        "post_upstreams_drain": {"address": world.business.address, "on": True},
    }
    for path, method, told in operations(description):
        asked = filled(path, told).replace("0" * 32, sessions[0]["id"])
        body = bodies.get(told["operationId"], {} if "requestBody" in told else None)
        quick = urlencode(_quick(told))
        answered = await ask(world, method, f"{asked}?{quick}" if quick else asked, body)
        answered.check(description, told)
        assert answered.status == 200 or told["operationId"] in NOT_HERE, answered.body
        query = parameters(told, "query")
        if query:
            (await ask(world, method, f"{asked}?{urlencode(query)}")).check(description, told)
        for name, value in query.items():
            answered = await ask(world, method, f"{asked}?{urlencode({name: value, **_quick(told)})}")
            answered.check(description, told)
            expected = 404 if (told["operationId"], name) in OF_A_CLUSTER else 200
            assert answered.status == expected, (path, name, answered.body)


def _quick(told: dict[str, Any]) -> dict[str, str]:
    return {"seconds": "0.1"} if told["operationId"] == "get_profile" else {}


async def test_bad_parameters_and_bodies_get_the_errors_that_are_described(
    pages: tuple[World, list[BaseRoute]],
) -> None:
    world, _ = pages
    description = await description_of(world)
    for path, method, told in operations(description):
        bad = [{"nonsense": "1"}] if path not in PROBES else []
        for one in told["parameters"]:
            if one["in"] == "query" and (one["schema"].get("type") in ("integer", "number") or "enum" in one["schema"]):
                bad += [{one["name"]: value} for value in ("x", "-1")]
        for query in bad:
            answered = await ask(world, method, f"{filled(path, told)}?{urlencode(query)}")
            answered.check(description, told)
            assert answered.status == 400, (path, query)
        if "requestBody" in told:
            answered = await ask(world, method, path, [1])
            answered.check(description, told)
            assert answered.status == 400, path
        if "404" in told["responses"] and "{" in path:
            answered = await ask(world, method, filled(path, told))
            answered.check(description, told)
            assert answered.status == 404


async def test_the_doors_are_described_for_every_page(pages: tuple[World, list[BaseRoute]]) -> None:
    world, _ = pages
    description = await description_of(world)
    for path, method, told in operations(description):
        if path in ("/livez", "/healthz", "/readyz"):
            continue
        answered = await ask(world, method, filled(path, told), headers={"Host": "elsewhere.example"})
        assert answered.status == 403
        answered.check(description, told)
        error_of(answered, description)


NOT_HERE = {"post_drain", "post_sessions_kick", "get_cluster", "post_upgrade"}
"""What a gateway inside of another program does not do, nor one that is alone or has nobody."""
OF_A_CLUSTER = {("post_drain", "node")}
"""Parameters that a gateway alone answers with 404."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE")


def error_of(answered: Answered, description: dict[str, Any]) -> dict[str, str]:
    """The error of an answer, which has the one shape that all have."""
    assert answered.media == "application/json", answered.body
    schema = {"$ref": "#/components/schemas/ErrorAnswer", "components": description["components"]}
    DRAFT(schema).validate(answered.json)
    error: dict[str, str] = answered.json["error"]
    assert all(error.values()), "no part of it is empty"
    return error


async def test_a_method_that_a_page_has_not_is_an_error_that_says_which_it_has(
    pages: tuple[World, list[BaseRoute]],
) -> None:
    world, served = pages
    description = await description_of(world)
    paths = {path: {method.upper() for method in item} for path, item in description["paths"].items()}
    paths |= {getattr(page, "path", ""): {"GET"} for page in served if not isinstance(page, DescribedRoute)}
    for path, has in paths.items():
        allowed = sorted(has | ({"HEAD"} if "GET" in has else set()))
        for method in METHODS:
            if method not in has:
                answered = await ask(world, method, path.replace("{id}", "0" * 32))
                error = error_of(answered, description)
                assert (answered.status, error["code"]) == (405, "METHOD_NOT_ALLOWED"), (method, path)
                assert answered.allow.split(", ") == allowed, (method, path)
                assert all(each in error["hint"] for each in allowed)


@pytest.mark.parametrize(
    "path", ["/nosuch", "/stats/", "/Stats", "/web/nosuch.js", "/sessions/a/b", "/%ff", "/" + "x" * 9000]
)
async def test_a_page_that_there_is_not_is_an_error_that_says_where_all_are(world: World, path: str) -> None:
    description = await description_of(world)
    for method in ("GET", "POST"):
        answered = await ask(world, method, path)
        error = error_of(answered, description)
        assert (answered.status, error["code"]) == (404, "NO_SUCH_PAGE")
        assert "/openapi.json" in error["hint"]
        assert ("did you mean /stats?" in error["hint"]) == (path in {"/stats/", "/Stats"})
        assert len(answered.body) < 1000


async def test_what_is_sent_in_a_wrong_way_is_an_error_of_every_page_that_is_sent_something(
    pages: tuple[World, list[BaseRoute]],
) -> None:
    world, _ = pages
    description = await description_of(world)
    asked = 0
    for path, method, told in operations(description):
        if "requestBody" not in told:
            continue
        for body, media, status, code in (
            (b"", "", 400, "BAD_BODY"),
            (b"{", "", 400, "BAD_BODY"),
            (b"\xff", "application/json", 400, "BAD_BODY"),
            (b"[" * 60_000, "", 400, "BAD_BODY"),
            (b"[1]", "application/json; charset=utf-8", 400, "BAD_BODY"),
            (b'{"nonsense": 1}', "application/x-www-form-urlencoded", 400, ""),
            (b"{}", "application/xml", 415, "NOT_JSON"),
            (b"x" * 65_537, "", 413, "TOO_LARGE"),
        ):
            answered = await ask(world, method, path, body, {"Content-Type": media} if media else {})
            answered.check(description, told)
            error = error_of(answered, description)
            assert (answered.status, code or error["code"]) == (status, error["code"]), (path, body[:20], answered.body)
            asked += 1
    assert asked >= 8 * 3


async def test_what_is_no_request_is_such_an_error_too(world: World) -> None:
    description = await description_of(world)
    for said in (
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection(*split_address(world.gateway.addresses.admin))
        writer.write(said)
        async with asyncio.timeout(10.0):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 400 ")
        error = error_of(Answered(400, "application/json", body, ""), description)
        assert error["code"] == "BAD_REQUEST"


# What single pages promise beyond their shape


async def test_an_instance_that_is_drained_gets_no_new_calls_until_it_is_put_back(make_world: WorldMaker) -> None:
    world = await make_world()
    client = await world.online("alice")
    gate = world.business.hold("slow")
    under_way = client.business("slow")
    await world.business.wait_requests(1, "slow")
    address = world.business.address
    answered = await ask(world, "POST", "/upstreams/drain", {"address": address, "on": True})
    (row,) = answered.json["upstreams"]
    assert (row["drained"], row["state"], row["under_way"]) == (True, "drained", 1)
    assert wire.error(await client.reply(client.business("other"))).error_code == 503
    gate.open()
    assert wire.business(await client.reply(under_way)).code == 200, "calls under way are answered"
    await ask(world, "POST", "/upstreams/drain", {"address": address, "on": False})
    assert wire.business(await client.reply(client.business("other"))).code == 200
    assert (await ask(world, "POST", "/upstreams/drain", {"address": "127.0.0.1:1", "on": True})).status == 404


async def test_one_profile_at_a_time_and_it_may_take_longer_than_other_answers(
    make_world: WorldMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = AdminServer.start

    async def impatient(host: str, port: int, pages: list[Any], guard: Any, **given: Any) -> AdminServer:
        return await start(host, port, pages, guard, **given, timeout=0.5)

    monkeypatch.setattr("quicgw_fast.gateway.AdminServer.start", impatient)
    world = await make_world()
    asked = [ask(world, "GET", "/profile?seconds=1.5&format=collapsed") for _ in range(2)]
    refused, made = sorted(await asyncio.gather(*asked), key=lambda answered: -answered.status)
    assert (refused.status, refused.json["error"]["code"]) == (409, "BUSY")
    assert (made.status, made.media) == (200, "text/plain")
    assert b"run_forever" in made.body


async def test_a_profile_whose_caller_has_left_is_given_up(make_world: WorldMaker) -> None:
    world = await make_world()
    host, port = split_address(world.gateway.addresses.admin)
    _, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /profile?seconds=60 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    busy = "/profile?seconds=0.1"
    await wire.until(lambda: any(task.get_name() == "profile-caller" for task in asyncio.all_tasks()), what="a profile")
    assert (await ask(world, "GET", busy)).status == 409
    writer.close()
    async with asyncio.timeout(10.0):
        while (await ask(world, "GET", busy)).status == 409:
            await asyncio.sleep(0.02)


async def test_who_asks_for_the_head_of_a_profile_has_none_made(world: World) -> None:
    async with asyncio.timeout(10.0):
        answered = await ask(world, "HEAD", "/profile?seconds=60&format=collapsed")
    assert (answered.status, answered.media, answered.body) == (200, "text/plain", b"")
    assert (await ask(world, "HEAD", "/profile?second=60")).status == 400


async def test_a_probe_may_have_any_parameter(world: World) -> None:
    for path in PROBES:
        assert (await ask(world, "GET", f"{path}?verbose=1")).status == 200


async def test_the_numbers_of_the_pages_are_those_of_the_metrics(pages: tuple[World, list[BaseRoute]]) -> None:
    world, _ = pages
    totals = (await ask(world, "GET", "/performance")).json["totals"]
    text = (await ask(world, "GET", "/metrics")).body.decode()
    read = {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines() if not line.startswith("#")}
    assert totals["requests"] == read["quicgw_requests_total"] == 2
    assert totals["replies"] == read["quicgw_replies_total"] == 2
    assert totals["notifies"] == read["quicgw_notifies_total"] == 1
    assert totals["bytes_out"] == read["quicgw_sent_bytes_total"] > 0
    assert totals["bytes_in"] <= read["quicgw_received_bytes_total"]
    stages = (await ask(world, "GET", "/latency")).json["stages"]
    assert stages["total"]["count"] == read["quicgw_request_time_seconds_count"] == 2
    assert stages["decode"]["count"] == stages["reply"]["count"] == stages["flush"]["count"] == 1


async def test_the_configuration_says_where_each_value_is_from_and_what_was_changed_since(
    make_world: WorldMaker,
) -> None:
    world = await make_world(limits={"in_flight": 40})
    await ask(world, "PATCH", "/overload", {"limits": {"message_burst": 77}})
    settings = (await ask(world, "GET", "/config")).json["settings"]
    shown = {key: (settings[key]["value"], settings[key]["from"]) for key in settings if key.startswith("limits.")}
    assert shown["limits.in_flight"] == (40, "flag")
    assert shown["limits.message_burst"] == (77, "change")
    assert shown["limits.request_memory"][1] == "default"
    assert settings["session.flight_recorder"]["value"] == 32


async def test_a_gateway_that_stops_does_not_wait_for_a_profile(make_world: WorldMaker) -> None:
    world = await make_world()
    threads = threading.active_count()
    asked = asyncio.create_task(ask(world, "GET", "/profile?seconds=60"))
    await wire.until(lambda: threading.active_count() >= threads + 2, what="a thread that asks and one that looks")
    async with asyncio.timeout(30.0):
        await world.gateway.stop()
        await asyncio.get_running_loop().shutdown_default_executor()
    (answered,) = await asyncio.gather(asked, return_exceptions=True)
    assert isinstance(answered, Exception) or answered.status == 500
