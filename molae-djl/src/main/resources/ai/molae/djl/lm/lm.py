  # The operations of a decoder-only language model. Letters as in ai.molae.djl.lm: B sequences, S tokens of each, L positions attended
  # to, n hidden size, H query heads, G key/value heads, d head dim, m feed-forward width, r rank of latents, V vocabulary size. Masks have 0 for padding.

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

  # x [..., n], w [n] -> [..., n]
  def norm(self, x: Tensor, w: Tensor, floats: Tensor) -> Tensor:
    eps, = annotate(List[float], floats.tolist())
    return self.normalize(x, w, eps)

  # Cosines and sines [1 or B, 1, S, d/2] of the rotary angles of S positions behind the first `start`. frequencies [1 or B, d/2]; visible
  # [B, start + S] with 0 for padding, which takes no position, or empty.
  def angles(self, visible: Tensor, frequencies: Tensor, ints: Tensor, floats: Tensor) -> Tuple[Tensor, Tensor]:
    start, S = annotate(List[int], ints.tolist())
    factor, = annotate(List[float], floats.tolist())
    f = frequencies.to(6)
    if visible.numel() == 0:
      positions = torch.arange(start, start + S, dtype=6, layout=None, device=f.device).unsqueeze(0)
    else:
      positions = torch.narrow(torch.clamp_min(torch.cumsum((visible != 0).to(6), 1) - 1.0, 0.0), 1, start, S)
    angles = (positions.unsqueeze(2) * f.unsqueeze(1)).unsqueeze(1)
    return (torch.cos(angles) * factor, torch.sin(angles) * factor)

  def grouped_attention(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, q_b: Tensor, k_b: Tensor, v_b: Tensor, o_b: Tensor, q_norm: Tensor, k_norm: Tensor, cos: Tensor, sin: Tensor, visible: Tensor, k_cache: Tensor, v_cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    return self.attend_grouped(x, [q, k, v, o], q_b, k_b, v_b, o_b, q_norm, k_norm, cos, sin, visible, k_cache, v_cache, ints, floats)

  # The same with the adapters of q, k, v and o.
  def adapted_grouped_attention(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, q_b: Tensor, k_b: Tensor, v_b: Tensor, o_b: Tensor, q_norm: Tensor, k_norm: Tensor, cos: Tensor, sin: Tensor, visible: Tensor, k_cache: Tensor, v_cache: Tensor, ints: Tensor, floats: Tensor, lora: List[Tensor]) -> Tensor:
    return self.attend_grouped(x, [q, k, v, o] + lora, q_b, k_b, v_b, o_b, q_norm, k_norm, cos, sin, visible, k_cache, v_cache, ints, floats)

  # q is q_proj or q_a_proj; q_b_proj is empty with the former.
  def latent_attention(self, x: Tensor, q: Tensor, q_b: Tensor, kv_a: Tensor, kv_b: Tensor, o: Tensor, q_a_b: Tensor, kv_a_b: Tensor, o_b: Tensor, q_a_norm: Tensor, kv_a_norm: Tensor, cos: Tensor, sin: Tensor, visible: Tensor, cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    ws = [q, kv_a, o]
    if q_b.numel() > 0:
      ws = [q, q_b, kv_a, o]
    return self.attend_latent(x, ws, kv_b, q_a_b, kv_a_b, o_b, q_a_norm, kv_a_norm, cos, sin, visible, cache, ints, floats)

  # The same with the adapters of q, q_b unless it is empty, kv_a, o and kv_b.
  def adapted_latent_attention(self, x: Tensor, q: Tensor, q_b: Tensor, kv_a: Tensor, kv_b: Tensor, o: Tensor, q_a_b: Tensor, kv_a_b: Tensor, o_b: Tensor, q_a_norm: Tensor, kv_a_norm: Tensor, cos: Tensor, sin: Tensor, visible: Tensor, cache: Tensor, ints: Tensor, floats: Tensor, lora: List[Tensor]) -> Tensor:
    ws = [q, kv_a, o, kv_b]
    if q_b.numel() > 0:
      ws = [q, q_b, kv_a, o, kv_b]
    return self.attend_latent(x, ws + lora, kv_b, q_a_b, kv_a_b, o_b, q_a_norm, kv_a_norm, cos, sin, visible, cache, ints, floats)

  # x [..., n], up [2 m, n] (gated) or [m, n], down [n, m] -> [..., n]
  def dense(self, x: Tensor, up: Tensor, down: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.feed_forward(x, [up, down], 0, activation, gated, gemm)

  # The same with the adapters of up and down.
  def adapted_dense(self, x: Tensor, up: Tensor, down: Tensor, ints: Tensor, lora: List[Tensor]) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.feed_forward(x, [up, down] + lora, 0, activation, gated, gemm)

  # logits [..., V], labels [...] -> number of labels that are neither -100 nor a token id
  def bad_labels(self, logits: Tensor, labels: Tensor) -> Tensor:
    outside = torch.logical_or(labels < 0, labels >= logits.size(-1))
    return torch.logical_and(outside, labels != -100).sum()

  # logits [..., V], labels [...] -> mean over the labels that are not -100, zero without any
  def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
    flat = labels.reshape([-1]).to(4)
    total = torch.cross_entropy_loss(logits.reshape([-1, logits.size(-1)]).to(6), flat, None, 2, -100, 0.0)
    return total / torch.clamp_min((flat != -100).sum(), 1)
