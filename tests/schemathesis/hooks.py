"""Object ids that there are, among those that Schemathesis makes up, so that not every answer is a 404; and no waiting."""

import json
import os
import zlib

import schemathesis

with open(os.environ["CENTAUR_KNOWN_OBJECTS"], encoding="utf-8") as file:
    KNOWN = json.load(file)


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    operation = context.operation
    # What is deleted would be missing for all that follow.
    if not isinstance(path_parameters, dict) or operation.method.upper() == "DELETE":
        return path_parameters
    known = KNOWN.get(operation.path.split("/")[3])
    made_up = path_parameters.get("id")
    # Two of three, by the made-up value, so that a run is repeated exactly.
    if known and made_up is not None and zlib.crc32(repr(made_up).encode()) % 3:
        path_parameters["id"] = known
    return path_parameters


@schemathesis.hook
def before_call(context, case, kwargs):
    # Up to 55 s where the request asks for it, and half a minute where it does not say; what is no time is refused at once.
    if case.path.endswith("/wait"):
        timeout = str((case.query or {}).get("timeout", 30))
        if timeout.isdecimal() and int(timeout) <= 55:
            case.query = {**(case.query or {}), "timeout": 0}
