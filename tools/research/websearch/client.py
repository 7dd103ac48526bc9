"""Searches the web through Parallel, with a key that only the proxy has."""

import http.client
import json
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 30
MAX_BYTES = 32 << 20
URL = "https://api.parallel.ai/v1/search"


class ToolError(Exception):
    """A call that failed; the text shows neither a credential nor its placeholder."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed, so that what belongs to one host does not reach another."""

    def redirect_request(self, *_):
        return None


def _call(body):
    """One request; the answer as JSON."""
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "centaur-tool/websearch",
    }
    request = urllib.request.Request(URL, data=json.dumps(body).encode(), headers=headers, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            content = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        reason = error.headers.get("x-iron-reason")
        said = f"the proxy refused it: {reason}" if reason else error.read(500).decode(errors="replace")
        raise ToolError(f"Parallel API error ({error.code}): {said}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"Parallel cannot be reached: {getattr(error, 'reason', error)}") from None
    if len(content) > MAX_BYTES:
        raise ToolError("Parallel sent more than 32 MiB")
    try:
        return json.loads(content) if content else {}
    except ValueError:
        raise ToolError(f"Parallel sent no JSON: {content[:500].decode(errors='replace')}") from None


class WebSearchClient:
    def search(self, query: str, num_results: int = 10, include_domains: list = None, exclude_domains: list = None):
        """Pages that answer a question; at most 40."""
        if num_results <= 0:
            return []
        policy = {"include_domains": include_domains, "exclude_domains": exclude_domains}
        settings = {"max_results": min(num_results, 40), "excerpt_settings": {"max_chars_per_result": 3000}}
        if include_domains or exclude_domains:
            settings["source_policy"] = {key: value for key, value in policy.items() if value}
        # The proxy writes the key.
        body = {"objective": query, "search_queries": [query], "advanced_settings": settings}
        return _call(body).get("results", [])


def _client():
    return WebSearchClient()


def main(argv):
    methods = [name for name in dir(WebSearchClient) if not name.startswith("_")]
    if not argv or argv[0] not in methods:
        print(f"usage: client.py {'|'.join(methods)} [JSON]", file=sys.stderr)
        return 2
    try:
        arguments = json.loads(argv[1]) if len(argv) > 1 else {}
        result = getattr(_client(), argv[0])(**arguments)
    except (ToolError, TypeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
