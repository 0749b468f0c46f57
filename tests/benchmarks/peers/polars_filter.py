"""A uniform sample by Polars, lazy and streamed: IN.parquet OUT.parquet RATE."""

import sys

import polars as pl

source, target, rate = sys.argv[1:]
# A hash of the id is Polars' way to draw row by row without holding a column of random numbers.
drawn = pl.col("id").hash(seed=0) < pl.lit(int(float(rate) * 2**64), dtype=pl.UInt64)
pl.scan_parquet(source).filter((pl.col("y") == 1) | drawn).sink_parquet(target)
