"""What ``quicgw top`` shows: gateways that are asked again and again, and how that is drawn in a terminal."""
