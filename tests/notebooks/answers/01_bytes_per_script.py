# What learners hand in for 01.bytes_per_script; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | by encoding
def num_ids(plain, accented, chinese, emoji):
    return len(("x" * plain + "ü" * accented + "好" * chinese + "😀" * emoji).encode()) + 2


# %% correct | a tensor
def num_ids(plain, accented, chinese, emoji):
    return torch.tensor([plain, accented, chinese, emoji]) @ torch.tensor([1, 2, 3, 4]) + 2


# %% mistake: You counted characters | one each
def num_ids(plain, accented, chinese, emoji):
    return 2 + plain + accented + chinese + emoji


# %% mistake: You counted characters & two more ids in every text | both at once
def num_ids(*counts):
    return sum(counts)


# %% mistake: two more ids in every text | bytes only
def num_ids(plain, accented, chinese, emoji):
    return plain + 2 * accented + 3 * chinese + 4 * emoji


# %% mistake: [CLS] before and [SEP] after | one
def num_ids(plain, accented, chinese, emoji):
    return 1 + plain + 2 * accented + 3 * chinese + 4 * emoji


# %% mistake: in Latin-1 | accented letters have one
def num_ids(plain, accented, chinese, emoji):
    return len(("x" * plain + "ü" * accented).encode("latin-1")) + 3 * chinese + 4 * emoji + 2


# %% mistake: sizes of UTF-16 | by encoding
def num_ids(plain, accented, chinese, emoji):
    return len(("x" * plain + "ü" * accented + "好" * chinese + "😀" * emoji).encode("utf-16-le")) + 2


# %% mistake: sizes of UTF-32 | four each
def num_ids(plain, accented, chinese, emoji):
    return 4 * (plain + accented + chinese + emoji) + 2


# %% mistake: 2, 3 or 4, by the code point | ASCII or not
def num_ids(plain, accented, chinese, emoji):
    return plain + 2 * (accented + chinese + emoji) + 2


# %% mistake: has three bytes in UTF-8 | two
def num_ids(a, b, c, d):
    return 2 + 1 * a + 2 * b + 2 * c + 4 * d


# %% mistake: four bytes in UTF-8 | three
def num_ids(a, b, c, d):
    return 2 + 1 * a + 2 * b + 3 * (c + d)


# %% unknown | two special ids for each character
def num_ids(plain, accented, chinese, emoji):
    return 3 * (plain + accented + chinese + emoji)


# %% unknown | text
def num_ids(plain, accented, chinese, emoji):
    return f"{plain + 2 * accented + 3 * chinese + 4 * emoji + 2} ids"
