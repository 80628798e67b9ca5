"""Errors that the user can fix."""


class InputError(ValueError):
    """A request cannot be carried out; the message is one sentence that names the remedy.

    The command line prints the sentence alone and exits with `status`; from Python it is an ordinary ``ValueError``.

    Attributes:
        status: Exit status of the command line.
    """

    status = 2


class NonFiniteError(InputError):
    """A loss, a gradient or weights of a valid run are not finite."""

    status = 1


class WorkerError(InputError):
    """A process that loads batches for a valid run has died."""

    status = 1


class FitError(InputError):
    """The sampler of a valid run cannot be fitted or kept after training."""

    status = 1
