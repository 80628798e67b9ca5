"""The one kind of error that a user can mend."""


class InputError(ValueError):
    """What was asked cannot be done as asked; the message is one sentence that names the remedy.

    The command line prints the sentence alone and exits with status 2; from Python it is an ordinary ``ValueError``.
    """
