"""Statistics that stay valid however often one looks; numpy and scipy.special only.

`estimates` turns sums per arm into a difference with its standard error, `boundaries` that into a confidence sequence
and an always-valid p; `bernoulli` and `quantiles` are exact where the normal approximation is not good enough;
`ratio_mismatch` checks the shares, `error_share` stops a rollout, `size` plans, `several` corrects for many metrics.
"""
