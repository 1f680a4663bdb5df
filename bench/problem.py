"""Turns bad input into one clear line: what is wrong, where, and the mend."""


class Problem(Exception):  # noqa: N818 - it is the user's problem, not a program error
    """Input the user can mend; the command line prints it as one line and exits with 2.

    The message names the file or option, the field, the value and what to do about it.
    It never holds a secret.
    """
