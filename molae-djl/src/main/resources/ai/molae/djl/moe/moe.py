  # The operations of a Mixture-of-Experts layer. Letters as in ai.molae.spec: T tokens, n hidden size, N experts, K experts per
  # token, m expert width, G groups, R = rows of latent_in, r latent size of down. Further:
  #   S  slots, one per kept (token, expert) choice, ordered by expert and then by token
  #   P  pairs, one per distinct (token, group), ordered by group and then by token

  # Sorting is stable, so that ties go to the lower index; top-k breaks them arbitrarily.
  def choose(self, scores: Tensor, k: int) -> Tensor:
    _, order = torch.sort(scores, stable=True, dim=-1, descending=True)
    return order[:, 0:k]

  # x [T, n], w [N, n], bias [N] or [0]; ints and floats are unpacked first
  # -> ids [T, K] (N where dropped), weights [T, K], aux loss [], tokens per expert [N] before capacity
  def route(self, x: Tensor, w: Tensor, bias: Tensor, ints: Tensor, floats: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor]:
    score, norm, K, n_group, topk_group, group_score, capacity, with_aux = annotate(List[int], ints.tolist())
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
    weights = weights * scaling

    flat = ids.reshape(-1)
    counts = torch.bincount(flat, None, N)
    aux = torch.zeros([], dtype=6, layout=None, device=x.device)
    if with_aux == 1:
      rows = float(max(T, 1))
      if score == 0:
        probabilities = scores
      elif score == 1:
        probabilities = torch.softmax(logits, -1)
      else:
        probabilities = scores / (scores.sum(-1, True) + 1e-20)
      balance = (counts.to(6) / rows * (probabilities.sum(0) / rows)).sum() * N
      z = torch.logsumexp(logits, [-1]).square().sum() / rows
      aux = balance * aux_coef + z * z_coef

    if capacity < T:
      by_expert, order = torch.sort(flat, stable=True, dim=0, descending=False)
      first = torch.cumsum(counts, 0) - counts
      rank = torch.arange(T * K, dtype=4, layout=None, device=x.device) - first.index_select(0, by_expert)
      late = order.index_select(0, torch.nonzero(rank >= capacity).squeeze(1))
      flat = flat.index_fill(0, late, N)
      weights = weights.reshape(-1).index_fill(0, late, 0.0).reshape([T, K])
    return (flat.reshape([T, K]), weights, aux, counts)

  # rows [P, a] in groups of the given sizes, each through its group's matrix of w [G, b, a] -> [P, b]
  def grouped_linear(self, rows: Tensor, sizes: List[int], w: Tensor, dtype: int) -> Tensor:
    matrices = torch.unbind(w, 0)
    parts = torch.split_with_sizes(rows, sizes, 0)
    out = annotate(List[Tensor], [])
    for g in range(len(sizes)):
      if sizes[g] > 0:
        out.append(self.linear(parts[g], matrices[g], dtype))
    if len(out) == 0:
      return torch.zeros([0, w.size(1)], dtype=dtype, layout=None, device=rows.device)
    return torch.cat(out, 0)

  # The weighted sum of the chosen experts' outputs.
  # x [T, n], ids [T, K], weights [T, K], group_of [N] (empty without latent operators), latent_in [G, R, n] or empty,
  # gate_up [N, 2m, a] (fused) or gate [N, m, a] or empty (ungated), up [N, m, b] or empty (fused), down [N, c, m],
  # latent_out [G, n, c] or empty -> y [T, n]
  def experts(self, x: Tensor, ids: Tensor, weights: Tensor, group_of: Tensor, latent_in: Tensor, gate: Tensor, up: Tensor, down: Tensor, latent_out: Tensor, ints: Tensor) -> Tensor:
    activation, dtype, gate_latent, up_latent, groups = annotate(List[int], ints.tolist())
    T, n = x.size(0), x.size(1)
    K = ids.size(1)
    N = down.size(0)
    fused = up.numel() == 0
    gated = gate.numel() > 0

    flat = ids.reshape(-1)
    counts = annotate(List[int], torch.bincount(flat, None, N + 1).tolist())
    order = torch.sort(flat, stable=True, dim=0, descending=False)[1]
    slots = torch.narrow(order, 0, 0, T * K - counts[N])
    counts = counts[0:N]
    token_S = torch.floor_divide(slots, K)
    p_S = weights.reshape(-1).index_select(0, slots).unsqueeze(1).to(dtype)
    x_Tn = x.to(dtype)

    # One group sees every token: its pairs are the tokens, in their order.
    pair_S = token_S
    token_P = token_S
    sizes_G = [T]
    if groups > 1:
      keys = group_of.index_select(0, flat.index_select(0, slots)) * T + token_S
      pairs, pair_S, _ = torch._unique2(keys, True, True, False)
      token_P = torch.remainder(pairs, T)
      sizes_G = annotate(List[int], torch.bincount(torch.floor_divide(pairs, T), None, groups).tolist())

    latents = annotate(List[Tensor], [])
    if latent_in.numel() > 0:
      rows = x_Tn
      if groups > 1:
        rows = x_Tn.index_select(0, token_P)
      z_SR = self.grouped_linear(rows, sizes_G, latent_in, dtype).index_select(0, pair_S)
      if gate_latent == 1 and up_latent == 1 and not fused:
        latents = torch.split_with_sizes(z_SR, [gate.size(2), up.size(2)], 1)
      else:
        latents = [z_SR, z_SR]
    if fused:
      gate_latent = up_latent
    if up_latent == 1:
      up_rows = latents[1]
    else:
      up_rows = x_Tn.index_select(0, token_S)
    gate_rows = up_rows
    if gated and not fused:
      if gate_latent == 1:
        gate_rows = latents[0]
      elif up_latent == 1:
        gate_rows = x_Tn.index_select(0, token_S)

    # The weighted outputs are added up per token or, when down is latent, per pair.
    target_S = token_S
    if latent_out.numel() > 0:
      target_S = pair_S
      sum_rows = torch.zeros([sum(sizes_G), down.size(1)], dtype=6, layout=None, device=x.device)
    else:
      sum_rows = torch.zeros([T, n], dtype=6, layout=None, device=x.device)
    gates = annotate(List[Tensor], [])
    if gated:
      gates = torch.unbind(gate, 0)
    ups = gates
    if not fused:
      ups = torch.unbind(up, 0)
    downs = torch.unbind(down, 0)
    gate_e = torch.split_with_sizes(gate_rows, counts, 0)
    up_e = torch.split_with_sizes(up_rows, counts, 0)
    p_e = torch.split_with_sizes(p_S, counts, 0)
    target_e = torch.split_with_sizes(target_S, counts, 0)
    for e in range(N):
      if counts[e] > 0:
        if fused:
          a, b = torch.chunk(self.linear(up_e[e], ups[e], dtype), 2, 1)
          h = self.activate(a, activation) * b
        elif gated:
          h = self.activate(self.linear(gate_e[e], gates[e], dtype), activation) * self.linear(up_e[e], ups[e], dtype)
        else:
          h = self.activate(self.linear(up_e[e], ups[e], dtype), activation)
        sum_rows.index_add_(0, target_e[e], self.linear(h * p_e[e], downs[e], dtype).to(6))
    if latent_out.numel() == 0:
      return sum_rows
    y_Pn = self.grouped_linear(sum_rows, sizes_G, latent_out, dtype).to(6)
    if groups == 1:
      return y_Pn
    return torch.zeros([T, n], dtype=6, layout=None, device=x.device).index_add(0, token_P, y_Pn)

  # x [T, n], up [2 m, n] (gated) or [m, n], down [n, m], gate [1, n] or empty -> y [T, n]
  def shared(self, x: Tensor, up: Tensor, down: Tensor, gate: Tensor, ints: Tensor) -> Tensor:
    activation, dtype, gated = annotate(List[int], ints.tolist())
    y = self.feed_forward(x, up, down, activation, gated, dtype)
    if gate.numel() > 0:
      y = y * torch.sigmoid(torch.matmul(x.to(6), gate.t()))
    return y
