  # The router of a Mixture-of-Experts layer. Letters as in experts.py.

  # Sorting is stable, so that ties go to the lower index; top-k breaks them arbitrarily.
  def choose(self, scores: Tensor, k: int) -> Tensor:
    _, order = torch.sort(scores, stable=True, dim=-1, descending=True)
    return order[:, 0:k]

  # Scores of logits [T, N], whose kind is 0 softmax, 1 softmax over the chosen, 2 sigmoid.
  def scored(self, logits: Tensor, score: int) -> Tensor:
    if score == 0:
      return torch.softmax(logits, -1)
    elif score == 1:
      return logits
    else:
      return torch.sigmoid(logits)

  # What the losses take for the probability of an expert [T, N]; sums to 1 over the experts.
  def as_probabilities(self, logits: Tensor, scores: Tensor, score: int) -> Tensor:
    if score == 0:
      return scores
    elif score == 1:
      return torch.softmax(logits, -1)
    else:
      return scores / (scores.sum(-1, True) + 1e-20)

  # x [T, n], w [N, n] -> probabilities [T, N]
  def probabilities(self, x: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    score, = annotate(List[int], ints.tolist())
    logits = torch.matmul(x.to(6), w.t())
    return self.as_probabilities(logits, self.scored(logits, score), score)

  # x [T, n], w [N, n], bias [N] or [0], mask [T] with 0 for padding or [0]; before: what the passes of this step before chose [N] and, behind
  # it, their tokens [1], or [0]; ints and floats are unpacked first
  # statistics 0: none, 1: aux loss and load, 2: the aux loss without balance, because a model will pool it, load and probabilities
  # sequence: tokens of a sequence, if each is to be balanced by itself, or 0; watched 1: tell everything of this pass
  # -> ids [T, K] (N where dropped), weights [T, K], aux loss [], load: tokens per expert [N] before capacity and without padding, the
  # router's probabilities summed over the tokens [N], and if watched, float64: load [N], tokens without padding, mean entropy of the
  # probabilities, balance and z-loss without their coefficients
  def route(self, x: Tensor, w: Tensor, bias: Tensor, mask: Tensor, before: Tensor, ints: Tensor, floats: Tensor) -> Tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    score, norm, K, n_group, topk_group, group_score, capacity, statistics, sequence, watched = annotate(List[int], ints.tolist())
    scaling, aux_coef, z_coef = annotate(List[float], floats.tolist())
    T = x.size(0)
    N = w.size(0)
    logits = torch.matmul(x.to(6), w.t())
    scores = self.scored(logits, score)

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
    told = torch.zeros([0])
    if statistics == 0 and watched == 0 and capacity >= T:
      return (ids, weights, torch.zeros([0]), torch.zeros([0]), torch.zeros([0]), told)

    flat = ids.reshape(-1)
    load = torch.zeros([N], dtype=4, layout=None, device=x.device)
    # Zero without tokens, but on autograd's graph.
    aux = logits.sum()
    sums = logits.sum(0)
    if (statistics > 0 or watched == 1) and T > 0:
      probabilities = self.as_probabilities(logits, scores, score)
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
      tokens = real.reshape([B, S]).sum(1, True)
      rows = torch.clamp_min(tokens, 1.0)
      all_rows = torch.clamp_min(real.sum(), 1.0)
      sums = probabilities.sum(0)
      load = torch.round(loads.sum(0)).to(4)
      z = (torch.logsumexp(logits, [-1]).square() * real).sum() / all_rows
      aux = z * z_coef
      if statistics == 1 or watched == 1:
        shares = loads / rows
        if before.numel() > 0:
          earlier = before.to(x.device, 6)
          shares = (loads + torch.narrow(earlier, 0, 0, N)) / torch.clamp_min(tokens + torch.narrow(earlier, 0, N, 1), 1.0)
        # A sequence weighs its tokens, so that the losses of a step's passes, weighed alike, add up to that of the step.
        balance = ((shares * (probabilities.reshape([B, S, N]).sum(1) / rows)).sum(1, True) * (tokens / all_rows)).sum() * N
        if statistics == 1:
          aux = balance * aux_coef + aux
        if watched == 1:
          entropy = -torch.xlogy(probabilities, probabilities).sum() / all_rows
          told = torch.cat([loads.sum(0), torch.stack([real.sum(), entropy, balance, z])], 0).detach().to(7)

    if capacity < T:
      if mask.numel() > 0:
        # Padding takes no place in an expert, and visits none.
        padding = (mask.reshape([T]) == 0).repeat_interleave(K)
        flat = flat.masked_fill(padding, N)
        weights = weights.reshape(-1).masked_fill(padding, 0.0).reshape([T, K])
      counts = torch.bincount(flat, None, N + 1)
      by_expert, order = torch.sort(flat, stable=True, dim=0, descending=False)
      first = torch.cumsum(counts, 0) - counts
      rank = torch.arange(T * K, dtype=4, layout=None, device=x.device) - first.index_select(0, by_expert)
      late = order.index_select(0, torch.nonzero(rank >= capacity).squeeze(1))
      flat = flat.index_fill(0, late, N)
      weights = weights.reshape(-1).index_fill(0, late, 0.0).reshape([T, K])
    return (flat.reshape([T, K]), weights, aux, load, sums, told)

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
