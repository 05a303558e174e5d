# What learners hand in for 04.some_queries; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | gather over the place axis
def decode_asked(positions, queries, decoder, latents):
    at = positions.expand(len(latents), -1)
    rows = queries.expand(len(latents), -1, -1).gather(1, at[..., None].expand(-1, -1, queries.shape[1]))
    return decoder(rows, latents)


# %% correct | index_select for each text, one decoder call a text
def decode_asked(positions, queries, decoder, latents):
    out = []
    for b in range(len(latents)):
        own = positions if positions.ndim == 1 else positions[b]
        out.append(decoder(queries.index_select(0, own).unsqueeze(0), latents[b : b + 1]))
    return torch.cat(out)


# %% correct | one-hot times the array
def decode_asked(positions, queries, decoder, latents):
    hot = torch.nn.functional.one_hot(positions, len(queries)).to(queries.dtype)
    asked = hot @ queries
    return decoder(asked if asked.dim() == 3 else asked.unsqueeze(0), latents)


# %% mistake: These are the first O queries | queries[:O]
def decode_asked(positions, queries, decoder, latents):
    O = positions.shape[-1]
    return decoder(queries[:O].unsqueeze(0), latents)


# %% mistake: Each place is one too far | [CLS] counted again
def decode_asked(positions, queries, decoder, latents):
    asked = torch.stack([queries[p + 1] for p in positions.flatten().tolist()])
    return decoder(
        asked.view(*positions.shape, -1).reshape(-1, positions.shape[-1], queries.shape[-1]), latents
    )


# %% mistake: Each place is one too early | positions - 1
def decode_asked(positions, queries, decoder, latents):
    asked = queries[positions - 1]
    return decoder(asked if asked.dim() == 3 else asked[None], latents)


# %% mistake: The first text's places | positions[0]
def decode_asked(positions, queries, decoder, latents):
    own = positions[0] if positions.dim() > 1 else positions
    return decoder(torch.index_select(queries, 0, own)[None], latents)


# %% mistake: asked for the places of all texts | flatten
def decode_asked(positions, queries, decoder, latents):
    return decoder(torch.index_select(queries, 0, positions.reshape(-1)).unsqueeze(0), latents)


# %% mistake: picks, with (B, O), the places of every text in every text | everything, then an index
def decode_asked(positions, queries, decoder, latents):
    everything = decoder(queries.unsqueeze(0), latents)
    return everything[:, positions]


# %% mistake: Those are channels | the last axis
def decode_asked(positions, queries, decoder, latents):
    everything = decoder(queries[None], latents)
    return everything[..., positions]


# %% mistake: The places are sorted | sort first
def decode_asked(positions, queries, decoder, latents):
    asked = queries[torch.sort(positions, dim=-1)[0]]
    return decoder(asked.view(-1, *asked.shape[-2:]), latents)


# %% mistake: A mask over the places | a mask
def decode_asked(positions, queries, decoder, latents):
    wanted = torch.zeros(len(queries), dtype=torch.bool)
    wanted[positions.flatten()] = True
    return decoder(queries[wanted][None], latents)


# %% unknown | right rows, but everything is decoded
def decode_asked(positions, queries, decoder, latents):
    everything = decoder(queries[None], latents)
    at = positions.expand(len(latents), -1)
    return torch.stack([rows[own] for rows, own in zip(everything, at)])


# %% unknown | from the end
def decode_asked(positions, queries, decoder, latents):
    asked = queries.flip(0)[positions]
    return decoder(asked if asked.dim() == 3 else asked[None], latents)


# %% unknown | the queries themselves
def decode_asked(positions, queries, decoder, latents):
    asked = queries[positions]
    return (asked if asked.dim() == 3 else asked[None]).expand(len(latents), -1, -1)


# %% unknown | columns of the array
def decode_asked(positions, queries, decoder, latents):
    return decoder(queries[:, positions], latents)
