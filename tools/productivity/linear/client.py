"""Reads and writes issues in Linear, with a key that only the proxy has."""

import http.client
import json
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 30
MAX_BYTES = 32 << 20
URL = "https://api.linear.app/graphql"


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
        "User-Agent": "centaur-tool/linear",
    }
    request = urllib.request.Request(URL, data=json.dumps(body).encode(), headers=headers, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            content = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        reason = error.headers.get("x-iron-reason")
        said = f"the proxy refused it: {reason}" if reason else error.read(500).decode(errors="replace")
        raise ToolError(f"Linear API error ({error.code}): {said}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"Linear cannot be reached: {getattr(error, 'reason', error)}") from None
    if len(content) > MAX_BYTES:
        raise ToolError("Linear sent more than 32 MiB")
    try:
        return json.loads(content) if content else {}
    except ValueError:
        raise ToolError(f"Linear sent no JSON: {content[:500].decode(errors='replace')}") from None


class LinearClient:
    def me(self):
        """The account that the key belongs to."""
        return self._ask("query { viewer { id name email } }")["viewer"]

    def teams(self, limit: int = 50):
        """Teams; at most 100."""
        if limit <= 0:
            return []
        query = "query ($first: Int!) { teams(first: $first) { nodes { id name key description } } }"
        return self._ask(query, first=min(limit, 100))["teams"]["nodes"]

    def search_issues(self, query_str: str, limit: int = 25):
        """Issues that hold a text; at most 100."""
        if limit <= 0:
            return []
        query = """query ($term: String!, $first: Int!) {
            searchIssues(term: $term, first: $first) { nodes { id identifier title dueDate url state { name } } }
        }"""
        return self._ask(query, term=query_str, first=min(limit, 100))["searchIssues"]["nodes"]

    def add_comment(self, issue_id: str, body: str):
        """Comments on an issue."""
        query = """mutation ($input: CommentCreateInput!) {
            commentCreate(input: $input) { success comment { id body createdAt } }
        }"""
        return self._ask(query, input={"issueId": issue_id, "body": body})["commentCreate"]

    def _ask(self, query, **variables):
        # The proxy writes the key into Authorization.
        answer = _call({"query": query, "variables": variables})
        if answer.get("errors"):
            raise ToolError(f"Linear: {answer['errors'][0].get('message')}")
        return answer["data"]


def _client():
    return LinearClient()


def main(argv):
    methods = [name for name in dir(LinearClient) if not name.startswith("_")]
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
