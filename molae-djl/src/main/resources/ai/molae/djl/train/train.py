  # What an optimizer step needs of libtorch. All lists are in the order of the parameters.

  # -> the L2 norm over all gradients, after which they are scaled down to max_norm if they exceed it (0: never)
  def clip_gradients(self, limits: Tensor, grads: List[Tensor]) -> Tensor:
    max_norm = annotate(List[float], limits.tolist())[0]
    norm = torch.linalg_vector_norm(torch.stack(torch._foreach_norm(grads, 2)), 2)
    if max_norm > 0.0:
      torch._foreach_mul_(grads, torch.clamp(max_norm / (norm + 1e-6), None, 1.0))
    return norm

  def adamw(self, hyper: Tensor, params: List[Tensor], grads: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], steps: List[Tensor]) -> Tensor:
    lr, beta1, beta2, weight_decay, eps = annotate(List[float], hyper.tolist())
    torch._foreach_add_(steps, 1)
    torch._fused_adamw_(params, grads, exp_avgs, exp_avg_sqs, annotate(List[Tensor], []), steps, lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)
    return hyper
