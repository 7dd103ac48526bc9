"""A gRPC server that answers only who shows the real value, and shows it back in metadata and message."""
import os
import sys
from concurrent import futures

import grpc

certificate, key = (open(path, "rb").read() for path in sys.argv[1:3])
value = os.environ["REAL"]


def say(request, context):
    shown = dict(context.invocation_metadata()).get("authorization", "")
    if shown != f"Bearer {value}":
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "not the value")
    context.send_initial_metadata((("x-echo", shown),))
    context.set_trailing_metadata((("x-echo-trailer", shown),))
    return b"reply to " + request + b" from " + shown.encode()


handlers = grpc.method_handlers_generic_handler(
    "test.Echo", {"Say": grpc.unary_unary_rpc_method_handler(say)}
)
server = grpc.server(futures.ThreadPoolExecutor(2))
server.add_generic_rpc_handlers((handlers,))
port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
server.start()
print(port, flush=True)
server.wait_for_termination()
