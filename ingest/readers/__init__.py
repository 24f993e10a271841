"""One generator per file format: Documents and Rejected records, in the order of the file.

Little more is held than the record at hand, so memory does not grow with a file's length.
"""

from ingest.readers.csv_rows import demand_columns, read_csv
from ingest.readers.json_lines import read_json_lines
from ingest.readers.records import Records
from ingest.readers.text import read_text

__all__ = ["Records", "demand_columns", "read_csv", "read_json_lines", "read_text"]
