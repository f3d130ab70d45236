  # What the operations of layers share; stands before every other TorchScript resource. `matrices`, `scales`, `packed` and `plain`
  # hold the weights that blocks have packed for inference (class PackedWeights), by the number of the block's weights.
  #
  # How products are computed travels as one number `gemm` (class Gemm): bits 0-3 the element type of activations (6 float32, 15
  # bfloat16, 5 float16), bits 4-7 the kernel (0 matmul, 1 matmul or oneDNN by the number of rows, 2 oneDNN packed, 3 FBGEMM float16, 4 FBGEMM
  # int8, 5 matmul with int8 weights), and for kernel 1 the classes of row counts that use oneDNN: from bit 8 on where autograd records, from
  # bit 16 on where it does not; bit 24: matrices of any size. Bit 25: the list of M matrices goes on with the adapters (LoRA) of parameters: their
  # factor s [], then A [r, a] of each, then B [b, r] of each, without elements where there is none. From bit 32 on: the number of the packed weights that are meant.

  # Every new number of rows costs oneDNN a compilation, and experts get another number in every step. So rows are filled up to few different
  # numbers, of which there are 16 from one power of two to the next; at most 3 % are in vain.
  def filled(self, rows: int) -> int:
    step = 1
    while step * 32 < rows:
      step = step * 2
    return (rows + step - 1) // step * step

  # x [rows, a] with rows of zeros up to such a number, and back again; neither copies where there is nothing to do.
  def filled_up(self, x: Tensor) -> Tensor:
    more = self.filled(x.size(0)) - x.size(0)
    if more == 0:
      return x
    return torch.constant_pad_nd(x, [0, 0, 0, more], 0)

  def first_rows(self, y: Tensor, rows: int) -> Tensor:
    if y.size(0) == rows:
      return y
    return torch.narrow(y, 0, 0, rows)

  # Whether products of this kind gain by filled rows.
  def fills(self, gemm: int, on_cpu: bool) -> bool:
    return on_cpu and ((gemm & 15) == 15 or ((gemm >> 4) & 15) in [1, 2])

  # Whether oneDNN multiplies so many rows with a matrix of so many elements, by the classes of rows from `bit` on: up to 4, 16, 64, 256,
  # more. Not where matrix and product are smaller than what Gemm measured, because what a call costs before it multiplies weighs more there, unless
  # bit 24 says so.
  def by_onednn(self, rows: int, elements: int, gemm: int, bit: int) -> bool:
    if ((gemm >> 4) & 15) != 1 or rows == 0:
      return False
    if elements < 131072 and rows * elements < 20000000 and ((gemm >> 24) & 1) == 0:
      return False
    size_class = 0
    while size_class < 4 and rows > (4 << (2 * size_class)):
      size_class = size_class + 1
    return ((gemm >> (bit + size_class)) & 1) == 1

  # a b, a [r, k], b [k, c], without autograd
  def multiply(self, a: Tensor, b: Tensor, gemm: int) -> Tensor:
    if not a.is_cuda and self.by_onednn(a.size(0), b.numel(), gemm, 16):
      return ops.mkldnn._linear_pointwise(a, b.t(), None, "none", annotate(List[Optional[number]], []), "")
    return torch.matmul(a, b)

  # y = x wT, x [..., a], w [b, a] of any floating type; the one seam for products that autograd may record
  def linear(self, x: Tensor, w: Tensor, gemm: int) -> Tensor:
    x = x.to(gemm & 15)
    w = w.to(gemm & 15)
    rows = x.numel() // x.size(-1)
    onednn = torch.is_grad_enabled() and self.by_onednn(rows, w.numel(), gemm, 8)
    if not onednn and (torch.is_grad_enabled() or x.is_cuda) and (gemm & 15) != 15:
      return torch.matmul(x, w.t())
    flat = x.reshape([rows, x.size(-1)])
    if self.fills(gemm, not x.is_cuda):
      flat = self.filled_up(flat)
    if onednn:
      y = torch.to_dense(torch.mkldnn_linear(torch.to_mkldnn(flat, None), w, None), None, masked_grad=None)
    elif torch.is_grad_enabled():
      y = torch.matmul(flat, w.t())
    else:
      y = self.multiply(flat, w.t(), gemm)
    return self.first_rows(y, rows).reshape(x.size()[0:-1] + [w.size(0)])

  # Whether the i-th matrix of a list has an adapter.
  def has_adapter(self, ws: List[Tensor], i: int, gemm: int) -> bool:
    return ((gemm >> 25) & 1) == 1 and ws[len(ws) // 3 + 1 + i].numel() > 0

  # A, B and s of a matrix that has one.
  def adapter(self, ws: List[Tensor], i: int) -> Tuple[Tensor, Tensor, Tensor]:
    M = len(ws) // 3
    return (ws[M + 1 + i], ws[2 * M + 1 + i], ws[M])

  # y = x wT, with s (x AT) BT added if the i-th matrix of the list, which is w, has an adapter; B A is never made.
  def adapted(self, y: Tensor, x: Tensor, ws: List[Tensor], i: int, gemm: int) -> Tensor:
    if not self.has_adapter(ws, i, gemm):
      return y
    a, b, s = self.adapter(ws, i)
    return y + self.linear(self.linear(x, a, gemm) * s, b, gemm)

  # y = x wT for the i-th matrix of a list or, for kernels that have them, of packed weights; x [rows, a]
  def product(self, x: Tensor, ws: List[Tensor], i: int, gemm: int) -> Tensor:
    kernel = (gemm >> 4) & 15
    if kernel <= 1:
      if ((gemm >> 25) & 1) == 0:
        return self.linear(x, ws[i], gemm)
      x = x.to(gemm & 15)
      return self.adapted(self.linear(x, ws[i], gemm), x, ws, i, gemm)
    elif kernel == 2:
      x = x.to(gemm & 15)
      y = ops.mkldnn._linear_pointwise(self.filled_up(x), ws[i], None, "none", annotate(List[Optional[number]], []), "")
      return self.first_rows(y, x.size(0))
    elif kernel == 3:
      return ops.quantized.linear_dynamic_fp16(x.to(6), self.packed[gemm >> 32][i])
    elif kernel == 4:
      # Rows are scaled by themselves, so that a token's result does not depend on the others.
      x = x.to(6)
      s = torch.clamp_min(torch.amax(torch.abs(x), [1], True), 1e-30)
      y = ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(torch.div(x, s), 1.0 / 127.0, 128, self.packed[gemm >> 32][i])
      return torch.mul(y, s)
    else:
      dtype = gemm & 15
      return torch.matmul(x.to(dtype), ws[i].to(dtype).t()) * self.scales[gemm >> 32][i]

  # The scale [rows] by which each row of w fits into int8. Makes no array of the size of w: between weights that stay, the holes such arrays
  # leave are too small for the next one.
  def row_scales(self, w: Tensor) -> Tensor:
    least, greatest = torch.aminmax(w, dim=1)
    return torch.clamp_min(torch.maximum(torch.neg(least), greatest), 1e-30) / 127.0

  # Makes room for packed weights of a new number, which no other call may see at the same time.
  def open_weights(self, x: Tensor) -> Tensor:
    number, = annotate(List[int], x.tolist())
    self.matrices[number] = annotate(List[Tensor], [])
    self.scales[number] = annotate(List[Tensor], [])
    self.plain[number] = annotate(List[Tensor], [])
    self.packed[number] = annotate(List[__torch__.torch.classes.quantized.LinearPackedParamsBase], [])
    return torch.zeros([0])

  # Forgets packed weights, which no other call may see at the same time.
  def free_weights(self, x: Tensor) -> Tensor:
    number, = annotate(List[int], x.tolist())
    self.matrices.pop(number)
    self.scales.pop(number)
    self.plain.pop(number)
    self.packed.pop(number)
    return torch.zeros([0])

  # Adds the matrices of w [N, b, a] to packed weights. Int8 weights have one scale per output channel.
  def pack(self, w: Tensor, ints: Tensor) -> Tensor:
    gemm, storage = annotate(List[int], ints.tolist())
    kernel = (gemm >> 4) & 15
    number = gemm >> 32
    for matrix in torch.unbind(w, 0):
      if kernel == 2:
        self.matrices[number].append(ops.mkldnn._reorder_linear_weight(matrix.to(storage), 64))
      elif kernel == 3:
        self.packed[number].append(ops.quantized.linear_prepack_fp16(matrix, None))
      elif storage == 1:
        s = self.row_scales(matrix)
        zeros = torch.zeros([matrix.size(0)], dtype=4, layout=None, device=matrix.device)
        rounded = torch.quantize_per_channel(matrix, s.to(7), zeros, 0, 12)
        if kernel == 4:
          self.packed[number].append(ops.quantized.linear_prepack(rounded, None))
        else:
          self.matrices[number].append(torch.int_repr(rounded))
          self.scales[number].append(s.to(gemm & 15))
      else:
        self.matrices[number].append(matrix.to(storage, copy=True))
    return torch.zeros([0], dtype=6, layout=None, device=w.device)

  # Adds a tensor to packed weights as it is, but in the element type of activations.
  def keep(self, w: Tensor, ints: Tensor) -> Tensor:
    gemm, storage = annotate(List[int], ints.tolist())
    self.plain[gemm >> 32].append(w.to(gemm & 15, copy=True))
    return torch.zeros([0], dtype=6, layout=None, device=w.device)

  # Writes rows [r, n] into the table [V, n] of packed weights from row `at` on, which the first call makes. Int8 rows have one scale each.
  def fill_table(self, rows: Tensor, ints: Tensor) -> Tensor:
    gemm, storage, V, at = annotate(List[int], ints.tolist())
    plain = self.plain[gemm >> 32]
    if at == 0:
      plain.append(torch.empty([V, rows.size(1)], dtype=storage, layout=None, device=rows.device))
      plain.append(torch.ones([V * int(storage == 1), 1], dtype=6, layout=None, device=rows.device))
    if storage == 1:
      s = self.row_scales(rows).unsqueeze(1)
      torch.copy_(torch.narrow(plain[-1], 0, at, rows.size(0)), s)
      rows = torch.round(rows / s)
    torch.copy_(torch.narrow(plain[-2], 0, at, rows.size(0)), rows)
    return torch.zeros([0], dtype=6, layout=None, device=rows.device)

  # ids [...] -> rows of the table of packed weights, which is the last, [..., n] float32
  def look_up(self, ids: Tensor, gemm: int) -> Tensor:
    plain = self.plain[gemm >> 32]
    flat = ids.reshape([-1])
    rows = plain[-2].index_select(0, flat).to(6)
    if plain[-1].numel() > 0:
      rows = rows * plain[-1].index_select(0, flat)
    return rows.reshape(ids.size() + [rows.size(1)])

  # Writes values into the elements of w from number `at` on.
  def assign(self, values: Tensor, w: Tensor, ints: Tensor) -> Tensor:
    at, = annotate(List[int], ints.tolist())
    torch.copy_(torch.narrow(w.detach().reshape([-1]), 0, at, values.numel()), values.reshape([-1]))
    return torch.zeros([0], dtype=6, layout=None, device=w.device)

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

  # The gradient of activate's argument x, given that of its result.
  def activate_backward(self, g: Tensor, x: Tensor, activation: int) -> Tensor:
    if activation == 0:
      return torch.silu_backward(g, x)
    elif activation == 1:
      return torch.gelu_backward(g, x)
    elif activation == 2:
      return torch.gelu_backward(g, x, approximate="tanh")
    elif activation == 3:
      return torch.threshold_backward(g, x, 0)
    else:
      return torch.relu(x) * 2.0 * g

  # What down reads: up [..., 2 m] (gated, gate columns first) or [..., m] -> [..., m]
  def hidden(self, up: Tensor, activation: int, gated: int) -> Tensor:
    if gated == 0:
      return self.activate(up, activation)
    a, b = torch.chunk(up, 2, -1)
    if torch.is_grad_enabled():
      return self.activate(a, activation) * b
    return self.activate(a, activation).mul_(b)

  # x [T, n], two matrices from i on: up [2 m, n] (gated, gate rows first) or [m, n], down [n, m] -> [T, n] float32
  def feed_forward(self, x: Tensor, ws: List[Tensor], i: int, activation: int, gated: int, gemm: int) -> Tensor:
    h = self.hidden(self.product(x, ws, i, gemm), activation, gated)
    return self.product(h, ws, i + 1, gemm).to(6)
