# What learners hand in for 08.honest; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | numpy
def compare(ours, baseline, limit):
    import numpy as np

    d = np.array(ours) - np.array(baseline)
    error = d.std(ddof=1) / np.sqrt(len(d))
    return {
        "difference": d.mean(),
        "spread": d.std(ddof=1),
        "error": error,
        "decided": abs(d.mean()) > limit * error,
    }


# %% correct | torch, other names
def compare(a, b, t):
    d = torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64)
    e = d.std() / len(d) ** 0.5
    return dict(decided=bool(d.mean().abs() / e > t), error=e, spread=d.std(), difference=d.mean())


# %% correct | by hand
def compare(ours, baseline, limit):
    n = len(ours)
    mean = sum(ours) / n - sum(baseline) / n
    variance = sum((a - b - mean) ** 2 for a, b in zip(ours, baseline)) / (n - 1)
    error = (variance / n) ** 0.5
    return {
        "difference": mean,
        "spread": variance**0.5,
        "error": error,
        "decided": mean**2 > (limit * error) ** 2,
    }


# %% mistake: compares the best seeds | max
def compare(ours, baseline, limit):
    import statistics as s

    d = max(ours) - max(baseline)
    spread = s.stdev([a - b for a, b in zip(ours, baseline)])
    error = spread / len(ours) ** 0.5
    return {"difference": d, "spread": spread, "error": error, "decided": abs(d) > limit * error}


# %% mistake: the wrong sign | baseline first
def compare(ours, baseline, limit):
    import statistics as s

    d = [b - a for a, b in zip(ours, baseline)]
    error = s.stdev(d) / len(d) ** 0.5
    return {
        "difference": s.mean(d),
        "spread": s.stdev(d),
        "error": error,
        "decided": abs(s.mean(d)) > limit * error,
    }


# %% mistake: divides by n. | numpy's default
def compare(ours, baseline, limit):
    import numpy as np

    d = np.subtract(ours, baseline)
    error = d.std() / len(d) ** 0.5
    return {
        "difference": d.mean(),
        "spread": d.std(),
        "error": error,
        "decided": abs(d.mean()) > limit * error,
    }


# %% mistake: This is the variance | var
def compare(ours, baseline, limit):
    import numpy as np

    d = np.subtract(ours, baseline)
    v = d.var(ddof=1)
    error = v / len(d) ** 0.5
    return {"difference": d.mean(), "spread": v, "error": error, "decided": abs(d.mean()) > limit * error}


# %% mistake: as if the seeds had nothing in common | two error bars
def compare(ours, baseline, limit):
    import statistics as s

    d = s.mean(ours) - s.mean(baseline)
    spread = (s.stdev(ours) ** 2 + s.stdev(baseline) ** 2) ** 0.5
    error = spread / len(ours) ** 0.5
    return {"difference": d, "spread": spread, "error": error, "decided": abs(d) > limit * error}


# %% mistake: the spread of `ours` alone | one error bar
def compare(ours, baseline, limit):
    import statistics as s

    d = s.mean(ours) - s.mean(baseline)
    error = s.stdev(ours) / len(ours) ** 0.5
    return {"difference": d, "spread": s.stdev(ours), "error": error, "decided": abs(d) > limit * error}


# %% mistake: spread / √n, not / n | over n
def compare(ours, baseline, limit):
    import statistics as s

    d = [a - b for a, b in zip(ours, baseline)]
    error = s.stdev(d) / len(d)
    return {
        "difference": s.mean(d),
        "spread": s.stdev(d),
        "error": error,
        "decided": abs(s.mean(d)) > limit * error,
    }


# %% mistake: divide by √n | no error of the mean
def compare(ours, baseline, limit):
    import statistics as s

    d = [a - b for a, b in zip(ours, baseline)]
    return {
        "difference": s.mean(d),
        "spread": s.stdev(d),
        "error": s.stdev(d),
        "decided": abs(s.mean(d)) > limit * s.stdev(d),
    }


# %% mistake: compare |difference| | one side only
def compare(ours, baseline, limit):
    import statistics as s

    d = [a - b for a, b in zip(ours, baseline)]
    error = s.stdev(d) / len(d) ** 0.5
    return {
        "difference": s.mean(d),
        "spread": s.stdev(d),
        "error": error,
        "decided": s.mean(d) > limit * error,
    }


# %% mistake: `limit` is not used | one error
def compare(ours, baseline, limit):
    import statistics as s

    d = [a - b for a, b in zip(ours, baseline)]
    error = s.stdev(d) / len(d) ** 0.5
    return {"difference": s.mean(d), "spread": s.stdev(d), "error": error, "decided": abs(s.mean(d)) > error}


# %% mistake: taken for a win | above 0
def compare(ours, baseline, limit):
    import statistics as s

    d = [a - b for a, b in zip(ours, baseline)]
    error = s.stdev(d) / len(d) ** 0.5
    return {"difference": s.mean(d), "spread": s.stdev(d), "error": error, "decided": s.mean(d) > 0}


# %% unknown | the median
def compare(ours, baseline, limit):
    import statistics as s

    d = [a - b for a, b in zip(ours, baseline)]
    error = s.stdev(d) / len(d) ** 0.5
    return {"difference": s.median(d) + 0.01, "spread": s.stdev(d), "error": error, "decided": True}


# %% unknown | no dictionary
def compare(ours, baseline, limit):
    return sum(ours) > sum(baseline)
