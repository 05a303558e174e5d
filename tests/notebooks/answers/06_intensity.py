# What learners hand in for 06.intensity; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | two times
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = (weights + B * arrays) * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": max(computing, reading),
    }


# %% correct | by the ridge
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    per_byte = flops / (bytes_per_number * (weights / B + arrays))
    ridge = peak_flops / peak_bytes
    rate = min(peak_flops, per_byte * peak_bytes)
    waits = "arithmetic" if per_byte >= ridge else "memory"
    return {"waits_for": waits, "seconds": B * flops / rate, "intensity": per_byte}


# %% mistake: read once for the whole batch | weights again for each text
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = B * (weights + arrays) * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": max(computing, reading),
    }


# %% mistake: The arrays go in and out too | weights only
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = weights * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": max(computing, reading),
    }


# %% mistake: The weights have to be read too | arrays only
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = B * arrays * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": max(computing, reading),
    }


# %% mistake: `bytes_per_number` is missing | numbers
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = weights + B * arrays
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": max(computing, reading),
    }


# %% mistake: those of one text | B forgotten
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = (weights + B * arrays) * bytes_per_number
    all_flops = flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": max(computing, reading),
    }


# %% mistake: You add the two times | sum
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = (weights + B * arrays) * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": computing + reading,
    }


# %% mistake: You take the shorter time | min
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = (weights + B * arrays) * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": min(computing, reading),
    }


# %% mistake: The two words are exchanged | the other way
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = (weights + B * arrays) * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "arithmetic" if reading > computing else "memory",
        "seconds": max(computing, reading),
    }


# %% unknown | milliseconds
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = (weights + B * arrays) * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "memory" if reading > computing else "arithmetic",
        "seconds": 1000 * max(computing, reading),
    }


# %% unknown | other words
def roofline(B, flops, weights, arrays, bytes_per_number, peak_flops, peak_bytes):
    bytes_moved = (weights + B * arrays) * bytes_per_number
    all_flops = B * flops
    computing = all_flops / peak_flops
    reading = bytes_moved / peak_bytes
    return {
        "intensity": all_flops / bytes_moved,
        "waits_for": "bandwidth" if reading > computing else "arithmetic",
        "seconds": max(computing, reading),
    }
