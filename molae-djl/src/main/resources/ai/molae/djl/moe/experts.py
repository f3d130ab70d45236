  # The experts of a Mixture-of-Experts layer. Letters as in ai.molae.spec: T tokens, n hidden size, N experts, K experts per
  # token, m expert width, G groups, R = rows of latent_in, r latent size of down. Further:
  #   S  slots, one per kept (token, expert) choice, ordered by expert and then by token
  #   P  pairs, one per distinct (token, group), ordered by group and then by token

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

  # The same with packed weights.
  def prepared_experts(self, x: Tensor, ids: Tensor, weights: Tensor, group_of: Tensor, ints: Tensor) -> List[Tensor]:
    gemm = annotate(List[int], ints.tolist())[1]
    return self.experts(x, ids, weights, group_of, self.matrices[gemm >> 32], ints)

  # The shared expert, with the last two packed weights
  def prepared_shared(self, x: Tensor, gate: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    last = max(len(self.matrices[gemm >> 32]), len(self.packed[gemm >> 32]))
    return self.gated_by(gate, x, self.feed_forward(x, self.matrices[gemm >> 32], last - 2, activation, gated, gemm))

  # y scaled per token by the gate [1, n], if there is one
  def gated_by(self, gate: Tensor, x: Tensor, y: Tensor) -> Tensor:
    if gate.numel() == 0:
      return y
    return y * torch.sigmoid(torch.matmul(x.to(6), gate.t()))
