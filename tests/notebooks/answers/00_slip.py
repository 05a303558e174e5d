# What learners hand in for 00.slip; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | by the ids themselves
def hidden_ids(text, hidden):
    before, part = text.split(hidden, 1)[0], ByteTokenizer().encode(hidden, add_special_tokens=False)
    start = len(ByteTokenizer().encode(before)) - 1
    return [start, start + len(part)]


# %% correct | search in the bytes
def hidden_ids(text, hidden):
    start = text.encode().find(hidden.encode())
    return start + 1, start + 1 + len(hidden.encode())


# %% mistake: [CLS] comes first | without [CLS]
def hidden_ids(text, hidden):
    start = text.encode().find(hidden.encode())
    return start, start + len(hidden.encode())


# %% mistake: the card's own slip | start without, stop with
def hidden_ids(text, hidden):
    start = text.encode().find(hidden.encode())
    return start, start + 1 + len(hidden.encode())


# %% mistake: You counted characters | text.find
def hidden_ids(text, hidden):
    start = text.find(hidden) + 1
    return start, start + len(hidden)


# %% mistake: The length is counted in characters | len(hidden)
def hidden_ids(text, hidden):
    start = text.encode().find(hidden.encode()) + 1
    return start, start + len(hidden)


# %% mistake: last hidden byte is missing | inclusive stop
def hidden_ids(text, hidden):
    start = text.encode().find(hidden.encode()) + 1
    return start, start + len(hidden.encode()) - 1


# %% mistake: a slice does not hold its stop | one more
def hidden_ids(text, hidden):
    start = text.encode().find(hidden.encode()) + 1
    return start, start + len(hidden.encode()) + 1


# %% mistake: One byte too many at each end | both
def hidden_ids(text, hidden):
    start = text.encode().find(hidden.encode())
    return start, start + len(hidden.encode()) + 2


# %% unknown | the length in the place of the stop
def hidden_ids(text, hidden):
    return text.encode().find(hidden.encode()) + 1, len(hidden.encode())


# %% unknown | the ids
def hidden_ids(text, hidden):
    return ByteTokenizer().encode(hidden)
