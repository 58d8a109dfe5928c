"""The old place of ``quicgw_fast.proto``, until the last import of it is gone."""
