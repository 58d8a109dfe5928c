"""The protocol, sentence by sentence, over real QUIC and real gRPC, on both engines."""
