"""The whole table into memory by pyarrow: IN.parquet."""

import sys

import pyarrow.parquet as pq

print(pq.read_table(sys.argv[1]).num_rows)
