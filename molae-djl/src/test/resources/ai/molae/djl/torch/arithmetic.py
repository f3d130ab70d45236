  def divide(self, x: Tensor, ints: Tensor) -> Tensor:
    return x * torch.div(torch.select(ints, 0, 0), torch.select(ints, 0, 1))

  def scale(self, x: Tensor, ints: Tensor) -> Tensor:
    numerator, denominator = annotate(List[int], ints.tolist())
    return x * numerator / denominator

  def sum_and_product(self, x: Tensor, y: Tensor) -> Tuple[Tensor, Tensor]:
    return (x + y, x * y)

  def total(self, x: Tensor, others: List[Tensor]) -> Tensor:
    for other in others:
      x = x + other
    return x
