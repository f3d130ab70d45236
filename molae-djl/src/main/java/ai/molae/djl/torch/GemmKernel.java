package ai.molae.djl.torch;

/** Who multiplies matrices inside libtorch. Which is fastest depends on the CPU; {@link Gemm} measures and chooses. */
public enum GemmKernel {
    /** {@code torch.matmul}: MKL or another BLAS on a CPU (oneDNN for bfloat16), cuBLAS on a GPU. Any precision, any device. */
    MATMUL,
    /** oneDNN's products: float32 in training; weights in oneDNN's own blocked layout for inference. CPU. */
    ONEDNN,
    /** FBGEMM's products with float16 or int8 weights, for inference. x86-64 CPU. */
    FBGEMM
}
