"""The one error that a user's mistake raises."""


class InputError(ValueError):
    """A mistake at the border: one sentence that names the value and the fix.

    The command line prints the sentence without a traceback and exits with code 2.
    """
