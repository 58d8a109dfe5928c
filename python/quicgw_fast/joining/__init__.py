"""A gateway that is one of many: the desk at which others are served, the way to them, and the member that it is."""

from quicgw_fast.joining.member import Member

__all__ = ["Member"]
