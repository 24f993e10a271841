"""Without the extra [formats] everything else works, and what needs it says how to get it."""

import os
import subprocess
import sys
from pathlib import Path

from leaftests.paths import ROOT

READ = """
from leafsearch.ingest import Corpus
for record in Corpus(["docs"]).records():
    print(record.place, getattr(record, "reason", "is read"))
print(*Corpus(["docs/a.pdf"]).problems())
"""


NAMES = (
    *("a.pdf", "b.parquet", "c.html", "d.json", "f.txt", "g.jsonl", "h.docx", "i.epub", "j.rst"),
    *("k.tex", "l.py", "m.ipynb", "n.eml", "o.adoc"),
)
EXPECTED = """
docs/a.pdf pdf needs pypdfium2: pip install 'leafsearch[formats]'
docs/b.parquet parquet needs pyarrow: pip install 'leafsearch[formats]'
docs/c.html html needs trafilatura: pip install 'leafsearch[formats]'
docs/d.json:1 is read
docs/f.txt is read
docs/g.jsonl:1 is read
docs/h.docx docx needs lxml: pip install 'leafsearch[formats]'
docs/i.epub epub needs html_to_markdown: pip install 'leafsearch[formats]'
docs/j.rst rst needs docutils: pip install 'leafsearch[formats]'
docs/k.tex latex needs pylatexenc: pip install 'leafsearch[formats]'
docs/l.py code needs tree_sitter: pip install 'leafsearch[formats]'
docs/m.ipynb notebook needs html_to_markdown: pip install 'leafsearch[formats]'
docs/n.eml eml needs html_to_markdown: pip install 'leafsearch[formats]'
docs/o.adoc is read
docs/a.pdf: pdf needs pypdfium2: pip install 'leafsearch[formats]'
"""


def test_what_is_missing_is_named_and_the_rest_is_read(core_only: Path) -> None:
    Path("docs").mkdir()
    for name in NAMES:
        Path("docs", name).write_text('{"text": "T"}')

    ended = subprocess.run(
        [sys.executable, "-S", "-c", READ],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{core_only}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == EXPECTED.lstrip()
