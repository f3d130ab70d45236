  # Embedding, head and dense networks packed for inference. Letters as in lm.py.

  # The same with the packed table of this module.
  def prepared_embed(self, tokens: Tensor, w: Tensor) -> Tensor:
    return self.look_up(tokens)

  # The same with the first packed matrix of this module.
  def prepared_project(self, x: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    gemm, = annotate(List[int], ints.tolist())
    y = self.product(x.reshape([-1, x.size(-1)]), self.matrices, 0, gemm).to(6)
    return y.reshape(x.size()[0:-1] + [y.size(1)])

  # The same with the packed weights of this module.
  def prepared_dense(self, x: Tensor, up: Tensor, down: Tensor, ints: Tensor) -> Tensor:
    activation, gemm, gated = annotate(List[int], ints.tolist())
    return self.feed_forward(x.reshape([-1, x.size(-1)]), self.matrices, 0, activation, gated, gemm).reshape(x.size())
