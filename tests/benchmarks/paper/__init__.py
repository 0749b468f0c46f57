"""`make paper`: the simulations of Wang, Zhang and Wang (2021), with exact budgets.

Nonuniform Negative Sampling and Log Odds Correction with Rare Events Data, NeurIPS 2021, arXiv
2110.13048, section 5.1. What came out is in rebalance/guide/paper.md.
"""
