"""The one kind of error that a user can mend."""


class InputError(ValueError):
    """What was asked cannot be done as asked; the message is one sentence that names the remedy.

    The command line prints the sentence alone and exits with `status`; from Python it is an ordinary ``ValueError``.

    Attributes:
        status: Exit status of the command line.
    """

    status = 2


class NonFiniteError(InputError):
    """A run that was asked for rightly came to a loss, a gradient or weights that are not finite."""

    status = 1


class WorkerError(InputError):
    """A run that was asked for rightly lost a process that loads its batches."""

    status = 1
