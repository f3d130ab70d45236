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
    for i in range(max(len(self.matrices), len(self.packed))):
      y = self.product(x, self.matrices, i, gemm)
    return torch.zeros([0])

  # The product with the first packed matrix
  def first_product(self, x: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    return self.product(x, self.matrices, 0, gemm).to(6)
