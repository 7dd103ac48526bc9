"""Reads mail, calendars and files of a Google account, with tokens that only the proxy has."""

import http.client
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 30
MAX_BYTES = 32 << 20


class ToolError(Exception):
    """A call that failed; the text shows neither a credential nor its placeholder."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed, so that what belongs to one host does not reach another."""

    def redirect_request(self, *_):
        return None


def _call(url):
    """One read; the answer as JSON."""
    headers = {"Accept": "application/json", "User-Agent": "centaur-tool/gsuite"}
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            content = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        reason = error.headers.get("x-iron-reason")
        said = f"the proxy refused it: {reason}" if reason else error.read(500).decode(errors="replace")
        raise ToolError(f"Google API error ({error.code}): {said}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"Google cannot be reached: {getattr(error, 'reason', error)}") from None
    if len(content) > MAX_BYTES:
        raise ToolError("Google sent more than 32 MiB")
    try:
        return json.loads(content) if content else {}
    except ValueError:
        raise ToolError(f"Google sent no JSON: {content[:500].decode(errors='replace')}") from None


class GSuiteClient:
    def gmail_labels(self):
        """Labels of the mailbox."""
        return self._get("gmail", "/gmail/v1/users/me/labels").get("labels", [])

    def gmail_search(self, query: str, max_results: int = 20):
        """Ids of messages that match; at most 500."""
        if max_results <= 0:
            return []
        found = self._get("gmail", "/gmail/v1/users/me/messages", q=query, maxResults=min(max_results, 500))
        return found.get("messages", [])

    def calendar_list(self):
        """Calendars of the account."""
        return self._get("www", "/calendar/v3/users/me/calendarList").get("items", [])

    def drive_list(self, query: str = "", max_results: int = 50):
        """Files whose name holds a text, without those in the trash; at most 1000."""
        if max_results <= 0:
            return []
        escaped = query.replace("\\", "\\\\").replace("'", "\\'")
        wanted = f"trashed = false and name contains '{escaped}'" if query else "trashed = false"
        return self._get("www", "/drive/v3/files", q=wanted, pageSize=min(max_results, 1000)).get("files", [])

    def _get(self, service, path, **query):
        # The proxy writes Authorization.
        given = f"?{urllib.parse.urlencode(query)}" if query else ""
        return _call(f"https://{service}.googleapis.com{path}{given}")


def _client():
    return GSuiteClient()


def main(argv):
    methods = [name for name in dir(GSuiteClient) if not name.startswith("_")]
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
