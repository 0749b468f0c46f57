"""A uniform sample by pandas and imbalanced-learn: IN.parquet OUT.parquet RATE."""

import sys

import pandas as pd
from imblearn.under_sampling import RandomUnderSampler

source, target, rate = sys.argv[1:]
table = pd.read_parquet(source)
negatives = round(float(rate) * (table["y"] == 0).sum())
sampler = RandomUnderSampler(sampling_strategy={0: negatives}, random_state=0)
features, label = sampler.fit_resample(table.drop(columns="y"), table["y"])
features.assign(y=label).to_parquet(target, index=False)
