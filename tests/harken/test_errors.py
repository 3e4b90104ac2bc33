import pytest

from harken.errors import first_line


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (RuntimeError("\n out of memory\n  at line 3"), "out of memory"),
        (RuntimeError(), "RuntimeError"),
        (KeyError(" \n"), "' \\n'"),
        (ValueError(" \n"), "ValueError"),
        (RuntimeError("a" * 1000), "a" * 300),
    ],
)
def test_every_exception_has_a_line_to_tell(failure: Exception, line: str) -> None:
    assert first_line(failure) == line
