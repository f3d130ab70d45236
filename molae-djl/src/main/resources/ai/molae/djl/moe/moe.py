  # The operations of a Mixture-of-Experts layer. Letters as in ai.molae.spec: T tokens, n hidden size, N experts, K experts per
  # token, m expert width, G groups, R = rows of latent_in, r latent size of down. Further:
  #   S  slots, one per kept (token, expert) choice, ordered by expert and then by token
  #   P  pairs, one per distinct (token, group), ordered by group and then by token

  # Sorting is stable, so that ties go to the lower index; top-k breaks them arbitrarily.
  def choose(self, scores: Tensor, k: int) -> Tensor:
    _, order = torch.sort(scores, stable=True, dim=-1, descending=True)
    return order[:, 0:k]

  # x [T, n], w [N, n], bias [N] or [0], mask [T] with 0 for padding or [0]; ints and floats are unpacked first
  # statistics 0: none, 1: aux loss and load, 2: the aux loss without balance, because a model will pool it, load and probabilities
  # sequence: tokens of a sequence, if each is to be balanced by itself, or 0
  # -> ids [T, K] (N where dropped), weights [T, K], aux loss [], load: tokens per expert [N] before capacity and without padding, the
  # router's probabilities summed over the tokens [N]
  def route(self, x: Tensor, w: Tensor, bias: Tensor, mask: Tensor, ints: Tensor, floats: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    score, norm, K, n_group, topk_group, group_score, capacity, statistics, sequence = annotate(List[int], ints.tolist())
    scaling, aux_coef, z_coef = annotate(List[float], floats.tolist())
    T = x.size(0)
    N = w.size(0)
    logits = torch.matmul(x.to(6), w.t())
    if score == 0:
      scores = torch.softmax(logits, -1)
    elif score == 1:
      scores = logits
    else:
      scores = torch.sigmoid(logits)

    choice = scores.detach()
    if bias.numel() > 0:
      choice = choice + bias
    if n_group > 1:
      members = choice.reshape([T, n_group, N // n_group])
      if group_score == 0:
        group_scores = members.amax(-1)
      else:
        group_scores = torch.topk(members, 2)[0].sum(-1)
      allowed = torch.zeros_like(group_scores).scatter(1, self.choose(group_scores, topk_group), 1.0)
      choice = members.masked_fill(allowed.unsqueeze(-1) == 0.0, float("-inf")).reshape([T, N])
    ids = self.choose(choice, K)

    weights = torch.gather(scores, 1, ids)
    if score == 1:
      weights = torch.softmax(weights, -1)
    elif norm == 1:
      weights = weights / (weights.sum(-1, True) + 1e-20)
    if scaling != 1.0:
      weights = weights * scaling
    if statistics == 0 and capacity >= T:
      return (ids, weights, torch.zeros([0]), torch.zeros([0]), torch.zeros([0]))

    flat = ids.reshape(-1)
    load = torch.zeros([N], dtype=4, layout=None, device=x.device)
    # Zero without tokens, but on autograd's graph.
    aux = logits.sum()
    sums = logits.sum(0)
    if statistics > 0 and T > 0:
      if score == 0:
        probabilities = scores
      elif score == 1:
        probabilities = torch.softmax(logits, -1)
      else:
        probabilities = scores / (scores.sum(-1, True) + 1e-20)
      real = torch.ones([T], dtype=6, layout=None, device=x.device)
      if mask.numel() > 0:
        real = (mask.reshape([T]) != 0).to(6)
        probabilities = probabilities * real.unsqueeze(1)
      S = T
      if sequence > 0:
        S = sequence
      B = T // S
      slots = flat + torch.arange(B, dtype=4, layout=None, device=x.device).repeat_interleave(S * K) * N
      loads = torch.bincount(slots, real.repeat_interleave(K), B * N).reshape([B, N]).to(6)
      rows = torch.clamp_min(real.reshape([B, S]).sum(1, True), 1.0)
      sums = probabilities.sum(0)
      load = torch.round(loads.sum(0)).to(4)
      z = (torch.logsumexp(logits, [-1]).square() * real).sum() / torch.clamp_min(real.sum(), 1.0)
      aux = z * z_coef
      if statistics == 1:
        balance = (loads / rows * (probabilities.reshape([B, S, N]).sum(1) / rows)).sum(1).mean() * N
        aux = balance * aux_coef + aux

    if capacity < T:
      counts = torch.bincount(flat, None, N)
      by_expert, order = torch.sort(flat, stable=True, dim=0, descending=False)
      first = torch.cumsum(counts, 0) - counts
      rank = torch.arange(T * K, dtype=4, layout=None, device=x.device) - first.index_select(0, by_expert)
      late = order.index_select(0, torch.nonzero(rank >= capacity).squeeze(1))
      flat = flat.index_fill(0, late, N)
      weights = weights.reshape(-1).index_fill(0, late, 0.0).reshape([T, K])
    return (flat.reshape([T, K]), weights, aux, load, sums)

  # The load-balancing loss of layers pooled: statistics of L layers, first the probabilities [N] of each, then the loads [N] of each; rows
  # [] is the number of tokens, coef the loss's factor.
  def pooled_balance(self, statistics: List[Tensor], rows: Tensor, floats: Tensor) -> Tensor:
    coef, = annotate(List[float], floats.tolist())
    L = len(statistics) // 2
    probabilities = statistics[0]
    loads = statistics[L].to(6)
    for i in range(1, L):
      probabilities = probabilities + statistics[i]
      loads = loads + statistics[L + i].to(6)
    all_rows = torch.clamp_min(rows.to(6), 1.0) * L
    return (loads / all_rows * (probabilities / all_rows)).sum() * (probabilities.size(0) * coef)

  # The kept choices in expert order (stable), as slot numbers t K + k, the experts that have any, and how many each has. Few choices are
  # sorted as a list of integers, many as a tensor.
  def by_expert(self, ids: Tensor, N: int) -> Tuple[Tensor, List[int], List[int]]:
    flat = ids.reshape(-1)
    S = flat.numel()
    active = annotate(List[int], [])
    counts = annotate(List[int], [])
    if S <= 64:
      keys = annotate(List[int], (flat * S + torch.arange(S, dtype=4, layout=None, device=ids.device)).tolist())
      keys.sort()
      order = annotate(List[int], [])
      for key in keys:
        expert = key // S
        if expert < N:
          order.append(key % S)
          if len(active) == 0 or active[-1] != expert:
            active.append(expert)
            counts.append(0)
          counts[-1] = counts[-1] + 1
      return (torch.tensor(order, dtype=4, device=ids.device), active, counts)
    all_counts = annotate(List[int], torch.bincount(flat, None, N + 1).tolist())
    for e in range(N):
      if all_counts[e] > 0:
        active.append(e)
        counts.append(all_counts[e])
    sorted_slots = torch.sort(flat, stable=True, dim=0, descending=False)[1]
    return (torch.narrow(sorted_slots, 0, 0, S - all_counts[N]), active, counts)

  # Cuts each expert's slots into parts that products like: of at most `most`, and the last filled up by repeating its first slot. Weight 0 takes
  # the repeated ones out of the result.
  def cut(self, slots: Tensor, p: Tensor, active: List[int], counts: List[int], most: int) -> Tuple[Tensor, Tensor, List[int], List[int]]:
    experts = annotate(List[int], [])
    parts = annotate(List[int], [])
    sizes = annotate(List[int], [])
    for i in range(len(counts)):
      left = counts[i]
      while left > 0:
        part = min(left, most)
        experts.append(active[i])
        parts.append(part)
        sizes.append(self.filled(part))
        left = left - part
    if sum(sizes) == sum(parts):
      return (slots, p, experts, sizes)
    parts_t = torch.tensor(parts, dtype=4, device=slots.device)
    sizes_t = torch.tensor(sizes, dtype=4, device=slots.device)
    firsts = torch.repeat_interleave(torch.cumsum(sizes_t, 0) - sizes_t, sizes_t)
    rank = torch.arange(sum(sizes), dtype=4, layout=None, device=slots.device) - firsts
    real = rank < torch.repeat_interleave(parts_t, sizes_t)
    source = torch.repeat_interleave(torch.cumsum(parts_t, 0) - parts_t, sizes_t) + rank * real
    return (slots.index_select(0, source), p.index_select(0, source) * real, experts, sizes)

  # rows [S, a] in parts of the given sizes, each through the matrix of its expert or group -> [S, b]
  def each(self, rows: Tensor, sizes: List[int], active: List[int], ws: List[Tensor], first: int, gemm: int) -> Tensor:
    parts = torch.split_with_sizes(rows, sizes, 0)
    out = annotate(List[Tensor], [])
    for i in range(len(active)):
      out.append(self.product(parts[i], ws, first + active[i], gemm))
    if len(out) == 1:
      return out[0]
    return torch.cat(out, 0)

  # Two latents that stand side by side, of which the first is gate's; with rows of their own, because gathering whole rows is faster.
  def halves(self, z: Tensor, r_gate: int) -> Tuple[Tensor, Tensor]:
    gate, up = torch.split_with_sizes(z, [r_gate, z.size(1) - r_gate], 1)
    return (gate.contiguous(), up.contiguous())

  # Where rows go: the slots (by_expert, cut), their weights, the expert and the size of each part, the pair of each slot, the token
  # of each pair, and the groups that have pairs with their sizes. One group sees every token: its pairs are the tokens, in their order.
  def dispatch(self, ids: Tensor, weights: Tensor, group_of: Tensor, N: int, groups: int, gemm: int) -> Tuple[Tensor, Tensor, List[int], List[int], Tensor, Tensor, List[int], List[int]]:
    T, K = ids.size(0), ids.size(1)
    slots, active, sizes = self.by_expert(ids, N)
    p_S = weights.reshape(-1).index_select(0, slots)
    if slots.numel() > 64 and self.fills(gemm, not ids.is_cuda):
      most = slots.numel()
      if ((gemm >> 4) & 15) == 2:
        # A whole number of oneDNN's blocks of rows; the few rows beyond one would cost as much as a whole block.
        most = 256
      slots, p_S, active, sizes = self.cut(slots, p_S, active, sizes, most)
    pair_S = torch.floor_divide(slots, K)
    token_P = pair_S
    active_G = [0]
    sizes_G = [T]
    if groups > 1:
      keys = group_of.index_select(0, ids.reshape(-1).index_select(0, slots)) * T + pair_S
      pairs, pair_S, _ = torch._unique2(keys, True, True, False)
      token_P = torch.remainder(pairs, T)
      present, _, pairs_of = torch.unique_consecutive(torch.floor_divide(pairs, T), False, True, None)
      active_G = annotate(List[int], present.tolist())
      sizes_G = annotate(List[int], pairs_of.tolist())
    return (slots, p_S.unsqueeze(1).to(gemm & 15), active, sizes, pair_S, token_P, active_G, sizes_G)

  # Where gate, up, down and latent_out begin among the matrices, after so many of latent_in.
  def offsets(self, N: int, latent_in: int, apart: bool) -> Tuple[int, int, int, int]:
    up_0 = latent_in + N * int(apart)
    return (latent_in, up_0, up_0 + N, up_0 + 2 * N)

  # The weighted sum of the chosen experts' outputs.
  # x [T, n], ids [T, K], weights [T, K], group_of [N] (empty without latent operators), ws the matrices one after the other: latent_in
  # [R, n] per group, gate_up [2m, a] (fused) or gate [m, a] per expert, up [m, b] per expert, down [c, m] per expert, latent_out
  # [n, c] per group; those that the layer lacks left out
  # keep 0: no experts_backward will follow, 1: return what it reads, 2: it will compute that again
  # -> y [T, n] and, if kept, latents, latent sums, products of up (or both), products of gate
  def experts(self, x: Tensor, ids: Tensor, weights: Tensor, group_of: Tensor, ws: List[Tensor], ints: Tensor) -> List[Tensor]:
    activation, gemm, keep, N, gated, fused, gate_latent, up_latent, down_latent, groups, R, r_gate, r_down = annotate(List[int], ints.tolist())
    dtype = gemm & 15
    slots, p_S, active, sizes, pair_S, token_P, active_G, sizes_G = self.dispatch(ids, weights, group_of, N, groups, gemm)
    if len(active) == 0:
      return [torch.zeros([x.size(0), x.size(1)], dtype=6, layout=None, device=x.device)]
    kept = annotate(List[Tensor], [])
    kept_up = annotate(List[Tensor], [])
    kept_gate = annotate(List[Tensor], [])
    token_S = torch.floor_divide(slots, ids.size(1))
    apart = gated == 1 and fused == 0
    gate_0, up_0, down_0, out_0 = self.offsets(N, groups * int(R > 0), apart)
    x_Tn = x.to(dtype)

    z = x_Tn
    if R > 0:
      if groups > 1:
        z = x_Tn.index_select(0, token_P)
      z = self.each(z, sizes_G, active_G, ws, 0, gemm).to(dtype)
      kept.append(z)
    # What up (or both in one) and gate read: rows of a source, by number.
    up_source, up_S = x_Tn, token_S
    if up_latent == 1:
      up_source, up_S = z, pair_S
    gate_source, gate_S = x_Tn, token_S
    if gate_latent == 1:
      gate_source, gate_S = z, pair_S
    if apart and gate_latent == 1 and up_latent == 1:
      gate_source, up_source = self.halves(z, r_gate)

    # The weighted outputs are added up per token or, when down is latent, per pair.
    target_S = token_S
    columns = x.size(1)
    targets = x.size(0)
    if down_latent == 1:
      target_S = pair_S
      columns = r_down
      targets = sum(sizes_G)
    sum_rows = torch.zeros([targets, columns], dtype=6, layout=None, device=x.device)

    if slots.numel() <= 1024 and keep == 0:
      # Everything between the products at once, because calls would take longer than their work. (Not where experts_backward will follow: its products are to be the same bit by bit,
      # and some libraries round differently where rows begin elsewhere in memory.)
      h = self.each(up_source.index_select(0, up_S), sizes, active, ws, up_0, gemm)
      if apart:
        h = self.activate(self.each(gate_source.index_select(0, gate_S), sizes, active, ws, gate_0, gemm), activation) * h
      else:
        h = self.hidden(h, activation, gated)
      sum_rows.index_add_(0, target_S, self.each(h * p_S, sizes, active, ws, down_0, gemm).to(6))
    else:
      # Autograd wants one gather of all rows, whose backward is one addition; without it each expert's rows are gathered by themselves, so
      # that they stay in the cache.
      gathered = torch.is_grad_enabled()
      if gathered:
        up_S = up_source.index_select(0, up_S)
        if apart:
          gate_S = gate_source.index_select(0, gate_S)
      up_e = torch.split_with_sizes(up_S, sizes, 0)
      gate_e = torch.split_with_sizes(gate_S, sizes, 0)
      p_e = torch.split_with_sizes(p_S, sizes, 0)
      target_e = torch.split_with_sizes(target_S, sizes, 0)
      for i in range(len(active)):
        e = active[i]
        rows = up_e[i]
        if not gathered:
          rows = up_source.index_select(0, rows)
        h = self.product(rows, ws, up_0 + e, gemm)
        if keep == 1:
          kept_up.append(h)
        if apart:
          rows = gate_e[i]
          if not gathered:
            rows = gate_source.index_select(0, rows)
          g = self.product(rows, ws, gate_0 + e, gemm)
          if keep == 1:
            kept_gate.append(g)
          h = self.activate(g, activation) * h
        else:
          h = self.hidden(h, activation, gated)
        sum_rows.index_add_(0, target_e[i], self.product(h * p_e[i], ws, down_0 + e, gemm).to(6))
    y = sum_rows
    if down_latent == 1:
      kept.append(sum_rows)
      y = self.each(sum_rows, sizes_G, active_G, ws, out_0, gemm).to(6)
      if groups > 1:
        y = torch.zeros([x.size(0), x.size(1)], dtype=6, layout=None, device=x.device).index_add(0, token_P, y)
    if keep == 1:
      return [y] + kept + kept_up + kept_gate
    return [y]

  # The same with the weights as stacks [G or N, rows, columns], gate_up in the place of gate; those that the layer lacks have no elements.
  # Autograd flows into them, if it records. Unbinding, unlike indexing, has a backward that writes a stack's gradient once.
  def experts_of(self, x: Tensor, ids: Tensor, weights: Tensor, group_of: Tensor, latent_in: Tensor, gate: Tensor, up: Tensor, down: Tensor, latent_out: Tensor, ints: Tensor) -> List[Tensor]:
    ws = annotate(List[Tensor], [])
    for stack in [latent_in, gate, up, down, latent_out]:
      if stack.numel() > 0:
        ws.extend(torch.unbind(stack, 0))
    return self.experts(x, ids, weights, group_of, ws, ints)

  # The same with adapters: lora holds their factor s [], then A [G or N, r, columns] of each of the five stacks, then B [G or N, rows, r] of
  # each, without elements where there is none.
  def adapted_experts_of(self, x: Tensor, ids: Tensor, weights: Tensor, group_of: Tensor, latent_in: Tensor, gate: Tensor, up: Tensor, down: Tensor, latent_out: Tensor, ints: Tensor, lora: List[Tensor]) -> List[Tensor]:
    ws = annotate(List[Tensor], [])
    a = annotate(List[Tensor], [])
    b = annotate(List[Tensor], [])
    stacks = [latent_in, gate, up, down, latent_out]
    for i in range(5):
      if stacks[i].numel() > 0:
        ws.extend(torch.unbind(stacks[i], 0))
        a.extend(self.unbound(lora[1 + i], stacks[i].size(0)))
        b.extend(self.unbound(lora[6 + i], stacks[i].size(0)))
    return self.experts(x, ids, weights, group_of, ws + [lora[0]] + a + b, ints)

  # The matrices of a stack, or so many without elements for one without.
  def unbound(self, stack: Tensor, count: int) -> List[Tensor]:
    if stack.numel() == 0:
      return torch.unbind(stack.reshape([1, 0]).expand([count, 0]), 0)
    return torch.unbind(stack, 0)

  # The same with the packed weights of this module.
  def prepared_experts(self, x: Tensor, ids: Tensor, weights: Tensor, group_of: Tensor, ints: Tensor) -> List[Tensor]:
    return self.experts(x, ids, weights, group_of, self.matrices, ints)

  # gradient [..] += aT b, unless the weight is frozen
  def accumulate(self, gradient: Tensor, a: Tensor, b: Tensor, gemm: int) -> None:
    if gradient.numel() > 0:
      gradient.add_(self.multiply(a.t(), b, gemm))

  # rows [S, c] in parts of the given sizes, each times the matrix [c, d] of its group -> [S, d]
  def each_transposed(self, rows: Tensor, sizes: List[int], active: List[int], ws: List[Tensor], first: int, gemm: int) -> Tensor:
    parts = torch.split_with_sizes(rows, sizes, 0)
    out = annotate(List[Tensor], [])
    for i in range(len(active)):
      out.append(self.multiply(parts[i], ws[first + active[i]].to(gemm & 15), gemm))
    if len(out) == 1:
      return out[0]
    return torch.cat(out, 0)

  # The backward pass of experts_of, without autograd: adds to the gradients of the stacks in place, expert by expert, so that no second
  # stack of gradients is ever made. gy [T, n]; kept what the forward pass kept, or nothing, and then it is computed again.
  # -> gradients of x [T, n] and of weights [T, K]
  def experts_backward(self, x: Tensor, ids: Tensor, weights: Tensor, gy: Tensor, group_of: Tensor, latent_in: Tensor, gate: Tensor, up: Tensor, down: Tensor, latent_out: Tensor, ints: Tensor, kept: List[Tensor]) -> Tuple[Tensor, Tensor]:
    activation, gemm, keep, N, gated, fused, gate_latent, up_latent, down_latent, groups, R, r_gate, r_down = annotate(List[int], ints.tolist())
    dtype = gemm & 15
    T, n, K = x.size(0), x.size(1), ids.size(1)
    gweights = torch.zeros([T * K], dtype=6, layout=None, device=x.device)
    slots, p_S, active, sizes, pair_S, token_P, active_G, sizes_G = self.dispatch(ids, weights, group_of, N, groups, gemm)
    if len(active) == 0:
      return (torch.zeros([T, n], dtype=6, layout=None, device=x.device), gweights.reshape([T, K]))
    ws = annotate(List[Tensor], [])
    gs = annotate(List[Tensor], [])
    for stack in [latent_in, gate, up, down, latent_out]:
      if stack.numel() > 0:
        ws.extend(torch.unbind(stack, 0))
        gradient = self.gradient_of(stack)
        if gradient is None:
          gs.extend(torch.unbind(torch.zeros([stack.size(0), 0], dtype=6, layout=None, device=x.device), 0))
        else:
          gs.extend(torch.unbind(gradient, 0))
    token_S = torch.floor_divide(slots, K)
    apart = gated == 1 and fused == 0
    gate_0, up_0, down_0, out_0 = self.offsets(N, groups * int(R > 0), apart)
    x_Tn = x.to(dtype)
    gy = gy.to(dtype)
    # Where experts read latents only, the gradient of x is all made at the end.
    reads_x = up_latent == 0 or (apart and gate_latent == 0)
    gx = torch.zeros([T * int(reads_x), n], dtype=6, layout=None, device=x.device)

    # What the projections read and what they made.
    x_P = x_Tn
    gy_P = gy
    if groups > 1:
      x_P = x_Tn.index_select(0, token_P)
      gy_P = gy.index_select(0, token_P)
    z = x_Tn
    if R > 0:
      if keep == 1:
        z = kept[0]
      else:
        z = self.each(x_P, sizes_G, active_G, ws, 0, gemm).to(dtype)
    up_source, up_S, g_up = x_Tn, token_S, gx
    gate_source, gate_S, g_gate = x_Tn, token_S, gx
    if apart and gate_latent == 1:
      gate_source, gate_S = z, pair_S
      if up_latent == 1:
        gate_source, z = self.halves(z, r_gate)
      g_gate = torch.zeros([gate_source.size(0), gate_source.size(1)], dtype=6, layout=None, device=x.device)
    if up_latent == 1:
      up_source, up_S = z, pair_S
      g_up = torch.zeros([z.size(0), z.size(1)], dtype=6, layout=None, device=x.device)

    # The gradient of the weighted sums.
    target_S = token_S
    g_sum = gy
    sums = gy
    if down_latent == 1:
      target_S = pair_S
      g_sum = self.each_transposed(gy_P, sizes_G, active_G, ws, out_0, gemm)
      if keep == 1:
        sums = kept[int(R > 0)]
      else:
        sums = torch.zeros([g_sum.size(0), r_down], dtype=6, layout=None, device=x.device)

    first_kept = int(R > 0) + down_latent
    up_e = torch.split_with_sizes(up_S, sizes, 0)
    gate_e = torch.split_with_sizes(gate_S, sizes, 0)
    p_e = torch.split_with_sizes(p_S, sizes, 0)
    target_e = torch.split_with_sizes(target_S, sizes, 0)
    gp = annotate(List[Tensor], [])
    for i in range(len(active)):
      e = active[i]
      rows = up_source.index_select(0, up_e[i])
      w = ws[up_0 + e].to(dtype)
      if keep == 1:
        u = kept[first_kept + i]
      else:
        u = self.linear(rows, w, gemm)
      gate_rows = rows
      gate_w = w
      a = u
      if apart:
        gate_rows = gate_source.index_select(0, gate_e[i])
        gate_w = ws[gate_0 + e].to(dtype)
        if keep == 1:
          a = kept[first_kept + len(active) + i]
        else:
          a = self.linear(gate_rows, gate_w, gemm)
      elif gated == 1:
        a, u = torch.chunk(u, 2, 1)
      act = self.activate(a, activation)
      h = act
      if gated == 1:
        h = act * u

      down_w = ws[down_0 + e].to(dtype)
      g = g_sum.index_select(0, target_e[i])
      gh = self.multiply(g, down_w, gemm)
      gp.append((gh * h).sum(1, dtype=6))
      h = h * p_e[i]
      if down_latent == 1 and keep == 2:
        sums.index_add_(0, target_e[i], self.linear(h, down_w, gemm).to(6))
      self.accumulate(gs[down_0 + e], g, h, gemm)
      gh = gh.mul_(p_e[i])
      if gated == 0:
        ga = self.activate_backward(gh, a, activation)
      elif apart:
        ga = self.activate_backward(gh * u, a, activation)
        self.accumulate(gs[gate_0 + e], ga, gate_rows, gemm)
        g_gate.index_add_(0, gate_e[i], self.multiply(ga, gate_w, gemm).to(6))
        ga = gh.mul_(act)
      else:
        ga = torch.cat([self.activate_backward(gh * u, a, activation), gh * act], 1)
      self.accumulate(gs[up_0 + e], ga, rows, gemm)
      g_up.index_add_(0, up_e[i], self.multiply(ga, w, gemm).to(6))
    # Repeated slots write the same value twice.
    gweights.index_copy_(0, slots, torch.cat(gp, 0))

    if down_latent == 1:
      sums_e = torch.split_with_sizes(sums.to(dtype), sizes_G, 0)
      gy_e = torch.split_with_sizes(gy_P, sizes_G, 0)
      for i in range(len(active_G)):
        self.accumulate(gs[out_0 + active_G[i]], gy_e[i], sums_e[i], gemm)
    if R > 0:
      if not (apart and gate_latent == 1):
        gz = g_up.to(dtype)
      elif up_latent == 0:
        gz = g_gate.to(dtype)
      else:
        gz = torch.cat([g_gate.to(dtype), g_up.to(dtype)], 1)
      gz_e = torch.split_with_sizes(gz, sizes_G, 0)
      x_e = torch.split_with_sizes(x_P, sizes_G, 0)
      for i in range(len(active_G)):
        self.accumulate(gs[active_G[i]], gz_e[i], x_e[i], gemm)
      through = self.each_transposed(gz, sizes_G, active_G, ws, 0, gemm)
      if not reads_x and groups == 1:
        gx = through.to(6)
      else:
        if not reads_x:
          gx = torch.zeros([T, n], dtype=6, layout=None, device=x.device)
        if groups > 1:
          gx.index_add_(0, token_P, through.to(6))
        else:
          gx.add_(through)
    return (gx, gweights.reshape([T, K]))

  # The gradient to add to: none yet, none wanted, or a tensor. An absent one may come as a tensor without an element type.
  def gradient_of(self, w: Tensor) -> Optional[Tensor]:
    gradient = w.grad
    if not w.requires_grad or gradient is None or gradient.dtype != w.dtype:
      return None
    return gradient

  # Gives a weight that autograd has not met yet a gradient of zeros; to be called where autograd records.
  def first_gradient(self, w: Tensor) -> Tensor:
    if w.requires_grad and self.gradient_of(w) is None:
      torch.backward(torch.narrow(w, 0, 0, 0).sum(), None, False, False)
    return torch.zeros([0])

  # x [T, n], up [2 m, n] (gated) or [m, n], down [n, m], gate [1, n] or empty -> y [T, n]
  def shared(self, x: Tensor, up: Tensor, down: Tensor, gate: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.gated_by(gate, x, self.feed_forward(x, [up, down], 0, activation, gated, gemm))

  # The same with the adapters of up and down.
  def adapted_shared(self, x: Tensor, up: Tensor, down: Tensor, gate: Tensor, ints: Tensor, lora: List[Tensor]) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.gated_by(gate, x, self.feed_forward(x, [up, down] + lora, 0, activation, gated, gemm))

  # The same with the last two packed weights of this module.
  def prepared_shared(self, x: Tensor, gate: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    last = max(len(self.matrices), len(self.packed))
    return self.gated_by(gate, x, self.feed_forward(x, self.matrices, last - 2, activation, gated, gemm))

  # y scaled per token by the gate [1, n], if there is one
  def gated_by(self, gate: Tensor, x: Tensor, y: Tensor) -> Tensor:
    if gate.numel() == 0:
      return y
    return y * torch.sigmoid(torch.matmul(x.to(6), gate.t()))
