"""A uniform sample by DuckDB: IN.parquet|csv OUT.parquet RATE."""

import sys

import duckdb

source, target, rate = sys.argv[1:]
duckdb.sql("SET preserve_insertion_order = false")
duckdb.sql(
    f"COPY (SELECT * FROM '{source}' WHERE y = 1 OR random() < {float(rate)}) "
    f"TO '{target}' (FORMAT parquet)"
)
