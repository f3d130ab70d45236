  # The operations of a decoder-only language model. Letters as in ai.molae.djl.lm: B sequences, S tokens of each, L positions attended
  # to, n hidden size, H query heads, G key/value heads, d head dim, m feed-forward width, r rank of latents, V vocabulary size. documents has 0 for padding and equal
  # numbers for tokens that may see each other.

  # tokens [B, S] -> [2] int64, the least and the greatest
  def token_range(self, tokens: Tensor) -> Tensor:
    least, greatest = torch.aminmax(tokens)
    return torch.stack([least, greatest]).to(4)

  # tokens [B, S], w [V, n] -> [B, S, n]
  def embed(self, tokens: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    return torch.embedding(w, tokens)

  # The same with the packed table.
  def prepared_embed(self, tokens: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    return self.look_up(tokens, gemm)

  # x [..., n], w [V, n] -> [..., V] float32
  def project(self, x: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    return self.linear(x, w, gemm).to(6)

  # The same with the first packed matrix.
  def prepared_project(self, x: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    y = self.product(x.reshape([-1, x.size(-1)]), self.matrices[gemm >> 32], 0, gemm).to(6)
    return y.reshape(x.size()[0:-1] + [y.size(1)])

  def drop(self, x: Tensor, floats: Tensor) -> Tensor:
    p, = annotate(List[float], floats.tolist())
    return torch.dropout(x, p, True)

  # x [..., n], w [n] -> [..., n]
  def norm(self, x: Tensor, w: Tensor, floats: Tensor) -> Tensor:
    eps, = annotate(List[float], floats.tolist())
    return self.normalize(x, w, eps)

  # For each of the last S of L tokens how many of its document there are [B, S]. documents [B, L].
  def document_lengths(self, documents: Tensor, ints: Tensor) -> Tensor:
    S, = annotate(List[int], ints.tolist())
    at = torch.narrow(documents, 1, documents.size(1) - S, S)
    return (at.unsqueeze(2) == documents.unsqueeze(1)).sum(-1)

  # What the last S of L positions may see [1 or B, S, L]: not what comes later or lies before the window, only their document, and of padding
  # themselves. documents [B, L] or empty.
  def seen(self, documents: Tensor, S: int, L: int, window: int, device: Device) -> Tensor:
    to = torch.arange(L, dtype=4, layout=None, device=device).unsqueeze(0)
    at = torch.narrow(to, 1, L - S, S).t()
    see = torch.logical_and(to <= at, to > at - window).unsqueeze(0)
    if documents.numel() > 0:
      own = torch.narrow(documents, 1, L - S, S).unsqueeze(2)
      same = torch.logical_and(own == documents.unsqueeze(1), own != 0)
      see = torch.logical_and(see, torch.logical_or(same, to == at))
    return see

  # The same as what is added to the scores of attention [1 or B, 1, S, L], of the given element type. `like` is an array of the device.
  def additive_mask(self, like: Tensor, documents: Tensor, ints: Tensor) -> Tensor:
    S, L, window, dtype = annotate(List[int], ints.tolist())
    see = self.seen(documents, S, L, window, like.device).unsqueeze(1)
    return torch.zeros_like(see, dtype=dtype).masked_fill_(torch.logical_not(see), float("-inf"))

  # Cosines and sines [1 or B, 1, S, d/2] of the rotary angles of S positions behind the first `start`. frequencies [F, d/2], of which `which`
  # [B, S] says whose each token has, or empty if there is one row; documents [B, start + S], each of which has positions of its own, or empty.
  def angles(self, documents: Tensor, frequencies: Tensor, which: Tensor, ints: Tensor, floats: Tensor) -> Tuple[Tensor, Tensor]:
    start, S = annotate(List[int], ints.tolist())
    factor, = annotate(List[float], floats.tolist())
    f = frequencies.to(6).unsqueeze(1)
    if which.numel() > 0:
      f = frequencies.to(6).index_select(0, which.reshape(-1)).reshape([which.size(0), S, frequencies.size(1)])
    if documents.numel() == 0:
      positions = torch.arange(start, start + S, dtype=6, layout=None, device=f.device).unsqueeze(0)
    else:
      positions = (self.seen(documents, S, start + S, start + S, f.device).sum(-1) - 1).to(6)
    angles = (positions.unsqueeze(2) * f).unsqueeze(1)
    return (torch.cos(angles) * factor, torch.sin(angles) * factor)

  def grouped_attention(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, q_b: Tensor, k_b: Tensor, v_b: Tensor, o_b: Tensor, q_norm: Tensor, k_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, k_cache: Tensor, v_cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    return self.attend_grouped(x, [q, k, v, o], q_b, k_b, v_b, o_b, q_norm, k_norm, cos, sin, mask, k_cache, v_cache, ints, floats)

  # The same with the adapters of q, k, v and o.
  def adapted_grouped_attention(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, q_b: Tensor, k_b: Tensor, v_b: Tensor, o_b: Tensor, q_norm: Tensor, k_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, k_cache: Tensor, v_cache: Tensor, ints: Tensor, floats: Tensor, lora: List[Tensor]) -> Tensor:
    return self.attend_grouped(x, [q, k, v, o] + lora, q_b, k_b, v_b, o_b, q_norm, k_norm, cos, sin, mask, k_cache, v_cache, ints, floats)

  # q is q_proj or q_a_proj; q_b_proj is empty with the former.
  def latent_attention(self, x: Tensor, q: Tensor, q_b: Tensor, kv_a: Tensor, kv_b: Tensor, o: Tensor, q_a_b: Tensor, kv_a_b: Tensor, o_b: Tensor, q_a_norm: Tensor, kv_a_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    ws = [q, kv_a, o]
    if q_b.numel() > 0:
      ws = [q, q_b, kv_a, o]
    return self.attend_latent(x, ws, kv_b, q_a_b, kv_a_b, o_b, q_a_norm, kv_a_norm, cos, sin, mask, cache, ints, floats)

  # The same with the adapters of q, q_b unless it is empty, kv_a, o and kv_b.
  def adapted_latent_attention(self, x: Tensor, q: Tensor, q_b: Tensor, kv_a: Tensor, kv_b: Tensor, o: Tensor, q_a_b: Tensor, kv_a_b: Tensor, o_b: Tensor, q_a_norm: Tensor, kv_a_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: Tensor, ints: Tensor, floats: Tensor, lora: List[Tensor]) -> Tensor:
    ws = [q, kv_a, o, kv_b]
    if q_b.numel() > 0:
      ws = [q, q_b, kv_a, o, kv_b]
    return self.attend_latent(x, ws + lora, kv_b, q_a_b, kv_a_b, o_b, q_a_norm, kv_a_norm, cos, sin, mask, cache, ints, floats)

  # x [..., n], up [2 m, n] (gated) or [m, n], down [n, m] -> [..., n]
  def dense(self, x: Tensor, up: Tensor, down: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.feed_forward(x, [up, down], 0, activation, gated, gemm)

  # The same with packed weights.
  def prepared_dense(self, x: Tensor, up: Tensor, down: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.feed_forward(x.reshape([-1, x.size(-1)]), self.matrices[gemm >> 32], 0, activation, gated, gemm).reshape(x.size())

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

  # What training minimises with a teacher, and a scalar with its gradient in the logits [..., V]. The teacher's logits, of the same shape, are
  # overwritten with that gradient a few rows at a time, so that nothing else of their size is made. labels [...].
  def distillation(self, logits: Tensor, teacher: Tensor, labels: Tensor, floats: Tensor) -> Tuple[Tensor, Tensor]:
    temperature, share = annotate(List[float], floats.tolist())
    V = logits.size(-1)
    student = torch.detach(logits).reshape([-1, V])
    gradient = teacher.reshape([-1, V])
    flat = labels.reshape([-1]).to(4)
    n = torch.clamp_min((flat != -100).sum(), 1)
    total = torch.zeros([], dtype=7, layout=None, device=logits.device)
    step = max(1, 1048576 // V)
    for i in range((flat.size(0) + step - 1) // step):
      size = min(step, flat.size(0) - i * step)
      z = torch.narrow(student, 0, i * step, size)
      t = torch.narrow(gradient, 0, i * step, size)
      label = torch.narrow(flat, 0, i * step, size).unsqueeze(1)
      ignored = label == -100
      label = torch.clamp_min(label, 0)
      logs = torch.log_softmax(z, -1)
      hard = torch.neg(torch.gather(logs, 1, label))
      g = torch.mul(torch.exp_(logs), 1.0 - share)
      g = torch.scatter_add_(g, 1, label, torch.full_like(hard, share - 1.0))
      q = torch.log_softmax(z / temperature, -1)
      p = torch.log_softmax(t / temperature, -1)
      soft = (torch.exp(p) * (p - q)).sum(-1, keepdim=True)
      g = torch.add_(g, torch.sub_(torch.exp_(q), torch.exp_(p)), alpha=share * temperature)
      losses = (1.0 - share) * hard + share * temperature * temperature * soft
      total = total + losses.to(7).masked_fill_(ignored, 0.0).sum()
      t.copy_(torch.masked_fill_(torch.div_(g, n), ignored, 0.0))
    return ((total / n).to(6), torch.dot(logits.reshape([-1]), gradient.reshape([-1])))
