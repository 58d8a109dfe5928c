"""A sentence for each mistake in the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quicgw_fast.service import Request, Service, ServiceError, ServiceMistake, ServiceNotStarted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Service("login"), "'login' is no service of a gateway; they are hello, business, zone"),
        (lambda: Service("001"), r"for a zone write Service\(zones=\['001'\]\)"),
        (lambda: Service("127.0.0.1:8092"), "for the address of a gateway write gateway='127.0.0.1:8092'"),
        (lambda: Service("hello", zones=["001"]), "a gateway has services or zones, by its routing.mode"),
        (lambda: Service(zones=["1"]), "'1' is no zone; write three digits"),
        (lambda: Service(gateway="127.0.0.1"), "the gateway '127.0.0.1' has no port; write HOST:PORT"),
        (lambda: Service(gateway="http://127.0.0.1:8092"), "is a URL; write HOST:PORT alone"),
        (lambda: Service(gateway=":8092"), "the gateway ':8092' has no host"),
        (lambda: Service(gateway="127.0.0.1:0"), "the gateway '127.0.0.1:0' has no port"),
        (lambda: Service(gateway="::1:8092"), r"without brackets; write \[::1\]:8092"),
        (lambda: Service(gateway=8092), "the gateway 8092 is no text"),  # type: ignore[arg-type, call-overload]
        (lambda: Service(gateway=["127.0.0.1:1", "x"]), "the gateway 'x' has no port"),
        (lambda: Service(advertise="somewhere"), "advertise 'somewhere' has no port"),
    ],
)
def test_arguments(make: Callable[[], object], told: str) -> None:
    with pytest.raises(ServiceMistake, match=told):
        make()


async def items() -> Any:
    yield 1


def keyword(*, request: object) -> None: ...


def number(count: int) -> None: ...


def two(request, x): ...  # type: ignore[no-untyped-def]


def beside(x, asked: Request): ...  # type: ignore[no-untyped-def]


def unknown(order: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("decorate", "told"),
    [
        (lambda s: s.action(number), r'needs a name: @service.action\("number"\) above number\(\) \(.*test_mistakes'),
        (lambda s: s.action(), "needs a name"),
        (lambda s: s.action(""), "'' is no name of an action"),
        (lambda s: s.action("*"), "for all other actions write @service.default"),
        (lambda s: s.action("a")(items), "yields, but a request has one answer"),
        (lambda s: s.action("a")(keyword), "request can only be given by name"),
        (lambda s: s.action("a")(number), r"number\(\) \(.*\): count is int; a handler takes the request"),
        (lambda s: s.action("a")(two), r"two\(\) \(.*\): x has no annotation, and the request is request; a handler"),
        (lambda s: s.default(beside), "x has no annotation, and the request is asked; .*: annotate x with that"),
        (lambda s: s.action("a")(unknown), "the annotation 'Nowhere' of order is not known while the program runs"),
    ],
)
def test_handlers(decorate: Callable[[Service], object], told: str) -> None:
    with pytest.raises(ServiceMistake, match=told):
        decorate(Service())


def test_two_handlers_for_one_action() -> None:
    def first() -> None: ...
    def second() -> None: ...

    service = Service()
    service.action("echo")(first)
    service.default(first)
    with pytest.raises(ServiceMistake, match=r"two handlers for the action 'echo': first\(\) .* and second\(\) "):
        service.action("ECHO")(second)
    with pytest.raises(ServiceMistake, match="two handlers for all other actions"):
        service.default(second)
    service.hello()(first)
    with pytest.raises(ServiceMistake, match="two handlers for the action 'hello'"):
        service.hello(second)


async def cannot_start(service: Service, listen: str = "127.0.0.1:0") -> str:
    with pytest.raises((ServiceMistake, ServiceNotStarted)) as caught:
        async with service.running(listen):
            pass
    return str(caught.value)


async def test_roles_and_handlers_that_do_not_go_together() -> None:
    assert "has no handler" in await cannot_start(Service("hello"))
    service = Service("hello")
    service.action("echo")(lambda: None)
    assert "so nobody could log in: @service.hello" in await cannot_start(service)
    service = Service("business")
    service.hello(lambda: None)
    assert 'write Service("hello", …)' in await cannot_start(service)


async def test_ports_that_cannot_be_had() -> None:
    service = Service()
    service.default(lambda: None)
    async with service.running() as running:
        told = await cannot_start(Service(), running.address)
        assert "no handler" in told
        other = Service()
        other.default(lambda: None)
        told = await cannot_start(other, running.address)
        assert told == f"cannot listen on {running.address}: another program listens there; " + (
            "choose another port, or 0 for any free one"
        )
        assert "the service runs already" in await cannot_start(service)
        assert "has no port" in await cannot_start(other, "127.0.0.1")
        assert "write an address of this machine" in await cannot_start(other, "nowhere.invalid:9001")
    async with service.running():
        pass  # it can run again


async def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    def with_files(**files: Path) -> Service:
        service = Service(gateway="127.0.0.1:1", **files)  # type: ignore[arg-type]
        service.default(lambda: None)
        return service

    there = tmp_path / "file"
    there.write_text("# nothing\n\n")
    assert "cannot read" in await cannot_start(with_files(token_file=tmp_path / "none"))
    assert "is a token: letters" in await cannot_start(with_files(token_file=there))
    assert "cert and key go together" in await cannot_start(with_files(cert=there))
    assert "an own certificate needs TLS" in await cannot_start(with_files(cert=there, key=there))


async def test_pushing_where_that_cannot_be() -> None:
    service = Service()
    service.default(lambda: None)
    with pytest.raises(ServiceMistake, match="the service does not run"):
        await service.push("mail", openid="alice")
    with pytest.raises(ServiceMistake, match="the service does not run"):
        service.wait(service.broadcast("mail"))
    async with service.running():
        with pytest.raises(ServiceMistake, match="a push has one target"):
            await service.push("mail")
        with pytest.raises(ServiceMistake, match="a push has one target"):
            await service.push("mail", openid="alice", gid="g1")
        with pytest.raises(ServiceMistake, match="the service has no gateway"):
            await service.push("mail", openid="alice")
        with pytest.raises(ServiceMistake, match="the notify 'mail' cannot be sent: int is no data"):
            await service.broadcast("mail", 1)


@pytest.mark.parametrize("code", [0, 200, "403", True, 2**31])
def test_a_code_that_is_none(code: Any) -> None:
    with pytest.raises(ValueError, match="is no code of an error"):
        ServiceError(code, "x")
