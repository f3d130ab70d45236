  # What Gemm measures.

  # A forward and backward pass through y = x wT, with autograd or without; result without meaning
  def train(self, x: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    y = self.linear(x, w, gemm)
    if torch.is_grad_enabled():
      gradients = torch.autograd.grad([y], [x, w], annotate(List[Optional[Tensor]], [y.detach()]), False, False, True)
    else:
      gx = self.multiply(y, w, gemm)
    return torch.zeros([0])

  # Products with all packed matrices
  def infer(self, x: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    for i in range(max(len(self.matrices[gemm >> 32]), len(self.packed[gemm >> 32]))):
      y = self.product(x, self.matrices[gemm >> 32], i, gemm)
    return torch.zeros([0])

  # The product with the first packed matrix
  def first_product(self, x: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    return self.product(x, self.matrices[gemm >> 32], 0, gemm).to(6)

  # A product with the first packed matrix and the i-th kept input, `times` in a row, of which the last has to be done before an element can be
  # read; x only says who owns the result
  def repeat_product(self, x: Tensor, ints: Tensor) -> Tensor:
    gemm, i, times = annotate(List[int], ints.tolist())
    x_i = self.plain[gemm >> 32][i]
    y = self.product(x_i, self.matrices[gemm >> 32], 0, gemm)
    for more in range(times - 1):
      y = self.product(x_i, self.matrices[gemm >> 32], 0, gemm)
    return torch.narrow(y.reshape([-1]), 0, 0, 1).to(6)
