"""One generator per file format: Documents and Rejected records, in the order of the file.

Little more is held than the record at hand, so memory does not grow with a file's length.
"""

from ingest.corpus.readers.csv_rows import read_csv
from ingest.corpus.readers.json_array import read_json
from ingest.corpus.readers.json_lines import read_json_lines
from ingest.corpus.readers.parquet import read_parquet
from ingest.corpus.readers.reading import demand_readable, read
from ingest.corpus.readers.records import Records
from ingest.corpus.readers.text import read_text
from ingest.corpus.readers.whole import Whole

__all__ = [
    "Records",
    "Whole",
    "demand_readable",
    "read",
    "read_csv",
    "read_json",
    "read_json_lines",
    "read_parquet",
    "read_text",
]
