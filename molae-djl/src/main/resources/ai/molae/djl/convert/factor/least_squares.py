  # Steps of weighted least squares, in float64. Moments c [n, n] and row weights l ([m, m], [m]) without elements stand for the identity.

  def moved_right(self, x: Tensor, c: Tensor) -> Tensor:
    if c.numel() == 0:
      return x
    return torch.matmul(x, c)

  def moved_left(self, l: Tensor, x: Tensor) -> Tensor:
    if l.numel() == 0:
      return x
    if l.dim() == 1:
      return torch.mul(torch.unsqueeze(l, 1), x)
    return torch.matmul(l, x)

  # b [r, n], r <= n -> orthonormal rows that span at least what those of b do
  def orthonormal(self, b: Tensor) -> Tensor:
    q, upper = torch.linalg_qr(torch.t(b), "reduced")
    return torch.t(q).contiguous()

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
    la = self.moved_left(l, a)
    xc = self.moved_right(x, c)
    d = torch.sub(x, torch.matmul(a, b))
    error = torch.sum(torch.mul(self.moved_left(l, d), self.moved_right(d, c)))
    size = torch.sum(torch.mul(self.moved_left(l, x), xc))
    return [a, error, size, torch.matmul(torch.t(a), la), torch.matmul(torch.t(la), xc)]

  # sum += m p c in place
  def add_image(self, sum: Tensor, m: Tensor, p: Tensor, c: Tensor) -> Tensor:
    return sum.add_(self.moved_right(torch.matmul(m, p), c))

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
