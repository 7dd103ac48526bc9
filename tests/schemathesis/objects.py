"""Makes one object of every kind at the console whose address is the first argument, and prints their ids by collection."""

import json
import os
import sys
import urllib.request

ADDRESS = sys.argv[1]
INLINE = {"source_type": "control_plane", "config": {}, "secret": "fake-value-1"}
ENV = {"source_type": "env", "config": {"var": "FAKE"}}
RULES = [{"host": "api.example.test", "http_methods": ["GET"], "paths": ["/v1/*"]}]


def post(path, **data):
    request = urllib.request.Request(
        f"{ADDRESS}/api/v1/{path}",
        json.dumps({"data": data}).encode(),
        {"authorization": f"Bearer {os.environ['CENTAUR_KEY']}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


made = {}


def make(collection, **data):
    made[collection] = post(collection, foreign_id="example", **data)["id"]


make("principals", labels={"team": "a"})
make("roles")
make("static_secrets", inject_config={"header": "X-Key"}, source=INLINE, rules=RULES)
make("gcp_auth_secrets", scopes=["a"], keyfile=INLINE, rules=RULES)
make("gcp_id_token_secrets", audience="a", keyfile=ENV, rules=RULES)
make("aws_auth_secrets", access_key_id=ENV, secret_access_key=INLINE, rules=RULES)
make(
    "oauth_token_secrets",
    grant="client_credentials",
    token_endpoint="https://idp.example.test/token",
    credentials={"client_id": ENV, "client_secret": INLINE},
    rules=RULES,
)
make("pg_dsn_secrets", database="a", dsn=ENV, settings=[{"name": "app.a", "value": "b"}])
make(
    "hmac_secrets",
    timestamp_format="unix_seconds",
    signature_algorithm="sha256",
    signature_key_encoding="raw",
    signature_output_encoding="hex",
    signature_message="{{ .Timestamp }}",
    headers=[{"name": "X-Signature", "value": "{{ .Signature }}"}],
    credentials={"secret": INLINE},
    rules=RULES,
)
make("broker_credentials", token_endpoint="https://idp.example.test/token", client_id="a", refresh_token="fake-refresh-1")
app = post(
    "oauth_apps", slug="example", provider="github", client_id="a", client_secret="fake-secret-1", allowed_scopes=["a"]
)
made["oauth_apps"] = app["id"]
post(f"principals/{made['principals']}/roles", role_id=made["roles"])
for grantee in ("principal", "role"):
    for key in ("static", "gcp_auth", "gcp_id_token", "aws_auth", "oauth_token", "pg_dsn", "hmac"):
        ids = {f"{grantee}_id": made[f"{grantee}s"], f"{key}_secret_id": made[f"{key}_secrets"]}
        made["grants"] = post("grants", **ids)["id"]
made["proxies"] = post("proxies", name="example", principal_id=made["principals"])["id"]
made["api_keys"] = post("api_keys", name="example")["id"]
print(json.dumps(made))
