"""What goes wrong with credentials when a token is fetched with them, and what to do then."""

from __future__ import annotations

import re

ADVICE = "type 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS to a key file"

# grpc gives what google.auth raises as a status 503 with its text, and with nothing else of it.
_PLUGIN = "Getting metadata from plugin failed with error: "
# What google.auth says where the tokens' server was not reached, or could not answer for now.
_PASSING = re.compile(
    r"ConnectionPool\(|Connection (?:aborted|reset)|timed out|metadata service|"
    r"internal_failure|server_error|temporarily_unavailable"
)
# A RefreshError's text is that of a tuple: what is wrong, then the whole answer.
_FIRST = re.compile(r"""^\((?:'([^']*)'|"([^"]*)"),""")


def find_refusal(error: Exception) -> str | None:
    """Returns why no token is given for the credentials; None where that is not the error, or where it may pass."""
    from google.api_core.exceptions import ServiceUnavailable
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, GoogleAuthError):
        return None if is_passing(error) else _shorten(str(error))
    if isinstance(error, ServiceUnavailable) and _PLUGIN in str(error.message):
        reason = str(error.message).partition(_PLUGIN)[2]
        return None if _PASSING.search(reason) else _shorten(reason)
    return None


def is_passing(error: Exception) -> bool:
    """Returns whether google.auth did not reach the tokens' server, or got no usable answer from it."""
    from google.auth.exceptions import GoogleAuthError, TransportError

    return isinstance(error, GoogleAuthError) and (
        isinstance(error, TransportError) or isinstance(error.__cause__, TransportError) or error.retryable
    )


def _shorten(text: str) -> str:
    found = _FIRST.match(text)
    return " ".join((found[1] or found[2] or "" if found else text).split()).rstrip(".")[:200]
