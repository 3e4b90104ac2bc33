"""The errors a user sees: they name the thing, the value and the remedy."""

_LONGEST_LINE = 300


class HarkenError(Exception):
    """A mistake in the input or the environment that the user can mend.

    Example:
        >>> str(HarkenError("keyword file", "words.csv", "Create it with the columns term,category."))
        "keyword file: 'words.csv'. Create it with the columns term,category."
    """

    def __init__(self, thing: str, value: object, remedy: str) -> None:
        super().__init__(thing, value, remedy)
        self.thing = thing
        self.value = value
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.thing}: {self.value!r}. {self.remedy}"


class GateError(HarkenError):
    """A result is worse than the run's settings allow; it is written all the same."""


def first_line(failure: BaseException) -> str:
    """What an exception of a library says, as far as it fits into a message of ours (one line, 300 characters).

    Libraries raise exceptions that say nothing, too; then it is the exception's type.

    Example:
        >>> first_line(RuntimeError("out of memory\\n  at line 3")), first_line(RuntimeError())
        ('out of memory', 'RuntimeError')
    """
    lines = str(failure).strip().splitlines() or [type(failure).__name__]
    return lines[0][:_LONGEST_LINE]
