"""A profile of every column by DuckDB: IN.parquet."""

import sys

import duckdb

print(duckdb.sql(f"SUMMARIZE SELECT * FROM '{sys.argv[1]}'").fetchall())
