  # The operations of a decoder-only language model. Letters as in ai.molae.djl.lm: B sequences, S tokens of each, L positions attended
  # to, n hidden size, H query heads, G key/value heads, d head dim, m feed-forward width, V vocabulary size.

  # tokens [B, S] -> [2] int64, the least and the greatest
  def token_range(self, tokens: Tensor) -> Tensor:
    least, greatest = torch.aminmax(tokens)
    return torch.stack([least, greatest]).to(4)

  # tokens [B, S], w [V, n] -> [B, S, n]
  def embed(self, tokens: Tensor, w: Tensor) -> Tensor:
    return torch.embedding(w, tokens)

  # x [..., n], w [V, n] -> [..., V] float32
  def project(self, x: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    return self.linear(x, w, gemm).to(6)

  def normalize(self, x: Tensor, w: Tensor, eps: float) -> Tensor:
    return torch.rms_norm(x.to(6), [x.size(-1)], w, eps)

  # x [..., n], w [n] -> [..., n]
  def norm(self, x: Tensor, w: Tensor, floats: Tensor) -> Tensor:
    eps, = annotate(List[float], floats.tolist())
    return self.normalize(x, w, eps)

  # x [B, S, n] -> [B, heads, S, d] float32; bias [heads d] or empty; norm kind 0 none, 1 over d, 2 over heads d
  def project_heads(self, x: Tensor, w: Tensor, bias: Tensor, norm: Tensor, d: int, kind: int, eps: float, gemm: int) -> Tensor:
    y = self.linear(x, w, gemm).to(6)
    if bias.numel() > 0:
      y = y + bias
    if kind == 2:
      y = self.normalize(y, norm, eps)
    y = y.reshape([x.size(0), x.size(1), w.size(0) // d, d])
    if kind == 1:
      y = self.normalize(y, norm, eps)
    return torch.transpose(y, 1, 2)

  # Rotates x [B, heads, S, d]: the pair of column i is column i + d/2. Angles [S, d/2] twice.
  def rotate(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = torch.chunk(x, 2, -1)
    return x * cos + torch.cat([torch.neg(b), a], -1) * sin

  # q [B, H, S, d], k and v [B, G, L, d], of which the last S positions are those of q -> [B, S, H d]
  def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    B, H, S, d = q.size(0), q.size(1), q.size(2), q.size(3)
    G, L = k.size(1), k.size(2)
    ratio = H // G
    if S == 1:
      # The last position sees all others, so that a group's query heads can stand as rows and keys need not be repeated.
      y = torch.scaled_dot_product_attention(q.reshape([B, G, ratio, d]), k, v)
    else:
      if ratio > 1:
        k = k.unsqueeze(2).expand([B, G, ratio, L, d]).reshape([B, H, L, d])
        v = v.unsqueeze(2).expand([B, G, ratio, L, d]).reshape([B, H, L, d])
      if L == S:
        y = torch.scaled_dot_product_attention(q, k, v, None, 0.0, True)
      else:
        to = torch.arange(L, dtype=4, layout=None, device=q.device)
        seen = to.unsqueeze(0) <= torch.narrow(to, 0, L - S, S).unsqueeze(1)
        y = torch.scaled_dot_product_attention(q, k, v, seen)
    return torch.transpose(y.reshape([B, H, S, d]), 1, 2).reshape([B, S, H * d])

  # x [B, S, n], q_w [H d, n], k_w and v_w [G d, n], o_w [n, H d]; biases and norm weights or empty; caches [B, G, capacity, d], of which
  # the first `start` positions are filled, or empty -> [B, S, n]. Keys and values are written into the caches.
  def attention(self, x: Tensor, q_w: Tensor, k_w: Tensor, v_w: Tensor, o_w: Tensor, q_b: Tensor, k_b: Tensor, v_b: Tensor, q_norm: Tensor, k_norm: Tensor, k_cache: Tensor, v_cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    d, kind, gemm, start = annotate(List[int], ints.tolist())
    theta, eps = annotate(List[float], floats.tolist())
    S = x.size(1)
    q = self.project_heads(x, q_w, q_b, q_norm, d, kind, eps, gemm)
    k = self.project_heads(x, k_w, k_b, k_norm, d, kind, eps, gemm)
    v = self.project_heads(x, v_w, v_b, k_norm, d, 0, eps, gemm)

    even = torch.arange(0, d, 2, dtype=6, layout=None, device=x.device)
    frequencies = torch.reciprocal(torch.pow(theta, even / d))
    positions = torch.arange(start, start + S, dtype=6, layout=None, device=x.device)
    angles = torch.outer(positions, frequencies)
    angles = torch.cat([angles, angles], 1)
    cos, sin = torch.cos(angles), torch.sin(angles)
    q = self.rotate(q, cos, sin)
    k = self.rotate(k, cos, sin)

    if k_cache.numel() > 0:
      # float32, like the cache: casting the cache would copy it for every token.
      torch.copy_(torch.narrow(k_cache, 2, start, S), k)
      torch.copy_(torch.narrow(v_cache, 2, start, S), v)
      y = self.attend(q, torch.narrow(k_cache, 2, 0, start + S), torch.narrow(v_cache, 2, 0, start + S))
    else:
      y = self.attend(q.to(gemm & 15), k.to(gemm & 15), v.to(gemm & 15))
    return self.linear(y, o_w, gemm).to(6)

  # x [..., n], up [2 m, n] (gated) or [m, n], down [n, m] -> [..., n]
  def dense(self, x: Tensor, up: Tensor, down: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.feed_forward(x, [up, down], 0, activation, gated, gemm)

  # logits [..., V], labels [...] -> number of labels that are neither -100 nor a token id
  def bad_labels(self, logits: Tensor, labels: Tensor) -> Tensor:
    outside = torch.logical_or(labels < 0, labels >= logits.size(-1))
    return torch.logical_and(outside, labels != -100).sum()

  # logits [..., V], labels [...] -> mean over the labels that are not -100, zero without any
  def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
    flat = labels.reshape([-1]).to(4)
    total = torch.cross_entropy_loss(logits.reshape([-1, logits.size(-1)]).to(6), flat, None, 2, -100, 0.0)
    return total / torch.clamp_min((flat != -100).sum(), 1)
