"""What goes wrong in embedded mode, in words for the one at the terminal."""


class EmbeddedError(RuntimeError):
    """The platform cannot be started, stopped or reached; the message says why and what helps."""


class PortTakenError(EmbeddedError):
    """Another program listens on the platform's port."""
