# What learners hand in for 07.loop; see 02_cross_attention.py for the form.
# ruff: noqa

# %% correct | zero_grad first, the schedule by torch
def train(new_model, batches, loss_of, peak, warmup, clip):
    net = new_model()
    adam = torch.optim.AdamW(net.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    T = len(batches)
    factor = lambda t: min((t + 1) / warmup, (1 + math.cos(math.pi * t / T)) / 2)
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, factor)
    history = torch.zeros(T, dtype=torch.float64)
    for t in range(T):
        adam.zero_grad(set_to_none=True)
        loss = loss_of(net, batches[t])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        adam.step()
        schedule.step()
        history[t] = loss.detach()
    return history


# %% correct | autograd.grad, clipped by hand, a list of tensors
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    weights = list(model.parameters())
    optimizer = torch.optim.AdamW(weights, betas=(0.9, 0.98))
    losses = []
    for step in range(len(batches)):
        rising, falling = (step + 1) / warmup, (math.cos(math.pi * step / len(batches)) + 1) / 2
        optimizer.param_groups[0]["lr"] = peak * (rising if rising < falling else falling)
        loss = loss_of(model, batches[step])
        gradients = torch.autograd.grad(loss, weights)
        norm = sum(g.square().sum() for g in gradients).sqrt()
        for w, g in zip(weights, gradients):
            w.grad = g * min(1.0, clip / (float(norm) + 1e-6))
        optimizer.step()
        losses.append(loss)
    return losses


# %% correct | the gradients of each tensor set to None
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        for p in model.parameters():
            p.grad = None
        losses.append(loss.item())
    return losses


# %% mistake: The gradients are never cleared | forgotten
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: thrown away before it is used | zero_grad in between
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        optimizer.zero_grad(set_to_none=False)
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses


# %% mistake: The weights never change | no step
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The weights never change | another model's parameters
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(new_model().parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        model.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The gradient is not clipped when it is used | forgotten
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The gradient is not clipped when it is used | after the step
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        optimizer.step()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The gradient is not clipped when it is used | before backward
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: Each tensor is clipped by itself | in a loop
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        for p in model.parameters():
            torch.nn.utils.clip_grad_norm_([p], clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: Single numbers are clipped | clamp
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        for p in model.parameters():
            p.grad.clamp_(-clip, clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The learning rate is `peak` at every step | no schedule
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The warm-up is missing | the cosine alone
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: It must fall, by the cosine | the warm-up alone
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: the first step learns nothing | step / warmup
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min(step / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: Warm-up and cosine are multiplied | a product
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 1) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The learning rate is set after the step | at the end of the loop
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        losses.append(loss.item())
    return losses


# %% mistake: Every step sees the first batch | batches[0]
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batches[0])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The `betas` are torch's | defaults
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% mistake: The weight decay of 0.01 is missing | Adam
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=peak, betas=(0.9, 0.98))
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% unknown | plain gradient descent
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=peak)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% unknown | a second step
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% unknown | the wrong way
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        (-loss).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


# %% unknown | everything after backward forgotten, and no losses
def train(new_model, batches, loss_of, peak, warmup, clip):
    model = new_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    steps, losses = len(batches), []
    for step, batch in enumerate(batches):
        rate = peak * min((step + 1) / warmup, 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        optimizer.zero_grad()
    return losses
