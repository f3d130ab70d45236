  # What a Mixture-of-Experts layer with parameters needs besides experts.py: its parameters as stacks, the shared expert, and the experts'
  # backward pass. Letters as in experts.py.

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
