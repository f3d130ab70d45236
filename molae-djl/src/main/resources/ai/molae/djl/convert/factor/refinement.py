  # Gradients and Adam for factors, in float64, with moments c and row weights l as in weights.py.

  # tr(l d c dᵀ) with d = x − a b; its gradients times `scale` are added: to gb [r, n], and to the zeros ga [m, r] -> the error
  def add_gradients(self, x: Tensor, c: Tensor, l: Tensor, a: Tensor, b: Tensor, ga: Tensor, gb: Tensor, scale: Tensor) -> Tensor:
    d = torch.sub(x, torch.matmul(a, b))
    ldc = self.weigh_right(self.weigh(l, d), c)
    factor = -2.0 * float(scale)
    ga.addmm_(ldc, torch.t(b), alpha=factor)
    gb.addmm_(torch.t(a), ldc, alpha=factor)
    return torch.sum(torch.mul(ldc, d))

  # In place. hyper: rate, beta1, beta2, epsilon, 1 − beta1^t, 1 − beta2^t
  def adam(self, hyper: Tensor, w: Tensor, g: Tensor, m: Tensor, v: Tensor) -> Tensor:
    rate, beta1, beta2, eps, c1, c2 = annotate(List[float], hyper.tolist())
    m.mul_(beta1).add_(g, alpha=1.0 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1.0 - beta2)
    return w.addcdiv_(m, torch.add(torch.sqrt(torch.div(v, c2)), eps), value=-rate / c1)
