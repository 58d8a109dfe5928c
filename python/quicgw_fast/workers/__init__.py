"""Several gateways on one machine behind one port: who starts them and watches them, and what each is given."""

from quicgw_fast.workers.ahead import look_ahead
from quicgw_fast.workers.line import SupervisorLine
from quicgw_fast.workers.seat import ALONE, Seat
from quicgw_fast.workers.supervisor import Supervisor
from quicgw_fast.workers.worker import RestartDelays

__all__ = ["ALONE", "RestartDelays", "Seat", "Supervisor", "SupervisorLine", "look_ahead"]
