"""Reads from GitHub, with a token that only the proxy has."""

import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 30
MAX_BYTES = 32 << 20


def _base():
    """The API; another one for GitHub Enterprise."""
    return os.environ.get("GITHUB_API_URL", "https://api.github.com").rstrip("/")


class ToolError(Exception):
    """A call that failed; the text shows neither a credential nor its placeholder."""


def _secret(name):
    """The placeholder, which the proxy knows; never a credential."""
    return os.environ.get(name) or name


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed, so that what belongs to one host does not reach another."""

    def redirect_request(self, *_):
        return None


def _call(url):
    """One read; the answer as JSON."""
    headers = {
        "Accept": "application/json",
        "Authorization": f"Bearer {_secret('GITHUB_TOKEN')}",
        "User-Agent": "centaur-tool/github",
    }
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            content = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        reason = error.headers.get("x-iron-reason")
        said = f"the proxy refused it: {reason}" if reason else error.read(500).decode(errors="replace")
        raise ToolError(f"GitHub API error ({error.code}): {said}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"GitHub cannot be reached: {getattr(error, 'reason', error)}") from None
    if len(content) > MAX_BYTES:
        raise ToolError("GitHub sent more than 32 MiB")
    try:
        return json.loads(content) if content else {}
    except ValueError:
        raise ToolError(f"GitHub sent no JSON: {content[:500].decode(errors='replace')}") from None


class GitHubClient:
    def me(self):
        """The account that the token belongs to."""
        return self._get("/user")

    def repository(self, owner: str, name: str):
        """One repository."""
        return self._get(f"/repos/{_segment(owner)}/{_segment(name)}")

    def issues(self, owner: str, name: str, state: str = "open", limit: int = 30):
        """Issues of a repository, the newest first; at most 100."""
        if limit <= 0:
            return []
        query = urllib.parse.urlencode({"state": state, "per_page": min(limit, 100)})
        return self._get(f"/repos/{_segment(owner)}/{_segment(name)}/issues?{query}")

    def _get(self, path):
        return _call(_base() + path)


def _segment(text):
    return urllib.parse.quote(text, safe="")


def _client():
    return GitHubClient()


def main(argv):
    methods = [name for name in dir(GitHubClient) if not name.startswith("_")]
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
