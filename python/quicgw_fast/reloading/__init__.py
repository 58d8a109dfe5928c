"""Other settings, certificates and keys for a gateway that goes on running."""

from quicgw_fast.reloading.parts import gateway_parts
from quicgw_fast.reloading.reloader import Origin, Prepare, ReadAgain, Reloaded, Reloader, ReloadRefused, Take

__all__ = ["Origin", "Prepare", "ReadAgain", "ReloadRefused", "Reloaded", "Reloader", "Take", "gateway_parts"]
