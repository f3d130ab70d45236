package ai.molae.djl.hf;

import com.google.gson.JsonElement;
import java.math.BigDecimal;

/** A value of a {@code config.json} with the path of its key, for messages. */
record ConfigValue(String key, JsonElement value) {

    BigDecimal decimal() {
        if (!isNumber(value)) {
            throw mustBe("a number");
        }
        return value.getAsBigDecimal();
    }

    double number() {
        double number = decimal().doubleValue();
        if (!Double.isFinite(number)) {
            throw mustBe("a number in the range of double");
        }
        return number;
    }

    int integer() {
        try {
            return decimal().intValueExact();
        } catch (ArithmeticException e) {
            throw mustBe("an integer of 32 bits");
        }
    }

    boolean bool() {
        if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isBoolean()) {
            throw mustBe("true or false");
        }
        return value.getAsBoolean();
    }

    String string() {
        if (!value.isJsonPrimitive() || !value.getAsJsonPrimitive().isString()) {
            throw mustBe("a text");
        }
        return value.getAsString();
    }

    IllegalArgumentException mustBe(String expected) {
        return new IllegalArgumentException(this + " in config.json must be " + expected);
    }

    /** Equal as numbers or as JSON. */
    static boolean same(JsonElement a, JsonElement b) {
        if (isNumber(a) && isNumber(b)) {
            return a.getAsBigDecimal().compareTo(b.getAsBigDecimal()) == 0;
        }
        return a.equals(b);
    }

    private static boolean isNumber(JsonElement value) {
        return value.isJsonPrimitive() && value.getAsJsonPrimitive().isNumber();
    }

    @Override
    public String toString() {
        String text = value.toString();
        return key + " = " + (text.length() <= 200 ? text : text.substring(0, 200) + "...");
    }
}
