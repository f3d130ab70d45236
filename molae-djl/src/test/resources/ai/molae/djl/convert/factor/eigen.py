  # c symmetric -> its root and the inverse of that
  def roots(self, c: Tensor) -> List[Tensor]:
    values, vectors = torch.linalg_eigh(c, "L")
    root = torch.sqrt(torch.clamp(values, 1e-12, None))
    return [torch.matmul(torch.mul(vectors, root), torch.t(vectors)), torch.matmul(torch.mul(vectors, torch.reciprocal(root)), torch.t(vectors))]

  # -> ascending eigenvalues
  def values(self, c: Tensor) -> Tensor:
    values, vectors = torch.linalg_eigh(c, "L")
    return values

  # -> the eigenvectors as columns, in ascending order
  def vectors(self, c: Tensor) -> Tensor:
    values, vectors = torch.linalg_eigh(c, "L")
    return vectors
