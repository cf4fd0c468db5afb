"""What can go wrong in serving, as plain exceptions whose message is the whole text for the user.

ServingError
├── ServingConfigError    a flag, a configuration file or a certificate is wrong
├── ServingStartError     everything is configured well, and the server cannot start or cannot serve
├── PredictError          a file cannot be predicted: its form, a column, a cell
├── ReleaseRefused        a release verb will not do what would be unsafe
└── TargetError           servers or a gateway do not answer, or do not apply a change
"""

from __future__ import annotations


class ServingError(Exception):
    """Something in serving failed; the message says what, where, and what to do."""


class ServingConfigError(ServingError):
    """A flag, a configuration file or a certificate is wrong."""


class ServingStartError(ServingError):
    """The server cannot start: a port is taken, or a model does not become available."""


class PredictError(ServingError):
    """A file cannot be sent through a version: it, one of its columns or one of its cells is wrong."""


class ReleaseRefused(ServingError):
    """A release verb refuses; nothing that serves has changed for the worse."""


class TargetError(ServingError):
    """Model servers or a gateway do not answer, or do not come to the state that was asked for."""
