# What learners hand in for 01.mask_words; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | regular expression over the bytes
def mask_words(ids, chosen):
    import re

    raw = bytes(max(i - 6, 0) if i >= 6 else 32 for i in ids.tolist())
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for number, word in enumerate(re.finditer(rb"\S+", raw)):
        if number in chosen:
            start, stop = word.span()
            start -= int(ids[start - 1] >= 6)
            labels[start:stop] = ids[start:stop]
            if chosen[number] == "mask":
                inputs[start:stop] = ByteTokenizer.MASK
    return inputs, labels


# %% correct | whole tensors, no loop over bytes
def mask_words(ids, chosen):
    byte = ids - 6
    space = (byte == 32) | ((byte > 8) & (byte < 14))
    letter = (byte >= 0) & ~space
    first = letter & ~torch.cat([letter.new_zeros(1), letter[:-1]])
    number = first.cumsum(0) - 1
    number[~letter] = -1
    lead = torch.cat([first[1:], first.new_zeros(1)]) & space
    number[lead] = torch.cat([number[1:], number[:1]])[lead]
    lookup = {-1: 0} | {w: 2 if how == "mask" else 1 for w, how in chosen.items()}
    what = torch.tensor([lookup.get(n, 0) for n in number.tolist()])
    return torch.where(what == 2, 3, ids), torch.where(what > 0, ids, -100)


# %% correct | the library's word_units
def mask_words(ids, chosen):
    from perceiver_edu.training.masking import word_units

    units = word_units(ids[None])[0]
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word in chosen:
        labels[units == word + 1] = ids[units == word + 1]
        if chosen[word] == "mask":
            inputs[units == word + 1] = 3
    return [inputs, labels]


# %% mistake: The space before the word is still visible | words without the space
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: The space before the word is still visible & The labels are taken from what was masked | two at once
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        if how == "mask":
            inputs[places[word]] = 3
        labels[places[word]] = inputs[places[word]]
    return inputs, labels


# %% mistake: You hid the space after the word | the wrong side
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[-1] + 1] >= 6 and chr(row[word[-1] + 1] - 6).isspace():
            word.append(word[-1] + 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: All white space before the word is hidden | while
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        while row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: Only the blank ends a word | 38 is the id of a blank
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and i != 38:
            if p == 0 or row[p - 1] < 6 or row[p - 1] == 38:
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] == 38:
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: You cut at each single blank | text.split(" "), the first idea
def mask_words(ids, chosen):
    text = bytes(i - 6 for i in ids.tolist() if i >= 6)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    place = 1  # after [CLS]
    for number, word in enumerate(text.split(b" ")):
        length = len(word) + (number > 0)
        if number in chosen:
            labels[place : place + length] = ids[place : place + length]
            if chosen[number] == "mask":
                inputs[place : place + length] = 3
        place += length
    return inputs, labels


# %% mistake: belong to a word of yours | whatever is no blank is a letter
def mask_words(ids, chosen):
    white = [i - 6 in (9, 10, 11, 12, 13, 32) for i in ids.tolist()]
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    number, place = -1, 0
    while place < len(ids):
        if white[place] and (place + 1 == len(ids) or white[place + 1]):
            place += 1
            continue
        number += 1
        stop = place + 1
        while stop < len(ids) and not white[stop]:
            stop += 1
        if number in chosen:
            labels[place:stop] = ids[place:stop]
            if chosen[number] == "mask":
                inputs[place:stop] = 3
        place = stop
    return inputs, labels


# %% mistake: the first word is 0 | counted from 1
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    places = [[]] + places
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: There is a label for every byte. | labels = ids
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), ids.clone()
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: There is a label for every byte but padding | padding ignored only
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.where(ids == 0, -100, ids)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: That asks for [PAD] | zeros
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.zeros_like(ids)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: The labels are inverted | the rest
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), ids.clone()
    for word, how in chosen.items():
        labels[places[word]] = -100
        if how == "mask":
            inputs[places[word]] = 3
    return inputs, labels


# %% mistake: The labels are taken from what was masked already | after the masking
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        if how == "mask":
            inputs[places[word]] = 3
        labels[places[word]] = inputs[places[word]]
    return inputs, labels


# %% mistake: A word that is kept has no label | label only what is masked
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        if how == "mask":
            inputs[places[word]] = 3
            labels[places[word]] = ids[places[word]]
    return inputs, labels


# %% mistake: chosen to "keep" was masked | how is not read
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word in chosen:
        labels[places[word]] = ids[places[word]]
        inputs[places[word]] = ByteTokenizer.MASK
    return inputs, labels


# %% mistake: The words became [PAD] | 0
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 0
    return inputs, labels


# %% mistake: -100 stands in the inputs | -100
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = -100
    return inputs, labels


# %% mistake: Inputs and labels have changed places | the order
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return labels, inputs


# %% unknown | the first byte of each word only
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word][0]] = ids[places[word][0]]
        if how == "mask":
            inputs[places[word][0]] = 3
    return inputs, labels


# %% unknown | one tensor
def mask_words(ids, chosen):
    places, row = [], ids.tolist()
    for p, i in enumerate(row):
        if i >= 6 and not chr(i - 6).isspace():
            if p == 0 or row[p - 1] < 6 or chr(row[p - 1] - 6).isspace():
                places.append([])
            places[-1].append(p)
    for word in places:
        if row[word[0] - 1] >= 6 and chr(row[word[0] - 1] - 6).isspace():
            word.insert(0, word[0] - 1)
    inputs, labels = ids.clone(), torch.full_like(ids, -100)
    for word, how in chosen.items():
        labels[places[word]] = ids[places[word]]
        if how == "mask":
            inputs[places[word]] = 3
    return inputs


# %% unknown | characters of the text, not bytes
def mask_words(ids, chosen):
    text = ByteTokenizer().decode(ids, skip_special_tokens=True)
    inputs, labels, place = ids.clone(), torch.full_like(ids, -100), 1
    for number, word in enumerate(text.split(" ")):
        if number in chosen:
            labels[place : place + len(word)] = 6
        place += len(word) + 1
    return inputs, labels
