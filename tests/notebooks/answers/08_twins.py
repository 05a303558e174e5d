# What learners hand in for 08.twins; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | a regular expression, a set as the answer
def twins(training, test):
    import re

    def key(t):
        return re.sub(r"[\W\d_]", "", t).casefold()

    seen = set(map(key, training))
    return {i for i, t in enumerate(test) if key(t) in seen}


# %% correct | all pairs, slowly
def twins(train, held_out):
    def same(a, b):
        return [c for c in a.lower() if c.isalpha()] == [c for c in b.lower() if c.isalpha()]

    found = []
    for i in range(len(held_out)):
        if any(same(held_out[i], t) for t in train):
            found.append(i)
    return tuple(found)


# %% mistake: Only exact copies are found | in
def twins(training, test):
    return [i for i, t in enumerate(test) if t in training]


# %% mistake: signs and spaces are not | lower only
def twins(training, test):
    known = [t.lower() for t in training]
    return [i for i, t in enumerate(test) if t.lower() in known]


# %% mistake: forget case and digits too | signs only
def twins(training, test):
    def key(t):
        return "".join(c for c in t if c.isalnum())

    known = {key(t) for t in training}
    return [i for i, t in enumerate(test) if key(t) in known]


# %% mistake: forget the digits | isalnum
def twins(training, test):
    def key(t):
        return "".join(c for c in t.lower() if c.isalnum())

    known = {key(t) for t in training}
    return [i for i, t in enumerate(test) if key(t) in known]


# %% mistake: throws away letters such as é | a to z
def twins(training, test):
    import string

    def key(t):
        return "".join(c for c in t.lower() if c in string.ascii_lowercase)

    known = {key(t) for t in training}
    return [i for i, t in enumerate(test) if key(t) in known]


# %% mistake: Spaces still count | letters and spaces
def twins(training, test):
    def key(t):
        return "".join(c for c in t.lower() if c.isalpha() or c.isspace())

    known = {key(t) for t in training}
    return [i for i, t in enumerate(test) if key(t) in known]


# %% mistake: The words are compared in any order | sorted
def twins(training, test):
    import re

    def key(t):
        return sorted(re.findall(r"[^\W\d_]+", t.lower()))

    known = [key(t) for t in training]
    return [i for i, t in enumerate(test) if key(t) in known]


# %% mistake: numbers of training texts | the wrong list
def twins(training, test):
    def key(t):
        return "".join(c for c in t.lower() if c.isalpha())

    known = {key(t) for t in test}
    return [i for i, t in enumerate(training) if key(t) in known]


# %% mistake: the test texts to keep | not in
def twins(training, test):
    def key(t):
        return "".join(c for c in t.lower() if c.isalpha())

    known = {key(t) for t in training}
    return [i for i, t in enumerate(test) if key(t) not in known]


# %% mistake: repeats another test text | the set grows
def twins(training, test):
    def key(t):
        return "".join(c for c in t.lower() if c.isalpha())

    seen, found = {key(t) for t in training}, []
    for i, t in enumerate(test):
        if key(t) in seen:
            found.append(i)
        seen.add(key(t))
    return found


# %% mistake: count from 1 | enumerate from 1
def twins(training, test):
    def key(t):
        return "".join(c for c in t.lower() if c.isalpha())

    known = {key(t) for t in training}
    return [i for i, t in enumerate(test, 1) if key(t) in known]


# %% unknown | vowels dropped
def twins(training, test):
    def key(t):
        return "".join(c for c in t.lower() if c.isalpha() and c not in "aeiou")[:3]

    known = {key(t) for t in training}
    return [i for i, t in enumerate(test) if key(t) in known]


# %% unknown | the texts, not their numbers
def twins(training, test):
    return [t for t in test if t in training]
