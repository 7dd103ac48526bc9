"""Answers calls without a network."""

import json
import sys
import time

VERSION = 4


class DemoClient:
    def ping(self):
        """Shows that the tool runs, and which version of it."""
        return {"pong": True, "server_time": time.time(), "version": VERSION}

    def echo(self, message: str):
        """Gives the message back."""
        return {"echo": message}

    def fail(self, message: str = "demo failure"):
        """Fails, to show how a failure looks."""
        raise RuntimeError(message)


def _client():
    return DemoClient()


def main(argv):
    methods = [name for name in dir(DemoClient) if not name.startswith("_")]
    if not argv or argv[0] not in methods:
        print(f"usage: client.py {'|'.join(methods)} [JSON]", file=sys.stderr)
        return 2
    try:
        arguments = json.loads(argv[1]) if len(argv) > 1 else {}
        result = getattr(_client(), argv[0])(**arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
