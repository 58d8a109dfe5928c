"""Where the generated modules keep their messages.

A pool of our own: a program may have its own modules made from the same .proto files, and in the pool that all
programs share by default a name can be there only once.
"""

from google.protobuf.descriptor_pool import DescriptorPool

POOL = DescriptorPool()
