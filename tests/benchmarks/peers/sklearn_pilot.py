"""A nonuniform sample by pandas and scikit-learn: IN.parquet OUT.parquet RATE.

The pilot is a logistic regression on 5,000 rows of each class and the 20 floats.
"""

import sys

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

source, target, rate = sys.argv[1:]
table = pd.read_parquet(source)
features = [f"x{column:02d}" for column in range(20)]
size = min(5000, table["y"].sum())
balanced = table.groupby("y").sample(size, random_state=0)
pilot = LogisticRegression().fit(balanced[features], balanced["y"])
score = pilot.predict_proba(table[features])[:, 1]
odds = score / (1 - score) * table["y"].mean() / (1 - table["y"].mean())
score = odds / (1 + odds)
negative = (table["y"] == 0).to_numpy()
floor, factor = float(rate) / 10, float(rate) / score[negative].mean()
for _ in range(20):  # until the expected number of negatives is the budget
    kept = np.clip(factor * score[negative], floor, 1).mean()
    factor *= float(rate) / kept
table["pi"] = np.where(negative, np.clip(factor * score, floor, 1), 1.0)
table[np.random.default_rng(0).random(len(table)) < table["pi"]].to_parquet(target, index=False)
