package ai.molae.djl.data.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Arithmetic, comparison and membership, as Python has them. */
final class Operators {

    private Operators() {}

    static Object apply(String operator, Object left, Object right, Budget budget) {
        budget.spend(2);
        return switch (operator) {
            case "+" -> add(left, right, budget);
            case "-", "/", "//", "%", "**" -> arithmetic(operator, left, right);
            case "*" -> multiply(left, right, budget);
            case "~" -> Values.text(left, budget) + Values.text(right, budget);
            case "==" -> equal(left, right, budget);
            case "!=" -> !equal(left, right, budget);
            case "<" -> compare(left, right, budget) < 0;
            case "<=" -> compare(left, right, budget) <= 0;
            case ">" -> compare(left, right, budget) > 0;
            case ">=" -> compare(left, right, budget) >= 0;
            case "in" -> contains(right, left, budget);
            case "not in" -> !contains(right, left, budget);
            default -> throw new IllegalStateException(operator);
        };
    }

    private static Object add(Object left, Object right, Budget budget) {
        budget.spend(Values.size(left) + Values.size(right));
        if (left instanceof String a && right instanceof String b) {
            return a + b;
        }
        if (left instanceof List<?> a && right instanceof List<?> b) {
            List<Object> both = new ArrayList<>(a);
            both.addAll(b);
            return both;
        }
        return arithmetic("+", left, right);
    }

    private static Object multiply(Object left, Object right, Budget budget) {
        if (left instanceof Long && !(right instanceof Long) && !(right instanceof Double)) {
            return multiply(right, left, budget);
        }
        if (right instanceof Long number && (left instanceof String || left instanceof List)) {
            long times = Math.max(0, Math.min(number, Integer.MAX_VALUE));
            budget.spend(Values.size(left) * times);
            if (left instanceof String text) {
                return text.repeat((int) times);
            }
            List<Object> repeated = new ArrayList<>();
            for (long i = 0; i < times; i++) {
                repeated.addAll((List<?>) left);
            }
            return repeated;
        }
        return arithmetic("*", left, right);
    }

    private static Object arithmetic(String operator, Object left, Object right) {
        if (!Values.isNumber(left) || !Values.isNumber(right)) {
            throw fault("'" + operator + "' does not work on ", left, right);
        }
        double a = Values.number(left);
        double b = Values.number(right);
        if (b == 0 && (operator.equals("/") || operator.equals("//") || operator.equals("%"))) {
            throw new JinjaException("division by zero");
        }
        if (left instanceof Double || right instanceof Double || operator.equals("/")) {
            return switch (operator) {
                case "+" -> a + b;
                case "-" -> a - b;
                case "*" -> a * b;
                case "/" -> a / b;
                case "//" -> Math.floor(a / b);
                case "%" -> a - Math.floor(a / b) * b;
                default -> Math.pow(a, b);
            };
        }
        long x = Values.integer(left);
        long y = Values.integer(right);
        try {
            return switch (operator) {
                case "+" -> Math.addExact(x, y);
                case "-" -> Math.subtractExact(x, y);
                case "*" -> Math.multiplyExact(x, y);
                case "//" -> Math.floorDiv(x, y);
                case "%" -> Math.floorMod(x, y);
                default -> power(x, y);
            };
        } catch (ArithmeticException e) {
            throw new JinjaException(x + " " + operator + " " + y + " is beyond 64 bits");
        }
    }

    private static Object power(long base, long exponent) {
        if (exponent < 0) {
            return Math.pow((double) base, (double) exponent);
        }
        return BigInteger.valueOf(base)
                .pow((int) Math.min(exponent, base >= -1 && base <= 1 ? 2 + exponent % 2 : 64))
                .longValueExact();
    }

    static Object negate(Object value) {
        return value instanceof Double number ? -number : arithmetic("-", 0L, value);
    }

    static boolean equal(Object left, Object right, Budget budget) {
        budget.spend(1);
        if (left instanceof Values.Undefined || right instanceof Values.Undefined) {
            return left instanceof Values.Undefined && right instanceof Values.Undefined;
        }
        if (Values.isNumber(left) && Values.isNumber(right)) {
            return left.equals(right) || Values.number(left) == Values.number(right);
        }
        if (left instanceof List<?> a && right instanceof List<?> b) {
            boolean equal = a.size() == b.size();
            Iterator<?> other = b.iterator();
            for (Iterator<?> one = a.iterator(); equal && one.hasNext(); ) {
                equal = equal(one.next(), other.next(), budget);
            }
            return equal;
        }
        if (left instanceof Map<?, ?> a && right instanceof Map<?, ?> b) {
            boolean equal = a.size() == b.size();
            for (Iterator<?> keys = a.keySet().iterator(); equal && keys.hasNext(); ) {
                Object key = keys.next();
                Object one = a.get(key);
                Object other = b.get(key);
                equal = one != null && other != null && equal(one, other, budget);
            }
            return equal;
        }
        budget.spend(Math.min(Values.size(left), Values.size(right)));
        return left.equals(right);
    }

    static int compare(Object left, Object right, Budget budget) {
        budget.spend(1);
        if (Values.isNumber(left) && Values.isNumber(right)) {
            return Double.compare(Values.number(left), Values.number(right));
        }
        if (left instanceof String a && right instanceof String b) {
            budget.spend(Math.min(a.length(), b.length()));
            return a.compareTo(b);
        }
        if (left instanceof List<?> a && right instanceof List<?> b) {
            for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
                if (!equal(a.get(i), b.get(i), budget)) {
                    return compare(a.get(i), b.get(i), budget);
                }
            }
            return Integer.compare(a.size(), b.size());
        }
        throw fault("there is no order between ", left, right);
    }

    private static JinjaException fault(String what, Object left, Object right) {
        if (left instanceof Values.Undefined || right instanceof Values.Undefined) {
            return Values.fault(what, left instanceof Values.Undefined ? left : right);
        }
        return new JinjaException(what + Values.type(left) + " and " + Values.type(right));
    }

    static List<Object> sort(List<Object> values, Budget budget) {
        List<Object> sorted = new ArrayList<>(values);
        sorted.sort((a, b) -> compare(a, b, budget));
        return sorted;
    }

    static boolean contains(Object container, Object wanted, Budget budget) {
        if (container instanceof String text) {
            String part = Values.string(wanted);
            budget.search(text, part);
            return text.contains(part);
        }
        if (container instanceof Map<?, ?> map) {
            return map.containsKey(wanted);
        }
        for (Object element : Values.elements(container, budget)) {
            if (equal(element, wanted, budget)) {
                return true;
            }
        }
        return false;
    }
}
