import pickle

from serve.errors import ServiceError


def test_a_refusal_travels_between_processes_whole():
    refusal = ServiceError(409, "glossary_unusable", "Build it again.", "glossary_id", retry_after=1)
    found = pickle.loads(pickle.dumps(refusal))
    assert (found.status, found.code, found.retry_after) == (409, "glossary_unusable", 1)
    assert found.document() == refusal.document()
