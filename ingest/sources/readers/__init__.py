"""One generator per file format: Documents and Rejected records, in the order of the file.

Little more is held than the record at hand, so memory does not grow with a file's length.
"""

from leafsearch.ingest.sources.readers.csv_rows import read_csv
from leafsearch.ingest.sources.readers.json_array import read_json
from leafsearch.ingest.sources.readers.json_lines import read_json_lines
from leafsearch.ingest.sources.readers.parquet import read_parquet
from leafsearch.ingest.sources.readers.records import Records
from leafsearch.ingest.sources.readers.registry import demand_readable, read
from leafsearch.ingest.sources.readers.text import read_text
from leafsearch.ingest.sources.readers.whole import Whole

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
