"""Services behind the gateway in a few lines: handlers by action, notifies, and a registration that renews itself.

Needs ``pip install "quicgw-fast[service]"`` and nothing of the gateway. docs/howto/service-in-python.md shows a service
from an empty folder on; docs/services.md says the same for authors in any language, by the protocol.
"""

from quicgw_fast.errors import needs_extra

with needs_extra("service", "quicgw_fast.service"):
    import grpc as _grpc  # noqa: F401
    import grpc_health.v1 as _health  # noqa: F401

from quicgw_fast.service.errors import (
    BindLimitReached,
    GatewayUnreachable,
    GroupRefused,
    NotifyRefused,
    RegistrationRefused,
    ResponseGone,
    ServiceError,
    ServiceMistake,
    ServiceNotStarted,
    TargetMissing,
    WindowIsFull,
)
from quicgw_fast.service.groups import MemberOfGroup, PresentSession
from quicgw_fast.service.pushing import Broadcasted, Pushed
from quicgw_fast.service.replies import Answer, Welcome
from quicgw_fast.service.request import Request
from quicgw_fast.service.running import RunningService
from quicgw_fast.service.service import Service

__all__ = [
    "Answer",
    "BindLimitReached",
    "Broadcasted",
    "GatewayUnreachable",
    "GroupRefused",
    "MemberOfGroup",
    "NotifyRefused",
    "PresentSession",
    "Pushed",
    "RegistrationRefused",
    "Request",
    "ResponseGone",
    "RunningService",
    "Service",
    "ServiceError",
    "ServiceMistake",
    "ServiceNotStarted",
    "TargetMissing",
    "Welcome",
    "WindowIsFull",
]
