"""The one exception that stands for a user's mistake, so that it can be shown as a sentence."""


class InputError(Exception):
    """Bad input: a file, key or option that cannot be used.

    The message names the file, the key or array, what was found, what was expected and what to do.
    The command line prints it without a traceback and exits with status 2.
    """
