"""Attackers against a gateway process: what honest clients notice, and what the gateway grows by.

Gateway, attacker and honest clients have a process each. Every attack runs against a fresh gateway, beside a run
without one. ``python -m benches.attacks --help`` shows the arguments; the modules are by what is sent.
"""
