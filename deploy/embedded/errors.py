"""Errors of embedded mode; their messages are shown in the terminal."""


class EmbeddedError(RuntimeError):
    """The platform cannot be started, stopped or reached; the message names the cause and a remedy."""


class PortTakenError(EmbeddedError):
    """Another program is listening on the platform's port."""
