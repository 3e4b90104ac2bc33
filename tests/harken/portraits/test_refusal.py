"""What a customer does not want."""

import pytest

from harken.portraits.refusal import is_refused


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("不要<黑色>", True),
        ("不想要太花的<老花>", True),
        ("女生不太喜欢<老花>", True),
        ("不要黑色和<白色>", True),
        ("讨厌<老花>", True),
        ("without <monogram>", True),
        ("不要<neverfull>", True),
        ("对<手链>没兴趣", True),
        ("<黑色>就不要了，要白色", True),
        ("<老花>的不喜欢。", True),
        ("要<黑色>", False),
        ("<黑色>不要太深", False),
        ("喜欢<黑色>不喜欢白色", False),
        ("不看价格，喜欢<黑色>", False),
        ("不要黑色，<白色>可以", False),
        ("不要黑色要<白色>", False),
        ("不喜欢黑色但可以<白色>", False),
        ("要不要<黑色>", False),
        ("喜不喜欢<老花>", False),
        ("问有没有<托特包>", False),
        ("never mind, <neverfull>", False),
    ],
)
def test_refusal(text: str, refused: bool) -> None:
    start, end = text.index("<"), text.index(">") - 1
    assert is_refused(text.replace("<", "").replace(">", ""), start, end) is refused
