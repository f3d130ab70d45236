  # Steps of weighted least squares, in float64, with moments c and row weights l as in weights.py.

  # The a that is best for b, whose rows are orthonormal. What the moments do not see is decided without them.
  def own_factor(self, x: Tensor, c: Tensor, b: Tensor) -> Tensor:
    plain = torch.matmul(x, torch.t(b))
    if c.numel() == 0:
      return plain
    bc = torch.matmul(b, c)
    gram = torch.matmul(bc, torch.t(b))
    right = torch.matmul(x, torch.t(bc))
    lower, info = torch.linalg_cholesky_ex(gram)
    diagonal = torch.diagonal(lower)
    if int(info) == 0 and float(torch.min(diagonal)) > 1e-5 * float(torch.max(diagonal)):
      return torch.t(torch.cholesky_solve(torch.t(right), lower)).contiguous()
    values, vectors = torch.linalg_eigh(gram, "L")
    largest = float(torch.max(values))
    if not largest > 0.0:
      return plain
    seen = torch.gt(values, 1e-12 * largest).to(values.dtype)
    inverse = torch.div(seen, torch.clamp(values, 1e-12 * largest, None))
    missing = torch.sub(right, torch.matmul(plain, gram))
    return torch.add(plain, torch.matmul(torch.mul(torch.matmul(missing, vectors), inverse), torch.t(vectors)))

  # -> a [m, r], the error, the squared norm of x, aᵀ l a [r, r], aᵀ l x c [r, n]
  def own_step(self, x: Tensor, c: Tensor, l: Tensor, b: Tensor) -> List[Tensor]:
    a = self.own_factor(x, c, b)
    la = self.weigh(l, a)
    xc = self.weigh_right(x, c)
    d = torch.sub(x, torch.matmul(a, b))
    error = torch.sum(torch.mul(self.weigh(l, d), self.weigh_right(d, c)))
    size = torch.sum(torch.mul(self.weigh(l, x), xc))
    return [a, error, size, torch.matmul(torch.t(a), la), torch.matmul(torch.t(la), xc)]

  # sum += m p c in place
  def add_image(self, sum: Tensor, m: Tensor, p: Tensor, c: Tensor) -> Tensor:
    return sum.add_(self.weigh_right(torch.matmul(m, p), c))

  # s [d, d] positive semidefinite -> its inverse, or nearly
  def near_inverse(self, s: Tensor) -> Tensor:
    ridge = 1e-9 * float(torch.mean(torch.diagonal(s)))
    if not ridge > 0.0:
      ridge = 1.0
    eye = torch.eye(s.size(0), dtype=s.dtype, layout=None, device=s.device)
    lower, info = torch.linalg_cholesky_ex(torch.add(s, eye, alpha=ridge))
    if int(info) == 0:
      return torch.cholesky_inverse(lower)
    values, vectors = torch.linalg_eigh(s, "L")
    return torch.matmul(torch.mul(vectors, torch.reciprocal(torch.add(torch.clamp(values, 0.0, None), ridge))), torch.t(vectors))

  def dot(self, x: Tensor, y: Tensor) -> Tensor:
    return torch.sum(torch.mul(x, y))
