from quicgw_fast.proto.client_pb2 import *
