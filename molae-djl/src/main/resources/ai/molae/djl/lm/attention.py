  # Attention. Letters as in lm.py.

  # Rotates x [B, heads, S, d]: the pair of column i is column i + d/2 or, interleaved, its neighbour; pairs leave half a head apart.
  def rotate(self, x: Tensor, cos: Tensor, sin: Tensor, interleaved: int) -> Tensor:
    if interleaved == 1:
      a, b = torch.unbind(x.reshape(x.size()[0:-1] + [x.size(-1) // 2, 2]), -1)
    else:
      a, b = torch.chunk(x, 2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

  # x [B S, n] -> [B, heads, S, d] float32; bias [heads d] or empty; norm kind 0 none, 1 over d, 2 over heads d; clip 0 for none
  def project_heads(self, x: Tensor, ws: List[Tensor], i: int, bias: Tensor, norm: Tensor, S: int, d: int, kind: int, eps: float, clip: float, gemm: int) -> Tensor:
    y = self.biased(x, ws, i, bias, gemm)
    if kind == 2:
      y = self.normalize(y, norm, eps)
    y = y.reshape([y.size(0) // S, S, y.size(1) // d, d])
    if kind == 1:
      y = self.normalize(y, norm, eps)
    if clip > 0:
      y = torch.clamp(y, -clip, clip)
    return torch.transpose(y, 1, 2)

  # x [rows, a] -> [rows, b] float32, bias [b] or empty
  def biased(self, x: Tensor, ws: List[Tensor], i: int, bias: Tensor, gemm: int) -> Tensor:
    y = self.product(x, ws, i, gemm).to(6)
    if bias.numel() > 0:
      y = y + bias
    return y

  def normalize(self, x: Tensor, w: Tensor, eps: float) -> Tensor:
    return torch.rms_norm(x.to(6), [x.size(-1)], w, eps)

  # q [B, H, S, d], k and v [B, G, L, d or d_v], of which the last S positions are those of q; mask of the element type of q, to be added
  # to the scores ([1 or B, 1, S, L], see lm.py), or empty if a token sees all before it, if it is alone of the window -> [B, S, H d_v]
  def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, window: int, scale: float) -> Tensor:
    B, H, S, d = q.size(0), q.size(1), q.size(2), q.size(3)
    G, L = k.size(1), k.size(2)
    ratio = H // G
    masked = mask.numel() > 0
    if S == 1:
      # The last position sees all others, so that a group's query heads can stand as rows and keys need not be repeated.
      rows = q.reshape([B, G, ratio, d])
      if masked:
        y = torch.scaled_dot_product_attention(rows, k, v, mask, 0.0, False, scale=scale)
      else:
        last = min(window, L)
        y = torch.scaled_dot_product_attention(rows, torch.narrow(k, 2, L - last, last), torch.narrow(v, 2, L - last, last), None, 0.0, False, scale=scale)
    else:
      if ratio > 1:
        k = k.unsqueeze(2).expand([B, G, ratio, L, k.size(3)]).reshape([B, H, L, k.size(3)])
        v = v.unsqueeze(2).expand([B, G, ratio, L, v.size(3)]).reshape([B, H, L, v.size(3)])
      if masked:
        y = torch.scaled_dot_product_attention(q, k, v, mask, 0.0, False, scale=scale)
      else:
        y = torch.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=scale)
    return torch.transpose(y.reshape([B, H, S, v.size(3)]), 1, 2).reshape([B, S, H * v.size(3)])

  # x [B, S, n]; ws: q [H d, n], k and v [G d, n], o [n, H d]; biases and norm weights or empty; caches [B, G, capacity, d], of which
  # the first `start` positions are filled, or empty -> [B, S, n]. Keys and values are written into the caches.
  def attend_grouped(self, x: Tensor, ws: List[Tensor], q_b: Tensor, k_b: Tensor, v_b: Tensor, o_b: Tensor, q_norm: Tensor, k_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, k_cache: Tensor, v_cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    d, kind, gemm, start, window, interleaved = annotate(List[int], ints.tolist())
    eps, clip = annotate(List[float], floats.tolist())
    B, S = x.size(0), x.size(1)
    flat = x.reshape([B * S, x.size(2)])
    q = self.rotate(self.project_heads(flat, ws, 0, q_b, q_norm, S, d, kind, eps, clip, gemm), cos, sin, interleaved)
    k = self.rotate(self.project_heads(flat, ws, 1, k_b, k_norm, S, d, kind, eps, clip, gemm), cos, sin, interleaved)
    v = self.project_heads(flat, ws, 2, v_b, k_norm, S, d, 0, eps, clip, gemm)
    scale = 1.0 / float(d) ** 0.5
    if k_cache.numel() > 0:
      # float32, like the cache: casting the cache would copy it for every token.
      torch.copy_(torch.narrow(k_cache, 2, start, S), k)
      torch.copy_(torch.narrow(v_cache, 2, start, S), v)
      y = self.attend(q, torch.narrow(k_cache, 2, 0, start + S), torch.narrow(v_cache, 2, 0, start + S), mask, window, scale)
    else:
      y = self.attend(q.to(gemm & 15), k.to(gemm & 15), v.to(gemm & 15), mask, window, scale)
    return self.biased(y.reshape([B * S, y.size(2)]), ws, 3, o_b, gemm).reshape([B, S, x.size(2)])

  # The same with packed weights in the place of q, k, v and o.
  def prepared_grouped_attention(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, o: Tensor, q_b: Tensor, k_b: Tensor, v_b: Tensor, o_b: Tensor, q_norm: Tensor, k_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, k_cache: Tensor, v_cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    gemm = annotate(List[int], ints.tolist())[2]
    return self.attend_grouped(x, self.matrices[gemm >> 32], q_b, k_b, v_b, o_b, q_norm, k_norm, cos, sin, mask, k_cache, v_cache, ints, floats)

  # x [B, S, n]; ws: q [H (nope + rope), n], or q_a [r_q, n] and q_b [H (nope + rope), r_q]; kv_a [r + rope, n]; o [n, H d_v]; kv_b [H (nope + d_v), r];
  # cache [B, capacity, r + rope] of latents and rotated keys, or empty -> [B, S, n]
  def attend_latent(self, x: Tensor, ws: List[Tensor], kv_b: Tensor, q_a_b: Tensor, kv_a_b: Tensor, o_b: Tensor, q_a_norm: Tensor, kv_a_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    H, r_q, r, nope, rope, d_v, gemm, start, interleaved = annotate(List[int], ints.tolist())
    eps, scale = annotate(List[float], floats.tolist())
    B, S = x.size(0), x.size(1)
    everywhere = 9223372036854775807
    flat = x.reshape([B * S, x.size(2)])
    q = self.biased(flat, ws, 0, q_a_b, gemm)
    i = 1
    if r_q > 0:
      q = self.product(self.normalize(q, q_a_norm, eps), ws, 1, gemm).to(6)
      i = 2
    q_nope, q_rope = torch.split_with_sizes(torch.transpose(q.reshape([B, S, H, nope + rope]), 1, 2), [nope, rope], -1)
    c, k_rope = torch.split_with_sizes(self.biased(flat, ws, i, kv_a_b, gemm).reshape([B, S, r + rope]), [r, rope], -1)
    c = self.normalize(c, kv_a_norm, eps)
    q_rope = self.rotate(q_rope, cos, sin, interleaved)
    k_rope = self.rotate(k_rope.unsqueeze(1), cos, sin, interleaved).squeeze(1)
    latents = torch.cat([c, k_rope], -1)
    cached = cache.numel() > 0
    if cached:
      torch.copy_(torch.narrow(cache, 1, start, S), latents)
      latents = torch.narrow(cache, 1, 0, start + S)
    L = latents.size(1)
    if cached and S == 1:
      k_w, v_w = torch.split_with_sizes(kv_b.reshape([H, nope + d_v, r]), [nope, d_v], 1)
      q_c = torch.matmul(q_nope.to(kv_b.dtype), k_w).to(6)
      if self.has_adapter(ws, i + 2, gemm):
        lora_a, lora_b, s = self.adapter(ws, i + 2)
        k_b = torch.narrow(lora_b.reshape([H, nope + d_v, lora_b.size(1)]), 1, 0, nope)
        q_c = q_c + torch.matmul(torch.matmul(q_nope, k_b) * s, lora_a)
      k = latents.unsqueeze(1)
      sums = self.attend(torch.cat([q_c, q_rope], -1), k, torch.narrow(k, 3, 0, r), mask, everywhere, scale)
      sums = sums.reshape([B, H, 1, r])
      y = torch.matmul(sums.to(kv_b.dtype), torch.transpose(v_w, 1, 2)).to(6)
      if self.has_adapter(ws, i + 2, gemm):
        lora_a, lora_b, s = self.adapter(ws, i + 2)
        v_b = torch.narrow(lora_b.reshape([H, nope + d_v, lora_b.size(1)]), 1, nope, d_v)
        y = y + torch.matmul(torch.matmul(sums, lora_a.t()) * s, torch.transpose(v_b, 1, 2))
      y = y.reshape([B * S, H * d_v])
    else:
      c = torch.narrow(latents, 2, 0, r).reshape([B * L, r])
      keys = self.adapted(self.linear(c, kv_b, gemm), c, ws, i + 2, gemm).to(6).reshape([B, L, H, nope + d_v])
      k_nope, v = torch.split_with_sizes(torch.transpose(keys, 1, 2), [nope, d_v], -1)
      k = torch.cat([k_nope, torch.narrow(latents, 2, r, rope).unsqueeze(1).expand([B, H, L, rope])], -1)
      dtype = 6
      if not cached:
        dtype = gemm & 15
      y = self.attend(torch.cat([q_nope, q_rope], -1).to(dtype), k.to(dtype), v.to(dtype), mask, everywhere, scale).reshape([B * S, H * d_v])
    return self.biased(y, ws, i + 1, o_b, gemm).reshape([B, S, x.size(2)])

  # The same with packed weights, and kv_b the first one kept plain.
  def prepared_latent_attention(self, x: Tensor, q: Tensor, q_b: Tensor, kv_a: Tensor, kv_b: Tensor, o: Tensor, q_a_b: Tensor, kv_a_b: Tensor, o_b: Tensor, q_a_norm: Tensor, kv_a_norm: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: Tensor, ints: Tensor, floats: Tensor) -> Tensor:
    gemm = annotate(List[int], ints.tolist())[6]
    return self.attend_latent(x, self.matrices[gemm >> 32], self.plain[gemm >> 32][0], q_a_b, kv_a_b, o_b, q_a_norm, kv_a_norm, cos, sin, mask, cache, ints, floats)
