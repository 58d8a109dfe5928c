"""What the gateway asks the system about itself."""

from quicgw_fast.machine.memory import ProcessMemory

__all__ = ["ProcessMemory"]
