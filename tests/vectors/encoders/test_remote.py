"""Encoders behind HTTP: a real server of a real model, in both dialects."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

from leafsearch.config import Settings, load
from leafsearch.doctor import Examination, examine
from leafsearch.ingest import Choices, Document, Rejects, ingest, open_target
from leafsearch.search import Searcher
from leafsearch.vectors import ModelError, Rows, load_encoder, load_tokenizer
from leafsearch.vectors.encoders import PROBES, TransformerEncoder, unit_rows

KEY = "s3cret-key"
DIALECTS = ["/embed", "/v1/embeddings"]


def plainly(model: TransformerEncoder, texts: list[str]) -> Rows:
    """A float32 encoder on any processor; neither model has a prompt for documents."""
    return unit_rows(model.model.encode(texts, show_progress_bar=False))


def handler(models: dict[str, TransformerEncoder]) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers["Authorization"] != f"Bearer {KEY}":
                return self.answer(401, {"error": "no such key"})
            if self.path == "/other/embed":
                return self.answer(200, {"vectors": 3})
            if self.path == "/few/embed":
                return self.answer(200, [[1.0, 0.0]] * min(len(body["inputs"]), 2))
            # A server adds no prompt by itself, and does not normalise.
            if self.path.endswith("/v1/embeddings"):
                rows = 3 * plainly(models[body["model"]], body["input"])
                data = [{"index": i, "embedding": row.tolist()} for i, row in enumerate(rows)]
                return self.answer(200, {"data": data[::-1]})
            (model,) = [m for name, m in models.items() if name.endswith(self.path.split("/")[1])]
            return self.answer(200, (3 * plainly(model, body["inputs"])).tolist())

        def answer(self, status: int, content: Any) -> None:
            written = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Answering


@pytest.fixture(scope="module")
def server(published_pair: tuple[str, str]) -> Iterator[str]:
    models: dict[str, Any] = {
        name: load_encoder(name, precision="float32") for name in published_pair
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), handler(models)) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


def url(server: str, dialect: str, model: str) -> str:
    path = f"/{Path(model).name}/embed" if dialect == "/embed" else dialect
    return f"{server}{path}#{model}"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_server_gets_long_words_in_pieces(
    server: str, published_pair: tuple[str, str], dialect: str
) -> None:
    teacher, _ = published_pair
    texts = ["ACGTTGCAAGGCTTACG" * 12, "TTGACCA" * 30]

    rows = load_encoder(url(server, dialect, teacher), key=KEY).encode_documents(texts)

    wanted = load_encoder(teacher, precision="float32").encode_documents(texts)
    assert np.allclose(rows, wanted, atol=1e-4)
    assert rows[0] @ rows[1] < 0.9999


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_remote_encoder_is_the_model_it_serves(
    server: str, published_pair: tuple[str, str], dialect: str
) -> None:
    texts = [*PROBES, *PROBES, *PROBES]  # more than one request
    for name in published_pair:
        model = load_encoder(name)
        assert isinstance(model, TransformerEncoder)

        remote = load_encoder(url(server, dialect, name), key=KEY)

        for field in ("dimensions", "max_tokens", "query_prompt", "document_prompt", "revision"):
            assert getattr(remote, field) == getattr(model, field)
        assert remote.tokenizer.to_str() == model.tokenizer.to_str()
        assert np.allclose(remote.encode_queries(texts), model.encode_queries(texts), atol=1e-5)
        assert np.allclose(remote.encode_documents(texts), plainly(model, texts), atol=1e-5)
        assert np.allclose(unit_rows(remote.encode_queries(texts)), remote.encode_queries(texts))
        assert remote.encode_queries([]).shape == (0, model.dimensions)


def test_batches_of_a_remote_encoder_hold_every_text_once(
    server: str, published_pair: tuple[str, str]
) -> None:
    encoder = load_encoder(url(server, "/embed", published_pair[0]), key=KEY)
    texts = [f"{probe} {n}" for n in range(25) for probe in PROBES]  # ten requests

    batches = list(encoder.document_batches(texts))

    assert sorted(i for indices, _ in batches for i in indices) == list(range(len(texts)))
    for indices, rows in batches:
        wanted = encoder.encode_documents([texts[i] for i in indices])
        assert np.allclose(rows, wanted, atol=1e-6)
    encoder.close()


def test_its_tokenizer_needs_no_server(published_pair: tuple[str, str]) -> None:
    name = published_pair[0]

    tokenizer = load_tokenizer(f"http://127.0.0.1:9/embed#{name}")

    assert tokenizer.to_str() == load_tokenizer(name).to_str()


@pytest.fixture(params=DIALECTS)
def remote(
    request: Any,
    server: str,
    published_pair: tuple[str, str],
    database: Database[Any],
    tmp_path: Path,
) -> Settings:
    """The settings of collection `c`, whose two models run on the server."""
    teacher, student = (url(server, request.param, name) for name in published_pair)
    settings = load(
        {"LEAF_API_KEY": KEY},
        teacher=teacher,
        student=student,
        storage="full",
        database=database.name,
        collection="c",
    )
    target = open_target(database, settings, Choices())
    documents = [Document(str(i), probe) for i, probe in enumerate(PROBES)]
    written = ingest(documents, target, rejects=Rejects(tmp_path / "rejects"))
    target.collection.wait_until_ready(
        written.last_written, seconds=60, on_status=lambda status: None
    )
    return settings


def test_both_sides_of_a_collection_can_be_remote(
    remote: Settings, published_pair: tuple[str, str], database: Database[Any], mongodb_uri: str
) -> None:
    with Searcher.open(mongodb_uri, remote) as searcher:
        found = [searcher.search(probe, k=1)[0].document for probe in PROBES]

    plain_teacher, plain_student = (
        load_encoder(name, precision="float32") for name in published_pair
    )
    cosines = plain_student.encode_queries(PROBES) @ plain_teacher.encode_documents(PROBES).T
    assert found == [str(nearest) for nearest in cosines.argmax(axis=1)]
    assert KEY not in str(database["leaf_manifests"].find_one())


def test_a_server_that_only_the_collection_names_gets_no_key(
    remote: Settings, database: Database[Any], mongodb_uri: str
) -> None:
    where = {"database": database.name, "collection": "c"}
    unnamed = load({"LEAF_API_KEY": KEY}, **where)

    with pytest.raises(ModelError) as caught:
        Searcher.open(mongodb_uri, unnamed)
    findings = {f.check: f for f in examine(Examination(uri=mongodb_uri, settings=unnamed))}
    target = open_target(database, unnamed, Choices())
    with pytest.raises(ModelError, match=f"set LEAF_TEACHER={re.escape(remote.teacher or '')}$"):
        _ = target.teacher

    assert "rejected the request (401" in str(caught.value)
    assert "LEAF_API_KEY was not sent, because no setting names this server" in str(caught.value)
    assert str(caught.value).endswith(f"set LEAF_STUDENT={remote.student}")
    assert f"set LEAF_STUDENT={remote.student}" in findings["student"].message
    assert f"set LEAF_TEACHER={remote.teacher}" in findings["teacher"].message
    with Searcher.open(mongodb_uri, load({"LEAF_API_KEY": KEY}, student=remote.student, **where)):
        pass


def test_the_doctor_asks_a_student_that_no_manifest_names_with_the_key(
    remote: Settings, database: Database[Any], mongodb_uri: str
) -> None:
    database["leaf_manifests"].delete_many({})
    order = Examination(
        uri=mongodb_uri,
        settings=remote,
        path="embedding",
        index="leaf_vectors",
        text_field="text",
    )

    findings = {f.check: f for f in examine(order)}

    assert "is aligned" in findings["student"].message


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("{server}/embed", "expected https://HOST/embed#MODEL"),
        ("{server}/vectors#{model}", "expected https://HOST/embed#MODEL"),
        ("http://ann:pw@127.0.0.1:9/embed#{model}", "set LEAF_API_KEY instead"),
        ("http://127.0.0.1:9/embed#{model}", "the server does not answer (ConnectError"),
        ("{server}/other/embed#{model}", "something other than vectors"),
        ("{server}/embed#/nowhere", "no such folder"),
    ],
)
def test_errors_of_a_remote_encoder_name_the_problem(
    server: str, published_pair: tuple[str, str], address: str, expected: str
) -> None:
    name = address.format(server=server, model=published_pair[0])

    with pytest.raises(ModelError) as caught:
        load_encoder(name, key=KEY)
    assert expected in str(caught.value)
    assert "pw" not in str(caught.value).replace("pwd", "")


def test_a_wrong_key_is_rejected_without_being_shown(
    server: str, published_pair: tuple[str, str]
) -> None:
    with pytest.raises(ModelError) as caught:
        load_encoder(url(server, "/embed", published_pair[0]), key="wr0ng")
    assert "rejected the request (401" in str(caught.value)
    assert "wr0ng" not in str(caught.value)


def test_a_server_that_loses_texts_is_an_error(
    server: str, published_pair: tuple[str, str]
) -> None:
    encoder = load_encoder(f"{server}/few/embed#{published_pair[0]}", key=KEY)

    with pytest.raises(ModelError, match="gave 2 vectors for 3 texts"):
        encoder.encode_queries(["a", "b", "c"])


def test_the_key_is_a_secret_of_the_settings() -> None:
    settings: Settings = load({"LEAF_API_KEY": KEY})

    assert settings.key == KEY
    assert KEY not in repr(settings)


class Busy:
    """A server that answers with these statuses first, and then with vectors; None: not at all."""

    def __init__(self) -> None:
        self.statuses: list[int | None] = []
        self.headers: dict[str, str] = {}
        self.asked = 0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        busy = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                busy.asked += 1
                status = busy.statuses.pop(0) if busy.statuses else 200
                if status is None:
                    return self.connection.close()
                written = json.dumps([[1.0, 0.0]] * len(body["inputs"])).encode()
                self.send_response(status)
                for name, value in busy.headers.items() if status != 200 else ():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(written)))
                self.end_headers()
                self.wfile.write(written)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Answering


@pytest.fixture
def busy(published_pair: tuple[str, str]) -> Iterator[tuple[Busy, str]]:
    server = Busy()
    with ThreadingHTTPServer(("127.0.0.1", 0), server.handler()) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield server, f"http://127.0.0.1:{served.server_port}/embed#{published_pair[0]}"
        served.shutdown()


@pytest.mark.parametrize(
    "statuses",
    [[429], [503, 503], [502, 504], pytest.param([None] * 4, marks=pytest.mark.long)],
    ids=str,
)
def test_requests_to_a_busy_or_unavailable_server_are_retried(
    busy: tuple[Busy, str], statuses: list[int | None]
) -> None:
    server, name = busy
    encoder = load_encoder(name)
    for encode in (encoder.encode_documents, encoder.encode_queries):
        server.statuses = statuses.copy()
        assert encode(["a", "b"]).tolist() == [[1.0, 0.0], [1.0, 0.0]]
        assert server.statuses == []


def test_retry_after_decides_the_pause(
    busy: tuple[Busy, str], caplog: pytest.LogCaptureFixture
) -> None:
    server, name = busy
    encoder = load_encoder(name, retry_for=60)
    server.headers, server.statuses = {"Retry-After": "0"}, [429] * 50

    encoder.encode_documents(["a"])

    assert server.asked == 52  # which growing pauses would not have reached
    assert "the server is busy or unavailable (429: " in caplog.text
    server.headers, server.statuses = {"Retry-After": "61"}, [429]
    with pytest.raises(ModelError, match="busy or unavailable"):  # it is not waited for that long
        encoder.encode_documents(["a"])
    for date in ("Wed, 21 Oct 2015 07:28:00 GMT", "soon"):
        server.headers, server.statuses = {"Retry-After": date}, [503]
        encoder.encode_documents(["a"])


def test_a_query_fails_sooner_than_documents_and_a_rejection_at_once(
    busy: tuple[Busy, str],
) -> None:
    server, name = busy
    encoder = load_encoder(name)
    server.headers, server.statuses = {"Retry-After": "11"}, [503]
    with pytest.raises(ModelError, match="busy or unavailable"):
        encoder.encode_queries(["a"])
    for status in (400, 401, 413, 500):
        server.asked, server.statuses = 0, [status]
        with pytest.raises(ModelError, match=f"rejected the request \\({status}"):
            encoder.encode_documents(["a"])
        assert server.asked == 1
    server.statuses = [503]
    with pytest.raises(ModelError, match="busy or unavailable"):
        load_encoder(name, retry_for=0)
