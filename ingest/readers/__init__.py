"""One generator per file format: Documents and Rejected records, in the order of the file.

Little more is held than the record at hand, so memory does not grow with a file's length.
"""

from ingest.readers.csv_rows import read_csv
from ingest.readers.json_array import read_json
from ingest.readers.json_lines import read_json_lines
from ingest.readers.parquet import read_parquet
from ingest.readers.reading import demand_readable, read
from ingest.readers.records import Records
from ingest.readers.text import read_text
from ingest.readers.whole import Whole

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
