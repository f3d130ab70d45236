  # Linear algebra of conversion, in double. An expert's matrix is x [m, n], a projection that a group shares b [r, n], weights as in weights.py.

  # gram += xT L x, in place
  def add_gram(self, x: Tensor, left: Tensor, gram: Tensor) -> Tensor:
    x = x.to(7)
    return torch.addmm_(gram, torch.t(x), self.weigh(left, x))

  # The largest eigenvalue first, eigenvectors as rows.
  def eigen(self, symmetric: Tensor) -> Tuple[Tensor, Tensor]:
    values, vectors = torch.linalg_eigh(symmetric, "L")
    return torch.flip(values, [0]), torch.t(torch.flip(vectors, [1])).contiguous()

  def eigenvalues(self, symmetric: Tensor) -> Tensor:
    return torch.flip(torch.linalg_eigvalsh(symmetric, "L"), [0])

  # Orthogonal iteration: an orthonormal basis q [n, l] of where G (G q) points, rotated to Ritz vectors; values descend.
  def iterate(self, symmetric: Tensor, q: Tensor) -> Tuple[Tensor, Tensor]:
    q = torch.linalg_qr(torch.matmul(symmetric, torch.matmul(symmetric, q)), "reduced")[0]
    values, vectors = torch.linalg_eigh(torch.matmul(torch.t(q), torch.matmul(symmetric, q)), "L")
    return torch.flip(values, [0]), torch.matmul(q, torch.flip(vectors, [1]))

  # S with S ST = C, lower triangular
  def root(self, right: Tensor) -> Tensor:
    return torch.linalg_cholesky(right)

  def trace(self, symmetric: Tensor) -> Tensor:
    return torch.trace(symmetric)

  # ST G S, the Gram matrix of x S
  def whitened(self, gram: Tensor, root: Tensor) -> Tensor:
    return torch.matmul(torch.t(root), torch.matmul(gram, root))

  # v S^-1, with orthonormal rows that span the same space
  def unwhitened(self, v: Tensor, root: Tensor) -> Tensor:
    return self.orthonormal(torch.linalg_solve_triangular(root, v, upper=False, left=False, unitriangular=False))

  # float32 numbers as a file of another type has them
  def rounded(self, b: Tensor, number: Tensor) -> Tensor:
    scalar_type = annotate(List[int], number.tolist())[0]
    return b.to(6).to(scalar_type).to(6)

  # What own factors are computed with: C bT [n, r], b C bT [r, r] and its root.
  def decoder(self, b: Tensor, right: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    b = b.to(7)
    cb = torch.t(self.weigh_right(b, right)).contiguous()
    inner = torch.matmul(b, cb)
    return cb, inner, torch.linalg_cholesky(inner)

  # The best own factor x C bT (b C bT)^-1, [m, r]
  def own(self, x: Tensor, cb: Tensor, root: Tensor) -> Tensor:
    return torch.t(torch.cholesky_solve(torch.t(torch.matmul(x.to(7), cb)), root, False)).contiguous()

  # |x|^2, |x - a b|^2, and tr(L x C xT) - tr(L (x - a b) C (x - a b)T)
  def errors(self, x: Tensor, a: Tensor, b: Tensor, cb: Tensor, inner: Tensor, left: Tensor) -> Tensor:
    x = x.to(7)
    rest = torch.sub(x, torch.matmul(a, b.to(7)))
    twice = torch.mul(torch.matmul(x, cb), 2)
    explained = torch.sum(torch.mul(self.weigh(left, a), torch.sub(twice, torch.matmul(a, inner))))
    return torch.stack([torch.sum(torch.mul(x, x)), torch.sum(torch.mul(rest, rest)), explained], 0)

  # The best approximation of a rank, x [m, n]
  def truncated(self, x: Tensor, number: Tensor) -> Tensor:
    rank = annotate(List[int], number.tolist())[0]
    x = x.to(7)
    if x.size(0) <= x.size(1):
      vectors = torch.narrow(torch.linalg_eigh(torch.matmul(x, torch.t(x)), "L")[1], 1, x.size(0) - rank, rank)
      return torch.matmul(vectors, torch.matmul(torch.t(vectors), x))
    vectors = torch.narrow(torch.linalg_eigh(torch.matmul(torch.t(x), x), "L")[1], 1, x.size(1) - rank, rank)
    return torch.matmul(torch.matmul(x, vectors), torch.t(vectors))

  # The leading directions of x C^(1/2) on the shared side, [q, n] float32, orthonormal
  def directions(self, x: Tensor, root: Tensor, number: Tensor) -> Tensor:
    count = annotate(List[int], number.tolist())[0]
    x = x.to(7)
    if root.dim() == 2:
      x = torch.matmul(x, root)
    elif root.numel() > 0:
      x = torch.mul(x, root)
    values, vectors = torch.linalg_eigh(torch.matmul(x, torch.t(x)), "L")
    leading = torch.narrow(vectors, 1, x.size(0) - count, count)
    return self.orthonormal(torch.matmul(torch.t(leading), x)).to(6)
