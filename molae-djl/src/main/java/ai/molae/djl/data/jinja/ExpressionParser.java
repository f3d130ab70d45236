package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Compiles expressions, with Jinja's precedences: if-else, or, and, not, comparison, + -, ~, * / // %, **, sign, then what is postfixed. */
final class ExpressionParser {

    private static final Set<String> COMPARISONS = Set.of("==", "!=", "<", "<=", ">", ">=");
    private static final Set<String> KEYWORDS =
            Set.of("and", "or", "not", "in", "is", "if", "else", "for", "recursive");

    private final TokenStream tokens;

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
    }

    /** An expression, or several with commas between them: a tuple. */
    Expression tuple() {
        Expression first = expression();
        if (!tokens.at(Kind.OPERATOR, ",")) {
            return first;
        }
        List<Expression> elements = new ArrayList<>(List.of(first));
        while (tokens.take(Kind.OPERATOR, ",") && !tokens.atEnd() && !tokens.at(Kind.OPERATOR, "=")) {
            elements.add(expression());
        }
        return Expression.list(elements);
    }

    Expression expression() {
        Expression value = or();
        while (tokens.take(Kind.NAME, "if")) {
            Expression then = value;
            Expression condition = or();
            Expression otherwise = tokens.take(Kind.NAME, "else")
                    ? expression()
                    : scope -> new Values.Undefined("an if expression without else");
            value = scope -> Values.isTrue(condition.eval(scope)) ? then.eval(scope) : otherwise.eval(scope);
        }
        return value;
    }

    /** Without if-else, so that the condition of a loop does not swallow it. */
    Expression or() {
        Expression left = and();
        while (tokens.take(Kind.NAME, "or")) {
            Expression a = left;
            Expression b = and();
            left = scope -> {
                Object value = a.eval(scope);
                return Values.isTrue(value) ? value : b.eval(scope);
            };
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (tokens.take(Kind.NAME, "and")) {
            Expression a = left;
            Expression b = not();
            left = scope -> {
                Object value = a.eval(scope);
                return Values.isTrue(value) ? b.eval(scope) : value;
            };
        }
        return left;
    }

    private Expression not() {
        if (tokens.take(Kind.NAME, "not")) {
            Expression value = not();
            return scope -> !Values.isTrue(value.eval(scope));
        }
        return comparison();
    }

    private Expression comparison() {
        Expression first = binary(0);
        List<String> operators = new ArrayList<>();
        List<Expression> operands = new ArrayList<>();
        for (String operator = comparator(); !operator.isEmpty(); operator = comparator()) {
            operators.add(operator);
            operands.add(binary(0));
        }
        if (operators.isEmpty()) {
            return first;
        }
        return scope -> {
            Object left = first.eval(scope);
            for (int i = 0; i < operators.size(); i++) {
                Object right = operands.get(i).eval(scope);
                if (Operators.apply(operators.get(i), left, right, scope.budget())
                        .equals(false)) {
                    return false;
                }
                left = right;
            }
            return true;
        };
    }

    private String comparator() {
        if (tokens.take(Kind.NAME, "in")) {
            return "in";
        }
        if (tokens.at(Kind.NAME, "not") && tokens.following().is(Kind.NAME, "in")) {
            tokens.next();
            tokens.next();
            return "not in";
        }
        boolean found = tokens.peek().kind() == Kind.OPERATOR
                && COMPARISONS.contains(tokens.peek().text());
        return found ? tokens.next().text() : "";
    }

    private static final List<Set<String>> LEVELS =
            List.of(Set.of("+", "-"), Set.of("~"), Set.of("*", "/", "//", "%"), Set.of("**"));

    private Expression binary(int level) {
        if (level == LEVELS.size()) {
            return unary(true);
        }
        Expression left = binary(level + 1);
        while (tokens.peek().kind() == Kind.OPERATOR
                && LEVELS.get(level).contains(tokens.peek().text())) {
            String operator = tokens.next().text();
            Expression a = left;
            Expression b = binary(level + 1);
            left = scope -> Operators.apply(operator, a.eval(scope), b.eval(scope), scope.budget());
        }
        return left;
    }

    private Expression unary(boolean filtered) {
        Expression value;
        if (tokens.take(Kind.OPERATOR, "-")) {
            Expression operand = unary(false);
            value = scope -> Operators.negate(operand.eval(scope));
        } else if (tokens.take(Kind.OPERATOR, "+")) {
            value = unary(false);
        } else {
            value = primary();
        }
        PostfixParser postfix = new PostfixParser(tokens, this);
        value = postfix.members(value);
        return filtered ? postfix.filters(value) : value;
    }

    Expression primary() {
        Token token = tokens.next();
        return switch (token.kind()) {
            case STRING -> string(token);
            case INTEGER -> Expression.constant(integer(token));
            case FLOAT -> Expression.constant(Double.parseDouble(token.text()));
            case NAME -> name(token);
            default -> bracket(token);
        };
    }

    private Expression bracket(Token token) {
        return switch (token.text()) {
            case "(" -> {
                if (tokens.take(Kind.OPERATOR, ")")) {
                    yield Expression.list(List.of());
                }
                Expression first = expression();
                if (tokens.take(Kind.OPERATOR, ")")) {
                    yield first;
                }
                tokens.expect(",");
                List<Expression> elements = new ArrayList<>(List.of(first));
                elements.addAll(elements(")"));
                yield Expression.list(elements);
            }
            case "[" -> Expression.list(elements("]"));
            case "{" -> map();
            default -> throw tokens.unexpected(token, "an expression");
        };
    }

    private static Long integer(Token token) {
        try {
            return Long.valueOf(token.text());
        } catch (NumberFormatException e) {
            throw new JinjaException("the number " + token.text() + " is beyond 64 bits").at(token.line());
        }
    }

    private Expression string(Token first) {
        StringBuilder text = new StringBuilder(first.text());
        while (tokens.peek().kind() == Kind.STRING) {
            text.append(tokens.next().text());
        }
        return Expression.constant(text.toString());
    }

    private Expression name(Token token) {
        return switch (token.text()) {
            case "true", "True" -> Expression.constant(true);
            case "false", "False" -> Expression.constant(false);
            case "none", "None" -> Expression.constant(Values.NONE);
            default -> {
                if (KEYWORDS.contains(token.text())) {
                    throw tokens.unexpected(token, "an expression");
                }
                yield scope -> scope.get(token.text());
            }
        };
    }

    private List<Expression> elements(String end) {
        List<Expression> elements = new ArrayList<>();
        while (!tokens.take(Kind.OPERATOR, end)) {
            elements.add(expression());
            if (!tokens.at(Kind.OPERATOR, end)) {
                tokens.expect(",");
            }
        }
        return elements;
    }

    private Expression map() {
        Map<Expression, Expression> entries = new LinkedHashMap<>();
        while (!tokens.take(Kind.OPERATOR, "}")) {
            Expression key = expression();
            tokens.expect(":");
            entries.put(key, expression());
            if (!tokens.at(Kind.OPERATOR, "}")) {
                tokens.expect(",");
            }
        }
        return scope -> {
            Map<Object, Object> map = new LinkedHashMap<>();
            entries.forEach((key, value) -> map.put(key.eval(scope), value.eval(scope)));
            return map;
        };
    }
}
