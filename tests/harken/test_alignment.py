import random

import pytest

from harken.alignment import align, edit_distance


def kinds(reference, hypothesis, **options):
    return [operation.kind for operation in align(reference, hypothesis, **options)]


def test_insertions_go_behind_a_word_and_not_into_it():
    operations = align("可推荐男装", "可推荐男装装装", units=[0, 1, 1, 2, 2])
    assert [operation.kind for operation in operations] == ["match"] * 5 + ["insert"] * 2
    assert [operation.reference for operation in operations] == [0, 1, 2, 3, 4, 5, 5]


def test_insertions_go_before_a_word_and_not_into_it():
    assert kinds("男装修", "男装装修", units=[0, 1, 1]) == ["match", "insert", "match", "match"]


def test_a_truncated_hypothesis_keeps_whole_words():
    assert kinds("喜欢喜老欢", "喜欢", units=[0, 0, 1, 1, 1]) == ["match", "match", "delete", "delete", "delete"]
    assert kinds("喜老欢喜欢", "喜欢", units=[0, 0, 0, 1, 1]) == ["delete", "delete", "delete", "match", "match"]


def test_substitutions_stay_within_a_script():
    assert kinds("喜", "x化", classes=(["cn"], ["oth", "cn"])) == ["insert", "substitute"]
    assert kinds("喜", "化x", classes=(["cn"], ["cn", "oth"])) == ["substitute", "insert"]


def test_empty_sequences_words_and_wrong_lengths():
    assert align("", "") == []
    assert kinds("", "ab") == ["insert", "insert"]
    assert kinds("ab", "") == ["delete", "delete"]
    assert kinds(["喜欢", "老花"], ["喜欢", "老化"]) == ["match", "substitute"]
    with pytest.raises(ValueError, match="1 units for 2"):
        align("ab", "ab", units=[0])
    with pytest.raises(ValueError, match="classes"):
        align("ab", "ab", classes=(["x"], ["x", "x"]))


def quality(operations, reference, hypothesis, units, scripts):
    """The criteria of `align` in their order, counted from the operations."""
    inside = wrong = across = 0
    wrong_units = set()
    for kind, here, there in operations:
        if kind == "insert":
            if 0 < here < len(reference) and units[here] == units[here - 1]:
                inside += 1
                wrong_units.add(units[here])
        elif kind != "match":
            wrong_units.add(units[here])
            across += kind == "substitute" and scripts[reference[here]] != scripts[hypothesis[there]]
    wrong = len(wrong_units)
    return sum(kind != "match" for kind, _, _ in operations), inside, across, wrong


def every_alignment(reference, hypothesis, here=0, there=0):
    if here == len(reference) and there == len(hypothesis):
        yield ()
    if here < len(reference) and there < len(hypothesis):
        kind = "match" if reference[here] == hypothesis[there] else "substitute"
        for rest in every_alignment(reference, hypothesis, here + 1, there + 1):
            yield ((kind, here, there), *rest)
    if here < len(reference):
        for rest in every_alignment(reference, hypothesis, here + 1, there):
            yield (("delete", here, there), *rest)
    if there < len(hypothesis):
        for rest in every_alignment(reference, hypothesis, here, there + 1):
            yield (("insert", here, there), *rest)


def test_no_other_alignment_is_better():
    generator = random.Random(1)
    scripts = dict.fromkeys("ab", "oth") | dict.fromkeys("花老", "cn")
    for _ in range(400):
        reference = "".join(generator.choices("ab花老", k=generator.randint(0, 5)))
        hypothesis = "".join(generator.choices("ab花老", k=generator.randint(0, 5)))
        units, unit = [], 0
        for _ in reference:
            unit += generator.random() < 0.5
            units.append(unit)
        classes = [scripts[item] for item in reference], [scripts[item] for item in hypothesis]
        found = align(reference, hypothesis, units=units, classes=classes)
        best = min(
            quality(candidate, reference, hypothesis, units, scripts)
            for candidate in every_alignment(reference, hypothesis)
        )
        assert quality(found, reference, hypothesis, units, scripts) == best, (reference, hypothesis, units)


def test_an_alignment_covers_both_sides_and_is_minimal():
    generator = random.Random(2)
    for _ in range(300):
        reference = generator.choices("上海人喜欢ab", k=generator.randint(0, 40))
        hypothesis = generator.choices("上海人喜欢ab", k=generator.randint(0, 60))
        operations = align(reference, hypothesis, units=[index // 3 for index in range(len(reference))])
        assert [here for kind, here, _ in operations if kind != "insert"] == list(range(len(reference)))
        assert [there for kind, _, there in operations if kind != "delete"] == list(range(len(hypothesis)))
        assert sum(kind != "match" for kind, _, _ in operations) == edit_distance(reference, hypothesis)
        assert operations == align(reference, hypothesis, units=[index // 3 for index in range(len(reference))])
