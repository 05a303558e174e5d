# What learners hand in for 06.crossover; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | a loop over stages
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("encoder", "decoder", "mlm_head"):
        per_byte += (twice[stage] - at[stage]) / 2048
    return at["processor"] / per_byte


# %% correct | the total less what does not grow
def crossover(cost):
    slope = sum(cost(101, 101).values()) - sum(cost(100, 100).values())
    return cost(1, 1)["processor"] / slope


# %% correct | reading and asking apart
def crossover(cost):
    def every(M, O):
        return sum(cost(M, O).values())

    reading, asking = every(2, 1) - every(1, 1), every(1, 2) - every(1, 1)
    return cost(5, 9)["processor"] / (reading + asking)


# %% mistake: They are asked for too | the encoder alone
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("encoder",):
        per_byte += (twice[stage] - at[stage]) / 2048
    return at["processor"] / per_byte


# %% mistake: They are read too | decoder and head alone
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("decoder", "mlm_head"):
        per_byte += (twice[stage] - at[stage]) / 2048
    return at["processor"] / per_byte


# %% mistake: The head is missing | forgotten
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("encoder", "decoder"):
        per_byte += (twice[stage] - at[stage]) / 2048
    return at["processor"] / per_byte


# %% mistake: no price of one *further* byte | the mean price
def crossover(cost):
    at = cost(2000, 2000)
    return at["processor"] / ((sum(at.values()) - at["processor"]) / 2000)


# %% mistake: You take all that is fixed | the intercept
def crossover(cost):
    y1, y2 = sum(cost(10, 10).values()), sum(cost(20, 20).values())
    return (y1 - (y2 - y1)) / ((y2 - y1) / 10)


# %% mistake: cut to whole bytes | int
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("encoder", "decoder", "mlm_head"):
        per_byte += (twice[stage] - at[stage]) / 2048
    return float(at["processor"] // per_byte)


# %% mistake: rounded up | ceil
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("encoder", "decoder", "mlm_head"):
        per_byte += (twice[stage] - at[stage]) / 2048
    return float(-int(-at["processor"] // per_byte))


# %% unknown | in kilobytes
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("encoder", "decoder", "mlm_head"):
        per_byte += (twice[stage] - at[stage]) / 2048
    return at["processor"] / per_byte / 1000


# %% unknown | a word
def crossover(cost):
    at, twice = cost(2048, 2048), cost(4096, 4096)
    per_byte = 0
    for stage in ("encoder", "decoder", "mlm_head"):
        per_byte += (twice[stage] - at[stage]) / 2048
    return "12.6 k"
