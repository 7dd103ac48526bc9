"""Reads and writes in Slack, with a token that only the proxy has."""

import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_SECONDS = 30
MAX_BYTES = 32 << 20
URL = "https://slack.com/api/"


class ToolError(Exception):
    """A call that failed; the text shows neither a credential nor its placeholder."""


def _secret(name):
    """The placeholder, which the proxy knows; never a credential."""
    return os.environ.get(name) or name


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed, so that what belongs to one host does not reach another."""

    def redirect_request(self, *_):
        return None


def _call(url, form, token):
    """One request; the answer as JSON."""
    headers = {
        "Accept": "application/json",
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": "centaur-tool/slack",
    }
    data = urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method="POST")
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=TIMEOUT_SECONDS) as answer:
            content = answer.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        reason = error.headers.get("x-iron-reason")
        said = f"the proxy refused it: {reason}" if reason else error.read(500).decode(errors="replace")
        raise ToolError(f"Slack API error ({error.code}): {said}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ToolError(f"Slack cannot be reached: {getattr(error, 'reason', error)}") from None
    if len(content) > MAX_BYTES:
        raise ToolError("Slack sent more than 32 MiB")
    try:
        return json.loads(content) if content else {}
    except ValueError:
        raise ToolError(f"Slack sent no JSON: {content[:500].decode(errors='replace')}") from None


class SlackClient:
    def list_bot_channels(self, limit: int = 500):
        """Channels that the bot is in, sorted by name."""
        channels, cursor = [], ""
        while len(channels) < limit:
            page = self._ask(
                "users.conversations",
                types="public_channel,private_channel",
                limit=min(limit - len(channels), 200),
                cursor=cursor,
            )
            channels += page["channels"]
            before, cursor = cursor, page.get("response_metadata", {}).get("next_cursor", "")
            if not cursor or cursor == before:
                break
        keep = ("id", "name", "is_private")
        return sorted(({key: channel.get(key) for key in keep} for channel in channels), key=lambda c: c["name"] or "")

    def get_channel_history(self, channel: str, limit: int = 50):
        """Messages of a channel, by its id, the newest first; at most 200."""
        if limit <= 0:
            return []
        return self._ask("conversations.history", channel=channel, limit=min(limit, 200))["messages"]

    def send_message(self, channel: str, text: str, thread_ts: str = ""):
        """Sends a message to a channel, by its id, or into a thread of it."""
        sent = self._ask("chat.postMessage", channel=channel, text=text, thread_ts=thread_ts)
        return {"channel": sent["channel"], "ts": sent["ts"]}

    def search_messages(self, query: str, max_results: int = 20):
        """Messages that match; with the token of a user, where one is granted."""
        if max_results <= 0:
            return []
        token = "SLACK_SEARCH_TOKEN"
        found = self._ask("search.messages", token, query=query, count=min(max_results, 100))
        return found["messages"]["matches"]

    def _ask(self, method, token="SLACK_BOT_TOKEN", **arguments):
        given = {key: value for key, value in arguments.items() if value != ""}
        answer = _call(URL + method, given, _secret(token))
        if not answer.get("ok"):
            raise ToolError(f"Slack API error: {answer.get('error')}")
        return answer


def _client():
    return SlackClient()


def main(argv):
    methods = [name for name in dir(SlackClient) if not name.startswith("_")]
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
