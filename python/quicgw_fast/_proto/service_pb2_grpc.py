from quicgw_fast.proto.service_pb2_grpc import *
