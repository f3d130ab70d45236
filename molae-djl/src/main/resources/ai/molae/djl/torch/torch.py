  # Lets a gradient flow into what x was made of, if anything there wants one.
  def flow(self, x: Tensor, gradient: Tensor) -> Tensor:
    if x.requires_grad:
      torch.backward(x, gradient, False, False)
    return torch.zeros([0])

  # -> one element if w has a gradient, else none. An absent one may come as a tensor without an element type.
  def gradients(self, w: Tensor) -> Tensor:
    gradient = w.grad
    if gradient is None or gradient.dtype != w.dtype:
      return torch.zeros([0])
    return torch.zeros([1])

  # w += s b a in place, for matrices or, one after the other, for those of stacks
  def merge(self, w: Tensor, a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    s = float(scale)
    if w.dim() == 2:
      w.addmm_(b, a, alpha=s)
    else:
      parts_a, parts_b = torch.unbind(a, 0), torch.unbind(b, 0)
      i = 0
      for part in torch.unbind(w, 0):
        part.addmm_(parts_b[i], parts_a[i], alpha=s)
        i = i + 1
    return torch.zeros([0])
