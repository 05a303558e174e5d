# What learners hand in for 03.early_decode; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | the library's own block
def early_decode(model, ids, mask, positions, k):
    with instruments.stop_after(model, k):
        return model(ids, mask, positions)


# %% correct | the stream, then the decoder
def early_decode(model, ids, mask, positions, k):
    latents = instruments.residual_stream(model, ids, mask)[k]
    outputs = model.decoder(model.queries(positions), latents)
    return outputs @ model.embedding.byte_embedding.weight.T + model.mlm_head.bias


# %% correct | a counter, other names
def early_decode(net, text, real, where, layers):
    z, done = net.encoder(net.embedding(text), real), 0
    while done < layers:
        z = net.processor.self_attends[done](z)
        done += 1
    asked = net.queries.positions[where][None].expand(len(text), -1, -1)
    return net.mlm_head(net.decoder(asked, z), net.embedding.byte_embedding.weight)


# %% mistake: One layer too many | the test comes after the layer
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for i, layer in enumerate(model.processor.self_attends):
        z = layer(z)
        if i == k:
            break
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: One layer too few | counting from one
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for i, layer in enumerate(model.processor.self_attends, 1):
        if i < k:
            z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: k is not used | the whole processor
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    z = model.processor(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: The last k layers are run | the last ones
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    layers = list(model.processor.self_attends)
    for layer in layers[len(layers) - k :]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: The first k layers are left out | the wrong side of the colon
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for layer in model.processor.self_attends[k:]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: Only the k-th layer is run | one layer
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    if k:
        z = model.processor.self_attends[k - 1](z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: does not get the mask | forgotten
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids))
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: Every position is decoded | all queries
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    out = model.decoder(model.queries(), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: The encoder is left out | the learned latents
def early_decode(model, ids, mask, positions, k):
    z = model.encoder.latents[None].repeat(len(ids), 1, 1)
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: The queries are added to the outputs | a residual
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    out = model.queries(positions) + out
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% mistake: head's bias is missing | the table alone
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return out @ model.embedding.byte_embedding.weight.T


# %% mistake: These are probabilities | softmax
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight).softmax(-1)


# %% unknown | the latents are normed before the decoder
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    z = F.layer_norm(z, z.shape[-1:])
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% unknown | cuts the model itself
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    model.processor.self_attends = model.processor.self_attends[:k]
    z = model.processor(z)
    out = model.decoder(model.queries(positions), z)
    return model.mlm_head(out, model.embedding.byte_embedding.weight)


# %% unknown | returns the outputs
def early_decode(model, ids, mask, positions, k):
    z = model.encoder(model.embedding(ids), mask)
    for layer in model.processor.self_attends[:k]:
        z = layer(z)
    out = model.decoder(model.queries(positions), z)
    return out
