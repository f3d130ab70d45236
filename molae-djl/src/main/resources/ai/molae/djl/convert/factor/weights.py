  # The norms of conversion, in double. Weights of an expert's own side, `left`, are [] or [m] (of rows) or [m, m]; of the side that a group
  # shares, `right`, [n] or [n, n]. Without elements: none.

  # L x
  def weigh(self, left: Tensor, x: Tensor) -> Tensor:
    if left.numel() == 0:
      return x
    if left.dim() == 2:
      return torch.matmul(left, x)
    return torch.t(torch.mul(torch.t(x), left))

  # y C
  def weigh_right(self, y: Tensor, right: Tensor) -> Tensor:
    if right.numel() == 0:
      return y
    if right.dim() == 2:
      return torch.matmul(y, right)
    return torch.mul(y, right)

  # b [r, n], r <= n -> orthonormal rows that span at least what those of b do
  def orthonormal(self, b: Tensor) -> Tensor:
    return torch.t(torch.linalg_qr(torch.t(b), "reduced")[0]).contiguous()
