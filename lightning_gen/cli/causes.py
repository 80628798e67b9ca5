"""The errors that led to an error, where libraries wrap those of others in their own."""

from collections.abc import Iterator

from lightning_gen.errors import InputError


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those from which it was raised, the latest first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__


def first_cause(error: BaseException) -> BaseException:
    """The InputError among an error and its causes, else the first of them, such as that of a constructor."""
    chain = list(causes(error))
    return next((each for each in chain if isinstance(each, InputError)), chain[-1])


def root_error(error: BaseException | None) -> InputError | None:
    """The InputError that another library has wrapped in errors of its own; None without one."""
    seen: set[int] = set()
    while error is not None and not isinstance(error, InputError) and id(error) not in seen:
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return error if isinstance(error, InputError) else None
