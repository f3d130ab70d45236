package ai.molae.djl.hf;

import java.lang.reflect.RecordComponent;
import java.util.List;
import java.util.Optional;

/** The first place where two specs differ, by the names of their fields. */
final class Difference {

    private Difference() {}

    /** Such as {@code router.normTopkProb = false (not true)}; {@code a} and {@code b} differ. */
    static String between(Object a, Object b) {
        return between("", a, b);
    }

    private static String between(String path, Object a, Object b) {
        if (a instanceof Optional<?> x && b instanceof Optional<?> y && x.isPresent() && y.isPresent()) {
            return between(path, x.get(), y.get());
        }
        if (a instanceof List<?> x && b instanceof List<?> y && x.size() == y.size()) {
            for (int i = 0; i < x.size(); i++) {
                if (!x.get(i).equals(y.get(i))) {
                    return between(path + "[" + i + "]", x.get(i), y.get(i));
                }
            }
        }
        if (a.getClass().equals(b.getClass()) && a.getClass().isRecord()) {
            for (RecordComponent component : a.getClass().getRecordComponents()) {
                Object x = value(component, a);
                Object y = value(component, b);
                if (!x.equals(y)) {
                    return between(path.isEmpty() ? component.getName() : path + "." + component.getName(), x, y);
                }
            }
        }
        return path + " = " + a + " (but " + b + ")";
    }

    private static Object value(RecordComponent component, Object object) {
        try {
            return component.getAccessor().invoke(object);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot read " + component, e);
        }
    }
}
