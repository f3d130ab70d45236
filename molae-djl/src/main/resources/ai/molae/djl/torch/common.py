  # What the operations of layers share; stands before every other TorchScript resource.

  # The one seam for products: y = x wT in the compute precision.
  def linear(self, x: Tensor, w: Tensor, dtype: int) -> Tensor:
    return torch.matmul(x.to(dtype), w.to(dtype).t())

  def activate(self, x: Tensor, activation: int) -> Tensor:
    if activation == 0:
      return torch.silu(x)
    elif activation == 1:
      return torch.gelu(x)
    elif activation == 2:
      return torch.gelu(x, approximate="tanh")
    elif activation == 3:
      return torch.relu(x)
    else:
      y = torch.relu(x)
      return y * y

  # x [..., n], up [2 m, n] (gated, gate rows first) or [m, n], down [n, m] -> [..., n] float32
  def feed_forward(self, x: Tensor, up: Tensor, down: Tensor, activation: int, gated: int, dtype: int) -> Tensor:
    h = self.linear(x, up, dtype)
    if gated == 1:
      a, b = torch.chunk(h, 2, -1)
      h = self.activate(a, activation) * b
    else:
      h = self.activate(h, activation)
    return self.linear(h, down, dtype).to(6)
