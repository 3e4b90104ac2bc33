import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from compression.cascade import search
from compression.cascade.merging import merge
from compression.cascade.search import Cascade
from compression.cascade.utterance import CompressedUtterance
from compression.glossary.partitions import shard_partitions
from compression.glossary.reader import GlossaryReader
from harken.cascade_settings import CascadeSettings
from harken.errors import HarkenError
from tests.tiny_glossary import COUNT, enrolled, in_memory, noise, parts, stored, utterance
from tests.tiny_search import tiny_search_model
from tests.tiny_spotter import tiny_spotter

MODES = ("cascade", "exhaustive", "paper")
SAID = {2: 11, 12: 25}


def cascade(glossary: GlossaryReader | None = None, threads: int = 1, **settings: object) -> Cascade:
    spotter, model = parts()
    # An untrained verifier knows nothing: the path decides.
    calibration = replace(model.calibration, weights=(3.0, 0.0, 0.0, 0.0), bias=-8.0)
    settings = {"probability": 0.0, **settings}
    model = replace(model, calibration=calibration)
    return Cascade(spotter, model, glossary or in_memory(), CascadeSettings(**settings), threads)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_said_is_found_where_it_is_said(mode):
    first, second, *_ = cascade(mode=mode, probes=None).detect(utterance(SAID))
    found = {detection.term: detection for detection in (first, second)}
    assert found.keys() == {"term 11", "term 25"}
    assert (found["term 11"].start, found["term 11"].end) == (2 / 12, 7 / 12)
    assert (found["term 25"].start, found["term 25"].end) == (12 / 12, 16 / 12)
    assert found["term 25"].spellings == ("term 25", "turm 25")
    for detection in found.values():
        assert detection.category == "tests"
        assert detection.evidence["span"] > 0.8
        assert detection.evidence["path"] > 3.0
        assert detection.probability > 0.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("on_disk", [False, True])
def test_any_number_of_shards_gives_the_same(mode: str, on_disk: bool, tmp_path: Path) -> None:
    glossary: GlossaryReader = stored(tmp_path / "glossary") if on_disk else in_memory()
    searching = cascade(glossary, mode=mode, probes=2, span_cap=3, path_cap=2, path_threshold=0.0)
    heard = utterance(SAID)
    whole = searching.search(heard)
    assert whole.hits
    expected = merge([whole], searching.search_model.calibration, searching.settings)
    for shards in (1, 2, 4, 8):
        results = [searching.search(heard, shard_partitions(number, shards)) for number in reversed(range(shards))]
        assert sorted((hit for result in results for hit in result.hits), key=lambda hit: hit.entry_id) == sorted(
            whole.hits, key=lambda hit: hit.entry_id
        )
        assert merge(results, searching.search_model.calibration, searching.settings) == expected


@pytest.mark.parametrize("mode", MODES)
def test_threads_are_no_part_of_the_result(monkeypatch, mode):
    monkeypatch.setattr(search, "_LEAST_ENROLMENTS", 4)
    alone, together = (cascade(mode=mode, threads=threads).search(utterance(SAID)) for threads in (1, 3))
    assert alone.hits
    assert alone.hits == together.hits


def test_a_store_and_memory_find_the_same_terms_in_the_same_places(tmp_path: Path) -> None:
    heard = utterance(SAID)
    in_file, living = (cascade(one).detect(heard) for one in (stored(tmp_path / "glossary"), in_memory()))
    assert [(one.term, one.start, one.end) for one in in_file[:2]] == [
        (one.term, one.start, one.end) for one in living[:2]
    ]


def test_a_cascade_that_lets_all_through_is_exhaustive():
    heard = utterance(SAID)
    all_of_it = {"probes": None, "span_threshold": -1.0, "span_cap": 1000, "path_cap": 1000, "path_threshold": -100.0}
    through, exhaustive = (cascade(mode=mode, **all_of_it).search(heard) for mode in ("cascade", "exhaustive"))
    # Terms that no window is as long as have no similarity, and the first stage of a cascade cannot know them.
    known = [hit for hit in exhaustive.hits if hit.span > -1.0]
    assert list(through.hits) == known
    assert {hit.entry_id for hit in exhaustive.hits} == {one.id for one in enrolled(range(COUNT), "")[0]}


def test_a_term_said_twice_is_found_twice():
    heard = utterance({1: 11, 14: 11})
    found = [one for one in cascade().detect(heard) if one.term == "term 11"]
    assert sorted(round(one.start * 12) for one in found[:2]) == [1, 14]
    assert len([one for one in cascade(occurrences=1).detect(heard) if one.term == "term 11"]) == 1


def test_each_stage_lets_fewer_through_and_tells_so():
    result = cascade(span_cap=3, path_cap=1, occurrences=1, path_threshold=-100.0).search(utterance(SAID))
    span, path, verifier = result.stages
    assert [stage.name for stage in result.stages] == ["span", "path", "verifier"]
    assert span.considered == COUNT
    assert span.kept == path.considered <= 3 * 8
    assert path.kept == verifier.considered == len(result.hits) <= 8
    assert all(stage.seconds > 0 for stage in result.stages)


def test_thresholds_decide_what_passes():
    heard = utterance(SAID)
    hits = cascade(probes=None, occurrences=1).search(heard).hits
    for stage in ("span", "path"):
        least = sorted(getattr(hit, stage) for hit in hits)[-4]
        passed = cascade(probes=None, occurrences=1, **{f"{stage}_threshold": least}).search(heard).hits
        # Other batches may give the verifier's logits another last bit.
        assert [hit.entry_id for hit in passed] == [hit.entry_id for hit in hits if getattr(hit, stage) >= least]
    assert cascade(path_threshold=1000.0).search(heard).hits == ()


def test_a_result_travels_well():
    result = cascade().search(utterance(SAID))
    data = pickle.dumps(result)
    assert pickle.loads(data) == result
    assert b"torch" not in data
    assert b"numpy" not in data


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("frames", [0, 1, 2])
def test_very_short_utterances_are_searched(mode, frames):
    heard = CompressedUtterance.pack(noise(frames, seed=1), parts()[0])
    result = cascade(mode=mode).search(heard)
    assert all(0 <= hit.start < hit.end <= frames for hit in result.hits)
    assert result.partitions == tuple(range(8))
    merge([result], parts()[1].calibration)


@pytest.mark.parametrize("mode", MODES)
def test_a_glossary_of_one_term(mode):
    search = cascade(in_memory([11]), mode=mode)
    assert [one.term for one in search.detect(utterance({3: 11}))][:1] == ["term 11"]
    filled = [partition for partition in range(8) if search.search(utterance({3: 11}), (partition,)).hits]
    assert len(filled) == 1


def test_what_does_not_fit_together_is_refused():
    spotter, _ = parts()
    other = tiny_spotter("LHF", seed=1)
    with pytest.raises(HarkenError, match="spotter of the search model"):
        Cascade(spotter, tiny_search_model(other), in_memory([1]))
    with pytest.raises(HarkenError, match="spotter of the utterance"):
        cascade(in_memory([1])).search(CompressedUtterance.pack(noise(9, seed=1), other))
    with pytest.raises(HarkenError, match="partition: 8"):
        cascade(in_memory([1])).search(utterance({}), (8,))
