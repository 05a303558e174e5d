# What learners hand in for 06.training; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | one after the other
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% correct | in one line
def training_run(parameters, forward, B, steps, rate):
    return dict(
        hours=3 * forward * B * steps / rate / 60 / 60,
        step_flops=3.0 * forward * B,
        state_bytes=16 * parameters,
    )


# %% mistake: forward pass alone | no backward
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = forward * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% mistake: three forward passes | backward as cheap
def training_run(parameters, forward, B, steps, rate):
    backward = forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% mistake: four forward passes | backward of three
def training_run(parameters, forward, B, steps, rate):
    backward = 3 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% mistake: A step reads B | one text
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = forward + backward
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% mistake: This is 4 times the parameters | the weights alone
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% mistake: two means are missing | plain gradient descent
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% mistake: AdamW keeps two means | one mean
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% mistake: This is 4 times the parameters | bytes forgotten
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": numbers, "hours": seconds / 3600}


# %% mistake: These are minutes | / 60
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 60}


# %% mistake: These are seconds | not converted
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds}


# %% mistake: forward pass alone & two means are missing | two at once
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = forward * B
    numbers = parameters + parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 3600}


# %% unknown | in days
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return {"step_flops": per_step, "state_bytes": 4 * numbers, "hours": seconds / 86400}


# %% unknown | a tuple
def training_run(parameters, forward, B, steps, rate):
    backward = 2 * forward
    per_step = (forward + backward) * B
    numbers = parameters + parameters + 2 * parameters
    seconds = per_step * steps / rate
    return per_step, 4 * numbers, seconds / 3600
