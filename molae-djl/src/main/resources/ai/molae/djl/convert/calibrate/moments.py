  # Second moments of what the experts of a layer read and compute. Letters: T tokens, n hidden size, N experts, K experts per token, m
  # expert width. Products of rows are made and added up in float64 (7), some thousands of rows at a time.

  # sum [c, c] += rowsT rows, or sum [c] += the columns' squares; rows [r, c] of any floating type
  def accumulate(self, sum: Tensor, rows: Tensor) -> None:
    rows = rows.to(7)
    if sum.dim() == 1:
      sum.add_(rows.square().sum(0))
    else:
      sum.addmm_(rows.t(), rows)

  # Adds tokens to the sums of a layer, in place.
  # x [T, n], ids [T, K], weights [T, K], probabilities [T, N], up [N, 2m, n] (gated, gate rows first) or [N, m, n], down [N, n, m]
  # sums, float64: co-activation [N, N]; gate mass, soft mass, output norms and weighted output norms [4, N]; input [n, n]; of each expert
  # input [N, n, n], down [N, m, m], up and gate [N, m, m] or [N, m], without elements where they are not collected
  def add(self, x: Tensor, ids: Tensor, weights: Tensor, probabilities: Tensor, up: Tensor, down: Tensor, ints: Tensor, sums: List[Tensor]) -> Tensor:
    activation, gated, most = annotate(List[int], ints.tolist())
    T, K, N = x.size(0), ids.size(1), down.size(0)
    none = torch.zeros([0])
    if T == 0:
      return none
    together, stats, inputs, expert_inputs, inner_down, inner_up, inner_gate = sums
    for part in torch.split(x, most, 0):
      self.accumulate(inputs, part)
    for part in torch.split(ids, most, 0):
      hot = torch.zeros([part.size(0), N], dtype=7, layout=None, device=x.device)
      self.accumulate(together, hot.scatter(1, part, 1.0))
    flat = ids.reshape([-1])
    p = weights.reshape([-1]).to(7)
    torch.select(stats, 0, 0).index_add_(0, flat, p)
    torch.select(stats, 0, 1).add_(probabilities.sum(0, dtype=7))

    counts = annotate(List[int], torch.bincount(flat, None, N).tolist())
    order = torch.sort(flat, stable=True, dim=0, descending=False)[1]
    slots_of = torch.split_with_sizes(order, counts, 0)
    for e in range(N):
      if counts[e] > 0:
        up_w = torch.select(up, 0, e)
        down_w = torch.select(down, 0, e)
        for slots in torch.split(slots_of[e], most, 0):
          rows = x.index_select(0, torch.floor_divide(slots, K))
          p_S = p.index_select(0, slots)
          p_S1 = p_S.unsqueeze(1)
          if expert_inputs.numel() > 0:
            self.accumulate(torch.select(expert_inputs, 0, e), rows)
          u = torch.matmul(rows, up_w.t())
          g = u
          if gated == 1:
            g, u = torch.chunk(u, 2, 1)
          act = self.activate(g, activation)
          h = act
          if gated == 1:
            h = act * u
          norms = torch.matmul(h, down_w.t()).to(7).square().sum(1).sqrt()
          torch.select(torch.select(stats, 0, 2), 0, e).add_(norms.sum())
          torch.select(torch.select(stats, 0, 3), 0, e).add_((norms * p_S).sum())
          self.accumulate(torch.select(inner_down, 0, e), h.to(7) * p_S1)
          if inner_up.numel() > 0:
            a = act
            if gated == 0:
              a = self.activate_backward(torch.ones_like(u), u, activation)
            self.accumulate(torch.select(inner_up, 0, e), a.to(7) * p_S1)
          if inner_gate.numel() > 0:
            self.accumulate(torch.select(inner_gate, 0, e), self.activate_backward(u, g, activation).to(7) * p_S1)
    return none

  # A copy of element e of a stack, or of the whole for -1; times what down [N, n, m] makes of an error in each pair of its columns, W_downT W_down or
  # its diagonal, if it has elements.
  def part(self, sum: Tensor, down: Tensor, ints: Tensor) -> Tensor:
    e, = annotate(List[int], ints.tolist())
    if e < 0:
      return sum.to(7, copy=True)
    sum = torch.select(sum, 0, e)
    if down.numel() == 0:
      return sum.to(7, copy=True)
    w = torch.select(down, 0, e).to(7)
    if sum.dim() == 1:
      return sum * w.square().sum(0)
    return sum * torch.matmul(w.t(), w)

  # Of a symmetric matrix [c, c] float64, the least and the greatest eigenvalue [2].
  def extreme_eigenvalues(self, c: Tensor) -> Tensor:
    values = torch.linalg_eigvalsh(c, "L")
    least, greatest = torch.aminmax(values)
    return torch.stack([least, greatest])
