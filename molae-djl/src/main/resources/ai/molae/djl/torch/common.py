  # What the operations of layers share; stands before every other TorchScript resource.

  # The one seam for products: y = x wT in the compute precision. On a CPU every new number of rows costs oneDNN, which multiplies
  # bfloat16, a compilation, and experts get another number in every step: rows are filled up to a multiple of
  # 32 or, where there are many, of the power of two next above an eighth of them, so that there are few different numbers.
  def linear(self, x: Tensor, w: Tensor, dtype: int) -> Tensor:
    rows = x.size(0)
    step = 32
    while step * 8 <= rows:
      step = step * 2
    if dtype == 15 and x.dim() == 2 and rows > 32 and rows % step != 0 and not x.is_cuda:
      filled = torch.constant_pad_nd(x.to(dtype), [0, 0, 0, step - rows % step], 0)
      return torch.narrow(torch.matmul(filled, w.to(dtype).t()), 0, 0, rows)
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
