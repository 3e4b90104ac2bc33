"""Whether a note mentions something because the customer does *not* want it: 不要黑色, 不喜欢老花, without logo."""

import re

# Han and Latin letters are both \w, so word boundaries have to be spelled out for English.
_ENGLISH = r"(?<![A-Za-z])(?:not|without|except|avoids?|dislikes?|hates?|don['’]?t|doesn['’]?t)(?![A-Za-z])"
# In 要不要, 喜不喜欢 and 想不想 the same words ask a question.
_CHINESE = (
    r"(?<![要想喜爱买])不(?:太|怎么|再|是很)?(?:想要|想买|想|要|喜欢|爱|买|考虑|接受|偏好)"
    r"|没有?兴趣|讨厌|反感|拒绝|别买|别要"
)
_REFUSED = re.compile(f"{_CHINESE}|{_ENGLISH}", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[，。；！？,.;!?\n]")
_WANTED_AFTER_ALL = re.compile(
    r"但|而是|只|却|换成|改成|想要|要|喜欢|偏好|(?<![A-Za-z])(?:but|only|wants?|likes?)(?![A-Za-z])", re.IGNORECASE
)


# 黑色不要: the refusal ends the clause, for in 黑色不要太深 and 喜欢黑色不喜欢白色 it is about something else.
_REFUSED_AFTER = re.compile(
    r"的?(?:就|都|也)?(?:不要|不想要|不喜欢|不考虑|没有?兴趣|算了|不行|除外)了?(?=\s*(?:[，。；！？,.;!?\n]|$))"
)


def is_refused(text: str, start: int, end: int) -> bool:
    """True when ``text[start:end]`` is refused by words before it in the same clause or right after it.

    Example:
        >>> is_refused("不要黑色", 2, 4), is_refused("不要黑色要白色", 5, 7), is_refused("黑色不要", 0, 2)
        (True, False, True)
    """
    if _REFUSED_AFTER.match(text, end):
        return True
    ends = [found.end() for found in _CLAUSE_END.finditer(text, 0, start)]
    clause = text[ends[-1] if ends else 0 : start]
    refusals = [refusal.end() for refusal in _REFUSED.finditer(clause)]
    return bool(refusals) and _WANTED_AFTER_ALL.search(clause, refusals[-1]) is None
