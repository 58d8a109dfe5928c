"""The way of a message through the gateway, one module for each leg; ``assembly`` puts them together.

In the order in which a message goes them:

* ``conversations``, ``conversation``, ``client``: a connection, its messages told apart, and what the others see of it
* ``start``, ``tokens``, ``start_refusals``: who the client is, and whether it may come in here
* ``pending_starts``, ``attaching``: what its START waits for, and which session it gets
* ``control_messages``: ACK, HEARTBEAT and STOP, which never wait
* ``requests``, ``login``: a request goes up, through the processor
* ``replies``: and its one reply comes down
* ``pushes``, ``targets``: what services push comes in from the side, and whom it is for
* ``offline``, ``handovers``, ``stored_messages``, ``deletions``, ``store_tasks``: and is kept for who is away
* ``closing``, ``draining``: how connections, sessions and the gateway end
* ``housekeeping``: what passes with time
* ``memory``, ``accounts``, ``journal``: what is held, what became of it, what is told of it
"""
