  # Lets a gradient flow into what x was made of, if anything there wants one.
  def flow(self, x: Tensor, gradient: Tensor) -> Tensor:
    if x.requires_grad:
      torch.backward(x, gradient, False, False)
    return torch.zeros([0])
