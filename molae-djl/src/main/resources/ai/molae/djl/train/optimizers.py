  # What optimizer steps need of libtorch. All lists are in the order of the parameters. What is not fused works on pieces of a parameter, so
  # that temporary arrays have a size of their own and not the parameter's.

  # -> the L2 norm over all gradients
  def gradient_norm(self, grads: List[Tensor]) -> Tensor:
    return torch.linalg_vector_norm(torch.stack(torch._foreach_norm(grads, 2)), 2)

  def scale_gradients(self, factor: Tensor, grads: List[Tensor]) -> Tensor:
    torch._foreach_mul_(grads, annotate(List[float], factor.tolist())[0])
    return factor

  # -> the largest magnitude in each array [number of arrays], NaN where there is a NaN
  def magnitudes(self, arrays: List[Tensor]) -> Tensor:
    return torch.stack(torch._foreach_norm(arrays, float("inf")))

  # Fused. `step` [] is the number of this step, from 1.
  def adamw(self, hyper: Tensor, step: Tensor, params: List[Tensor], grads: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor]) -> Tensor:
    lr, decay, beta1, beta2, eps = annotate(List[float], hyper.tolist())
    steps = annotate(List[Tensor], [])
    for i in range(len(params)):
      steps.append(step)
    torch._fused_adamw_(params, grads, exp_avgs, exp_avg_sqs, annotate(List[Tensor], []), steps, lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay, eps=eps, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)
    return hyper

  # Fused. No momentum buffers without momentum.
  def sgd(self, hyper: Tensor, params: List[Tensor], grads: List[Tensor], momenta: List[Tensor]) -> Tensor:
    lr, decay, momentum, nesterov = annotate(List[float], hyper.tolist())
    torch._fused_sgd_(params, grads, momenta, weight_decay=decay, momentum=momentum, lr=lr, dampening=0.0, nesterov=nesterov != 0.0, maximize=False, is_first_step=False, grad_scale=None, found_inf=None)
    return hyper

  def sgd_plain(self, hyper: Tensor, params: List[Tensor], grads: List[Tensor]) -> Tensor:
    return self.sgd(hyper, params, grads, annotate(List[Tensor], []))

  # Matrices [N, R, C] of a parameter: one, a stack, or a stack of matrices that lie below each other, `parts` of them.
  def matrices_of(self, w: Tensor, parts: int) -> Tensor:
    return torch.reshape(w, [-1, w.size(-2) // parts, w.size(-1)])

  # Second moments of a matrix by their means over rows [N, R] and columns [N, C]. c1, c2: 1 - beta^t. Two temporary arrays of a piece.
  def adamw_factored(self, hyper: Tensor, param: Tensor, grad: Tensor, exp_avg: Tensor, row: Tensor, col: Tensor) -> Tensor:
    lr, decay, beta1, beta2, eps, c1, c2, limit = annotate(List[float], hyper.tolist())
    w = self.matrices_of(param, 1)
    g_all = self.matrices_of(grad, 1)
    m_all = self.matrices_of(exp_avg, 1)
    rows = torch.reshape(row, [-1, w.size(1)])
    cols = torch.reshape(col, [-1, w.size(2)])
    N = w.size(0)
    count = max(1, int(limit) // (w.size(1) * w.size(2)))
    for i in range((N + count - 1) // count):
      first = i * count
      size = min(count, N - first)
      g = torch.narrow(g_all, 0, first, size)
      m = torch.narrow(m_all, 0, first, size).mul_(beta1).add_(g, alpha=1.0 - beta1)
      sq = torch.mul(g, g)
      r = torch.narrow(rows, 0, first, size).mul_(beta2).add_(torch.mean(sq, [2]), alpha=1.0 - beta2)
      c = torch.narrow(cols, 0, first, size).mul_(beta2).add_(torch.mean(sq, [1]), alpha=1.0 - beta2)
      # The mean is 0 where there never was a gradient.
      share = torch.sqrt(torch.div(r, torch.clamp(torch.mean(r, [1], True), 1e-37, None)))
      torch.mul(torch.unsqueeze(share, 2), torch.unsqueeze(torch.sqrt(torch.div(c, c2)), 1), out=sq)
      sq.add_(eps)
      torch.narrow(w, 0, first, size).mul_(1.0 - lr * decay).addcdiv_(m, sq, value=-lr / c1)
    return hyper

  # x [k, 256] as codes of the nearest levels, relative to the largest magnitude of each row.
  def quantise(self, x: Tensor, bounds: Tensor, codes: Tensor, scales: Tensor) -> None:
    largest = torch.amax(torch.abs(x), [1], True)
    torch.copy_(scales, torch.squeeze(largest, 1))
    torch.copy_(codes, torch.bucketize(torch.div(x, torch.clamp(largest, 1e-37, None)), bounds, out_int32=True, right=False))

  def dequantise(self, codes: Tensor, levels: Tensor, scales: Tensor) -> Tensor:
    x = torch.index_select(levels, 0, torch.reshape(codes, [-1]).to(3))
    return torch.reshape(x, [-1, 256]).mul_(torch.unsqueeze(scales, 1))

  # First moments m and square roots of second moments s as 8-bit codes [blocks · 256] with a scale per block. signed and unsigned: 256 levels
  # and the 255 bounds between them. About ten temporary arrays of a piece.
  def adamw_8bit(self, hyper: Tensor, param: Tensor, grad: Tensor, m_codes: Tensor, m_scales: Tensor, s_codes: Tensor, s_scales: Tensor, signed: Tensor, unsigned: Tensor) -> Tensor:
    lr, decay, beta1, beta2, eps, c1, c2, limit = annotate(List[float], hyper.tolist())
    w = torch.reshape(param, [-1])
    g_all = torch.reshape(grad, [-1])
    blocks = m_scales.size(0)
    count = max(1, int(limit) // 256)
    for i in range((blocks + count - 1) // count):
      first = i * count
      size = min(count, blocks - first)
      elements = min(size * 256, w.size(0) - first * 256)
      g = torch.narrow(g_all, 0, first * 256, elements)
      if elements < size * 256:
        g = torch.constant_pad_nd(g, [0, size * 256 - elements], 0)
      g = torch.reshape(g, [size, 256])
      mc = torch.reshape(torch.narrow(m_codes, 0, first * 256, size * 256), [size, 256])
      sc = torch.reshape(torch.narrow(s_codes, 0, first * 256, size * 256), [size, 256])
      ms = torch.narrow(m_scales, 0, first, size)
      ss = torch.narrow(s_scales, 0, first, size)
      m = self.dequantise(mc, torch.narrow(signed, 0, 0, 256), ms).mul_(beta1).add_(g, alpha=1.0 - beta1)
      s = self.dequantise(sc, torch.narrow(unsigned, 0, 0, 256), ss)
      s = s.mul_(s).mul_(beta2).addcmul_(g, g, value=1.0 - beta2).sqrt_()
      self.quantise(m, torch.narrow(signed, 0, 256, 255), mc, ms)
      self.quantise(s, torch.narrow(unsigned, 0, 256, 255), sc, ss)
      s.mul_(1.0 / c2 ** 0.5).add_(eps)
      m.div_(s)
      torch.narrow(w, 0, first * 256, elements).mul_(1.0 - lr * decay).add_(torch.narrow(torch.reshape(m, [-1]), 0, 0, elements), alpha=-lr / c1)
    return hyper

  # x [N, R, C], R <= C -> nearly the nearest semi-orthogonal matrices, by the quintic iteration
  def newton_schulz(self, x: Tensor, steps: int, dtype: int) -> Tensor:
    x = torch.div(x, torch.add(torch.linalg_vector_norm(x, 2, [1, 2], True), 1e-7)).to(dtype)
    for i in range(steps):
      a = torch.bmm(x, torch.transpose(x, 1, 2))
      a = torch.baddbmm(a, a, a, beta=-4.775, alpha=2.0315)
      x = torch.baddbmm(x, a, x, beta=3.4445, alpha=1.0)
    return x.to(6)

  # A matrix whose gradient is zero stays as it is, its momentum too. Up to eight temporary arrays of a piece.
  def muon(self, hyper: Tensor, param: Tensor, grad: Tensor, momentum: Tensor) -> Tensor:
    lr, decay, mu, nesterov, steps, dtype, parts, limit = annotate(List[float], hyper.tolist())
    w = self.matrices_of(param, int(parts))
    g_all = self.matrices_of(grad, int(parts))
    m_all = self.matrices_of(momentum, int(parts))
    N = w.size(0)
    R = w.size(1)
    C = w.size(2)
    rate = lr * 0.2 * float(max(R, C)) ** 0.5
    count = max(1, int(limit) // (R * C))
    for i in range((N + count - 1) // count):
      first = i * count
      size = min(count, N - first)
      g = torch.narrow(g_all, 0, first, size)
      moves = torch.ne(torch.amax(torch.abs(g), [1, 2], True), 0).to(6)
      m = torch.narrow(m_all, 0, first, size)
      m.mul_(torch.add(torch.mul(moves, mu - 1.0), 1.0)).add_(g)
      x = m
      if nesterov != 0.0:
        x = torch.add(g, m, alpha=mu)
      if R > C:
        x = torch.transpose(x, 1, 2)
      x = self.newton_schulz(x, int(steps), int(dtype))
      if R > C:
        x = torch.transpose(x, 1, 2)
      torch.narrow(w, 0, first, size).mul_(torch.add(torch.mul(moves, -lr * decay), 1.0)).addcmul_(x, moves, value=-rate)
    return hyper
