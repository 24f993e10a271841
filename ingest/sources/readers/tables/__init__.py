"""Files of records: CSV, JSON Lines, JSON and Parquet."""
