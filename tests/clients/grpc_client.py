"""Calls test.Echo/Say with a token; prints code, content and metadata. The proxy comes from the environment."""
import sys

import grpc

target, roots, token = sys.argv[1:4]
credentials = grpc.ssl_channel_credentials(open(roots, "rb").read())
with grpc.secure_channel(target, credentials) as channel:
    call = channel.unary_unary("/test.Echo/Say")
    try:
        reply, state = call.with_call(b"hello", metadata=(("authorization", f"Bearer {token}"),), timeout=20)
    except grpc.RpcError as error:
        print("error", error.code().name, error.details())
        sys.exit(1)
    print("ok", reply.decode(), dict(state.initial_metadata()), dict(state.trailing_metadata()))
