"""The exception for what Gradwalk does not do; at the command line it is one sentence and exit code 2."""


class RefusalError(Exception):
    """The message is one clear sentence without a full stop."""
