package ai.molae.reference;

/** A {@code [rows, columns]} view of part of a flat row-major array; writing through it changes the array. */
@SuppressWarnings("ArrayRecordComponent") // a view: it must hold the array, and is never compared
record Matrix(double[] values, int offset, int rows, int columns) {

    /** {@code W x}. */
    double[] times(double[] x) {
        double[] product = new double[rows];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                product[row] += values[offset + row * columns + column] * x[column];
            }
        }
        return product;
    }

    /** {@code Wᵀ g}. */
    double[] transposedTimes(double[] g) {
        double[] product = new double[columns];
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                product[column] += values[offset + row * columns + column] * g[row];
            }
        }
        return product;
    }

    /** {@code W += g xᵀ}, the gradient of a weight from those of its output and its input. */
    void addOuter(double[] g, double[] x) {
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                values[offset + row * columns + column] += g[row] * x[column];
            }
        }
    }

    /** {@code y += a x}. */
    static void addScaled(double a, double[] x, double[] y) {
        for (int i = 0; i < y.length; i++) {
            y[i] += a * x[i];
        }
    }

    static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
