"""The demonstration: twelve scenes over real connections, recorded on tape, checked at the end."""
