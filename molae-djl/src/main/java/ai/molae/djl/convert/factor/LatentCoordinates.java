package ai.molae.djl.convert.factor;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.molae.djl.torch.NoGrad;

/**
 * A factored matrix {@code W = A B} in an orthonormal basis of its latent space, where it has r columns in the place of n and the same singular values:
 *
 * <pre>
 *   B Bᵀ = V Λ Vᵀ,   S = V √Λ,   W Wᵀ = A B Bᵀ Aᵀ = (A S) (A S)ᵀ
 * </pre>
 */
public final class LatentCoordinates {

    private LatentCoordinates() {}

    /**
     * The change of basis of a projection, which may have a lower rank than r.
     *
     * @param manager will own the result
     * @param projection B {@code [r, n]}, float32
     * @return S {@code [r, r]}, float64
     */
    public static NDArray of(NDManager manager, NDArray projection) {
        try (NDManager scope = manager.newSubManager();
                NoGrad noGrad = new NoGrad()) {
            NDArray b = projection.toType(DataType.FLOAT64, true);
            b.attach(scope);
            try (NDList eigen = LinearAlgebra.call("eigen", b.matMul(b.transpose()))) {
                eigen.attach(scope);
                // Rounding may leave eigenvalues a little below zero.
                NDArray lengths = eigen.get(0).maximum(0).sqrt();
                NDArray basis =
                        eigen.get(1).mul(lengths.reshape(-1, 1)).transpose().duplicate();
                basis.attach(manager);
                return basis;
            }
        }
    }
}
