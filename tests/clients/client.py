"""A GET by the library named first; prints status and content. Proxy and trust come from the environment."""
import os
import sys

library, url, token = sys.argv[1:4]
headers = {"Authorization": f"Bearer {token}"}
if library == "requests":
    import requests

    reply = requests.get(url, headers=headers, timeout=20)
    print(reply.status_code, reply.text)
elif library == "httpx":
    import httpx

    reply = httpx.get(url, headers=headers, timeout=20)
    print(reply.status_code, reply.text)
elif library == "urllib":
    import urllib.request

    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        print(reply.status, reply.read().decode())
elif library == "websockets":
    import ssl

    from websockets.sync.client import connect

    trust = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    with connect(url, ssl=trust, additional_headers=headers, open_timeout=20) as socket:
        socket.send("hello from python")
        print(101, socket.recv(timeout=20))
else:
    sys.exit(f"unknown library {library}")
