"""The errors a user sees: they name the thing, the value and the remedy."""


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
