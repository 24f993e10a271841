from pathlib import Path

from pymongo import MongoClient
from pymongo.operations import SearchIndexModel

from leafsearch.local import LocalDeployment
from leafsearch.local.fallback import fallback_uri

FIELDS = {"fields": [{"type": "vector", "path": "v", "numDimensions": 2, "similarity": "cosine"}]}


def test_a_first_search_after_a_start_finds_what_is_there(tmp_path: Path) -> None:
    with LocalDeployment(tmp_path) as deployment, MongoClient(deployment.uri) as client:
        client["db"]["c"].insert_many([{"v": [n + 1, 1]} for n in range(5000)])
        client["db"]["c"].create_search_index(SearchIndexModel(FIELDS, "i", "vectorSearch"))
    told: list[str] = []

    uri = fallback_uri(tmp_path, told.append)

    try:
        stage = {"index": "i", "path": "v", "queryVector": [1, 1], "limit": 3, "exact": True}
        with MongoClient(uri) as client:
            assert len(list(client["db"]["c"].aggregate([{"$vectorSearch": stage}]))) == 3
        assert fallback_uri(tmp_path, told.append) == uri
        assert ["(started" in line for line in told] == [True, False]
    finally:
        LocalDeployment(tmp_path).stop()
