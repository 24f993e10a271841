from urllib.parse import quote_plus

import pytest

from leafsearch.ingest import SourceError
from leafsearch.ingest.sources.mongodb.address import Address, is_address, shown

PASSWORD = quote_plus("s3/cr?t@#")


@pytest.mark.parametrize(
    ("path", "namespace"),
    [
        ("mongodb:shop.articles", "shop.articles"),
        ("mongodb:shop.old.articles", "shop.old.articles"),
        ("mongodb://localhost/shop.articles", "shop.articles"),
        ("mongodb://a:1,b:2/shop.articles?replicaSet=rs", "shop.articles"),
        ("mongodb://%2Frun%2Fmongo.sock/shop.articles?directConnection=true", "shop.articles"),
        (f"mongodb://me:{PASSWORD}@localhost/shop.articles?authSource=admin", "shop.articles"),
        (f"mongodb+srv://me:{PASSWORD}@cluster.example/shop.articles", "shop.articles"),
    ],
)
def test_the_path_of_a_uri_names_database_and_collection(path: str, namespace: str) -> None:
    address = Address.of(path)

    assert address.namespace == namespace
    assert address.uri == (None if path.startswith("mongodb:s") else path)
    assert is_address(path)


@pytest.mark.parametrize(
    "path",
    [
        "mongodb:",
        "mongodb:articles",
        "mongodb:shop.",
        "mongodb:.articles",
        "mongodb:shop.$cmd",
        "mongodb://localhost",
        "mongodb://localhost/",
        f"mongodb://me:{PASSWORD}@localhost/shop",
        f"mongodb://me:{PASSWORD}@localhost:port/shop.articles",
        f"mongodb://me:{PASSWORD}@localhost/shop.articles?tls=perhaps",
        f"mongodb://me:{PASSWORD}@localhost/shop.system.users",
        f"mongodb+srv://me:{PASSWORD}@cluster.example/",
        f"mongo://me:{PASSWORD}@localhost/shop.articles",
        "mongodb://me:s3cret@pass@localhost/shop.articles",
    ],
)
def test_a_path_without_collection_is_refused_without_showing_the_password(path: str) -> None:
    with pytest.raises(SourceError, match=r"expected mongodb://HOST/DATABASE\.COLLECTION") as error:
        Address.of(path)

    assert PASSWORD not in str(error.value)
    assert "s3cret" not in str(error.value)
    assert "me:" not in str(error.value)


def test_neither_user_nor_password_nor_options_are_shown() -> None:
    path = f"mongodb://me:{PASSWORD}@a:1,b:2/shop.articles?authSource=secret"

    assert shown(path) == "mongodb://a:1,b:2/shop.articles"
    assert PASSWORD not in repr(Address.of(path))


@pytest.mark.parametrize("path", ["articles.jsonl", "-", "mongodb.txt", "./mongodb:shop.articles"])
def test_files_are_not_collections(path: str) -> None:
    assert not is_address(path)
