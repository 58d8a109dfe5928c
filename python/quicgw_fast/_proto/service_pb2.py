from quicgw_fast.proto.service_pb2 import *
