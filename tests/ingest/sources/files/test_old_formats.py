"""Binary formats of old office programs: rejected with the command that converts them, unless they
are something else beneath their name."""

from pathlib import Path

import pytest

from leafsearch.ingest import Corpus, Document, Rejected
from leaftests.reading import DOCUMENTS


@pytest.mark.parametrize(("ending", "new"), [(".doc", "docx"), (".ppt", "pptx")])
def test_an_old_document_names_what_converts_it(tmp_path: Path, ending: str, new: str) -> None:
    old = tmp_path / f"old{ending}"
    old.write_bytes((DOCUMENTS / "libreoffice.doc").read_bytes())
    reason = (
        f"is in an old binary format ({ending}); convert it first: "
        f"soffice --headless --convert-to {new} {old}"
    )

    (found,) = Corpus([str(tmp_path)]).records()
    (problem,) = Corpus([str(old)]).problems()

    assert isinstance(found, Rejected)
    assert found.reason.startswith(reason[:100])
    assert problem == f"{old}: {reason}"


def test_rtf_that_is_called_doc_is_read(tmp_path: Path) -> None:
    (tmp_path / "letter.doc").write_bytes(b"{\\rtf1 Dear reader\\par}")

    (found,) = Corpus([str(tmp_path)]).records()

    assert isinstance(found, Document)
    assert found.text == "Dear reader"


def test_programs_beside_pages_are_not_read(tmp_path: Path) -> None:
    for folder in ("_static", "node_modules/x", "src"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.js").write_text("function f() {}\n")

    found = [document.id for document in Corpus([str(tmp_path)]).records() if document]  # type: ignore[union-attr]

    assert found == [f"{tmp_path.name}/src/a.js"]
